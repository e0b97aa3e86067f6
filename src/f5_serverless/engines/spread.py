"""Word times by estimate, for languages that no aligner knows: the words share the detected speech by their length.

In: sound and words. Out: an `Alignment` that says "interpolated". It hears no words, so it cannot tell whether they are
there; whoever shows these times must say that they are estimates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from f5_serverless.engines.base import AlignItem
from f5_serverless.types import Alignment, Audio, OnProgress, Progress, Word

FRAME = 0.02  # seconds
RANGE_DB = 35.0  # a frame counts as speech if it is at most this far below the loud frames
FLOOR_DB = -60.0  # … and above this, relative to full scale
BRIDGE = 0.15  # seconds; shorter silences lie inside speech


def speech_spans(audio: Audio) -> list[tuple[float, float]]:
    """Where something is heard: spans ``(start, end)`` in seconds, in order, apart. Silence: an empty list."""
    size = max(1, round(FRAME * audio.sample_rate))
    count = len(audio.samples) // size
    if count == 0:
        return []
    frames = audio.samples[: count * size].reshape(count, size).astype(np.float64)
    level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    heard: npt.NDArray[np.bool_] = level > max(FLOOR_DB, float(np.percentile(level, 95)) - RANGE_DB)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], heard, [False]]).astype(np.int8)))
    spans: list[tuple[float, float]] = []
    for first, last in edges.reshape(-1, 2):
        start, end = first * size / audio.sample_rate, last * size / audio.sample_rate
        if spans and start - spans[-1][1] < BRIDGE:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
    return spans


def spread(audio: Audio, words: Sequence[str]) -> Alignment:
    """Each of ``words`` with a share of the detected speech in proportion to its letters (plus one)."""
    if not words:
        return Alignment((), "interpolated")
    spans = speech_spans(audio) or [(0.0, audio.duration)]
    heard = np.concatenate([[0.0], np.cumsum([end - start for start, end in spans])])
    weights = np.concatenate([[0.0], np.cumsum([len(word) + 1 for word in words])])
    marks = weights / weights[-1] * heard[-1]
    starts = np.array([start for start, _ in spans])
    ends = np.array([end for _, end in spans])
    owner = np.clip(np.searchsorted(heard, marks[:-1], side="right") - 1, 0, len(spans) - 1)
    begins = starts[owner] + marks[:-1] - heard[owner]
    owner = np.clip(np.searchsorted(heard, marks[1:], side="left") - 1, 0, len(spans) - 1)
    finishes = np.minimum(starts[owner] + marks[1:] - heard[owner], ends[owner])
    times = np.maximum.accumulate(np.stack([begins, finishes], axis=1).reshape(-1)).reshape(-1, 2)
    return Alignment(
        tuple(Word(word, float(start), float(end)) for word, (start, end) in zip(words, times, strict=True)),
        "interpolated",
    )


class SpreadAligner:
    """An `Aligner` of last resort, for any language."""

    name = "interpolated"

    def supports(self, language: str) -> bool:
        """Every language, equally badly."""
        return True

    def align(self, items: Sequence[AlignItem], language: str, progress: OnProgress) -> list[Alignment]:
        """One `Alignment` per item, ``method`` "interpolated"."""
        aligned = []
        for index, item in enumerate(items):
            progress(Progress("align", index, len(items)))
            aligned.append(spread(item.audio, item.words))
        return aligned
