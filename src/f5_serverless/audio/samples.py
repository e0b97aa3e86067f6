"""Small arithmetic on samples that several modules here share: lengths, levels, fades, resampling.

Everything is mono float32 of shape (N,). No files, no codecs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from f5_serverless.errors import InternalError
from f5_serverless.types import Audio

if TYPE_CHECKING:
    from f5_serverless.types import Samples

SILENCE_DB = -80.0
"""A recording whose loudest sample lies below this level (dBFS) holds nothing that can be heard."""


def db_to_gain(db: float) -> float:
    """
    >>> round(db_to_gain(-6.0), 3)
    0.501
    """
    return float(10.0 ** (db / 20.0))


def gain_to_db(gain: float) -> float:
    """The level of an amplitude in dB; minus infinity for nothing.

    >>> gain_to_db(0.1)
    -20.0
    """
    return float(20.0 * np.log10(gain)) if gain > 0 else float("-inf")


def to_samples(seconds: float, sample_rate: int) -> int:
    """The one converter from seconds to samples. Raises `InternalError` for what is no length.

    >>> to_samples(0.25, 24_000)
    6000
    """
    if not 0.0 <= seconds < float("inf"):
        raise InternalError(f"{seconds} s is not a length of time.")
    return round(seconds * sample_rate)


def resampled_length(samples: int, source_rate: int, target_rate: int) -> int:
    """How many samples remain of ``samples`` after resampling, rounded half up in whole numbers.

    >>> resampled_length(44_100, 44_100, 24_000)
    24000
    """
    return (2 * samples * target_rate + source_rate) // (2 * source_rate)


def fit_length(samples: Samples, length: int) -> Samples:
    """``samples`` cut, or extended with silence, to exactly ``length``."""
    if len(samples) >= length:
        return samples[:length]
    return np.concatenate([samples, np.zeros(length - len(samples), np.float32)])


def rising(length: int) -> Samples:
    """A raised-cosine fade-in of ``length`` samples, all strictly between 0 and 1; reversed, it is one minus itself."""
    phase = (np.arange(length, dtype=np.float64) + 0.5) / max(1, length)
    return (0.5 - 0.5 * np.cos(np.pi * phase)).astype(np.float32)


def peak(samples: Samples) -> float:
    """The largest magnitude, 0 for no samples. Makes no copy."""
    return float(max(samples.max(), -samples.min())) if len(samples) else 0.0


def frame_rms(samples: Samples, frame: int) -> Samples:
    """The RMS of each block of ``frame`` samples, the last one possibly shorter: shape (ceil(N / frame),)."""
    if not len(samples):
        return np.zeros(0, np.float32)
    starts = np.arange(0, len(samples), frame)
    energy = np.add.reduceat(np.square(samples, dtype=np.float64), starts)
    sizes = np.diff(np.append(starts, len(samples)))
    return np.sqrt(energy / sizes).astype(np.float32)


def resample(audio: Audio, sample_rate: int) -> Audio:
    """``audio`` at another rate (soxr, very high quality), of length `resampled_length`, without a shift in time."""
    if sample_rate == audio.sample_rate:
        return audio
    import soxr

    samples = np.asarray(soxr.resample(audio.samples, audio.sample_rate, sample_rate, quality="VHQ"), np.float32)
    length = resampled_length(len(audio.samples), audio.sample_rate, sample_rate)
    return Audio(fit_length(samples, length), sample_rate)
