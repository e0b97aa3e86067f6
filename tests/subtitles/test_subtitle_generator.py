"""Cues to files: golden files, reading back, markup from callers, and the centiseconds of ``\\k``.

Golden files are rewritten by ``python -m tests.subtitles.test_subtitle_generator``; look at the difference before
committing it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pysubs2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f5_serverless.errors import InternalError
from f5_serverless.subtitles import neutral
from f5_serverless.subtitles.captions import Cue, CueWord, make_cues
from f5_serverless.subtitles.profiles import caption_profile
from f5_serverless.subtitles.styles import STYLES, subtitle_style
from f5_serverless.subtitles.subtitle_generator import FORMATS, render
from f5_serverless.types import Word

GOLDEN = Path(__file__).parent / "golden"

ANYTHING = settings(deadline=None, derandomize=True, max_examples=60)


def _words(text: str, glued: bool = False) -> list[Word]:
    pieces = list(text) if glued else text.split()
    return [Word(piece, 0.5 + 0.333 * i, 0.8 + 0.333 * i, glued=glued) for i, piece in enumerate(pieces)]


CASES: dict[str, tuple[str, str, list[Word]]] = {
    # name: (language, preset, words)
    "english": (
        "en",
        "karaoke",
        _words("It cost $45.50 in 1923, and nobody knew why. “No!” he said & left <at once>."),
    ),
    "markup": ("en", "clean", _words(r"{\an8}hello \Nworld {b} --> <i>x</i> &amp; \{ C:\new 1 00:00:01,000")),
    "vertical": ("en", "social", _words("Three words at once, never a whole sentence.")),
    "hebrew": ("he", "karaoke", _words("זה עלה $45.50 בשנת 1923, (ואיש לא ידע) למה!")),
    "chinese": ("zh-CN", "karaoke", _words("老守塔人走上楼梯，望着大海。", glued=True)),
}


def _rendered(name: str, fmt: str) -> str:
    language, preset, words = CASES[name]
    style = STYLES[preset]
    cues = make_cues(words, caption_profile(language, style.layout), fps=25)
    return render(cues, fmt, style, language=language, title="A title")


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("name", CASES)
def test_golden(name: str, fmt: str) -> None:
    assert _rendered(name, fmt) == (GOLDEN / f"{name}.{fmt}").read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------------- any words


visible = st.one_of(
    st.sampled_from(
        [r"{\an8}", r"\N", "{", "}", "\\", "-->", "<b>", "&", "👩‍👩‍👧", "שלום", "日", "[Events]", ",", "\ud800", "1"]
    ),
    st.text(st.characters(exclude_categories=()), min_size=1, max_size=8).filter(
        lambda text: neutral.is_visible(neutral.shown(text))
    ),
)


@st.composite
def any_cues(draw: st.DrawFn) -> tuple[Cue, ...]:
    at, words = 0.0, []
    for text in draw(st.lists(visible, min_size=1, max_size=25)):
        length = draw(st.floats(0.05, 1.2))
        words.append(Word(text, at, at + length, glued=draw(st.booleans())))
        at += length + draw(st.sampled_from([0.0, 0.0, 0.011, 0.4, 2.0]))
    return make_cues(words, caption_profile("en"))


def _typed(ass_text: str) -> str:
    """What libass shows of an event's text: overrides gone, escapes undone."""
    bare = re.sub(r"(?<!\\)\{[^}]*\}", "", ass_text).replace("\\N", " ")
    return re.sub("[\u2060\u202b\u202c]", "", bare.replace("\\{", "{").replace("\\}", "}"))


@ANYTHING
@given(any_cues())
def test_ass_shows_exactly_what_was_typed(cues: tuple[Cue, ...]) -> None:
    subs = pysubs2.SSAFile.from_string(render(cues, "ass", STYLES["clean"], language="en"))
    assert len(subs) == len(cues)
    for event, cue in zip(subs, cues, strict=True):
        expected = " ".join("".join(w.text + ("" if w.glued else " ") for w in line).strip() for line in cue.lines)
        assert _typed(event.text).split() == expected.replace("\u2060", "").split()


