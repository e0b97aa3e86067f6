"""Sound to files: WAV, FLAC, MP3, Opus and AAC.

Each file decodes to as many samples as went in (Opus at its own 48 kHz), without a shift: the encoder's priming and
padding are booked in the container (LAME tag, Ogg granules, MP4 edit list). The same samples give the same bytes: no
time stamps, no random serial numbers, one thread. WAV and FLAC hold 16 bits, rounded to nearest without dither: speech
has a noise floor of its own, and digital silence stays zero. What lies beyond full scale is clipped.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from f5_serverless.audio.samples import resample
from f5_serverless.errors import InternalError
from f5_serverless.types import Audio

if TYPE_CHECKING:
    import av
    import numpy.typing as npt
    from av.audio.stream import AudioStream

    from f5_serverless.types import Samples

BITEXACT = 1 << 23  # AV_CODEC_FLAG_BITEXACT: no version strings in the stream


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """One output format. ``rates``: what its encoder takes (None: all); other rates are resampled to the last one."""

    extension: str
    mime: str
    container: str
    codec: str
    sample_format: str
    frame: int | None = None
    """Samples per frame where the encoder leaves it open."""
    bit_rate: int | None = None
    rates: tuple[int, ...] | None = None


_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
_AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)

FORMATS: dict[str, AudioFormat] = {
    "wav": AudioFormat("wav", "audio/wav", "wav", "pcm_s16le", "s16", frame=1 << 14),
    "flac": AudioFormat("flac", "audio/flac", "flac", "flac", "s16"),
    "mp3": AudioFormat("mp3", "audio/mpeg", "mp3", "libmp3lame", "fltp", bit_rate=96_000, rates=_MP3_RATES),
    "opus": AudioFormat("opus", "audio/ogg", "ogg", "libopus", "flt", bit_rate=64_000, rates=_OPUS_RATES),
    "aac": AudioFormat("m4a", "audio/mp4", "ipod", "aac", "fltp", bit_rate=96_000, rates=_AAC_RATES),
}
"""Every output format by the name that requests use."""

RIFF_BYTES = 0xFFFF_0000
"""The size up to which a WAV file can state its length; larger ones are written as RF64."""


def encode(audio: Audio, audio_format: str) -> bytes:
    """``audio`` as a file of the format, in memory. Raises `InternalError` for a format that `FORMATS` lacks."""
    buffer = io.BytesIO()
    _write(audio, buffer, audio_format)
    return buffer.getvalue()


def write_audio(audio: Audio, path: Path, audio_format: str) -> None:
    """``audio`` as a file at ``path``, frame by frame. A failure leaves no file; publishing it is the caller's."""
    try:
        with path.open("w+b") as file:
            _write(audio, file, audio_format)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write(audio: Audio, file: BinaryIO | io.BytesIO, audio_format: str) -> None:
    import av

    spec = FORMATS.get(audio_format)
    if spec is None:
        raise InternalError(f"There is no audio format {audio_format!r}; there are {', '.join(FORMATS)}.")
    if spec.rates and audio.sample_rate not in spec.rates:
        audio = resample(audio, spec.rates[-1])
    rate = audio.sample_rate
    options = {"fflags": "+bitexact"}
    if spec.container == "ipod":  # the edit list in samples, not in milliseconds, so that the end is exact too
        options["movie_timescale"] = str(rate)
    if spec.container == "wav" and 2 * len(audio.samples) > RIFF_BYTES:
        options["rf64"] = "always"
    with av.open(file, "w", format=spec.container, options=options) as container:
        stream = cast("AudioStream", container.add_stream(spec.codec, rate=rate))
        context = stream.codec_context
        context.layout = "mono"
        context.format = spec.sample_format
        context.flags |= BITEXACT
        context.thread_count = 1
        if spec.bit_rate:
            context.bit_rate = min(spec.bit_rate, _ceiling(spec, rate))
        context.open()
        size = spec.frame or context.frame_size
        for frame in _frames(audio, spec.sample_format, size):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        frame_samples = context.frame_size
    if spec.container == "mp3":
        _state_mp3_padding(file, len(audio.samples), frame_samples)


def _state_mp3_padding(file: BinaryIO | io.BytesIO, samples: int, frame: int) -> None:
    """Corrects the padding that the LAME tag at the start of an MP3 states.

    The muxer states at most one frame, while the encoder pads by up to one and a half, and the rest would be heard as
    up to 24 ms of extra sound. The tag ends with a checksum over the first 190 bytes of its frame.
    """
    file.seek(0)
    head = bytearray(file.read(1024))
    tag = max(head.find(b"Info"), head.find(b"Xing"))
    start = head.rfind(b"\xff", 0, tag)
    fields = tag + 8 + 4 + 4 + 100 + 4  # flags, frames, bytes, seek table, quality; then the LAME part
    frames = int.from_bytes(head[tag + 8 : tag + 12], "big")
    delays = int.from_bytes(head[fields + 21 : fields + 24], "big")
    padding = frames * frame - samples - (delays >> 12)  # the decoder's delay of 529 cancels out
    head[fields + 21 : fields + 24] = (delays & 0xFFF000 | padding).to_bytes(3, "big")
    head[start + 190 : start + 192] = _crc16(head[start : start + 190]).to_bytes(2, "big")
    file.seek(0)
    file.write(head)
    file.seek(0, io.SEEK_END)


def _crc16(data: bytes | bytearray) -> int:
    """CRC-16 with the polynomial 0x8005, reflected (CRC-16/ARC), as the LAME tag uses it.

    >>> hex(_crc16(b"123456789"))
    '0xbb3d'
    """
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def _ceiling(spec: AudioFormat, rate: int) -> int:
    """The highest bit rate that makes sense: low sample rates hold fewer bits (MPEG-2.5 ends at 64 kbit/s)."""
    return 64_000 if spec.codec == "libmp3lame" and rate < 16_000 else 4 * rate + 16_000


def _frames(audio: Audio, sample_format: str, size: int) -> Iterator[av.AudioFrame]:
    import av

    for start in range(0, len(audio.samples), size):
        block = _quantised(audio.samples[start : start + size], sample_format)
        frame = av.AudioFrame.from_ndarray(block[np.newaxis, :], format=sample_format, layout="mono")
        frame.sample_rate = audio.sample_rate
        frame.pts = start
        frame.time_base = Fraction(1, audio.sample_rate)
        yield frame


def _quantised(samples: Samples, sample_format: str) -> npt.NDArray[Any]:
    """Samples as the encoder takes them. 16 bits: the scale is 32768, so that decoding gives back the same numbers."""
    if sample_format != "s16":
        return np.asarray(np.clip(samples, -1.0, 1.0), np.float32)
    return np.asarray(np.clip(np.rint(samples * np.float32(32768.0)), -32768, 32767), np.int16)
