"""Joining: every piece is where the books say, to the sample, at any length."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f5_serverless.audio.join import Piece, join, trim_silence
from f5_serverless.errors import InternalError
from f5_serverless.types import Audio

RATE = 8000


def noise(samples: int, seed: int = 0, rate: int = RATE) -> Audio:
    values = np.random.default_rng(seed).uniform(-0.5, 0.5, samples).astype(np.float32)
    return Audio(values, rate)


pieces = st.lists(
    st.builds(
        lambda length, seed, pause: Piece(noise(length, seed), pause),
        st.integers(0, 400),
        st.integers(0, 1000),
        st.sampled_from([0.0, 0.0, 0.00004, 0.001, 0.0123, 0.05]),
    ),
    min_size=1,
    max_size=8,
)


@given(pieces, st.sampled_from([0.0, 0.002, 0.01]), st.sampled_from([0.0, 0.0101]))
@settings(max_examples=150, deadline=None)
def test_every_piece_is_found_at_its_offset(items: list[Piece], crossfade: float, lead: float) -> None:
    joined = join(items, crossfade=crossfade, lead_pause=lead, edge_fade=0.001)
    position = round(lead * RATE)
    out = joined.audio.samples
    assert not out[:position].any()
    for index, (piece, offset) in enumerate(zip(items, joined.offsets, strict=True)):
        length, pause = len(piece.audio.samples), round(piece.pause_after * RATE)
        assert offset == position
        overlap = 0
        if index + 1 < len(items) and pause == 0:
            overlap = min(round(crossfade * RATE), length // 2, len(items[index + 1].audio.samples) // 2)
        untouched = max(round(crossfade * RATE), round(0.001 * RATE))
        middle = slice(untouched, max(untouched, length - untouched))
        assert np.array_equal(out[offset:][middle], piece.audio.samples[middle])
        assert not out[offset + length : offset + length + pause].any()
        position += length + pause - overlap
    assert len(out) == position


def test_twenty_minutes_have_no_drift() -> None:
    rate = 24_000
    items = [Piece(noise(rate * 3 + 17 * k, k, rate), (k % 4) * 0.1333) for k in range(400)]
    joined = join(items, crossfade=0.15)
    assert joined.audio.duration > 1200 * 0.99
    last, offset = items[-1].audio.samples, joined.offsets[-1]
    middle = slice(rate // 2, rate * 2)
    assert np.array_equal(joined.audio.samples[offset:][middle], last[middle])
    expected = sum(len(p.audio.samples) + round(p.pause_after * rate) for p in items[:-1])
    overlaps = sum(round(0.15 * rate) for p in items[:-1] if not p.pause_after)
    assert offset == expected - overlaps


def test_crossfade_of_a_steady_sound_keeps_its_level() -> None:
    steady = Audio(np.full(1000, 0.25, np.float32), RATE)
    joined = join([Piece(steady), Piece(steady)], crossfade=0.05, edge_fade=0.0)
    assert joined.offsets == (0, 600)
    assert np.allclose(joined.audio.samples, 0.25, atol=1e-6)


def test_hard_edges_are_faded_in_place() -> None:
    steady = Audio(np.full(1000, 0.5, np.float32), RATE)
    out = join([Piece(steady, 0.1)]).audio.samples
    assert out[0] < 0.01
    assert out[999] < 0.01
    assert np.diff(out[:40]).min() > 0
    assert np.all(out[40:960] == 0.5)


def test_pieces_are_not_changed() -> None:
    piece = noise(500)
    before = piece.samples.copy()
    join([Piece(piece), Piece(piece)], crossfade=0.01)
    assert np.array_equal(before, piece.samples)


def test_no_piece_needs_a_rate() -> None:
    assert len(join([], lead_pause=0.5, sample_rate=RATE).audio.samples) == 4000
    with pytest.raises(InternalError):
        join([])


def test_mixed_rates_and_impossible_pauses_are_refused() -> None:
    with pytest.raises(InternalError, match="8000, 24000"):
        join([Piece(noise(10)), Piece(noise(10, rate=24_000))])
    for pause in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InternalError):
            join([Piece(noise(10), pause)])


def test_trim_keeps_the_margin_and_counts_what_went() -> None:
    speech = noise(RATE, 3).samples
    padded = np.concatenate([np.zeros(RATE, np.float32), speech, np.zeros(2 * RATE, np.float32)])
    trimmed, removed = trim_silence(Audio(padded, RATE), margin=0.08)
    assert removed == RATE - round(0.08 * RATE)
    assert len(trimmed.samples) == RATE + 2 * round(0.08 * RATE)
    assert np.array_equal(trimmed.samples, padded[removed : removed + len(trimmed.samples)])


def test_trim_cuts_noise_under_speech_and_leaves_tight_or_silent_sound_alone() -> None:
    hiss = noise(RATE, 1).samples * np.float32(0.001)
    loud = noise(RATE, 2).samples
    trimmed, removed = trim_silence(Audio(np.concatenate([hiss, loud, hiss]), RATE), margin=0.0)
    assert removed == RATE
    assert len(trimmed.samples) == RATE
    assert trim_silence(Audio(loud, RATE))[1] == 0
    silent = Audio(np.zeros(500, np.float32), RATE)
    assert trim_silence(silent) == (silent, 0)
    empty = Audio(np.zeros(0, np.float32), RATE)
    assert trim_silence(empty) == (empty, 0)
