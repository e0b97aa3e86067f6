"""Which utterances are sampled together.

On a CPU they are packed end to end, and any company gives the same bits. On a GPU they lie side by side, padded to
a bucket; the shape of a batch then decides which kernel the libraries choose, and with it the last bits. So a batch is
a fixed function of the lengths asked for, and with ``exact`` the shape is a function of each utterance alone: only
utterances of one bucket share a batch, and a batch is filled up to the bucket's full size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from f5_serverless.f5.layout import bucket_of


@dataclass(frozen=True, slots=True)
class Batch:
    """``indices`` of the utterances; ``padded_to`` frames each, or None for packing; ``fill``: rows to compute."""

    indices: tuple[int, ...]
    padded_to: int | None = None
    fill: int = 0

    def halves(self) -> tuple[Batch, Batch]:
        """The same utterances in two batches, for when there is no memory for one."""
        middle = (len(self.indices) + 1) // 2
        first, second = self.indices[:middle], self.indices[middle:]
        return Batch(first, self.padded_to, min(self.fill, middle)), Batch(
            second, self.padded_to, min(self.fill, middle)
        )


def plan_batches(frames: Sequence[int], max_frames: int, *, padded: bool, exact: bool = False) -> list[Batch]:
    """Batches of at most ``max_frames`` frames, padding included, or of one utterance. Long ones first.

    The first batch is the most demanding, so that a lack of memory shows at once and not at the end.
    """
    order = sorted(range(len(frames)), key=lambda index: (-frames[index], index))
    groups: list[list[int]] = []
    room = 0
    for index in order:
        size = bucket_of(frames[index]) if padded else frames[index]
        if padded and groups:
            first = bucket_of(frames[groups[-1][0]])
            joins = (len(groups[-1]) + 1) * first <= max_frames and (not exact or first == size)
        else:
            joins = bool(groups) and size <= room
        if joins:
            groups[-1].append(index)
            room -= size
        else:
            groups.append([index])
            room = max_frames - size
    batches = []
    for group in groups:
        longest = bucket_of(frames[group[0]])
        fill = max(1, max_frames // longest) if padded and exact else 0
        batches.append(Batch(tuple(group), longest if padded else None, fill))
    return batches
