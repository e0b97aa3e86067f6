"""What a European language's number rules need to know, and its numbers as words (`num2words`, with grammar added).

In: integers and strings of digits. Out: words. `tables_eu` fills in one `Tongue` for each language; `rules_eu` reads
texts with it. This module looks at no text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Noun:
    """What is counted: a currency or a unit."""

    one: str
    many: str
    feminine: bool = False
    part: str = ""
    """The hundredth of a currency, plural; "" where it is not said."""
    part_one: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Tongue:
    """One language. ``decimal``: its decimal mark. Words are as they are said in running text."""

    code: str
    point: str
    minus: str
    percent: str
    to: str
    months: tuple[str, ...]
    short_months: Mapping[str, str]
    currencies: Mapping[str, Noun]
    units: Mapping[str, Noun]
    magnitudes: Mapping[str, tuple[str, str]]
    """Written large numbers → (one, many): "Mio." → ("Million", "Millionen")."""
    abbreviations: Mapping[str, str]
    """Lower case, with the final period."""
    signs: Mapping[str, str]
    date_of: str = " "
    """Between day, month and year: " de "."""
    cents_after: str = " "
    """Between the currency's name and its hundredths: " con "."""
    names_cents: bool = False
    """Whether the hundredths' name is said when there is a whole amount: "e cinquenta centavos"."""
    of_large: str = ""
    """Between a magnitude and its noun: "deux millions d'euros"."""
    hour: tuple[str, str] = ("", "")
    """After the hours of a clock time, (one, many); "" where none is said."""
    hour_joint: str = " "
    decimals_as_number: bool = True
    """"3,14": "virgule quatorze" (True) or digit by digit (False)."""
    letters: Mapping[str, str] = field(default_factory=dict)


_LANGUAGE = {"pt-br": "pt_BR"}
_LONGEST = 21


@lru_cache(maxsize=20_000)
def cardinal(number: int, code: str) -> str:
    """How many, as a word by itself.

    >>> cardinal(21, "de"), cardinal(80, "fr")
    ('einundzwanzig', 'quatre-vingts')
    """
    from num2words import num2words

    if code in ("de", "fr") and 1000 < number < 1_000_000 and number % 1000:  # many numbers, few parts
        joint = "" if code == "de" else " "
        return f"{cardinal(number // 1000 * 1000, code)}{joint}{cardinal(number % 1000, code)}"
    words = str(num2words(number, lang=_LANGUAGE.get(code, code))).replace(",", "")
    if code == "it":
        words = words.replace("ilione e ", "ilione ").replace("ilioni e ", "ilioni ").replace("iliardo e ", "iliardo ")
        words = words.replace("iliardi e ", "iliardi ")
    return words


@lru_cache(maxsize=20_000)
def counted(number: int, code: str, feminine: bool) -> str:
    """How many of a noun: "ein", "veintiún", "duas".

    >>> counted(1, "de", False), counted(21, "es", False), counted(2, "pt", True)
    ('ein', 'veintiún', 'duas')
    """
    words = cardinal(number, code)
    if code == "de" and words.endswith("eins"):
        return words[:-1] + ("e" if feminine and number == 1 else "")
    if code == "fr" and feminine and words.endswith("un"):
        return words + "e"
    if code == "es":
        if feminine:
            words = words.replace("cientos", "cientas").replace("quinientos", "quinientas")
            return words[:-1] + "a" if words.endswith("uno") else words
        if words.endswith("iuno"):
            return words[:-3] + "ún"
        return words.removesuffix("o") if words.endswith("uno") else words
    if code == "it" and number == 1:
        return "una" if feminine else "un"
    if code.startswith("pt") and feminine:
        return _pt_feminine(words)
    return words


def _pt_feminine(words: str) -> str:
    parts = words.split(" ")
    for index, part in enumerate(parts):
        last = index + 1 == len(parts) or parts[index + 1] in ("e", "mil")
        if part == "um" and (index + 1 == len(parts)):
            parts[index] = "uma"
        elif part == "dois" and last:
            parts[index] = "duas"
        elif part.endswith("entos"):
            parts[index] = part[:-2] + "as"
    return " ".join(parts)


_ES_ORDINALS = {
    1: "primero",
    2: "segundo",
    3: "tercero",
    4: "cuarto",
    5: "quinto",
    6: "sexto",
    7: "séptimo",
    8: "octavo",
    9: "noveno",
    10: "décimo",
    11: "undécimo",
    12: "duodécimo",
}


@lru_cache(maxsize=5_000)
def ordinal(number: int, code: str, feminine: bool = False) -> str:
    """Which one, in the form of a dictionary, or its feminine.

    >>> ordinal(3, "de"), ordinal(1, "fr", True), ordinal(2, "it", True)
    ('dritte', 'première', 'seconda')
    """
    from num2words import num2words

    if code == "es" and number in _ES_ORDINALS:
        words = _ES_ORDINALS[number]
    elif number > 9_999:
        return cardinal(number, code)
    else:
        words = str(num2words(number, lang=_LANGUAGE.get(code, code), to="ordinal"))
    if not feminine:
        return words
    if code == "fr":
        return "première" if number == 1 else words
    if code in ("es", "it") or code.startswith("pt"):
        return " ".join(part[:-1] + "a" if part.endswith("o") else part for part in words.split(" "))
    return words


@lru_cache(maxsize=5_000)
def year(number: int, code: str) -> str:
    """A year: German counts hundreds up to 1999, the others read a number."""
    if code == "de" and 1100 <= number < 2000:
        high, low = divmod(number, 100)
        return f"{cardinal(high, code)}hundert{cardinal(low, code) if low else ''}"
    return cardinal(number, code)


def digits(text: str, code: str) -> str:
    """Digit by digit."""
    return " ".join(cardinal(int(character), code) for character in text if character.isdigit())


def whole(text: str, code: str) -> str:
    """A string of digits as one number; too long, or with a leading zero: digit by digit."""
    if len(text) > _LONGEST or (len(text) > 1 and text[0] == "0"):
        return digits(text, code)
    return cardinal(int(text), code)
