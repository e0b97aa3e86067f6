"""Loudness by EBU R128 (ITU-R BS.1770): measuring it, and bringing a recording to a target.

In: mono sound. Out: LUFS, or the sound at the wanted loudness with its true peak held below a limit. Raising speech to
a usual target would clip its peaks, so a look-ahead limiter turns the gain down around them; where that could be heard
the target is missed on purpose and the achieved loudness says so. It moves nothing in time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from f5_serverless.audio.samples import db_to_gain, fit_length, gain_to_db, peak
from f5_serverless.types import Audio

if TYPE_CHECKING:
    from f5_serverless.types import Samples

BLOCK_SECONDS = 0.4
"""R128's gating block; shorter sound is measured as one block of its own length."""

OVERSAMPLING = 4
LOOK_AHEAD = 0.005
MOST_LIMITING_DB = 9.0
"""Peaks are turned down by at most this much; beyond it limiting is heard as pumping, and the target gives way."""

_ROUNDS = 4
_CLOSE_LU = 0.1
_STRETCH = 1 << 20


def measure(audio: Audio) -> float:
    """Integrated loudness in LUFS; minus infinity for silence and for no samples."""
    if len(audio.samples) < audio.sample_rate // 100 or not peak(audio.samples):
        return float("-inf")
    import pyloudnorm  # type: ignore[import-untyped]

    block = min(BLOCK_SECONDS, (len(audio.samples) - 1) / audio.sample_rate)
    loudness = pyloudnorm.Meter(audio.sample_rate, block_size=block).integrated_loudness(audio.samples)
    return float(loudness)


def true_peak(audio: Audio) -> float:
    """The largest magnitude of the waveform between the samples too (four times oversampled), 1 at full scale."""
    return peak(_envelope(audio)) if len(audio.samples) else 0.0


def normalise(audio: Audio, target_lufs: float, true_peak_limit_db: float = -1.0) -> tuple[Audio, float]:
    """``audio`` at ``target_lufs`` as nearly as its peaks allow, and the loudness that was achieved, in LUFS.

    The true peak of the result stays at or below ``true_peak_limit_db`` (dBTP). Silence comes back as it is, at minus
    infinity. A caller tells a missed target by the achieved value.
    """
    achieved = measure(audio)
    if achieved == float("-inf"):
        return audio, achieved
    ceiling = db_to_gain(true_peak_limit_db)
    envelope = _envelope(audio)
    highest = ceiling * db_to_gain(MOST_LIMITING_DB) / max(peak(envelope), 1e-9)
    gain = min(db_to_gain(target_lufs - achieved), highest)
    result = audio
    for _ in range(_ROUNDS):
        result = _limited(audio, envelope, gain, ceiling)
        achieved = measure(result)
        wanted = min(gain * db_to_gain(target_lufs - achieved), highest)
        if abs(target_lufs - achieved) <= _CLOSE_LU or abs(gain_to_db(wanted / gain)) < _CLOSE_LU / 10:
            break
        gain = wanted
    return result, achieved


def _limited(audio: Audio, envelope: Samples, gain: float, ceiling: float) -> Audio:
    """``audio`` times ``gain``, turned down smoothly around what would exceed ``ceiling``."""
    if peak(envelope) * gain <= ceiling:
        return Audio(audio.samples * np.float32(gain), audio.sample_rate)
    from scipy.ndimage import minimum_filter1d, uniform_filter1d  # type: ignore[import-untyped]

    # The minimum over a window, then the mean over the same window: at each peak the mean holds only values that are
    # low enough for it, so the ceiling is kept and the gain still moves smoothly.
    window = 2 * max(1, round(LOOK_AHEAD * audio.sample_rate)) + 1
    needed = np.minimum(1.0, ceiling / np.maximum(envelope * np.float32(gain), 1e-9)).astype(np.float32)
    smooth = uniform_filter1d(minimum_filter1d(needed, window, mode="nearest"), window, mode="nearest")
    limited = Audio(np.asarray(audio.samples * (smooth * np.float32(gain)), np.float32), audio.sample_rate)
    excess = true_peak(limited) / ceiling  # the moving gain shifts peaks between samples by a hair
    return Audio(limited.samples / np.float32(excess), audio.sample_rate) if excess > 1.0 else limited


def _envelope(audio: Audio) -> Samples:
    """For each sample the true peak around it: shape (N,). Worked out in stretches, so memory stays small."""
    import soxr

    samples, pad = audio.samples, 256
    out = np.abs(samples)
    for start in range(0, len(samples), _STRETCH):
        end = min(start + _STRETCH, len(samples))
        low, high = max(0, start - pad), min(len(samples), end + pad)
        fine = np.abs(soxr.resample(samples[low:high], 1, OVERSAMPLING, quality="HQ"))
        fine = fit_length(fine, OVERSAMPLING * (high - low))
        # the four of each sample side by side: a reduction over so short an axis takes five times as long
        after = np.maximum.reduce([fine[phase::OVERSAMPLING] for phase in range(OVERSAMPLING)])
        around = np.maximum(after, np.concatenate([after[:1], after[:-1]]))
        out[start:end] = np.maximum(out[start:end], around[start - low : end - low])
    return out
