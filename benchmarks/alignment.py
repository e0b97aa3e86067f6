"""Word times: how exact against known truth, and how much faster than WhisperX's own way through the same emissions.

``median_ms`` and ``mean_ms``: boundary error (starts and ends) of the embedded aligner on espeak-ng clips, whose
word times the synthesiser reports itself. ``speedup``: ours against ``whisperx.align``, both given the same
emissions of 60 s of speech, in interleaved pairs. ``same_words``: share of words whose boundaries agree within 20 ms.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from benchmarks.faults import SENTENCES
from benchmarks.harness import Report, interleaved, main
from benchmarks.truth import speak
from f5_serverless.engines.base import AlignItem
from f5_serverless.types import Audio, no_progress

FRAMES = 3_000  # 60 s
NUMBERS = "Forty-five dollars and fifty cents, three percent off, until the twenty-second of May."


def run(quick: bool) -> list[Report]:
    """Both tables."""
    return [_exactness(12 if quick else len(SENTENCES)), _speed(2 if quick else 7)]


def _exactness(count: int) -> Report:
    from f5_serverless.engines.preview_engine import PocketsphinxAligner

    aligner = PocketsphinxAligner()
    starts, ends = [], []
    for index, sentence in enumerate([NUMBERS, *SENTENCES][:count]):
        clip = speak(sentence, voice=("en-us", "en")[index % 2])
        (found,) = aligner.align([AlignItem(clip.audio, clip.words)], "en", no_progress)
        starts.append(np.array([word.start for word in found.words]) - clip.starts)
        ends.append(np.array([word.end for word in found.words]) - clip.ends)
    report = Report(f"Embedded aligner against espeak-ng's word events, {count} clips", ("", "median", "mean", "95 %"))
    tables = {"starts": np.concatenate(starts), "ends": np.concatenate(ends)}
    tables["both"] = np.concatenate(list(tables.values()))
    for name, errors in tables.items():
        error = 1000 * np.abs(errors[~np.isnan(errors)])
        median, mean, most = np.median(error), np.mean(error), np.percentile(error, 95)
        report.rows.append((name, f"{median:.1f} ms", f"{mean:.1f} ms", f"{most:.0f} ms"))
    report.figures = {"median_ms": round(float(median), 1), "mean_ms": round(float(mean), 1)}
    return report


def _speed(rounds: int) -> Report:
    from benchmarks import tiny_ctc
    from f5_serverless.engines.whisperx_engine import read_emission

    with tempfile.TemporaryDirectory() as directory:
        tiny_ctc.prepare(Path(directory))
        rng = np.random.default_rng(0)
        pool = " ".join(SENTENCES).lower().replace("-", " ").translate(str.maketrans("", "", ".,"))
        words = [pool.split()[i] for i in rng.integers(0, len(pool.split()), 150)]
        emission, _ = tiny_ctc.spoken_emission(rng, words)
        emission = np.concatenate([emission, tiny_ctc.random_emission(rng, max(0, FRAMES - len(emission)))])[:FRAMES]
        words = words[: max(1, len(words) * FRAMES // max(len(emission), FRAMES))]
        item = AlignItem(Audio(np.zeros(FRAMES * 320, np.float32), 16_000), tuple(words))

        def ours() -> list[tuple[float, float]]:
            found = read_emission(emission, item, "en", tiny_ctc.DICTIONARY, tiny_ctc.BLANK, no_progress)
            return [(word.start, word.end) for word in found.words]

        def theirs() -> list[tuple[float, float]]:
            found = tiny_ctc.package_words(emission, " ".join(words))
            return [(word["start"], word["end"]) for word in found]

        apart = np.abs(np.array(ours()) - np.array(theirs())).max(axis=1)
        pair = interleaved(theirs, ours, rounds)
    same = float(np.mean(apart <= 0.0201))
    report = Report("60 s of emissions to word times", ("", "time"))
    report.rows = [
        ("whisperx.align", f"{pair.a * 1000:.0f} ms"),
        ("this package", f"{pair.b * 1000:.0f} ms"),
        ("speedup", str(pair)),
        ("words within 20 ms of the package's", f"{100 * same:.1f} %"),
    ]
    report.figures = {"speedup": round(pair.ratio, 2), "same_words": round(same, 4)}
    return report


if __name__ == "__main__":
    main(run)
