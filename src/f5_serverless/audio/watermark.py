"""An inaudible mark in made speech, and finding it again (Perth, by Resemble AI; MIT).

In: sound. Out: sound of the same length and rate that carries the mark; or how much of a sound carries one. The mark
says "made by a machine" and nothing else: it carries no name and no number. Needs the `watermark` extra.
"""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from f5_serverless.audio.samples import fit_length, resample
from f5_serverless.errors import EngineUnavailable
from f5_serverless.types import Audio

if TYPE_CHECKING:
    from f5_serverless.types import Samples

NAME = "perth-implicit-1.0.1"
RATE = 32_000
"""The rate that Perth works at, in Hz. We resample ourselves: its own resampling loads a compiler."""
BLOCK_SECONDS = 20.0
OVERLAP_SECONDS = 0.5
COMMAND = "pip install 'f5-serverless[watermark]'"

_loading = threading.Lock()


def embed(audio: Audio) -> Audio:
    """``audio`` with the mark, deterministically. Long sound is marked in blocks that fade into each other.

    Raises `EngineUnavailable` where the extra is not installed.
    """
    marker = _marker()
    wide = resample(audio, RATE)
    marked = np.zeros(len(wide.samples), np.float32)
    weights = np.zeros(len(wide.samples), np.float32)
    for start, block in _blocks(wide.samples):
        out = np.asarray(marker.apply_watermark(block, sample_rate=RATE), np.float32)
        weight = _window(len(block))
        marked[start : start + len(block)] += fit_length(out, len(block)) * weight
        weights[start : start + len(block)] += weight
    marked /= np.maximum(weights, np.float32(1e-6))
    back = resample(Audio(np.clip(marked, -1.0, 1.0), RATE), audio.sample_rate)
    return Audio(fit_length(back.samples, len(audio.samples)), audio.sample_rate)


def detect(audio: Audio) -> float:
    """How much of ``audio`` carries the mark: 0 none, 1 all of it. Raises `EngineUnavailable`."""
    marker = _marker()
    found = [
        float(np.mean(marker.get_watermark(block, sample_rate=RATE, round=False)))
        for _, block in _blocks(resample(audio, RATE).samples)
    ]
    return float(np.mean(found)) if found else 0.0


def _blocks(samples: Samples) -> Iterator[tuple[int, Samples]]:
    """(start, block) of overlapping blocks that cover ``samples``; the last one is full, so that none is too short."""
    size, step = int(BLOCK_SECONDS * RATE), int((BLOCK_SECONDS - OVERLAP_SECONDS) * RATE)
    if len(samples) == 0:
        return
    start = 0
    while start + size < len(samples):
        yield start, samples[start : start + size]
        start += step
    start = max(0, len(samples) - size)
    yield start, samples[start:]


def _window(length: int) -> Samples:
    """Ones that rise and fall over the overlap; never zero, so that the ends of the sound keep their level."""
    ramp = min(int(OVERLAP_SECONDS * RATE), length // 2)
    window = np.ones(length, np.float32)
    if ramp:
        rise = np.linspace(1.0 / ramp, 1.0, ramp, dtype=np.float32)
        window[:ramp] = rise
        window[length - ramp :] = rise[::-1]
    return window


@functools.cache
def _loaded() -> Any:
    """Perth's marker; None where it, or one of the packages that it needs without saying so, is missing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pkg_resources and torch announce their future
            import perth
    except ImportError:
        return None
    if perth.PerthImplicitWatermarker is None:  # its way of saying that an import failed
        return None
    with contextlib.redirect_stdout(sys.stderr):  # it prints; standard output belongs to answers
        return perth.PerthImplicitWatermarker()


def _marker() -> Any:
    with _loading:
        marker = _loaded()
    if marker is None:
        raise EngineUnavailable(
            "The watermark needs packages that are not installed here.",
            field="options.watermark",
            hint=f"Run `{COMMAND}` (resemble-perth, librosa, torchaudio, and setuptools below 81).",
        )
    return marker
