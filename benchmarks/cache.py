"""What is not done twice: one sentence of a long script is changed, and only that one is synthesised.

A script of 300 sentences is spoken by the real preview engine, then again with one sentence changed, then unchanged.
Chunks that reach the synthesiser are counted by a wrapper around it; times are whole jobs, measured in one process.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import Report, main
from f5_serverless.config import Settings
from f5_serverless.engines.base import SynthesisItem
from f5_serverless.engines.preview_engine import PreviewSynthesizer
from f5_serverless.engines.registry import Engines
from f5_serverless.pipeline import Services, open_services, run_job
from f5_serverless.types import OnProgress, Speech, SynthesisSettings, Voice

PLACES = ["harbour", "station", "market", "library", "garden", "bridge", "tower", "square", "museum", "castle"]
TIMES = ["morning", "noon", "evening", "night", "Monday", "Friday"]
VERBS = ["opened", "closed", "changed", "moved", "waited"]


class Counting(PreviewSynthesizer):
    """The preview engine, counting the chunks it speaks."""

    count = 0

    def synthesize(
        self, voice: Voice | None, items: Sequence[SynthesisItem], settings: SynthesisSettings, progress: OnProgress
    ) -> list[Speech]:
        self.count += len(items)
        return super().synthesize(voice, items, settings, progress)


class CountedEngines(Engines):
    """Engines whose synthesiser counts."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.voice = Counting()

    def synthesizer(self, wanted: str) -> Counting:
        return self.voice


def script(sentences: int) -> list[str]:
    """Sentences, no two of them equal."""
    return [
        f"In the {TIMES[k % 6]} the {PLACES[k // 6 % 10]} {VERBS[k // 60 % 5]} for all of us." for k in range(sentences)
    ]


def timed(services: Services, text: str) -> tuple[float, dict[str, Any]]:
    """One job: seconds, answer."""
    start = time.perf_counter()
    answer = run_job({"text": text, "options": {"seed": 5}}, services)
    return time.perf_counter() - start, answer


def run(quick: bool) -> Report:
    sentences = 40 if quick else 300
    lines = script(sentences)
    with tempfile.TemporaryDirectory() as directory:
        settings = Settings(output_dir=Path(directory) / "out", cache_dir=f"{directory}/cache", aligner="pocketsphinx")
        services = open_services(settings, allow_local=False)
        engines = CountedEngines(settings)
        services = dataclasses.replace(services, engines=engines)
        engines.voice.warm_up()
        engines.voice.count = 0
        rows = []
        counts, seconds = [], []
        changed = lines.copy()
        changed[sentences // 2] = "This one sentence was written again from scratch."
        inserted = [*lines[:10], "This sentence was put between two others.", *lines[10:]]
        for name, text in {
            "first time": lines,
            "one sentence changed": changed,
            "one sentence inserted": inserted,
            "the same again": lines,
        }.items():
            before = engines.voice.count
            took, answer = timed(services, " ".join(text))
            counts.append(engines.voice.count - before)
            seconds.append(took)
            chunks = len(answer["verification"]["chunks"])
            rows.append([name, str(chunks), str(counts[-1]), f"{took:.2f}", f"{seconds[0] / took:.1f} ×"])
    return Report(
        title=f"A script of {sentences} sentences, {answer['duration']:.0f} s of speech (preview engine)",
        columns=["job", "chunks", "synthesised", "seconds", "faster than the first"],
        rows=rows,
        figures={
            "synthesised_after_edit": counts[1],
            "synthesised_after_insert": counts[2],
            "synthesised_again": counts[3],
            "speedup_after_edit": round(seconds[0] / seconds[1], 2),
        },
    )


if __name__ == "__main__":
    main(run)