@ANYTHING
@given(any_cues())
def test_k_adds_up_to_the_event_and_starts_each_word_on_time(cues: tuple[Cue, ...]) -> None:
    subs = pysubs2.SSAFile.from_string(render(cues, "ass", STYLES["karaoke"], language="en"))
    plain = [cue for cue in cues if not any(neutral.has_rtl(word.text) for word in cue.words)]
    events = [event for event in subs if "\\k" in event.text]
    assert len(events) == len(plain)
    for event, cue in zip(events, plain, strict=True):
        at, starts = event.start, []
        for length, is_word in re.findall(r"\{\\k(\d+)(\\1c)?", event.text):
            if is_word:
                starts.append(at)
            at += int(length) * 10
        assert at == event.end
        assert len(starts) == len(cue.words)
        assert all(abs(start - word.start_ms) <= 10 for start, word in zip(starts, cue.words, strict=True))


@ANYTHING
@given(any_cues(), st.sampled_from(list(STYLES)), st.sampled_from(["en", "he", "ar", "ja"]))
def test_every_format_holds_any_text(cues: tuple[Cue, ...], style: str, language: str) -> None:
    files = {fmt: render(cues, fmt, STYLES[style], language=language, title="T\n1\n{x}") for fmt in FORMATS}
    for text in files.values():
        text.encode("utf-8")
    assert [e.start for e in pysubs2.SSAFile.from_string(files["srt"], format_="srt")] == [c.start_ms for c in cues]
    assert files["vtt"].count("-->") == files["srt"].count("-->") == len(cues)
    assert len(json.loads(files["json"])["cues"]) == len(cues)
    events = pysubs2.SSAFile.from_string(files["ass"]).events
    assert all(a.end <= b.start for a, b in pairwise(events))


def test_srt_blocks_survive_glued_arrows_and_numbers() -> None:
    line = (CueWord("--", 0, 400, glued=True), CueWord(">", 400, 800), CueWord("7", 800, 900))
    srt = render(
        [Cue(0, 1000, (line,)), Cue(1000, 2000, ((CueWord("12", 1000, 2000),),))], "srt", STYLES["clean"], language="en"
    )
    assert srt == "1\n00:00:00,000 --> 00:00:01,000\n--\u2060> 7\n\n2\n00:00:01,000 --> 00:00:02,000\n12\n"


def test_right_to_left_cues_have_one_event_per_word_without_k() -> None:
    subs = pysubs2.SSAFile.from_string(_rendered("hebrew", "ass"))
    _, _, words = CASES["hebrew"]
    assert len(subs) == len(words)
    assert not any("\\k" in event.text for event in subs)
    assert all(abs(event.start - word.start * 1000) <= 5 for event, word in zip(subs, words, strict=True))


def test_vtt_word_times_rise_within_their_cue() -> None:
    for block in _rendered("english", "vtt").split("\n\n")[2:]:
        times = [pysubs2.time.timestamp_to_ms(m) for m in re.findall(r"(\d\d):(\d\d):(\d\d)\.(\d\d\d)", block)]
        (start, end), inner = times[:2], times[2:]
        assert inner == sorted(set(inner))
        assert all(start < at < end for at in inner)


@pytest.mark.parametrize(
    "call", [lambda: render([], "sub", STYLES["clean"], language="en"), lambda: subtitle_style("neon")]
)
def test_unknown_names_are_bugs_and_say_what_there_is(call: Callable[[], object]) -> None:
    with pytest.raises(InternalError, match="there are"):
        call()


def test_no_cues_give_valid_empty_files() -> None:
    for fmt in FORMATS:
        assert isinstance(render([], fmt, STYLES["clean"], language="en"), str)
    assert render([], "vtt", STYLES["clean"], language="en") == "WEBVTT\n"


if __name__ == "__main__":
    GOLDEN.mkdir(exist_ok=True)
    for case in CASES:
        for file_format in FORMATS:
            (GOLDEN / f"{case}.{file_format}").write_text(_rendered(case, file_format), encoding="utf-8")
