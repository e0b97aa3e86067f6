"""Subtitle files in, for dubbing."""

from __future__ import annotations

import pytest

from f5_serverless.errors import InputError
from f5_serverless.subtitles.cue_reader import TimedText, read_cues

SRT = """\ufeff1\r
00:00:01,000 --> 00:00:02,500\r
<i>Hello</i> there,\r
friend.\r
\r
2\r
00:00:03,000 --> 00:00:04,000\r
{\\an8}Fish &amp; chips\r
"""
VTT = """WEBVTT

NOTE a comment

intro
00:01.000 --> 00:02.500 line:0
<v Anna>Hello <b>there</b>

00:00:00.100 --> 00:00:00.900
First.
"""


def test_srt() -> None:
    assert read_cues(SRT.encode(), field="f") == (
        TimedText(1000, 2500, "Hello there, friend."),
        TimedText(3000, 4000, "Fish & chips"),
    )


def test_vtt_comes_in_order_of_time() -> None:
    assert read_cues(VTT.encode(), field="f") == (TimedText(100, 900, "First."), TimedText(1000, 2500, "Hello there"))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no times here",
        b"\xff\xfe\x00",
        b"1\n00:00:01,000 --> 00:00:02,000\n\n",
        b"1\n00:00:02,000 --> 00:00:01,000\nBackwards\n",
        b"WEBVTT\n\n--> \nx",
    ],
)
def test_what_is_no_subtitle_file_is_refused_by_name(content: bytes) -> None:
    with pytest.raises(InputError) as caught:
        read_cues(content, field="options.cues_url")
    assert caught.value.field == "options.cues_url"
