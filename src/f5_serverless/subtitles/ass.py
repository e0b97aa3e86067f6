r"""Cues to Advanced SubStation Alpha, as libass draws it.

In: cues and a preset. Out: the file's text. One event per cue; with word marking the event carries ``\k`` for every
word, and the silences between words are ``\k`` of their own, so that the sum is the event's length. All ``\k`` are
differences of absolute times on the centisecond grid: each word starts within half a centisecond of its time, and no
rounding adds up.

``\k`` knows two states, before and after a word's start. ``\t`` adds the third: a word is dim (SecondaryColour), lit
(PrimaryColour) while it is spoken, and turns to the colour of what was said.

Right-to-left text breaks under ``\k`` (libass #221): such a cue becomes one event per word, each drawing the whole
text with one word lit. Renderers lay out what stands between override tags from left to right, so these lines are put
in visual order here (`bidi`). Letter spacing stays 0 everywhere: with it libass draws letters one by one, which breaks
Arabic, Indic scripts and joined emoji.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pysubs2

from f5_serverless.subtitles import bidi, neutral
from f5_serverless.subtitles.captions import Cue, CueWord, joined
from f5_serverless.subtitles.profiles import base_language, text_columns
from f5_serverless.subtitles.styles import Highlight, SubtitleStyle, font_for
from f5_serverless.subtitles.timecode import to_cs

_STYLE = "Default"
_COLUMN = 0.35  # width of an average bold letter, as a share of the ASS size
_EXTRA = {"W": 1.3, **dict.fromkeys("Mmw@%—…œæŒÆ", 0.8)}  # columns by which a letter is wider than one; capitals 0.4


def write(cues: Sequence[Cue], style: SubtitleStyle, language: str, title: str | None) -> str:
    """The whole ASS file."""
    subs = pysubs2.SSAFile()
    subs.info = {
        "Title": neutral.shown(title or "") or "Subtitles",
        "ScriptType": "v4.00+",
        "PlayResX": str(style.width),
        "PlayResY": str(style.height),
        "LayoutResX": str(style.width),
        "LayoutResY": str(style.height),
        "WrapStyle": "0",
        "ScaledBorderAndShadow": "yes",
        "YCbCr Matrix": "TV.709",
    }
    subs.styles = {_STYLE: _ass_style(style, language)}
    look = _Look(style, language, font_for(style, language)[1])
    for cue in cues:
        subs.events.extend(_events(cue, look))
    return subs.to_string("ass", header_notice="")


def _ass_style(style: SubtitleStyle, language: str) -> pysubs2.SSAStyle:
    font, size = font_for(style, language)
    return pysubs2.SSAStyle(
        fontname=font,
        fontsize=size,
        bold=True,
        primarycolor=_colour(style.said if style.highlight is Highlight.NONE else style.current),
        secondarycolor=_colour(style.upcoming),
        outlinecolor=_colour(style.outline_colour),
        backcolor=_colour(style.shadow_colour, 1 - style.shadow_opacity),
        borderstyle=1,
        outline=style.outline,
        shadow=style.shadow,
        alignment=pysubs2.Alignment(style.anchor),
        marginl=style.margin_h,
        marginr=style.margin_h,
        marginv=style.margin_v,
        encoding=1,
    )


def _colour(rgb: int, transparency: float = 0.0) -> pysubs2.Color:
    return pysubs2.Color(rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255, round(transparency * 255))


def _colour_tag(rgb: int) -> str:
    return f"\\1c&H{rgb & 255:02X}{rgb >> 8 & 255:02X}{rgb >> 16 & 255:02X}&"


@dataclass(frozen=True, slots=True)
class _Look:
    """What the texts of all events share."""

    style: SubtitleStyle
    language: str
    size: int

    def sizes(self, cue: Cue) -> list[str]:
        """Per line the tag that sets its type size, or "": a word wider than the picture is written smaller."""
        room = (self.style.width - 2 * self.style.margin_h) / (_COLUMN * self.style.size)
        fitting = [min(self.size, int(self.size * room / max(_ink(line), 1.0))) for line in cue.lines]
        if all(size == self.size for size in fitting):
            return [""] * len(fitting)
        return [f"{{\\fs{size}}}" for size in fitting]

    def lead(self) -> str:
        """Tags of a whole event: soft edges."""
        return f"{{\\blur{self.style.blur:g}}}" if self.style.blur else ""


def _ink(line: Sequence[CueWord]) -> float:
    """Estimated width of a line in columns of average letters; emoji are more than two columns wide."""
    text = joined(line)
    wider = sum(_EXTRA.get(char, 0.4 if char.isupper() else 0.0) for char in text)
    return text_columns(text) + wider + 1.2 * sum("\U0001f300" <= char <= "\U0001faff" for char in text)


def _events(cue: Cue, look: _Look) -> list[pysubs2.SSAEvent]:
    start, end = to_cs(cue.start_ms), max(to_cs(cue.end_ms), to_cs(cue.start_ms) + 1)
    if look.style.highlight is Highlight.NONE:
        return [_event(start, end, look.lead() + _plain(cue, look))]
    if any(neutral.has_rtl(word.text) for word in cue.words):
        return _word_events(cue, look, start, end)
    return [_event(start, end, look.lead() + _karaoke(cue, look, start, end))]


def _event(start_cs: int, end_cs: int, text: str) -> pysubs2.SSAEvent:
    return pysubs2.SSAEvent(start=start_cs * 10, end=end_cs * 10, text=text, style=_STYLE)


def _plain(cue: Cue, look: _Look) -> str:
    code = base_language(look.language)
    lines = []
    for line, size in zip(cue.lines, look.sizes(cue), strict=True):
        text = joined([replace(word, text=neutral.shown(word.text)) for word in line])
        lines.append(size + neutral.directed(neutral.escape_ass(text), neutral.reads_rtl(text, code)))
    return "\\N".join(lines)


def _karaoke(cue: Cue, look: _Look, start: int, end: int) -> str:
    """The cue's text with one ``\\k`` per word and per silence; they add up to ``end - start``."""
    out: list[str] = []
    at = start
    for number, (line, size) in enumerate(zip(cue.lines, look.sizes(cue), strict=True)):
        out.append("\\N" + size if number else size)
        for place, word in enumerate(line):
            begins = min(max(to_cs(word.start_ms), at), end)
            ends = min(max(to_cs(word.end_ms), begins), end)
            if begins > at:
                out.append(f"{{\\k{begins - at}}}")
            space = "" if place == 0 or line[place - 1].glued else " "
            lit = _colour_tag(look.style.current) + _settle((ends - start) * 10, look.style)
            out.append(f"{space}{{\\k{ends - begins}{lit}}}{neutral.for_ass(word.text)}")
            at = ends
    if end > at:
        out.append(f"{{\\k{end - at}}}")
    return "".join(out)


