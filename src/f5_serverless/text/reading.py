"""What a language's rules hand back, and the sound-bearing form of a written word.

`read` functions take the displayed words and a position, and return one `Said` for each of the next one or more
words. This module knows no language.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from f5_serverless.text.tokens import Raw


@dataclass(frozen=True, slots=True)
class Said:
    """How one displayed word is read, without its closing marks.

    ``swallow``: how many of the closing marks belong to the word itself (the period of an abbreviation). ``may_end``:
    that period can end the sentence as well ("etc.", never "Dr.").
    """

    text: str
    swallow: int = 0
    may_end: bool = True


Reading: TypeAlias = list[Said]
"""One entry per displayed word read."""
Rule: TypeAlias = Callable[[Sequence[Raw], int], Reading | None]
"""Reads the word at an index and, if it likes, those after it; None: not mine."""

_VULGAR = re.compile("[¼-¾⅐-⅞↉]")
_SUPERSCRIPT = re.compile("[²³¹⁰⁴-⁹]+")
_SQUARED_UNIT = re.compile("(?:[kcdmµ]?m|ft|in|yd|mi|s)$")
_PLAIN = str.maketrans(
    {
        "™": "",
        "®": "",
        "©": "",
        "℠": "",
        "\u200c": "",
        "\u200d": "",
        "\u200e": "",
        "\u200f": "",
        "\u061c": "",
        "’": "'",
        "‘": "'",
        "ʼ": "'",
        "＇": "'",
        "`": "'",
        "´": "'",
        "−": "-",
        "‐": "-",
        "‑": "-",
        "‒": "–",
        "⁄": "/",
        "∕": "/",
        "㎞": "km",
        "º": "º",
        "ª": "ª",
        "·": "·",
        "：": ":",
    }
)


def sounding(text: str) -> str:
    """The compatibility form of ``text`` (NFKC), with plain apostrophes, hyphens and ASCII digits.

    >>> sounding("ｆｕｌｌ ½ don’t ٣ m²")
    "full 1/2 don't 3 m2"
    """
    if text.isascii():
        return text
    text = _SUPERSCRIPT.sub(_power, _VULGAR.sub(_fraction, text)).translate(_PLAIN)
    kept = text.replace("º", "\ue000").replace("ª", "\ue001").replace("´", "'")
    kept = unicodedata.normalize("NFKC", kept).replace("\ue000", "º").replace("\ue001", "ª").translate(_PLAIN)
    return "".join(_ascii_digit(character) for character in kept)


def _fraction(match: re.Match[str]) -> str:
    """½ after a digit is a mixed number: a space keeps the digit apart."""
    plain = unicodedata.normalize("NFKC", match.group()).replace("⁄", "/")
    return f" {plain}" if match.start() and match.string[match.start() - 1].isdigit() else plain


def _power(match: re.Match[str]) -> str:
    """m² is a unit, "m2"; x² is a power, "x^2"."""
    digits = unicodedata.normalize("NFKC", match.group())
    return digits if digits in "23" and _SQUARED_UNIT.search(match.string[: match.start()]) else f"^{digits}"


def _ascii_digit(character: str) -> str:
    if character.isascii() or not character.isdigit():
        return character
    return str(unicodedata.digit(character))


def letters_only(text: str) -> str:
    """``text`` without what cannot be said: symbols, emoji, brackets. Apostrophes and hyphens inside words stay.

    >>> letters_only("rock🎸roll's *co-op*")
    "rock roll's co-op"
    """
    if text.isalpha():
        return text
    parts: list[str] = []
    last = len(text) - 1
    for index, character in enumerate(text):
        inside = 0 < index < last and text[index - 1].isalnum() and text[index + 1].isalnum()
        said = character.isalnum() or unicodedata.category(character) in ("Mn", "Mc") or (inside and character in "'-")
        parts.append(character if said else " ")
    return " ".join("".join(parts).split())
