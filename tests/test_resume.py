"""A job that is killed at any moment and delivered again: same bytes, and no finished chunk is made twice."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import pytest

from f5_serverless.config import Settings
from f5_serverless.engines.base import SynthesisItem
from f5_serverless.engines.registry import Engines
from f5_serverless.engines.spread import SpreadAligner
from f5_serverless.engines.whisperx_engine import Choice
from f5_serverless.pipeline import Services, open_services, run_job
from f5_serverless.types import Audio, OnProgress, Speech, SynthesisSettings, Voice

RATE = 24_000
NUMBERS = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
SENTENCES = [f"This is sentence {a} and {b} of the script." for a in NUMBERS[:4] for b in NUMBERS[4:10]]
JOB = {"text": " ".join(SENTENCES), "options": {"seed": 3, "subtitle_format": ["ass", "srt"]}}


class Humming:
    """A synthesiser that hums: the tone of a chunk follows from its seed. Each chunk it makes is a line in ``log``."""

    name, model, licence, sample_rate = "preview", "humming", "MIT", RATE
    clones, languages = False, frozenset({"en"})

    def __init__(self, log: Path) -> None:
        self.log = log

    def synthesize(
        self, voice: Voice | None, items: Sequence[SynthesisItem], settings: SynthesisSettings, progress: OnProgress
    ) -> list[Speech]:
        made = []
        for item in items:
            time.sleep(0.004)  # so that a kill can fall between two chunks
            with self.log.open("a") as file:
                file.write(f"{item.seed}\n")
            tone = np.sin(np.arange(RATE // 4) * (0.02 + item.seed % 100 / 1000)) * 0.3
            made.append(Speech(Audio(tone.astype(np.float32), RATE), item.seed))
        return made

    def warm_up(self) -> None:
        """Nothing to load."""

    def estimate_seconds(self, voice: Voice | None, text: str, settings: SynthesisSettings) -> float:
        return len(text) / 15


class HummingEngines(Engines):
    """Engines that hum and guess word times."""

    def __init__(self, settings: Settings, log: Path) -> None:
        super().__init__(settings)
        self.voice = Humming(log)

    def synthesizer(self, wanted: str) -> Humming:
        return self.voice

    def aligner_choice(self, language: str) -> Choice:
        return Choice(SpreadAligner(), "")


def open_at(folder: Path) -> Services:
    settings = Settings(output_dir=folder / "out", cache_dir=str(folder / "cache"), verify="off")
    services = open_services(settings, allow_local=False)
    return dataclasses.replace(services, engines=HummingEngines(settings, folder / "log"))


def made(folder: Path) -> list[int]:
    log = folder / "log"
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def kept(services: Services) -> set[int]:
    """The seeds of the chunks that are in the cache, whole."""
    keys = [item.key.rpartition("/")[2] for item in services.cache.store.list("chunks/").items]
    found = [services.cache.get(key) for key in keys]
    return {chunk.about["seed"] for chunk in found if chunk is not None}


def essence(answer: dict[str, Any]) -> dict[str, Any]:
    """The answer without what a clock or a directory decides, and with the bytes of its files."""
    urls = {"audio": answer["audio_url"], **answer["subtitle_urls"], "manifest": answer["manifest_url"]}
    files = {name: Path(unquote(urlparse(url).path)).read_bytes() for name, url in urls.items()}
    rest = {k: v for k, v in answer.items() if k not in ("timings", "reused") and not k.endswith(("_url", "_urls"))}
    return rest | {"files": files}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return essence(run_job(JOB, open_at(tmp_path_factory.mktemp("undisturbed"))))


def run_and_kill(folder: Path, after: float) -> bool:
    """Runs the job in a process of its own and kills it; whether it was still running."""
    child = os.fork()
    if child == 0:
        try:
            run_job(JOB, open_at(folder))
        finally:
            os._exit(0)
    time.sleep(after)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_fifty_kills(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    chance = random.Random(20)
    killed = 0
    partly = 0
    for round_ in range(50):
        folder = tmp_path / str(round_)
        folder.mkdir()
        killed += run_and_kill(folder, chance.uniform(0.0, 0.25))
        services = open_at(folder)
        finished = kept(services)
        before = len(made(folder))
        answer = run_job(JOB, services)
        again = made(folder)[before:]
        assert essence(answer) == undisturbed, f"round {round_}"
        assert not finished & set(again), f"round {round_}: a finished chunk was made again"
        assert len(again) == len(set(again))
        partly += 0 < len(finished) < len(answer["verification"]["chunks"])
        assert (
            not [path for path in (folder / "out").rglob("*") if path.is_file() and ".tmp" in path.parts[:-1]] or killed
        )
    assert killed >= 25, "too few kills fell into a running job to say anything"
    assert partly >= 5, "too few kills fell between chunks to say anything"


def test_the_same_job_again_makes_nothing(tmp_path: Path) -> None:
    first = run_job(JOB, open_at(tmp_path))
    count = len(made(tmp_path))
    again = run_job(JOB, open_at(tmp_path))
    assert again["reused"] is True
    assert len(made(tmp_path)) == count
    assert essence(again) == essence(first)


def test_one_sentence_changed_makes_one_chunk(tmp_path: Path) -> None:
    run_job(JOB, open_at(tmp_path))
    count = len(made(tmp_path))
    changed = [*SENTENCES[:7], "Here stands another sentence instead of the old one.", *SENTENCES[8:]]
    run_job(JOB | {"text": " ".join(changed)}, open_at(tmp_path))
    assert len(made(tmp_path)) == count + 1


def test_identical_jobs_at_once_do_not_disturb_each_other(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                answer = run_job(JOB, open_at(tmp_path))
                (tmp_path / f"answer{number}.json").write_text(json.dumps(answer))
                code = 0
            finally:
                os._exit(code)
        children.append(child)
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0, 0]
    for number in range(4):
        answer = json.loads((tmp_path / f"answer{number}.json").read_text())
        assert essence(answer) == undisturbed
