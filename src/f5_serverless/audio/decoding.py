"""Any common audio or video file to mono float32.

Lengths are exact: what an encoder adds in front and behind (priming, padding) is taken off again as the file's own
books say (edit lists, LAME tags, Ogg granules), so that a word time in the samples is a word time in the file. A
video's sound starts where the video starts, and holes in its time line are silence. PyAV brings every codec; no ffmpeg
program is needed. Decoding stops at the first sample beyond the limit, so a small file that expands to days costs
nothing.

It opens what it is handed and nothing else: play lists and formats that name other files are refused. It reads no
network and follows no reference.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from f5_serverless.audio.containers import has_mp3_count, is_cut, sniff
from f5_serverless.audio.samples import SILENCE_DB, db_to_gain
from f5_serverless.audio.sink import Sink
from f5_serverless.errors import (
    AudioCorrupt,
    AudioEmpty,
    AudioError,
    AudioSilent,
    AudioTooLarge,
    AudioTruncated,
    NotAudio,
    SourceNotFound,
)
from f5_serverless.types import Audio

if TYPE_CHECKING:
    import av
    from av.audio.stream import AudioStream
    from av.container import InputContainer

DEMUXERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,eac3,flac,flv,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpeg,mpegts,ogg,"
    "tta,w64,wav,wv"
)
"""What may be opened: containers of sound. Left out on purpose: hls, dash, concat and all that open other files."""

TIMELINES = frozenset({"mov", "matroska", "mpegts", "flv", "avi", "asf", "mpeg"})
"""Containers whose time stamps place the sound against a picture."""

POSITIONED = frozenset({"flac", "ogg"})
"""Containers without a picture whose frames carry their position: a jump means that frames were lost."""

HOLE_SECONDS = 0.1
"""A jump of the time stamps from here on is a hole, below it is the rounding of a container's clock."""

EDIT_CLOCK = 0.002
"""Seconds by which an edit list may miss the true end for want of resolution."""

_EDGE_PACKETS = 3
"""So many undecodable packets are usual where MPEG streams were cut; players skip them too."""


def decode(
    source: Path | bytes,
    *,
    max_seconds: float,
    max_bytes: int,
    field: str | None = None,
    sample_rate: int | None = None,
) -> Audio:
    """The sound of a file (path) or of a file's content (bytes), mixed to mono; resampled while decoding if asked.

    Raises, each with ``field``: `SourceNotFound`, `NotAudio`, `AudioEmpty`, `AudioSilent` (peak under −80 dBFS),
    `AudioTruncated`, `AudioCorrupt`, `AudioTooLarge` (bytes before reading, seconds while decoding).
    """
    try:
        with _opened(source, max_bytes) as (file, size):
            return _decode(file, size, max_seconds, sample_rate)
    except (AudioError, SourceNotFound) as error:
        error.field = field
        raise


@contextmanager
def _opened(source: Path | bytes, max_bytes: int) -> Iterator[tuple[BinaryIO, int]]:
    """The source as a seekable file and its size in bytes."""
    if isinstance(source, bytes):
        _check_size(len(source), max_bytes)
        yield io.BytesIO(source), len(source)
        return
    try:
        if source.exists() and not source.is_file():
            raise NotAudio(f"{source.name or 'The source'!r} is a directory or a device, not a file of sound.")
        file = source.open("rb")
    except FileNotFoundError:
        raise SourceNotFound(f"There is no file {source.name!r}.") from None
    except (OSError, ValueError) as error:
        raise SourceNotFound(f"{source.name!r} cannot be opened ({type(error).__name__}).") from None
    with file:
        size = os.fstat(file.fileno()).st_size
        _check_size(size, max_bytes)
        yield file, size


def _check_size(size: int, max_bytes: int) -> None:
    if size == 0:
        raise AudioEmpty("The file has no content.")
    if size > max_bytes:
        raise AudioTooLarge(f"The file has {size:,} bytes; {max_bytes:,} are allowed.")


