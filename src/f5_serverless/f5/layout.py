"""How several utterances of different length lie in one tensor, and the operations that must not mix them.

Linear layers and norms work row by row and need no care. Attention and convolution look along time, so each goes
through a `Layout`:

- `Packed` lays the utterances end to end, (rows, C), no padding. Attention and convolution run utterance by utterance:
  no neighbour is ever seen, and on the CPU the result of an utterance is the same bits alone or in company.
- `Padded` lays them side by side, (B, T, C), with a mask. One kernel serves all, and the shape depends on the bucket
  only, which CUDA graphs need.

Both take and give lists of (frames, C), one per utterance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Layout(Protocol):
    """See the module's docstring. ``lengths``: frames per utterance; ``frames``: the most that any has room for."""

    lengths: tuple[int, ...]
    frames: int

    def pack(self, parts: Sequence[Tensor]) -> Tensor:
        """[(frames, C)] to the laid-out tensor."""
        ...

    def unpack(self, x: Tensor) -> list[Tensor]:
        """The laid-out tensor to [(frames, C)]; views where possible."""
        ...

    def twice(self) -> Layout:
        """The layout of these utterances followed by the same ones again, stacked along the first axis."""
        ...

    def rotary(self, table: Tensor) -> Tensor:
        """A table (T_max, C) by position, arranged so that it broadcasts against (…, heads, C)."""
        ...

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attention within each utterance. (…, heads, dim_head) each, to (…, heads × dim_head)."""
        ...

    def convolve(self, x: Tensor, *layers: Callable[[Tensor], Tensor]) -> Tensor:
        """Layers on (B, C, T) in turn; what lies outside an utterance is zero for each of them."""
        ...


BUCKET = 64
"""Padded lengths are multiples of this many frames (0.7 s): at most 31 shapes for chunks up to 20 s."""


def bucket_of(frames: int) -> int:
    """The length to which ``frames`` are padded."""
    return -(-frames // BUCKET) * BUCKET


def convolve_one(layer: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """A layer that looks around and pads with zeros, on (1, C, T), computed at the bucket's length.

    The result is that at length T. The libraries build and keep a kernel for every length they meet, so few lengths
    mean bounded memory.
    """
    frames = x.shape[-1]
    return layer(F.pad(x, (0, bucket_of(frames) - frames)))[..., :frames]


class Packed:
    """End to end: (rows, C), rows = sum of lengths."""

    def __init__(self, lengths: Sequence[int]) -> None:
        self.lengths = tuple(lengths)
        self.frames = max(self.lengths)

    def pack(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.cat(list(parts), dim=0)

    def unpack(self, x: Tensor) -> list[Tensor]:
        return list(torch.split(x, list(self.lengths), dim=0))

    def twice(self) -> Packed:
        return Packed(self.lengths * 2)

    def rotary(self, table: Tensor) -> Tensor:
        return torch.cat([table[:length] for length in self.lengths])[:, None, :]

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        out = torch.empty(q.shape, dtype=q.dtype, device=q.device)
        start = 0
        for length in self.lengths:
            one = slice(start, start + length)
            heads = [t[one].transpose(0, 1)[None] for t in (q, k, v)]
            out[one] = F.scaled_dot_product_attention(heads[0], heads[1], heads[2])[0].transpose(0, 1)
            start += length
        return out.flatten(-2)

    def convolve(self, x: Tensor, *layers: Callable[[Tensor], Tensor]) -> Tensor:
        out = torch.empty_like(x)
        for source, target in zip(self.unpack(x), self.unpack(out), strict=True):
            part = source.T[None]
            for layer in layers:
                part = convolve_one(layer, part)
            target.copy_(part[0].T)
        return out


class Padded:
    """Side by side: (B, T, C), T = ``frames`` (at least the longest length)."""

    def __init__(self, lengths: Sequence[int], frames: int, valid: Tensor) -> None:
        self.lengths = tuple(lengths)
        self.frames = frames
        self.valid = valid

    @classmethod
    def of(cls, lengths: Sequence[int], frames: int, device: torch.device) -> Padded:
        """The layout for these lengths; ``valid`` is True (B, T) where an utterance is."""
        positions = torch.arange(frames, device=device)
        return cls(lengths, frames, positions[None] < torch.tensor(lengths, device=device)[:, None])

    def pack(self, parts: Sequence[Tensor]) -> Tensor:
        return torch.stack([F.pad(part, (0, 0, 0, self.frames - len(part))) for part in parts])

    def unpack(self, x: Tensor) -> list[Tensor]:
        return [row[:length] for row, length in zip(x, self.lengths, strict=True)]

    def twice(self) -> Padded:
        return Padded(self.lengths * 2, self.frames, torch.cat((self.valid, self.valid)))

    def rotary(self, table: Tensor) -> Tensor:
        return table[: self.frames, None, :]

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        mask = self.valid[:, None, None, :].expand(-1, 1, self.frames, -1)
        heads = [t.transpose(1, 2) for t in (q, k, v)]
        mixed = F.scaled_dot_product_attention(heads[0], heads[1], heads[2], attn_mask=mask)
        return mixed.transpose(1, 2).flatten(-2)

    def convolve(self, x: Tensor, *layers: Callable[[Tensor], Tensor]) -> Tensor:
        mask = self.valid[:, None, :]
        out = x.transpose(1, 2) * mask
        for layer in layers:
            out = layer(out) * mask
        return out.transpose(1, 2)
