"""Loudness: the standard's reference tone, targets reached or honestly missed, and peaks that stay below the limit."""

from __future__ import annotations

import math

import numpy as np
import pytest

from f5_serverless.audio.loudness import measure, normalise, true_peak
from f5_serverless.types import Audio

RATE = 24_000


def tone(db: float, seconds: float = 3.0, rate: int = RATE, frequency: float = 997.0, phase: float = 0.0) -> Audio:
    time = np.arange(round(seconds * rate)) / rate
    return Audio((10 ** (db / 20) * np.sin(2 * np.pi * frequency * time + phase)).astype(np.float32), rate)


def syllables(seconds: float = 20.0, level: float = 0.05) -> Audio:
    """Noise under a slow envelope: as uneven as speech."""
    count = round(seconds * RATE)
    envelope = np.clip(np.sin(2 * np.pi * 2.5 * np.arange(count) / RATE), 0, 1) ** 2
    sound = np.random.default_rng(5).normal(0, level, count) * envelope
    return Audio(sound.astype(np.float32), RATE)


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100, 48_000])
def test_a_sine_of_one_kilohertz_reads_its_level(rate: int) -> None:
    assert measure(tone(-20.0, rate=rate)) == pytest.approx(-23.01, abs=0.15)


def test_short_and_silent_sound() -> None:
    assert measure(tone(-20.0, seconds=0.1)) == pytest.approx(-23.0, abs=0.5)
    for samples in (np.zeros(0, np.float32), np.zeros(RATE, np.float32), np.full(20, 0.1, np.float32)):
        audio = Audio(samples, RATE)
        assert measure(audio) == -math.inf
        same, achieved = normalise(audio, -16.0)
        assert same is audio
        assert achieved == -math.inf


def test_true_peak_lies_between_the_samples() -> None:
    # a quarter of the sample rate, sampled at 45 degrees: every sample is 3 dB below the crest
    between = tone(0.0, seconds=0.5, frequency=RATE / 4, phase=math.pi / 4)
    assert np.abs(between.samples).max() == pytest.approx(0.707, abs=0.01)
    assert true_peak(between) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("target", [-30.0, -23.0, -19.0, -16.0])
def test_the_target_is_reached_and_the_peak_held(target: float) -> None:
    audio = syllables()
    louder, achieved = normalise(audio, target)
    assert achieved == pytest.approx(target, abs=0.2)
    assert measure(louder) == pytest.approx(achieved, abs=1e-6)
    assert 20 * math.log10(true_peak(louder)) <= -1.0 + 1e-3
    assert len(louder.samples) == len(audio.samples)


def test_limiting_moves_nothing_in_time() -> None:
    audio = syllables(5.0, level=0.2)
    louder, _ = normalise(audio, -14.0)
    assert true_peak(louder) <= 10 ** (-1 / 20) * 1.0001
    gain = louder.samples / np.where(audio.samples == 0, 1, audio.samples)
    heard = np.abs(audio.samples) > 0.01
    assert gain[heard].min() > 0  # only turned up or down, sample by sample: never shifted


def test_a_target_out_of_reach_is_reported() -> None:
    clicks = np.zeros(5 * RATE, np.float32)
    clicks[:: RATE // 4] = 0.5
    louder, achieved = normalise(Audio(clicks, RATE), -5.0)
    assert achieved < -10.0
    assert true_peak(louder) <= 10 ** (-1 / 20) * 1.0001


def test_the_envelope_is_the_same_across_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    from f5_serverless.audio import loudness

    audio = syllables(2.0)
    whole, _ = normalise(audio, -20.0)
    monkeypatch.setattr(loudness, "_STRETCH", 5000)
    pieces, _ = normalise(audio, -20.0)
    assert np.allclose(whole.samples, pieces.samples, atol=1e-4)
