"""Where decoded frames go: checked, mixed to mono float32, counted against a limit, resampled on the way.

In: a decoder's frames, in order. Out: one array. Frames are gathered as they come and turned into float by the block,
since a recording has thousands of small ones. The newest block stays back until the end, so that padding can still be
taken off. Memory: the result and one block. It knows no files and no time stamps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from f5_serverless.audio.samples import fit_length, peak, resampled_length
from f5_serverless.errors import AudioCorrupt, AudioTooLarge

if TYPE_CHECKING:
    import av
    import numpy.typing as npt

    from f5_serverless.types import Samples

RATES = range(1_000, 384_001)
LOUDEST = 64.0
"""Floating-point samples beyond this (36 dB over full scale) were never sound on this scale."""

_SCALES = {"u8": 128.0, "s16": 32768.0, "s32": 2147483648.0, "flt": 1.0, "dbl": 1.0}
_BLOCK = 1 << 16
_TAIL = 1 << 14
"""Samples that stay back: more than any encoder's padding."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the numbers of a frame lie: ``columns`` per sample in the array, and which channels are mixed."""

    name: str
    planar: bool
    channels: tuple[str, ...]

    @property
    def columns(self) -> int:
        return 1 if self.planar else len(self.channels)

    def to_float(self, raw: npt.NDArray[Any]) -> Samples:
        """Raw frames as float32 of shape (channels, N), full scale at 1; a subwoofer's channel is left out."""
        data = raw if self.planar else raw.reshape(-1, len(self.channels)).T
        if len(self.channels) > 2:
            data = data[[index for index, channel in enumerate(self.channels) if channel != "LFE"]]
        if self.name == "u8":
            data = data.astype(np.float32) - 128.0
        return np.asarray(data * (1.0 / _SCALES[self.name]), np.float32)


@dataclass
class Sink:
    """Takes frames, gives back the whole. ``target``: the sample rate to resample to, or None."""

    max_seconds: float
    target: int | None = None
    rate: int = 0
    count: int = 0
    """Samples taken so far, at the file's own ``rate``."""
    peak: float = 0.0
    channel_peak: float = 0.0
    """The loudest sample of any one channel: tells silence from channels that cancel each other out."""
    _kind: tuple[str, str] = ("", "")
    _layout: _Layout | None = None
    _blocks: list[Samples] = field(default_factory=list)
    _pending: list[npt.NDArray[Any]] = field(default_factory=list)
    _pending_count: int = 0
    _stream: Any = None

    def start(self, rate: int) -> None:
        """Called before each frame with its rate. Raises `AudioCorrupt` where it changes or cannot be."""
        if self.rate == rate:
            return
        if self.rate:
            raise AudioCorrupt("The sample rate changes in the middle of the file.")
        if rate not in RATES:
            raise AudioCorrupt(f"The file claims a sample rate of {rate} Hz.")
        self.rate = rate
        if self.target and self.target != rate:
            import soxr

            self._stream = soxr.ResampleStream(rate, self.target, 1, dtype="float32", quality="VHQ")

    def add(self, frame: av.AudioFrame) -> None:
        """One frame. Raises `AudioTooLarge` at the limit, `AudioCorrupt` for numbers that are no sound."""
        self._count(frame.samples)
        kind = (frame.format.name, frame.layout.name)
        if kind != self._kind:
            self._change_layout(frame)
            self._kind = kind
        self._pending.append(frame.to_ndarray())
        self._pending_count += frame.samples
        if self._pending_count >= _BLOCK + _TAIL:
            self._flush(keep=_TAIL)

    def silence(self, samples: int) -> None:
        """A hole of ``samples``."""
        self._count(samples)
        self._flush(keep=0)
        for start in range(0, samples, _BLOCK):
            self._emit(np.zeros(min(_BLOCK, samples - start), np.float32))

    def finish(self, surplus: int = 0) -> Samples:
        """Everything, less the last ``surplus`` samples. The sink is empty afterwards."""
        if surplus and self._layout and self._pending:
            raw = np.concatenate(self._pending, axis=1)
            kept = max(0, self._pending_count - surplus)
            self.count -= self._pending_count - kept
            self._pending, self._pending_count = [raw[:, : kept * self._layout.columns]], kept
        self._flush(keep=0)
        if self._stream is not None:
            self._blocks.append(self._stream.resample_chunk(np.zeros(0, np.float32), last=True))
        samples = np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.float32)
        self._blocks = []
        if self._stream is None:
            return samples
        return fit_length(samples, resampled_length(self.count, self.rate, self.target or self.rate))

    def _change_layout(self, frame: av.AudioFrame) -> None:
        name = frame.format.name.removesuffix("p")
        if name not in _SCALES:
            raise AudioCorrupt(f"The file holds samples in a form that is not supported ({name}).")
        self._flush(keep=0)
        self._layout = _Layout(name, frame.format.is_planar, tuple(c.name for c in frame.layout.channels))

    def _count(self, samples: int) -> None:
        self.count += samples
        if self.count > self.max_seconds * self.rate:
            raise AudioTooLarge(f"The recording expands to more than the {self.max_seconds:,.0f} s that are allowed.")

    def _flush(self, keep: int) -> None:
        """Turns pending frames into mono, all but the last ``keep`` samples."""
        if not self._pending or self._layout is None:
            return
        raw = np.concatenate(self._pending, axis=1)
        columns = self._layout.columns
        ready, rest = raw[:, : raw.shape[1] - keep * columns], raw[:, raw.shape[1] - keep * columns :]
        self._pending, self._pending_count = ([rest.copy()] if keep else []), keep
        block = self._layout.to_float(ready)
        mono = block[0] if len(block) == 1 else block.mean(axis=0, dtype=np.float32)
        self.channel_peak = max(self.channel_peak, float(np.abs(block).max(initial=0.0)))
        # NaN is neither below nor above: the comparison is written so that it fails for it
        if not self.channel_peak <= LOUDEST or not np.isfinite(mono).all():
            raise AudioCorrupt(
                "The file holds numbers that are no sound (not a number, infinite, or far beyond full scale)."
            )
        self.peak = max(self.peak, peak(mono))
        self._emit(mono)

    def _emit(self, mono: Samples) -> None:
        self._blocks.append(self._stream.resample_chunk(mono) if self._stream is not None else mono)