def _decode(file: BinaryIO, size: int, max_seconds: float, sample_rate: int | None) -> Audio:
    kind = sniff(file)
    with _container(file, kind, size) as container:
        stream: AudioStream | None = container.streams.best("audio")  # type: ignore[assignment]
        if stream is None:
            raise NotAudio("The file holds no sound, only other streams.")
        promised = _promised(container, stream, file)
        if promised is not None and promised > max_seconds:
            raise AudioTooLarge(f"The recording lasts {promised:,.0f} s; {max_seconds:,.0f} s are allowed.")
        reader = _Reader(container, stream, kind, Sink(max_seconds, sample_rate), promised)
        reader.read()
        if is_cut(file, kind, size):
            raise AudioTruncated("The file ends in the middle of its sound.")
        return reader.finish()


@contextmanager
def _container(file: BinaryIO, kind: str | None, size: int) -> Iterator[InputContainer]:
    import av

    file.seek(0)
    try:
        container = av.open(
            file,
            "r",
            options={"format_whitelist": DEMUXERS, "protocol_whitelist": "none"},
            metadata_errors="replace",
        )
    except (av.FFmpegError, ValueError, OverflowError) as error:
        if kind is None:
            raise NotAudio("The file is no audio or video file that can be read.") from error
        if is_cut(file, kind, size):
            raise AudioTruncated("The file ends before its sound begins or before its index.") from error
        raise AudioCorrupt("The file starts like a recording and cannot be read.") from error
    with container:
        yield container


def _family(container: InputContainer) -> str:
    """``mov`` for PyAV's ``mov,mp4,m4a,3gp,3g2,mj2``."""
    return container.format.name.split(",")[0]


def _has_picture(container: InputContainer) -> bool:
    import av

    return any(not s.disposition & av.stream.Disposition.attached_pic for s in container.streams.video)


def _promised(container: InputContainer, stream: AudioStream, file: BinaryIO) -> float | None:
    """The length in seconds that the header states; None where there is only an estimate or nothing."""
    family = _family(container)
    stated = float(stream.duration * (stream.time_base or 0)) if stream.duration else None
    if family == "mp3":  # without that header the library guesses from the bit rate
        where = file.tell()
        has_count = has_mp3_count(file)
        file.seek(where)
        return stated if has_count else None
    if family in ("matroska", "flv"):
        whole = container.duration / 1e6 if container.duration else None
        return None if _has_picture(container) else whole
    if family in ("mov", "flac", "wav", "aiff", "caf", "w64", "tta", "wv", "ape"):
        return stated
    return None


