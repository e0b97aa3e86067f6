"""The request's text without what is neither shown nor said, and where each remaining character came from.

In: any string. Out: `Cleaned`: the text that captions show, with offsets into the original. What goes:

- control characters, zero-width spaces, soft hyphens and bidi embeddings, overrides and isolates (they garble a line
  on screen). Joiners and the single marks LRM, RLM and ALM stay: emoji, Persian and mixed-direction text need them;
- Markdown: emphasis, strike-through, headings, list bullets, quotation marks at line starts, rules, code fences,
  back-ticks; a link or image shows its text and not its address;
- HTML and SSML tags by name; entities become their character;
- explicit pauses, ``[pause 0.8s]`` or ``[pause 800ms]``.

What stays on screen as it was typed, but is not said, is marked in ``mute``: override tags such as ``{\\an8}`` and
the line breaks ``\\N`` of subtitle formats. Every pattern is linear in the length of the text. This module does not
split words and knows no language.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from f5_serverless.errors import InputError

MAX_PAUSE_SECONDS = 10.0
PAUSE = "\0"
"""Stands in `Cleaned.text` where an explicit pause was: the input's own NULs are gone by then."""

_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060-\u2064\u2066-\u206f\u202a-\u202e\ufeff\ufff9-\ufffb"
    "\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff\U000e0000-\U000e001f]"
)
_LINE_BREAK = re.compile("\r\n|[\r\x0b\x0c\x85\u2028]")
_PARAGRAPH_BREAK = re.compile("\u2029")
_PAUSE = re.compile(r"\[[ \t]{0,9}pause(?:[ \t]{0,9}|[ \t:=]{1,9}([-+.\d][^\[\]\n]{0,40}?))[ \t]{0,9}\]", re.IGNORECASE)
_LENGTH = re.compile(r"(\d{1,9}(?:\.\d{1,9})?|\.\d{1,9})[ \t]{0,9}(ms|milliseconds?|s|secs?|seconds?)", re.IGNORECASE)
_FENCE = re.compile(r"^[ \t]{0,3}(?:```|~~~)[^`\n]{0,100}$", re.MULTILINE)
_BACKTICKS = re.compile(r"`+")
_COMMENT = re.compile(r"<!--[^<>]{0,2000}-->")
_BLOCK_TAG = re.compile(r"</?(?:p|br|div|li|ul|ol|h[1-6]|tr|table|blockquote)(?:\s[^<>]{0,300})?/?>", re.IGNORECASE)
_INLINE_TAG = re.compile(
    r"</?(?:b|i|u|s|em|strong|span|font|a|img|small|big|sub|sup|code|pre|mark|del|ins|td|th|tbody|thead|html|body|"
    r"speak|break|emphasis|prosody|phoneme|say-as|voice|c|v)(?:[.\s][^<>]{0,300})?/?>",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,10}\d{0,2}|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});")
_LINK = re.compile(r"(!?\[)([^\[\]\n]{1,300})(\]\([^()\s]{1,500}(?:[ \t]\"[^\"\n]{0,200}\")?\))")
_RULE = re.compile(
    r"^[ \t]{0,3}(?:-[ \t]?-[ \t]?-[- \t]*|\*[ \t]?\*[ \t]?\*[* \t]*|_[ \t]?_[ \t]?_[_ \t]*)$", re.MULTILINE
)
_HEADING = re.compile(r"^([ \t]{0,3}#{1,6}[ \t]+)([^\n]*)(\n|\Z)", re.MULTILINE)
_LINE_MARK = re.compile(r"^[ \t]{0,12}(?:[-*+][ \t]+(?:\[[ xX]\][ \t]+)?|(?:>[ \t]?){0,7}>[ \t]+)(?=\S)", re.MULTILINE)
_EMPHASIS = (
    re.compile(r"(\*\*\*)(?![\s*])([^*\n]++)(?<!\s)(\*\*\*)"),
    re.compile(r"(\*\*)(?![\s*])((?:[^*\n]|\*(?!\*))++)(?<!\s)(\*\*)"),
    re.compile(r"(?<![\w*])(\*)(?![\s*])([^*\n]++)(?<!\s)(\*)(?![\w*])"),
    re.compile(r"(?<!\w)(__)(?![\s_])((?:[^_\n]|_(?!_))++)(?<!\s)(__)(?!\w)"),
    re.compile(r"(?<!\w)(_)(?![\s_])([^_\n]++)(?<!\s)(_)(?!\w)"),
    re.compile(r"(~~)(?![\s~])([^~\n]++)(?<!\s)(~~)"),
)
_MUTE = re.compile(r"\{[ \t]?\\[^{}\n]{0,300}\}|\\[Nh](?=[\sA-Z]|\Z)")

