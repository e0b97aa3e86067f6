"""Compares what should be said with what a recogniser wrote, word by word, and forgives spelling but not speech.

In: two texts or word lists. Out: a list of `Step`, which together walk through both. A recogniser writes "45" for
"forty-five", "harbor" for "harbour", "everyone" for "every one" and "Cowelkzick" for a name it never met; none of
these is a fault of the voice. So numbers are spelled out, and words are compared by an approximate sound, alone and
in pairs. Pure functions on text; no audio, no models.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

SAME, REPLACED, MISSING, INSERTED = "same", "replaced", "missing", "inserted"
CLOSE, CLOSE_MERGED = 0.4, 0.15  # sound distance up to which two words count as one; where one is written as two
GAP_COST, SHORT_GAP_COST = 1.0, 0.8  # a missing or inserted word; one of up to three letters
REPLACE_COST = 1.6  # just under one missing and one inserted word
NUMBER_LANGUAGES = frozenset("en de fr es it pt nl pl ru uk cs sv da no fi tr ro hu".split())  # noqa: SIM905

_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*|\d+(?:[.,:]\d+)*(?:st|nd|rd|th)?|[$€£%]")
_HAN = re.compile(r"([぀-ヿ㐀-鿿豈-﫿])")
_CURRENCY = {"$": "dollars", "€": "euros", "£": "pounds"}
_SHORT = {
    "en": {"mr": "mister", "mrs": "missus", "dr": "doctor", "prof": "professor", "ok": "okay", "vs": "versus"},
    "de": {"dr": "doktor", "hr": "herr", "fr": "frau", "nr": "nummer"},
    "fr": {"m": "monsieur", "mme": "madame", "dr": "docteur"},
    "es": {"sr": "señor", "sra": "señora", "dr": "doctor"},
}  # what a recogniser writes short although it is said in full
_MONTHS = frozenset(
    "january february march april may june july august september october november december".split()  # noqa: SIM905
)
_SOUND_RULES = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"[^\w]", ""),
        (r"(?<=[a-z])e(?=$)", ""),
        (r"(?<=[a-z])ed$", "d"),
        (r"^(kn|gn|pn)", "n"),
        (r"^wr", "r"),
        (r"^wh", "w"),
        (r"ight|ite\b", "It"),
        (r"ough|augh", "O"),
        (r"gh", ""),
        (r"ph", "f"),
        (r"[cst]ious|[cst]eous", "Sas"),
        (r"(?<=[a-z])[cst]ion", "San"),
        (r"tch|ch", "C"),
        (r"sch|sh", "S"),
        (r"th", "T"),
        (r"dg|j", "J"),
        (r"g(?=[eiy])", "J"),
        (r"ck|qu?|c(?![eiy])", "k"),
        (r"c", "s"),
        (r"x", "ks"),
        (r"z", "s"),
        (r"(?<!^)h", ""),
        (r"v\b", "f"),
        (r"[aeiouyIO]+r\b", "R"),
        (r"[aeiouyIOw]*[aeiouyIO]+w?", "a"),
        (r"(.)\1+", r"\1"),
    )
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step through both texts: ``kind``; words ``first`` to ``last`` of the expected ones, and the heard ones."""

    kind: str
    first: int
    last: int
    heard_first: int
    heard_last: int


def fold(text: str, language: str = "en") -> list[str]:
    """The words of ``text`` without case, punctuation, hyphens and digits.

    >>> fold("The “forty-five” cents — don't!")
    ['the', 'forty', 'five', 'cents', "don't"]
    >>> fold("It cost $45.50 in 1969.")
    ['it', 'cost', 'forty', 'five', 'dollars', 'and', 'fifty', 'cents', 'in', 'nineteen', 'sixty', 'nine']
    >>> fold("on 3 March")
    ['on', 'the', 'third', 'of', 'march']
    """
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'").replace("-", " ")
    plain = re.sub(r"(?<=\d),(?=\d{3})", "", _HAN.sub(r" \1 ", plain))
    tokens = _TOKEN.findall(plain)
    words: list[str] = []
    index = 0
    while index < len(tokens):
        token = tokens[index]
        if token in _CURRENCY and index + 1 < len(tokens) and tokens[index + 1][0].isdigit():
            words += _amount(tokens[index + 1], _CURRENCY[token], language)
            index += 2
            continue
        if token[0].isdigit():
            words += _day(tokens, index) if language == "en" and _is_day(token) else _number(token, language)
        elif token == "%":
            words.append("percent")
        elif token not in _CURRENCY:
            words.append(_SHORT.get(language, {}).get(token, token))
        index += 1
    return words


def _is_day(token: str) -> bool:
    return token.isdigit() and len(token) <= 2 and 1 <= int(token) <= 31


def _day(tokens: Sequence[str], index: int) -> list[str]:
    """A small number as a day where a month stands beside it: "3 March" is said "the third of March"."""
    ordinal = _number(tokens[index] + "th", "en")
    if index + 1 < len(tokens) and tokens[index + 1] in _MONTHS:
        return ["the", *ordinal, "of"]
    if index and tokens[index - 1] in _MONTHS:
        return ordinal
    return _number(tokens[index], "en")


def _amount(number: str, unit: str, language: str) -> list[str]:
    whole, _, part = number.partition(".")
    words = [*_number(whole, language), unit]
    return [*words, "and", *_number(part, language), "cents"] if part.strip("0") else words


