"""German, French, Spanish, Italian, Portuguese: fractions, centuries, gender of what is often counted. Tables only."""

from __future__ import annotations

from f5_serverless.text.wordlists import word_set

FRACTIONS: dict[str, dict[int, tuple[str, str]]] = {
    "de": {2: ("halb", "halbe"), 3: ("Drittel", "Drittel"), 4: ("Viertel", "Viertel"), 5: ("Fünftel", "Fünftel")}
    | {8: ("Achtel", "Achtel"), 10: ("Zehntel", "Zehntel"), 100: ("Hundertstel", "Hundertstel")},
    "fr": {2: ("demi", "demis"), 3: ("tiers", "tiers"), 4: ("quart", "quarts")},
    "es": {2: ("medio", "medios"), 3: ("tercio", "tercios"), 4: ("cuarto", "cuartos")},
    "it": {2: ("mezzo", "mezzi"), 3: ("terzo", "terzi"), 4: ("quarto", "quarti")},
    "pt": {2: ("meio", "meios"), 3: ("terço", "terços"), 4: ("quarto", "quartos")},
}
PER_MILLE = {"de": "Promille", "fr": "pour mille", "es": "por mil", "it": "per mille", "pt": "por mil"}
OVER = {"de": "durch", "fr": "sur", "es": "sobre", "it": "su", "pt": "sobre"}
FULL_STOP = {"de": "Punkt", "fr": "point", "es": "punto", "it": "punto", "pt": "ponto"}
PLUS = {"de": "plus", "fr": "plus", "es": "más", "it": "più", "pt": "mais"}
CENTURY = {"fr": "siècle siècles", "it": "secolo secoli", "es": "siglo siglos", "pt": "século séculos", "de": ""}
GERMAN_WEAK = frozenset(
    [
        "am",
        "vom",
        "zum",
        "beim",
        "im",
        "den",
        "dem",
        "des",
        "einem",
        "einen",
        "ihrem",
        "ihren",
        "seinem",
        "seinen",
        "diesem",
        "diesen",
        "bis",
        "ab",
        "seit",
    ]
)
GERMAN_ARTICLE = frozenset(["der", "die", "das", "diese", "dieser", "dieses", "jede", "jeder", "jedes"])

FEMININE = {
    "de": word_set(
        "Stunde Minute Sekunde Woche Person Seite Nacht Frau Stadt Frage Tonne Stimme Aufgabe Flasche Tasse Katze"
    ),
    "fr": word_set(
        "heure heures minute minutes seconde secondes personne personnes fois année années semaine semaines livre "
        "livres page "
        "pages place places fille filles femme femmes voiture voitures maison maisons journée journées nuit nuits "
        "ville villes "
        "question questions bouteille bouteilles tasse tasses"
    ),
}
"""Frequent feminine nouns where the ending does not tell."""
MASCULINE_IN_A = word_set(
    "día días dia dias problema problemas programa programas sistema sistemas tema temas mapa mapas planeta "
    "planetas idioma "
    "idiomas clima climas drama dramas esquema esquemas diploma diplomas kilograma kilogramas grama gramas poeta "
    "poetas "
    "problemi temi gorila gorilas quilograma quilogramas"
)
"""Spanish, Italian, Portuguese: nouns in -a that are masculine."""
NOT_NOUNS = word_set(
    "de del a en por para con es e y o u que se la las el los un una más menos da do das dos em na no nas nos com "
    "é mais menos "
    "di del della in per con è ed che si il lo le gli più meno al alla era eran sono ha han hanno und oder von "
    "bis mal et ou à "
    "sur est sont plus puis après mas pero entre contra hasta como"
)
"""Words after a number that are not what is counted."""

RATIO = {"de": "zu", "fr": "à", "es": "a", "it": "a", "pt": "a"}
ADDRESS_SIGNS = {
    "de": {"/": "Schrägstrich", "-": "Strich", "_": "Unterstrich"},
    "fr": {"/": "barre oblique", "-": "tiret", "_": "tiret bas"},
    "es": {"/": "barra", "-": "guion", "_": "guion bajo"},
    "it": {"/": "barra", "-": "trattino", "_": "trattino basso"},
    "pt": {"/": "barra", "-": "hífen", "_": "sublinhado"},
}
NUMBERED_PARTS = word_set(
    "Kapitel Band Teil Akt Szene Abschnitt Tafel Chapitre chapitre "
    "Tome tome Partie partie Acte acte Scène Capítulo capítulo "
    "Tomo tomo Parte parte Acto acto Escena Capitolo capitolo Atto atto Scena Ato ato Cena Volume volume Artikel"
)
"""Words after which a Roman numeral counts."""