Edit = tuple[int, int, str]
"""Replace ``text[start:end]`` by a string."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """``text``: what captions show, `PAUSE` for explicit pauses. Character ``i`` was ``original[starts[i]:ends[i]]``.

    ``pauses``: seconds of each `PAUSE`, in order. ``mute[i]``: shown, not said.
    """

    text: str
    starts: list[int]
    ends: list[int]
    mute: bytearray
    pauses: tuple[float, ...]


class _Working:
    """The text under edit, and where its characters came from."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.starts = list(range(len(text)))
        self.ends = list(range(1, len(text) + 1))

    def edit(self, edits: Iterable[Edit]) -> None:
        """Applies ``edits``, which are sorted and do not overlap."""
        parts: list[str] = []
        starts: list[int] = []
        ends: list[int] = []
        done = 0
        for begin, end, new in edits:
            parts += self.text[done:begin], new
            starts += self.starts[done:begin]
            ends += self.ends[done:begin]
            if new:
                starts += [self.starts[begin]] * len(new)
                ends += [self.ends[end - 1]] * len(new)
            done = end
        if done == 0:
            return
        self.text = "".join(parts) + self.text[done:]
        self.starts = starts + self.starts[done:]
        self.ends = ends + self.ends[done:]

    def replace(self, pattern: re.Pattern[str], new: str | Callable[[re.Match[str]], str]) -> None:
        """Replaces every non-empty match."""
        found = (match for match in pattern.finditer(self.text) if match.end() > match.start())
        self.edit([(m.start(), m.end(), new if isinstance(new, str) else new(m)) for m in found])

    def unwrap(self, pattern: re.Pattern[str]) -> None:
        """Drops groups 1 and 3 of every match and keeps group 2."""
        edits: list[Edit] = []
        for match in pattern.finditer(self.text):
            edits += [(*match.span(1), ""), (*match.span(3), "")]
        self.edit(edits)


def clean(text: str) -> Cleaned:
    """What is left of ``text`` on screen. Raises `InputError` (field ``text``) for a pause that cannot be.

    >>> clean("**Bold** & [pause 1s]{\\\\an8}Hi").text.replace(PAUSE, "|")
    'Bold & |{\\\\an8}Hi'
    """
    work = _Working(text)
    work.replace(_INVISIBLE, "")
    work.replace(_LINE_BREAK, "\n")
    work.replace(_PARAGRAPH_BREAK, "\n\n")
    pauses: list[float] = []
    if "[" in work.text:
        work.replace(_PAUSE, lambda match: _pause(match, pauses))
        work.unwrap(_LINK)
    if "<" in work.text:
        for pattern, new in ((_COMMENT, ""), (_BLOCK_TAG, "\n"), (_INLINE_TAG, "")):
            work.replace(pattern, new)
    if "&" in work.text:
        work.replace(_ENTITY, _character)
    work.replace(_RULE, "\n")
    work.replace(_FENCE, "\n")
    work.replace(_BACKTICKS, "")
    work.edit(_headings(work.text))
    work.replace(_LINE_MARK, "\n")
    for pattern in _EMPHASIS:
        work.unwrap(pattern)
    mute = bytearray(len(work.text))
    for match in _MUTE.finditer(work.text):
        mute[match.start() : match.end()] = b"\1" * (match.end() - match.start())
    return Cleaned(work.text, work.starts, work.ends, mute, tuple(pauses))


def _headings(text: str) -> list[Edit]:
    """A heading stands alone: its mark goes, and an empty line separates it from what follows."""
    edits: list[Edit] = []
    for match in _HEADING.finditer(text):
        edits.append((*match.span(1), "\n"))
        if match.group(3):
            edits.append((*match.span(3), "\n\n"))
    return edits


def _character(match: re.Match[str]) -> str:
    """The character of an entity, or the entity itself where there is none that can be shown."""
    character = html.unescape(match.group())
    return character if character.isprintable() and not _INVISIBLE.search(character) else match.group()


def _pause(match: re.Match[str], pauses: list[float]) -> str:
    """Books one explicit pause."""
    length = _LENGTH.fullmatch(match.group(1) or "")
    seconds = float(length.group(1)) / (1000 if length.group(2).lower().startswith("m") else 1) if length else -1.0
    if not 0 <= seconds <= MAX_PAUSE_SECONDS:
        raise InputError(
            f"The pause {match.group()!r} cannot be used.",
            field="text",
            hint=f"Write [pause 0.8s] or [pause 800ms]; one pause is at most {MAX_PAUSE_SECONDS:g} s.",
        )
    pauses.append(seconds)
    return PAUSE
