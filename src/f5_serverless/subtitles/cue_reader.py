"""Subtitle files in: SRT or WebVTT bytes to timed texts, for dubbing.

Plain text and times only: styling, speaker tags and positions are dropped. Times are integer milliseconds. Cues come
back in order of their start; cues without text are left out. Malformed files raise `InputError` naming the field.
"""

from __future__ import annotations

import html
import re
from dataclasses import dataclass

from f5_serverless.errors import InputError

_TAG = re.compile(r"</?[a-zA-Z0-9][^<>\n]*>")
_OVERRIDE = re.compile(r"\{\\[^{}\n]*\}")
_TIMING = re.compile(r"-->")
MAX_CUES = 20_000


@dataclass(frozen=True, slots=True)
class TimedText:
    """One cue of a subtitle file: ``text`` is to be heard from ``start_ms`` to ``end_ms``."""

    start_ms: int
    end_ms: int
    text: str


def read_cues(content: bytes, *, field: str) -> tuple[TimedText, ...]:
    """The cues of an SRT or WebVTT file in UTF-8. Raises `InputError` where it is neither, or has none.

    >>> read_cues(b"1\\n00:00:01,000 --> 00:00:02,500\\n<i>Hello</i>\\n", field="x")
    (TimedText(start_ms=1000, end_ms=2500, text='Hello'),)
    """
    import pysubs2

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"The subtitle file is not UTF-8 (byte {error.start}).", field=field) from None
    if not _TIMING.search(text):
        raise InputError("The file is neither SRT nor WebVTT: it has no times.", field=field)
    kind = "vtt" if text.lstrip().startswith("WEBVTT") else "srt"
    try:
        events = pysubs2.SSAFile.from_string(text.replace("\r\n", "\n").replace("\r", "\n"), format_=kind).events
    except (pysubs2.exceptions.Pysubs2Error, ValueError, IndexError) as error:
        raise InputError(f"The subtitle file cannot be read: {type(error).__name__}.", field=field) from None
    cues = sorted(
        (TimedText(event.start, event.end, plain) for event in events if (plain := _plain(event.text))),
        key=lambda cue: (cue.start_ms, cue.end_ms),
    )
    if not cues:
        raise InputError("The subtitle file has no cue with text.", field=field)
    if len(cues) > MAX_CUES:
        raise InputError(f"The subtitle file has {len(cues):,} cues; at most {MAX_CUES:,} are read.", field=field)
    for number, cue in enumerate(cues, start=1):
        if cue.end_ms <= cue.start_ms:
            raise InputError(f"Cue {number} ends before it starts.", field=field)
    return tuple(cues)


def _plain(text: str) -> str:
    """A cue's text on one line, without markup."""
    text = text.replace("\\N", " ").replace("\\n", " ").replace("\\h", " ")
    return " ".join(html.unescape(_TAG.sub("", _OVERRIDE.sub("", text))).split())