def _number(token: str, language: str) -> list[str]:
    """``token`` as words, years as years. A language without number words: the digits as they are."""
    from num2words import num2words

    speaks = language if language in NUMBER_LANGUAGES else None
    if speaks is None:
        return [token]
    ordinal = re.fullmatch(r"(\d+)(?:st|nd|rd|th)", token)
    if ordinal:
        said = num2words(int(ordinal[1]), lang=speaks, to="ordinal")
    elif re.fullmatch(r"1[1-9]\d\d|20[1-9]\d", token) and speaks == "en":
        said = num2words(int(token), lang=speaks, to="year")
    elif ":" in token:
        return [word for part in token.split(":") if part.strip("0") for word in _number(part, language)]
    elif re.fullmatch(r"\d+", token) and (len(token) > 15 or (token[0] == "0" and len(token) > 1)):
        return [word for digit in token for word in _number(digit, language)]
    elif re.fullmatch(r"\d+(?:[.,]\d+)?", token):
        said = num2words(float(token.replace(",", ".")) if not token.isdigit() else int(token), lang=speaks)
    else:
        return [word for part in re.findall(r"\d+", token) for word in _number(part, language)]
    return re.findall(r"[^\W\d_]+", said.casefold())


@lru_cache(maxsize=20_000)
def sound(word: str) -> str:
    """An approximate, spelling-tolerant sound of ``word``: consonant classes, vowels as one.

    >>> sound("colour") == sound("color"), sound("theatre") == sound("theater"), sound("grey") == sound("gray")
    (True, True, True)
    """
    stripped = "".join(c for c in unicodedata.normalize("NFKD", word.casefold()) if not unicodedata.combining(c))
    stripped = re.sub(r"tre\b", "ter", stripped)
    for pattern, replacement in _SOUND_RULES:
        stripped = pattern.sub(replacement, stripped)
    return stripped.replace("R", "ar")


@lru_cache(maxsize=50_000)
def distance(one: str, other: str) -> float:
    """How differently two words sound, in [0, 1]; the smaller of the distance by sound and the one by letters."""
    if one == other:
        return 0.0
    first, second = sound(one), sound(other)
    by_sound = _edits(first, second) / max(len(first), len(second), 1)
    by_letters = _edits(one, other) / max(len(one), len(other), 1)
    if not first or not second:
        return by_letters
    return min(by_sound, by_letters)


def _edits(one: str, other: str) -> float:
    """Levenshtein distance; a vowel more or less counts half."""
    row = [0.0]
    for letter in other:
        row.append(row[-1] + _weight(letter))
    for a in one:
        previous, row = row, [row[0] + _weight(a)]
        for index, b in enumerate(other):
            change = 0.0 if a == b else max(_weight(a), _weight(b))
            row.append(min(previous[index] + change, previous[index + 1] + _weight(a), row[index] + _weight(b)))
    return row[-1]


def _weight(letter: str) -> float:
    return 0.5 if letter in "aeiouy'" else 1.0


def compare(expected: Sequence[str], heard: Sequence[str]) -> list[Step]:
    """The cheapest walk through both word lists. Two words may match one ("every one", "everyone").

    >>> [step.kind for step in compare(["the", "old", "door"], ["the", "door"])]
    ['same', 'missing', 'same']
    """
    rows, columns = len(expected), len(heard)
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    came: list[list[Step | None]] = [[None] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows + 1):
        for j in range(columns + 1):
            if i or j:
                best[i][j], came[i][j] = min(
                    ((best[s.first][s.heard_first] + cost, s) for cost, s in _steps(expected, heard, i, j)),
                    key=lambda pair: pair[0],
                )
    steps: list[Step] = []
    i, j = rows, columns
    while i or j:
        step = came[i][j]
        assert step is not None
        steps.append(step)
        i, j = step.first, step.heard_first
    return steps[::-1]


def _steps(expected: Sequence[str], heard: Sequence[str], i: int, j: int) -> list[tuple[float, Step]]:
    """All ways to arrive after ``i`` expected and ``j`` heard words, with their costs."""
    steps: list[tuple[float, Step]] = []
    if i:
        steps.append((_gap(expected[i - 1]), Step(MISSING, i - 1, i, j, j)))
    if j:
        steps.append((_gap(heard[j - 1]), Step(INSERTED, i, i, j - 1, j)))
    for width, heard_width in ((1, 1), (1, 2), (2, 1), (2, 2)):
        if width > i or heard_width > j:
            continue
        one, other = expected[i - width : i], heard[j - heard_width : j]
        merges = (width, heard_width) != (1, 1)
        if merges and set(one) & set(other):  # "was" and "was was": one word more, not one word written as two
            continue
        apart = distance("".join(one), "".join(other))
        step = Step(SAME, i - width, i, j - heard_width, j)
        if apart <= (CLOSE_MERGED if merges else CLOSE):
            steps.append((apart + 0.05 * (width + heard_width - 2), step))
        elif not merges:
            steps.append((REPLACE_COST, Step(REPLACED, i - 1, i, j - 1, j)))
    return steps


def _gap(word: str) -> float:
    return SHORT_GAP_COST if len(word) <= 3 else GAP_COST
