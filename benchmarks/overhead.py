"""What the pipeline adds to the engines' own time, for a ten-word job, and how that grows with the text.

Each job goes from JSON to WAV and ASS files in a local directory, through the real preview engine. Overhead is the
whole time of `run_job` less the stages in which engines work (synthesise, align); both are measured in the same job.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.harness import Report, main, percentile
from f5_serverless.config import Settings
from f5_serverless.pipeline import Services, open_services, run_job

ENGINE_STAGES = ("synthesise", "check")
NOUNS = ["river", "mountain", "window", "garden", "letter", "market", "summer", "engine", "bridge", "forest"]
TEN_WORDS = "The {} is close to the old {} by now, everyone."


def text_of(words: int, seed: int) -> str:
    """A text of about ``words`` words in ten-word sentences; another one for each ``seed``."""
    sentences = max(1, words // 10)
    return " ".join(TEN_WORDS.format(NOUNS[(seed + k) % 10], NOUNS[(seed + 3 * k + 1) % 10]) for k in range(sentences))


def measure(services: Services, words: int, seed: int) -> tuple[float, float, float]:
    """One job: overhead in ms, engine time in ms, seconds of audio made."""
    payload = {"text": text_of(words, seed), "options": {"seed": seed}}
    start = time.perf_counter()
    answer = run_job(payload, services)
    whole = time.perf_counter() - start
    engine = sum(answer["timings"].get(stage, 0.0) for stage in ENGINE_STAGES)
    return (whole - engine) * 1e3, engine * 1e3, answer["duration"]


def run(quick: bool) -> list[Report]:
    jobs, lengths = (60, (10, 40, 160)) if quick else (200, (10, 40, 160, 640))
    with tempfile.TemporaryDirectory() as directory:
        services = open_services(
            Settings(output_dir=Path(directory) / "out", cache_dir=f"{directory}/cache", aligner="pocketsphinx"),
            allow_local=False,
        )
        measure(services, 10, 0)  # loads the engines
        taken = [measure(services, 10, seed) for seed in range(jobs)]
        grown = [(words, [measure(services, words, 1000 + k) for k in range(3)]) for words in lengths]
    overhead = [row[0] for row in taken]
    p50, p99 = percentile(overhead, 0.50), percentile(overhead, 0.99)
    first = Report(
        title=f"{jobs} jobs of ten words in one process (preview engine)",
        columns=["", "p50", "p99", "goal p50", "goal p99"],
        rows=[
            ["pipeline, ms", f"{p50:.1f}", f"{p99:.1f}", "≤ 30", "≤ 100"],
            [
                "engines, ms",
                f"{percentile([r[1] for r in taken], 0.5):.1f}",
                f"{percentile([r[1] for r in taken], 0.99):.1f}",
            ],
        ],
        figures={"p50_ms": round(p50, 2), "p99_ms": round(p99, 2)},
    )
    rows, per_word = [], []
    for words, found in grown:
        ms = statistics.median(row[0] for row in found)
        audio = statistics.median(row[2] for row in found)
        per_word.append(ms / words)
        rows.append([str(words), f"{audio:.1f}", f"{ms:.1f}", f"{ms / words:.3f}", f"{ms / (audio * 10):.2f} %"])
    step = (statistics.median(r[0] for r in grown[-1][1]) - statistics.median(r[0] for r in grown[0][1])) / (
        grown[-1][0] - grown[0][0]
    )
    second = Report(
        title="Growth with the length of the text (median of 3 jobs each)",
        columns=["words", "audio, s", "pipeline, ms", "ms per word", "of the audio's length"],
        rows=rows,
        figures={"ms_per_word": round(step, 4)},
        notes=[
            f"Between the shortest and the longest text each further word costs {step:.3f} ms; "
            "linear growth shows as ms per word falling towards that and never rising."
        ],
    )
    return [first, second]


if __name__ == "__main__":
    main(run)
