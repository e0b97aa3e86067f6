"""Displayed words: where each begins and ends, its punctuation, and how strongly the text is divided after it.

In: `Cleaned` text. Out: a list of `Raw` words, in order; joined, with the white space between them, they are the
cleaned text. Words are divided at white space, after a dash or dots between words, and in unspaced scripts (Chinese,
Japanese, Thai, Lao, Khmer, Burmese) after every character, closing punctuation attached. This module reads nothing
aloud.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from f5_serverless.text.cleaning import PAUSE, Cleaned
from f5_serverless.types import Break

UNSPACED = (
    "\u3005-\u3007\u3021-\u3029\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003134f\u0e01-\u0e4e\u0e81-\u0ece\u1000-\u103f\u1780-\u17d3"
)
"""Characters of scripts that put no space between words, for a regular expression's class."""
_FOLLOWS = "ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮー\u3099-\u309c"
"""Small kana, the long-vowel mark and voicing marks: written after the character they belong to."""
_MARKS = (
    "\u0300-\u036f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u0eb1\u0eb4-\u0ebc\u0ec8-\u0ece"
    "\u102b-\u103e\u17b4-\u17d3\ufe00-\ufe0f"
)
_CJK_OPEN = "「『（《〈【〔“‘(\\["
_CJK_CLOSE = "，。！？；：、」』）》〉】〕”’…—～·,.!?;:)\\]%％"
_CJK_STOP = "，。！？；、」』）》〉】〕"
_RUN = re.compile(
    f"(?P<unspaced>[{_CJK_OPEN}]{{0,8}}[{UNSPACED}][{_FOLLOWS}{_MARKS}]{{0,16}}[{_CJK_CLOSE}]{{0,32}})"
    f"|(?P<spaced>(?:(?![{_CJK_OPEN}]{{1,8}}[{UNSPACED}])[^\\s\0{UNSPACED}{_CJK_STOP}])+[{_CJK_STOP}]*|[{_CJK_STOP}]+)"
    "|(?P<space>\\s+)|(?P<pause>\0)|(?P<other>.)",
    re.DOTALL,
)
_INNER = re.compile(r"(?<=[^\W_])[\"'”’)]{0,3}(?:[—―]+|-{2,}|…+|\.{3,})[\"'“‘(]{0,3}(?=[^\W_])")
"""A dash or dots that join two words without a space."""
_OPENING = "\"'“”„‘‚«»‹›([{¿¡「『（《〈【〔"
_CLOSING = "\"'“”’‘«»‹›)]}.,;:!?…。，、；：！？」』）》〉】〕؟،؛۔।—―～·"
_SENTENCE = re.compile(r"[.!?…。！？؟۔।]")
_CLAUSE = re.compile(r"[,;:，、；：،؛)）—―–]")


@dataclass(slots=True)
class Raw:
    """One displayed word. ``lead`` + ``core`` + ``trail``: its opening marks, what can be said, its closing marks.

    ``gap`` is the `Break` that white space after it makes; ``pause`` explicit silence after it in seconds. ``spoken``
    is filled in by a language's rules.
    """

    text: str
    start: int
    end: int
    glued: bool
    lead: str
    core: str
    trail: str
    unspaced: bool = False
    gap: Break = Break.NONE
    pause: float = 0.0
    last_on_line: bool = False
    spoken: str = field(default="")
    break_after: Break = Break.NONE


def split_words(cleaned: Cleaned) -> tuple[list[Raw], float]:
    """The displayed words of ``cleaned``, and the explicit silence before the first, in seconds."""
    words: list[Raw] = []
    lead_pause = 0.0
    pauses = iter(cleaned.pauses)
    for match in _RUN.finditer(cleaned.text):
        kind = match.lastgroup
        if kind == "space":
            if words:
                words[-1].glued = False
                _note_gap(words[-1], match.group())
        elif kind == "pause":
            if words:
                words[-1].glued = False
                words[-1].pause += next(pauses)
            else:
                lead_pause += next(pauses)
        else:
            begin = match.start()
            if kind == "spaced":
                for joint in _INNER.finditer(match.group()):
                    middle = match.start() + joint.end()
                    _add(words, cleaned, begin, middle, False)
                    begin = middle
            _add(words, cleaned, begin, match.end(), kind == "unspaced")
    if words:
        words[-1].glued = False
    return words, lead_pause


def _note_gap(word: Raw, space: str) -> None:
    lines = space.count("\n")
    word.last_on_line = word.last_on_line or lines > 0
    if lines > 1:
        word.gap = Break.PARAGRAPH


def _add(words: list[Raw], cleaned: Cleaned, begin: int, end: int, unspaced: bool) -> None:
    text = cleaned.text[begin:end]
    if all(unicodedata.category(character) in ("Cf", "Cn", "Co", "Mn", "Me") for character in text):
        if (
            words and words[-1].glued and words[-1].end == cleaned.starts[begin]
        ):  # a lone mark belongs to what it follows
            words[-1].text += text
            words[-1].end = cleaned.ends[end - 1]
        elif any(unicodedata.category(character) in ("Mn", "Me", "Co", "Cn") for character in text):
            words.append(Raw(text, cleaned.starts[begin], cleaned.ends[end - 1], True, text, "", ""))
        return
    if any(cleaned.mute[begin:end]):
        said = "".join(cleaned.text[i] for i in range(begin, end) if not cleaned.mute[i])
    else:
        said = text
    lead, core, trail = peel(said)
    words.append(Raw(text, cleaned.starts[begin], cleaned.ends[end - 1], True, lead, core, trail, unspaced))


def peel(text: str) -> tuple[str, str, str]:
    """Opening marks, the word, closing marks.

    >>> peel('("Dr.")')
    ('("', 'Dr', '.")')
    """
    begin, end = 0, len(text)
    while begin < end and text[begin] in _OPENING:
        begin += 1
    while end > begin and text[end - 1] in _CLOSING:
        end -= 1
    return text[:begin], text[begin:end], text[end:]


def _opens_clause(word: Raw) -> bool:
    """A bracket before it, or a dash that stands alone."""
    return word.lead[:1] in ("(", "（") or set(word.text) <= set("—–-―−")


def mark_break(word: Raw, trail: str, following: Raw | None) -> None:
    """Sets ``word.break_after`` from the closing marks that count (``trail``) and from what follows."""
    found = word.gap
    after = following.core[:1] if following else ""
    if _SENTENCE.search(trail):
        quoted = after.islower() and (trail.strip(".!?")[:1] in tuple("\"'”’»)…") or "..." in trail or "…" in trail)
        found = max(found, Break.CLAUSE if quoted else Break.SENTENCE)
    elif _CLAUSE.search(trail) or (following is not None and _opens_clause(following)):
        found = max(found, Break.CLAUSE)
    if word.last_on_line and not found and (after.isupper() or after.isdigit()):
        found = Break.CLAUSE  # a line of verse, an address
    word.break_after = Break.PARAGRAPH if following is None else found


__all__ = ["PAUSE", "UNSPACED", "Raw", "mark_break", "peel", "split_words"]