def _settle(from_ms: int, style: SubtitleStyle) -> str:
    """The change from the lit word to the said one."""
    if style.current == style.said:
        return ""
    return f"\\t({from_ms},{from_ms + max(style.settle_ms, 1)},{_colour_tag(style.said)})"


def _word_events(cue: Cue, look: _Look, start: int, end: int) -> list[pysubs2.SSAEvent]:
    """One event per word, without a gap or an overlap between them."""
    words, style = cue.words, look.style
    edges = [start]
    for word in words[1:]:
        edges.append(min(max(to_cs(word.start_ms), edges[-1]), end))
    edges.append(end)
    events, pieces = [], _pieces(cue, look)
    for lit, word in enumerate(words):
        begins, until = edges[lit], edges[lit + 1]
        if until == begins:
            continue  # shorter than the grid: the next event shows it as said
        tags = [_colour_tag(style.said if k < lit else style.upcoming) for k in range(len(words))]
        tags[lit] = _colour_tag(style.current) + _settle(max(to_cs(word.end_ms) - begins, 0) * 10, style)
        lines = (size + "".join(f"{{{tags[k]}}}{piece}" for k, piece in line) for size, line in pieces)
        events.append(_event(begins, until, look.lead() + "\\N".join(lines)))
    return events


def _pieces(cue: Cue, look: _Look) -> list[tuple[str, list[tuple[int, str]]]]:
    """Per line its size tag and its pieces as (index of the word, text), as seen from left to right."""
    lines: list[tuple[str, list[tuple[int, str]]]] = []
    first = 0
    for line, size in zip(cue.lines, look.sizes(cue), strict=True):
        shown = [replace(word, text=neutral.shown(word.text)) for word in line]
        owners: list[int] = []  # per character of the line: the word it belongs to, a space to the word before it
        borders = []
        for k, word in enumerate(shown):
            owners += [first + k] * (len(word.text) + (0 if word.glued else 1))
            borders.append(len(owners))
        text = joined(shown)
        rtl = neutral.reads_rtl(text, base_language(look.language))
        runs = bidi.visual_runs(text, rtl, borders[:-1])
        texts = (neutral.isolated(neutral.escape_ass(text[run.start : run.end]), run.rtl) for run in runs)
        lines.append((size, [(owners[run.start], piece) for run, piece in zip(runs, texts, strict=True)]))
        first += len(line)
    return lines
