r"""Cues to Advanced SubStation Alpha, as libass draws it.

In: cues and a preset. Out: the file's text. One event per cue; with word marking the event carries ``\k`` for every
word, and the silences between words are ``\k`` of their own, so that the sum is the event's length. All ``\k`` are
differences of absolute times on the centisecond grid: each word starts within half a centisecond of its time, and no
rounding adds up.

``\k`` knows two states, before and after a word's start. ``\t`` adds the third: a word is dim (SecondaryColour), lit
(PrimaryColour) while it is spoken, and turns to the colour of what was said.

Right-to-left text breaks under ``\k`` (libass #221): such a cue becomes one event per word, each drawing the whole
text with one word lit.
"""

from __future__ import annotations

from collections.abc import Sequence

import pysubs2

from f5_serverless.subtitles import neutral
from f5_serverless.subtitles.captions import Cue, CueWord
from f5_serverless.subtitles.profiles import base_language, caption_profile, text_columns
from f5_serverless.subtitles.styles import Highlight, SubtitleStyle, font_for
from f5_serverless.subtitles.timecode import to_cs

_STYLE = "Default"


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
    for cue in cues:
        subs.events.extend(_events(cue, style, language))
    return subs.to_string("ass", header_notice="")


def _ass_style(style: SubtitleStyle, language: str) -> pysubs2.SSAStyle:
    font, bold = font_for(style, language)
    return pysubs2.SSAStyle(
        fontname=font,
        fontsize=style.size,
        bold=bold,
        primarycolor=_colour(style.said if style.highlight is Highlight.NONE else style.current),
        secondarycolor=_colour(style.upcoming),
        outlinecolor=_colour(style.outline_colour),
        backcolor=_colour(style.shadow_colour, 1 - style.shadow_opacity),
        borderstyle=1,
        outline=style.outline,
        shadow=style.shadow,
        spacing=style.spacing,
        alignment=pysubs2.Alignment(style.anchor),
        marginl=style.margin_h,
        marginr=style.margin_h,
        marginv=style.margin_v,
        encoding=1,
    )


def _colour(rgb: int, transparency: float = 0.0) -> pysubs2.Color:
    return pysubs2.Color(rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255, round(transparency * 255))


def _tag_colour(rgb: int) -> str:
    return f"\\1c&H{rgb & 255:02X}{rgb >> 8 & 255:02X}{rgb >> 16 & 255:02X}&"


def _events(cue: Cue, style: SubtitleStyle, language: str) -> list[pysubs2.SSAEvent]:
    lead = _lead(cue, style, language)
    start, end = to_cs(cue.start_ms), max(to_cs(cue.end_ms), to_cs(cue.start_ms) + 1)
    if style.highlight is Highlight.NONE:
        return [_event(start, end, lead + _plain(cue, language))]
    if any(neutral.has_rtl(word.text) for word in cue.words):
        return _word_events(cue, style, language, start, end, lead)
    return [_event(start, end, lead + _karaoke(cue, style, start, end))]


def _event(start_cs: int, end_cs: int, text: str) -> pysubs2.SSAEvent:
    return pysubs2.SSAEvent(start=start_cs * 10, end=end_cs * 10, text=text, style=_STYLE)


def _lead(cue: Cue, style: SubtitleStyle, language: str) -> str:
    """Tags of the whole event: soft edges, and smaller type where a single word is wider than the picture."""
    tags = f"\\blur{style.blur:g}" if style.blur else ""
    limit = caption_profile(language, style.layout).columns
    widest = max(_columns(line) for line in cue.lines)
    if widest > limit:
        tags += f"\\fs{max(12, style.size * limit // widest)}"
    return f"{{{tags}}}" if tags else ""


def _columns(line: Sequence[CueWord]) -> int:
    return sum(text_columns(w.text) + (0 if w.glued else 1) for w in line) - (0 if line[-1].glued else 1)


def _plain(cue: Cue, language: str) -> str:
    return _assemble(cue, language, [neutral.for_ass(word.text) for word in cue.words])


def _assemble(cue: Cue, language: str, texts: Sequence[str]) -> str:
    """Put the words' finished texts into the cue's lines, with spaces and direction."""
    code, position, lines = base_language(language), 0, []
    for line in cue.lines:
        parts = []
        for word, text in zip(line, texts[position : position + len(line)], strict=True):
            parts.append(text if word.glued or word is line[-1] else text + " ")
        position += len(line)
        plain = " ".join(word.text for word in line)
        lines.append(neutral.directed("".join(parts), neutral.reads_rtl(plain, code)))
    return "\\N".join(lines)


def _karaoke(cue: Cue, style: SubtitleStyle, start: int, end: int) -> str:
    """The cue's text with one ``\\k`` per word and per silence; they add up to ``end - start``."""
    out: list[str] = []
    at = start
    for line_number, line in enumerate(cue.lines):
        if line_number:
            out.append("\\N")
        for place, word in enumerate(line):
            begins = min(max(to_cs(word.start_ms), at), end)
            ends = min(max(to_cs(word.end_ms), begins), end)
            if begins > at:
                out.append(f"{{\\k{begins - at}}}")
            space = "" if place == 0 or line[place - 1].glued else " "
            settle = _settle((ends - start) * 10, style)
            out.append(f"{space}{{\\k{ends - begins}\\1c{_tag_colour(style.current)[3:]}{settle}}}")
            out.append(neutral.for_ass(word.text))
            at = ends
    if end > at:
        out.append(f"{{\\k{end - at}}}")
    return "".join(out)


def _settle(from_ms: int, style: SubtitleStyle) -> str:
    """The change from the lit word to the said one."""
    if style.current == style.said:
        return ""
    return f"\\t({from_ms},{from_ms + max(style.settle_ms, 1)},{_tag_colour(style.said)})"


def _word_events(
    cue: Cue, style: SubtitleStyle, language: str, start: int, end: int, lead: str
) -> list[pysubs2.SSAEvent]:
    """One event per word, without a gap or an overlap between them."""
    words = cue.words
    edges = [start]
    for word in words[1:]:
        edges.append(min(max(to_cs(word.start_ms), edges[-1]), end))
    edges.append(end)
    events = []
    for lit, word in enumerate(words):
        if edges[lit + 1] == edges[lit]:
            continue  # too short for the grid: the next event shows it as said
        texts = []
        for k, other in enumerate(words):
            if k == lit:
                colour = _tag_colour(style.current) + _settle(
                    (max(to_cs(word.end_ms), edges[k]) - edges[k]) * 10, style
                )
            else:
                colour = _tag_colour(style.said if k < lit else style.upcoming)
            texts.append(f"{{{colour}}}{neutral.for_ass(other.text)}")
        events.append(_event(edges[lit], edges[lit + 1], lead + _assemble(cue, language, texts)))
    return events
