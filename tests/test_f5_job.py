"""Whole jobs on the f5 engine with a small random checkpoint: the sound is noise, the path to the files is real."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pytest

from f5_serverless.audio import codec
from f5_serverless.engines.registry import Engines
from f5_serverless.errors import EngineUnavailable, InputError
from f5_serverless.pipeline import Services, run_job
from f5_serverless.storage.cache import ChunkCache
from f5_serverless.storage.voices import VoiceRegistry
from f5_serverless.types import Audio
from tests.f5.tiny import make_checkpoint

TEXT = "This is the first sentence of the text. And here is the second one, which is a little longer than the first."


def decode(url: str) -> Audio:
    return codec.decode(Path(unquote(urlparse(url).path)), max_seconds=600, max_bytes=1 << 28)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    make_checkpoint(folder)
    return folder


@pytest.fixture
def f5(services: Services, checkpoint: Path) -> Services:
    """Services whose f5 engine is the small checkpoint. Reading noise back would fail it, so nobody does."""
    settings = dataclasses.replace(
        services.settings, model=str(checkpoint), engine="f5", device="cpu", verify="off", threads=1
    )
    return dataclasses.replace(services, settings=settings, engines=Engines(settings))


@pytest.fixture
def reference(services: Services, tmp_path: Path) -> str:
    """A recording of the preview voice."""
    answer = run_job({"text": "A short recording of a voice, for reference.", "options": {"seed": 1}}, services)
    return str(Path(unquote(urlparse(answer["audio_url"]).path)))


def request(reference: str, **options: Any) -> dict[str, Any]:
    given = {"ref_text": "A short recording of a voice, for reference.", "seed": 11, "nfe_step": 5, "engine": "f5"}
    return {"text": TEXT, "voice_reference_url": reference, "options": given | options}


def test_a_request_runs_from_json_to_sound_and_subtitles(f5: Services, reference: str) -> None:
    answer = run_job(json.loads(json.dumps(request(reference))), f5)
    assert (answer["engine"], answer["seed"], answer["sample_rate"]) == ("f5", 11, 24_000)
    assert answer["model"].startswith("tiny")
    sound = decode(answer["audio_url"])
    assert sound.duration == pytest.approx(answer["duration"], abs=0.001)
    assert 2 < sound.duration < 30
    assert np.isfinite(sound.samples).all()
    assert [word["text"] for word in answer["words"]] == TEXT.split()
    assert answer["verification"]["checked_by"] == "nobody"
    assert answer["verification"]["passed"] is None
    ass = Path(unquote(urlparse(answer["subtitle_urls"]["ass"]).path)).read_text()
    assert "Dialogue:" in ass


def test_the_same_request_gives_the_same_bytes_in_a_new_engine(f5: Services, reference: str) -> None:
    again = dataclasses.replace(f5, engines=Engines(f5.settings), cache=ChunkCache(f5.store, 0))
    payload = request(reference, **{"return": "inline"})
    assert run_job(payload, f5)["audio"] == run_job(payload, again)["audio"]


def test_a_registered_voice_speaks(f5: Services, reference: str) -> None:
    added = run_job(
        {
            "action": "voices.add",
            "name": "anna",
            "audio_url": reference,
            "ref_text": "A short recording of a voice, for reference.",
            "consent": "Anna, for everything.",
        },
        f5,
    )
    assert added["voice"]["report"]["duration"] > 1
    answer = run_job({"text": "Hello.", "voice": "anna", "options": {"nfe_step": 5}}, f5)
    manifest = json.loads(Path(unquote(urlparse(answer["manifest_url"]).path)).read_text())
    assert manifest["voice"]["name"] == "anna"
    assert manifest["voice"]["consent"] == "Anna, for everything."
    assert manifest["voice"]["hash"] == VoiceRegistry(f5.store).get("anna").hash
    assert [chunk["seed"] for chunk in manifest["chunks"]]


def test_without_a_voice_it_says_so(f5: Services) -> None:
    with pytest.raises(InputError) as caught:
        run_job({"text": "Hello."}, f5)
    assert caught.value.field == "voice_reference_url"


def test_without_weights_it_is_never_replaced_by_something_lesser(services: Services, tmp_path: Path) -> None:
    settings = dataclasses.replace(services.settings, model=str(tmp_path / "nothing") + "/")
    bare = dataclasses.replace(services, settings=settings, engines=Engines(settings))
    with pytest.raises(EngineUnavailable) as caught:
        run_job({"text": "Hello.", "options": {"engine": "f5"}}, bare)
    assert "models pull" in caught.value.hint
    assert run_job({"text": "Hello."}, bare)["engine"] == "preview"