@dataclass
class _Reader:
    """Runs one stream through a sink and keeps the books of time."""

    container: InputContainer
    stream: AudioStream
    kind: str | None
    sink: Sink
    promised: float | None
    failed: int = 0
    failed_inside: bool = False
    frames: int = 0
    frame_size: int = 0
    first: float | None = None
    last_end: float = 0.0
    packet_end: float = 0.0
    family: str = ""

    def __post_init__(self) -> None:
        self.family = _family(self.container)

    def read(self) -> None:
        """Decodes everything. Raises `AudioCorrupt` for damage in the middle, `AudioTooLarge` at the limit."""
        import av

        if self.stream.codec_context is None:
            raise AudioCorrupt("The file names no codec that can be decoded.")
        if self.stream.codec_context.name == "flac":
            self.stream.codec_context.options = {"err_detect": "crccheck+explode"}
        packets = self.container.demux(self.stream)
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
                if packet.pts is not None and packet.duration:
                    end = float((packet.pts + packet.duration) * packet.time_base)
                    self.packet_end = max(self.packet_end, end)
                decoded = packet.decode()
            except av.FFmpegError:
                self.failed += 1
                if self.failed > 10_000:
                    return
                continue
            except IndexError:  # PyAV's own, for a packet of a stream that the header does not name
                raise AudioCorrupt("The file holds streams that its header does not name.") from None
            for frame in decoded:
                self._take(frame)

    def _take(self, frame: av.AudioFrame) -> None:
        self.failed_inside = self.failed_inside or (self.failed > 0 and self._counts())
        self.failed = 0
        self.sink.start(frame.sample_rate)
        self._keep_time(frame)
        self.frames += 1
        self.frame_size = max(self.frame_size, frame.samples)
        self.sink.add(frame)
        if frame.time is not None:
            self.last_end = frame.time + frame.samples / frame.sample_rate

    def _counts(self) -> bool:
        """Whether the failures so far are damage: not so a few at the start of an MPEG stream."""
        return self.frames > 0 or self.failed > _EDGE_PACKETS

    def _keep_time(self, frame: av.AudioFrame) -> None:
        """Puts silence where the time line has a hole: before the first frame of a video's sound, and within."""
        if frame.time is None:
            return
        if self.first is None:
            picture = _has_picture(self.container) and self.container.start_time is not None
            self.first = (self.container.start_time or 0) / 1e6 if picture else frame.time
        missing = frame.time - self.first - self.sink.count / frame.sample_rate
        if self.family in TIMELINES and missing >= (HOLE_SECONDS if self.frames else 1 / 1000):
            self.sink.silence(round(missing * frame.sample_rate))

    def finish(self) -> Audio:
        """The samples, after the checks that need the whole."""
        self._check_whole()
        samples = self.sink.finish(self._surplus())
        if len(samples) == 0:
            raise AudioEmpty("The file holds no samples.")
        if self.sink.peak < db_to_gain(SILENCE_DB):
            cancelled = self.sink.channel_peak >= db_to_gain(SILENCE_DB)
            why = "its channels cancel each other out when mixed" if cancelled else "nothing in it can be heard"
            raise AudioSilent(f"The recording is silent: {why}.")
        return Audio(samples, self.sink.target or self.sink.rate)

    def _check_whole(self) -> None:
        """Tells damage from an early end."""
        seconds = self.sink.count / self.sink.rate if self.sink.rate else 0.0
        if not self.frames and self.failed:
            raise (AudioCorrupt if self.kind else NotAudio)("Nothing in the file can be decoded.")
        slack = 0.1 if self.promised and self.promised > 0.2 else 0.02
        missing = self.promised is not None and seconds < self.promised - slack
        # a frame carries its position: the last one in place means that others before it are lost
        holes = self.family in POSITIONED and self.last_end - (self.first or 0.0) > seconds + HOLE_SECONDS
        if self.failed_inside or holes:
            raise AudioCorrupt("The recording is damaged: parts in its middle cannot be decoded.")
        if missing:
            raise AudioTruncated(f"The file promises {self.promised:.1f} s of sound and ends after {seconds:.1f} s.")
        if self.failed > _EDGE_PACKETS:
            raise AudioCorrupt("The recording is damaged: its end cannot be decoded.")

    def _surplus(self) -> int:
        """How many samples of the encoder's padding the decoder library left at the end.

        Believed only within two frames of the decoded end: fragmented files state lengths that mean nothing.
        """
        books = {"mov": self._mov_surplus, "mp3": self._mp3_surplus}.get(self.family)
        surplus = books() if books else 0
        return surplus if 0 < surplus <= 2 * self.frame_size else 0

    def _mov_surplus(self) -> int:
        """MP4: the last packet's duration says where the sound ends, or an edit list that ends clearly earlier.

        "Clearly", since edit lists are commonly in milliseconds, and packets in samples.
        """
        stream, end = self.stream, self.packet_end
        if stream.duration and stream.time_base:
            edited = float(((stream.start_time or 0) + stream.duration) * stream.time_base)
            end = edited if edited < end - EDIT_CLOCK else end
        return round((self.last_end - end) * self.sink.rate)

    def _mp3_surplus(self) -> int:
        """MP3: padding beyond one frame is stated in the LAME tag and only partly removed by the library."""
        return self.sink.count - round(self.promised * self.sink.rate) if self.promised else 0
