"""Pieces of speech into one recording, with books that are exact to the sample.

In: pieces (sound, and the pause that follows it). Out: the joined sound and, for each piece, the sample at which it
starts there. Time is booked here once: a word at ``t`` seconds of piece ``i`` is heard at ``offsets[i] / rate + t``,
at any length of the whole. Lengths are whole samples throughout, so nothing accumulates. Memory: the pieces, the
result, and no second copy of either. It knows no text and moves no sound within a piece.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from f5_serverless.audio.samples import db_to_gain, frame_rms, peak, rising, to_samples
from f5_serverless.errors import InternalError
from f5_serverless.types import Audio

if TYPE_CHECKING:
    from f5_serverless.types import Samples

EDGE_FADE = 0.005
"""Seconds of fade at a hard edge: long enough against clicks, short enough to leave every consonant alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One piece of sound and the digital silence that follows it, in seconds."""

    audio: Audio
    pause_after: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Joined:
    """The whole, and the sample at which each piece starts in it."""

    audio: Audio
    offsets: tuple[int, ...]


def join(
    pieces: Sequence[Piece],
    *,
    crossfade: float = 0.0,
    lead_pause: float = 0.0,
    edge_fade: float = EDGE_FADE,
    sample_rate: int | None = None,
) -> Joined:
    """The pieces one after the other.

    A pause is exactly ``round(seconds * rate)`` samples of zero, the one after the last piece included. Pieces without
    a pause between them overlap by ``crossfade`` seconds (at most half of either); every other edge is faded over
    ``edge_fade`` seconds in place. The length is ``lead + sum(lengths) + sum(pauses) - sum(overlaps)``.
    ``sample_rate`` is needed only where there may be no piece. Raises `InternalError` for mixed rates or a pause that
    is no length.
    """
    rates = {piece.audio.sample_rate for piece in pieces} | ({sample_rate} if sample_rate else set())
    if len(rates) != 1:
        raise InternalError(f"Pieces to join must share one sample rate, not {sorted(rates)}.")
    rate = rates.pop()
    pauses = [to_samples(piece.pause_after, rate) for piece in pieces]
    overlaps = _overlaps(pieces, pauses, to_samples(crossfade, rate))
    position = to_samples(lead_pause, rate)
    offsets: list[int] = []
    for piece, pause, overlap in zip(pieces, pauses, overlaps, strict=True):
        offsets.append(position)
        position += len(piece.audio.samples) + pause - overlap
    out = np.zeros(position, np.float32)
    fade = to_samples(edge_fade, rate)
    before = 0
    for piece, offset, after in zip(pieces, offsets, overlaps, strict=True):
        _add(out, piece.audio, offset, before, after, fade)
        before = after
    return Joined(Audio(out, rate), tuple(offsets))


def _overlaps(pieces: Sequence[Piece], pauses: Sequence[int], crossfade: int) -> list[int]:
    """By how many samples each piece overlaps the next one; 0 for the last."""
    halves = [len(piece.audio.samples) // 2 for piece in pieces]
    overlaps = [
        0 if pause else min(crossfade, half, following)
        for pause, half, following in zip(pauses, halves, halves[1:], strict=False)
    ]
    return [*overlaps, 0] if pieces else []


def _add(out: Samples, audio: Audio, at: int, before: int, after: int, fade: int) -> None:
    """Adds one piece to ``out`` in place, its first and last samples faded; the middle stays bit for bit."""
    length = len(audio.samples)
    head = before or min(fade, length // 2)
    tail = after or min(fade, length // 2)
    out[at : at + head] += audio.samples[:head] * rising(head)
    out[at + head : at + length - tail] += audio.samples[head : length - tail]
    out[at + length - tail : at + length] += audio.samples[length - tail :] * rising(tail)[::-1]


def trim_silence(
    audio: Audio, *, margin: float = 0.08, below_peak_db: float = 45.0, floor_db: float = -60.0
) -> tuple[Audio, int]:
    """``audio`` without the silence at its ends beyond ``margin`` seconds, and how many samples went from the front.

    Silent is a block of 10 ms whose RMS lies ``below_peak_db`` under the loudest block, or under ``floor_db`` (dBFS).
    Sound that is silent throughout comes back as it is: there is no edge to keep.
    """
    frame = max(1, audio.sample_rate // 100)
    levels = frame_rms(audio.samples, frame)
    threshold = max(db_to_gain(floor_db), peak(levels) * db_to_gain(-below_peak_db))
    loud = np.flatnonzero(levels >= threshold)
    if not len(loud):
        return audio, 0
    keep = to_samples(margin, audio.sample_rate)
    start = max(0, int(loud[0]) * frame - keep)
    end = min(len(audio.samples), (int(loud[-1]) + 1) * frame + keep)
    return Audio(audio.samples[start:end], audio.sample_rate), start
