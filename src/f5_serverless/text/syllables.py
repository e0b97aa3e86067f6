"""How long a text takes to say, from its syllables, where an engine has no measure of its own.

In: spoken text of any script. Out: a count of syllables (Latin, Cyrillic, Greek: groups of vowels; Chinese:
characters; kana: morae; Hangul: blocks; Arabic and Hebrew: consonants; Indic, Thai and relatives: letters with their
own vowel), and seconds. A rule of thumb, within some 15 % for prose; no dictionary.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LATIN_VOWELS = "aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýÿāăąēĕėęěīĭįıōŏőœūŭůűųơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ"
_VOWELS = f"{_LATIN_VOWELS}аеёиоуыэюяіїєαεηιουωάέήίόύώϊϋΐΰ"
_RUN = re.compile(
    "(?P<han>[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f])"
    "|(?P<kana>[\u3041-\u3096\u30a1-\u30fa\u30fc\uff66-\uff9d])"
    "|(?P<hangul>[\uac00-\ud7a3])"
    "|(?P<word>[^\\W\\d_]+(?:'[^\\W\\d_]+)*)"
    "|(?P<digit>\\d)"
)
_SMALL_KANA = frozenset("ぁぃぅぇぉゃゅょゎァィゥェォャュョヮ")
_VOWEL_GROUP = re.compile(f"[{_VOWELS}]+")
_SILENT_E = re.compile(r"(?<=[bcdfghjkmnpqrstvwxz])e(?:s|d)?$")
_HIATUS = re.compile(r"(?:ia|io|iu|ua|uo|eo|ïo|yi)(?!n\b|us\b)")
_COMMA, _STOP = 0.15, 0.3
RATES = {
    "en": 4.6,
    "de": 4.7,
    "fr": 5.3,
    "es": 5.8,
    "it": 5.6,
    "pt": 5.3,
    "zh": 4.6,
    "ja": 6.9,
    "ko": 5.6,
    "ru": 5.0,
    "ar": 5.0,
}
"""Syllables (Japanese: morae) a second in read speech."""
_DEFAULT_RATE = 5.0


def count_syllables(text: str) -> int:
    """How many syllables or morae ``text`` has. At least one where anything can be said.

    >>> [count_syllables(t) for t in ("hello world", "painted", "你好世界", "きょうは", "안녕하세요", "42")]
    [3, 2, 4, 3, 5, 3]
    """
    total = 0
    for match in _RUN.finditer(text.lower()):
        kind = match.lastgroup
        if kind == "kana":
            total += match.group() not in _SMALL_KANA
        elif kind == "word":
            total += _in_word(match.group())
        elif kind == "digit":
            total += 2 if match.start() and text[match.start() - 1].isdigit() else 1
        else:
            total += 1
    return total


@lru_cache(maxsize=20_000)
def _in_word(word: str) -> int:
    """Syllables of one word in an alphabet or abugida."""
    first = ord(word[0])
    if 0x0590 <= first <= 0x08FF:  # Hebrew, Arabic: vowels are mostly unwritten, about two letters a syllable
        return max(1, round(len(word) * 0.45))
    if 0x0900 <= first <= 0x109F or 0x1780 <= first <= 0x17FF:  # Indic, Thai, Khmer: a consonant carries a vowel
        letters = sum(unicodedata.category(character) == "Lo" for character in word)
        return max(1, round(letters * (0.75 if first < 0x0E00 else 0.55)))
    plain = word.replace("qu", "kw")
    groups = _VOWEL_GROUP.findall(plain)
    count = len(groups) + sum(bool(_HIATUS.search(group)) for group in groups)
    if (
        count > 1
        and plain.isascii()
        and _SILENT_E.search(plain)
        and not plain.endswith(("ted", "ded", "ses", "ces", "ges", "zes", "ches", "shes"))
    ):
        count -= 1
    if not groups and word.isascii():
        return len(word) if len(word) < 4 else 1
    return max(1, count)


def estimate_seconds_plain(text: str, language: str = "en", rate: float | None = None) -> float:
    """Seconds that ``text`` takes at ``rate`` syllables a second (None: usual for the language), marks included.

    >>> 0.5 < estimate_seconds_plain("Hello, world.") < 1.5
    True
    """
    speed = rate or RATES.get(language.lower().split("-")[0], _DEFAULT_RATE)
    commas = sum(text.count(mark) for mark in ",;:、，；：")
    stops = sum(text.count(mark) for mark in ".!?。！？…")
    return count_syllables(text) / speed + commas * _COMMA + max(0, stops - 1) * _STOP
