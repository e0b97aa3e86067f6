"""How long a text takes to say, in the tempo of a given recording.

The official code lets the number of UTF-8 bytes decide, which is wrong as soon as the scripts differ (a Chinese
character is three bytes and one syllable). Here the text is counted in syllables or morae by script, each with its
usual length; the recording's tempo is the ratio between its real length and what its own text would usually take.
An estimate: nothing is cut or sped up to fit it. Seconds throughout. No audio is read here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

SYLLABLES_PER_SECOND = {
    "en": 6.2,
    "de": 6.0,
    "fr": 7.2,
    "it": 7.0,
    "es": 7.8,
    "pt": 7.2,
    "nl": 6.2,
    "ja": 7.8,
    "zh": 5.2,
}
"""Usual tempo without pauses: Pellegrino et al. 2011 (doi 10.1353/lan.2011.0057), and neighbours of the same kind."""

OTHER_SYLLABLES_PER_SECOND = 6.5
CLAUSE_PAUSE, SENTENCE_PAUSE = 0.15, 0.35
SHORTEST = 0.35
"""No utterance is given less than this: a single "Yes." needs room for onset and decay."""

TEMPO_LIMITS = (0.5, 2.0)
"""A reference is trusted to be at most twice as fast or as slow as usual; beyond, its text is likely not its own."""

_VOWELS = frozenset("aeiouyæœøıαεηιουωаеёиоуыэюяіїєўәөүұ")
_SILENT_E = re.compile(r"(?<=[^aeiouy])e(?=\b)|(?<=[^aeiouytd])ed\b")
_LETTER = r"(?:[^\W\d_]|[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff\u0e31-\u0e4e])"
_WORD = re.compile(rf"{_LETTER}+(?:['’]{_LETTER}+)*|\d")
_CLAUSE = re.compile(r"[,;:，、；：—–،؛]|(?<=\s)-(?=\s)|…")
_SENTENCE = re.compile(r"[.!?。！？؟।]+(?=\s|$|[^\x00-\x7f])|[。！？।]")
_SMALL_KANA = frozenset("ゃゅょァィゥェォャュョぁぃぅぇぉゎヮ")


@dataclass(frozen=True, slots=True)
class Tempo:
    """How a speaker compares with the usual: 1.2 takes 1.2 times as long. ``language`` of the recording."""

    factor: float = 1.0


def tempo_of(ref_text: str, seconds: float, language: str) -> Tempo:
    """The tempo of a recording of ``ref_text`` that lasts ``seconds`` without the silence at its ends."""
    usual = usual_seconds(ref_text, language)
    if usual <= 0 or seconds <= 0:
        return Tempo()
    low, high = TEMPO_LIMITS
    return Tempo(min(high, max(low, seconds / usual)))


def estimate_seconds(text: str, tempo: Tempo, language: str, speed: float = 1.0) -> float:
    """How long ``text`` will take at this tempo and ``speed``."""
    return max(SHORTEST, usual_seconds(text, language) * tempo.factor) / speed


@lru_cache(maxsize=4096)
def usual_seconds(text: str, language: str = "en") -> float:
    """How long ``text`` usually takes, its inner pauses included and a pause at its end not."""
    text = unicodedata.normalize("NFC", text.strip())
    seconds = sum(_word_seconds(word, language) for word in _WORD.findall(text))
    inner = text.rstrip("".join(c for c in ".!?。！？؟।…,;: \"'”’»"))
    seconds += CLAUSE_PAUSE * len(_CLAUSE.findall(inner)) + SENTENCE_PAUSE * len(_SENTENCE.findall(inner))
    return seconds


def syllables(text: str, language: str = "en") -> float:
    """Syllables (morae in Japanese) of ``text``.

    >>> [syllables(word) for word in ("time", "water", "你好", "テスト")]
    [1.0, 2.0, 2.0, 3.0]
    """
    return sum(count for word in _WORD.findall(text) for _, count in _pieces(word, language))


def _word_seconds(word: str, language: str) -> float:
    return sum(count / rate for rate, count in _pieces(word, language))


def _pieces(word: str, language: str) -> list[tuple[float, float]]:
    """(usual syllables per second, syllables) of each stretch of one script in ``word``."""
    pieces: list[tuple[float, float]] = []
    start = 0
    scripts = [_script(character) for character in word]
    for end in range(1, len(word) + 1):
        if end == len(word) or scripts[end] != scripts[start]:
            count, rate = _SCRIPTS[scripts[start]]
            usual = rate or SYLLABLES_PER_SECOND.get(language.split("-")[0].lower(), OTHER_SYLLABLES_PER_SECOND)
            if scripts[start] == "han" and language.startswith("ja"):
                pieces.append((SYLLABLES_PER_SECOND["ja"], 2.0 * (end - start)))
            else:
                pieces.append((usual, count(word[start:end])))
            start = end
    return pieces


def _script(character: str) -> str:
    code = ord(character)
    for name, first, last in _RANGES:
        if first <= code <= last:
            return name
    return "digit" if character.isdigit() else "alphabet"


def _alphabet(word: str) -> float:
    """Groups of vowels, without a silent e at the end; a word without vowels is spelled out."""
    plain = "".join(c for c in unicodedata.normalize("NFD", word.lower()) if not unicodedata.combining(c))
    trimmed = _SILENT_E.sub("", plain) if plain.isascii() else plain
    groups, inside = 0, False
    for character in trimmed:
        vowel = character in _VOWELS
        groups += vowel and not inside
        inside = vowel
    if groups == 0:
        return 1.0 if any(c in _VOWELS for c in plain) or len(plain) < 3 else float(len(plain))
    return float(groups)


def _kana(word: str) -> float:
    return float(sum(character not in _SMALL_KANA for character in word))


def _abugida(word: str) -> float:
    """Consonant letters carry a vowel unless a sign takes it away; marks are no letters."""
    letters = sum(unicodedata.category(c) == "Lo" for c in word)
    viramas = sum(unicodedata.combining(c) == 9 for c in word)
    return float(max(1, letters - viramas))


def _each(word: str) -> float:
    return float(len(word))


def _abjad(word: str) -> float:
    """Short vowels are not written: about two letters make a syllable."""
    letters = sum(unicodedata.category(c) == "Lo" for c in word)
    return max(1.0, 0.55 * letters)


def _thai(word: str) -> float:
    return max(1.0, 0.45 * sum(unicodedata.category(c) == "Lo" for c in word))


def _digits(word: str) -> float:
    """A digit that nobody spelled out; between "two" and "seventy"."""
    return 1.8 * len(word)


_SCRIPTS: dict[str, tuple[Callable[[str], float], float | None]] = {
    "alphabet": (_alphabet, None),
    "digit": (_digits, None),
    "han": (_each, SYLLABLES_PER_SECOND["zh"]),
    "kana": (_kana, SYLLABLES_PER_SECOND["ja"]),
    "hangul": (_each, 6.5),
    "arabic": (_abjad, 6.2),
    "indic": (_abugida, 7.2),
    "thai": (_thai, 5.0),
}
"""How a script is counted, and its usual tempo; None: that of the language."""

_RANGES = (
    ("arabic", 0x0590, 0x06FF),
    ("indic", 0x0900, 0x0DFF),
    ("thai", 0x0E00, 0x0EFF),
    ("kana", 0x3040, 0x30FF),
    ("han", 0x3400, 0x9FFF),
    ("hangul", 0xAC00, 0xD7AF),
    ("han", 0xF900, 0xFAFF),
    ("han", 0x20000, 0x3FFFF),
)
