"""What a file's own header says, read from its bytes: which kind it is, and how long it promises to be.

The decoder library forgives: it shortens a cut WAV silently and calls a cut MP4 "invalid data". These few readers look
at the bytes themselves, so that a truncated file can be told from a broken one, and both from one that was never audio.
Input: a seekable binary file; nothing is decoded and little is read.
"""

from __future__ import annotations

import re
import struct
from typing import BinaryIO

TAIL_BYTES = 1 << 16
UNKNOWN_SIZE = 0x7FFF_F000
"""Data sizes from here on are what programs write that stream a WAV and cannot know its length."""

SLACK_BYTES = 64
"""What may be missing at the end of a file without a word about it: padding that some programs leave out."""

_SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"RIFF", "wav"),
    (0, b"RF64", "wav"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"ID3", "mp3"),
    (0, b"\x1a\x45\xdf\xa3", "matroska"),
    (4, b"ftyp", "mov"),
    (4, b"moov", "mov"),
    (4, b"mdat", "mov"),
    (0, b"FORM", "aiff"),
    (0, b"caff", "caf"),
    (0, b"riff", "w64"),
    (0, b"FLV", "flv"),
    (0, b".snd", "au"),
    (0, b"\x30\x26\xb2\x75", "asf"),
    (0, b"#!AMR", "amr"),
)


def sniff(file: BinaryIO) -> str | None:
    """The kind of file by its first bytes, or None where they are no known audio or video signature.

    Raw MPEG audio has no signature, only a sync word that also occurs by chance: it is not recognised here.
    """
    file.seek(0)
    head = file.read(16)
    for offset, magic, kind in _SIGNATURES:
        if head[offset : offset + len(magic)] == magic:
            return kind
    return None


def is_cut(file: BinaryIO, kind: str | None, size: int) -> bool:
    """Whether the structure of the file reaches beyond its end of ``size`` bytes: a WAV chunk, MP4 box or Ogg page."""
    check = {"wav": _wav_is_cut, "mov": _mov_is_cut, "ogg": _ogg_is_cut}.get(kind or "")
    return check is not None and check(file, size)


def _wav_is_cut(file: BinaryIO, size: int) -> bool:
    at = 12
    while True:
        file.seek(at)
        header = file.read(8)
        if len(header) < 8:
            return False
        name, length = struct.unpack("<4sI", header)
        if name == b"data":
            return bool(length < UNKNOWN_SIZE and at + 8 + length > size + SLACK_BYTES)
        at += 8 + length + length % 2


def _mov_is_cut(file: BinaryIO, size: int) -> bool:
    at = 0
    while at < size:
        file.seek(at)
        header = file.read(16)
        if len(header) < 8:
            return True
        length = int.from_bytes(header[:4], "big")
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        if length == 0:  # "to the end of the file"
            return False
        if length < 8:  # no box at all: broken, not cut
            return False
        at += length
    return at > size


def _ogg_is_cut(file: BinaryIO, size: int) -> bool:
    file.seek(max(0, size - TAIL_BYTES))
    tail = file.read(TAIL_BYTES)
    at = tail.rfind(b"OggS")
    if at < 0:
        return False
    segments = tail[at + 26] if len(tail) > at + 26 else None
    if segments is None or len(tail) < at + 27 + segments:
        return True
    return len(tail) < at + 27 + segments + sum(tail[at + 27 : at + 27 + segments])


def has_mp3_count(file: BinaryIO) -> bool:
    """Whether an MP3 states its number of frames (Xing/Info header in its first frame)."""
    file.seek(0)
    head = file.read(10)
    start = 0
    if head[:3] == b"ID3" and len(head) == 10:
        start = 10 + (head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9])
    file.seek(start)
    tag = re.search(rb"\xff[\xe0-\xff][\x00-\xff]{2}\x00{9,32}(?:Xing|Info)\x00{3}([\x00-\xff])", file.read(TAIL_BYTES))
    return tag is not None and bool(tag[1][0] & 1)
