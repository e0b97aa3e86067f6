"""Cues to the text of a subtitle file: ASS, SRT, WebVTT, JSON.

In: `captions.Cue`s and a `SubtitleStyle`. Out: the whole file as one string, lines ended by ``\\n``, to be stored as
UTF-8. Text from the caller is neutralised (`neutral`): it cannot become markup. Nothing is written to disk here.

pysubs2 writes the ASS container (sections, fields, styles). SRT and WebVTT are written here, because pysubs2 reads
event text as ASS markup when it writes them: typed braces would vanish, and it knows neither WebVTT's entities nor its
word times.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TypeAlias

from f5_serverless.errors import InternalError
from f5_serverless.subtitles import ass, neutral
from f5_serverless.subtitles.captions import Cue, joined
from f5_serverless.subtitles.profiles import base_language
from f5_serverless.subtitles.styles import Highlight, SubtitleStyle
from f5_serverless.subtitles.timecode import timestamp

Writer: TypeAlias = Callable[[Sequence[Cue], SubtitleStyle, str, str | None], str]


def render(cues: Sequence[Cue], fmt: str, style: SubtitleStyle, *, language: str, title: str | None = None) -> str:
    """The file in format ``fmt`` (a key of `FORMATS`). ``language`` decides fonts and the direction of writing."""
    if fmt not in FORMATS:
        raise InternalError(f"no subtitle format {fmt!r}; there are {', '.join(FORMATS)}")
    return FORMATS[fmt](cues, style, language, title)


def _srt(cues: Sequence[Cue], style: SubtitleStyle, language: str, title: str | None) -> str:
    code, blocks = base_language(language), []
    for number, cue in enumerate(cues, start=1):
        span = f"{timestamp(cue.start_ms, separator=',')} --> {timestamp(cue.end_ms, separator=',')}"
        lines = [neutral.directed(neutral.for_srt(t), neutral.reads_rtl(t, code)) for t in map(joined, cue.lines)]
        blocks.append("\n".join([str(number), span, *lines, ""]))
    return "\n".join(blocks)


def _vtt(cues: Sequence[Cue], style: SubtitleStyle, language: str, title: str | None) -> str:
    """WebVTT. Presets that mark words get the words' times; players without support for them show plain text."""
    marked = style.highlight is not Highlight.NONE
    name = neutral.for_vtt(title or "")
    blocks = [f"WEBVTT - {name}\n" if name else "WEBVTT\n"]
    if marked and style.upcoming != style.said:
        blocks.append(f"STYLE\n::cue(:future) {{ color: #{style.upcoming:06X} }}\n")
    for number, cue in enumerate(cues, start=1):
        span = f"{timestamp(cue.start_ms, separator='.')} --> {timestamp(cue.end_ms, separator='.')}"
        blocks.append("\n".join([str(number), span, *_vtt_lines(cue, language, marked), ""]))
    return "\n".join(blocks)


def _vtt_lines(cue: Cue, language: str, marked: bool) -> list[str]:
    code, lines = base_language(language), []
    latest = cue.start_ms
    for line in cue.lines:
        parts = []
        for word in line:
            # Times within a cue must rise, and lie strictly between its ends.
            if marked and latest < word.start_ms < cue.end_ms:
                parts.append(f"<{timestamp(word.start_ms, separator='.')}>")
                latest = word.start_ms
            parts.append(neutral.for_vtt(word.text) + ("" if word.glued else " "))
        lines.append(neutral.directed("".join(parts).strip(), neutral.reads_rtl(joined(line), code)))
    return lines


def _json(cues: Sequence[Cue], style: SubtitleStyle, language: str, title: str | None) -> str:
    """Cues, lines and words as they are shown, with times in seconds."""
    document = {
        "title": title,
        "language": language,
        "style": style.name,
        "cues": [
            {
                "start": cue.start_ms / 1000,
                "end": cue.end_ms / 1000,
                "lines": [joined(line) for line in cue.lines],
                "words": [
                    {"text": word.text, "start": word.start_ms / 1000, "end": word.end_ms / 1000} for word in cue.words
                ],
            }
            for cue in cues
        ],
    }
    return json.dumps(document, ensure_ascii=False, indent=1).encode("utf-8", "replace").decode() + "\n"


FORMATS: dict[str, Writer] = {"ass": ass.write, "srt": _srt, "vtt": _vtt, "json": _json}
"""Every format by its name, which is also the file's extension."""
