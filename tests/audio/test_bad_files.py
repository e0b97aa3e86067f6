"""Files that cannot be used: each says why, names the request field, and costs little."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import wave
from pathlib import Path

import numpy as np
import pytest

from f5_serverless.audio.codec import FORMATS, decode, encode
from f5_serverless.errors import (
    AudioCorrupt,
    AudioEmpty,
    AudioError,
    AudioSilent,
    AudioTooLarge,
    AudioTruncated,
    F5Error,
    NotAudio,
    SourceNotFound,
)
from f5_serverless.types import Audio

RATE = 24_000
LIMITS = {"max_seconds": 60.0, "max_bytes": 1 << 26, "field": "audio_url"}


def noise(seconds: float = 3.0) -> Audio:
    samples = np.random.default_rng(1).uniform(-0.3, 0.3, round(seconds * RATE))
    return Audio(samples.astype(np.float32), RATE)


def float_wav(samples: np.ndarray, rate: int = RATE) -> bytes:
    data = samples.astype("<f4").tobytes()
    head = b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    head += (3).to_bytes(2, "little") + (1).to_bytes(2, "little") + rate.to_bytes(4, "little")
    head += (4 * rate).to_bytes(4, "little") + (4).to_bytes(2, "little") + (32).to_bytes(2, "little")
    return head + b"data" + len(data).to_bytes(4, "little") + data


def png() -> bytes:
    return b"\x89PNG\r\n\x1a\n" + os.urandom(0) + bytes(range(256)) * 8


RANDOM = np.random.default_rng(3).bytes(100_000)
NOTHING = np.zeros(0, np.float32)

BAD: list[tuple[str, bytes, type[AudioError]]] = [
    ("nothing", b"", AudioEmpty),
    ("text", b"This is no recording.\n" * 50, NotAudio),
    ("one byte", b"\x00", NotAudio),
    ("zeros", bytes(10_000), NotAudio),
    ("random", RANDOM, NotAudio),
    ("png", png(), NotAudio),
    ("html", b"<!DOCTYPE html><html><body>404</body></html>", NotAudio),
    ("json", b'{"error": "AccessDenied"}', NotAudio),
    ("pdf", b"%PDF-1.7\n" + RANDOM[:500], NotAudio),
    ("elf", b"\x7fELF" + RANDOM[:5000], NotAudio),
    ("hls", b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n", NotAudio),
    ("concat", b"ffconcat version 1.0\nfile /etc/passwd\n", NotAudio),
    ("subtitles", b"1\n00:00:00,000 --> 00:00:02,000\nHello\n", NotAudio),
    ("wav without samples", encode(Audio(NOTHING, RATE), "wav"), AudioEmpty),
    ("flac without samples", encode(Audio(NOTHING, RATE), "flac"), AudioEmpty),
    ("wav, random inside", b"RIFF" + RANDOM[:2000], AudioCorrupt),
    ("flac, random inside", b"fLaC" + RANDOM[:2000], AudioCorrupt),
    ("ogg, random inside", b"OggS" + RANDOM[:2000], AudioTruncated),
    ("webm, random inside", b"\x1a\x45\xdf\xa3" + RANDOM[:2000], AudioCorrupt),
    ("silence", encode(Audio(np.zeros(RATE, np.float32), RATE), "wav"), AudioSilent),
    ("silent mp3", encode(Audio(np.zeros(RATE, np.float32), RATE), "mp3"), AudioSilent),
    ("far too quiet", float_wav(noise(1).samples * np.float32(1e-5)), AudioSilent),
    ("not a number", float_wav(np.array([0.1, np.nan, 0.1] * 100)), AudioCorrupt),
    ("infinite", float_wav(np.array([0.1, -np.inf, 0.1] * 100)), AudioCorrupt),
    ("integers as floats", float_wav(noise(1).samples * 32768), AudioCorrupt),
    ("no such sample rate", float_wav(noise(0.001).samples, rate=7), AudioCorrupt),
    (
        "no such codec",
        b"RIFF\x00\x01\x00\x00WAVEfmt \x10\x00\x00\x00\x77\x77" + bytes(14) + b"data" + b"\x80" * 200,
        AudioCorrupt,
    ),
    ("too long", encode(Audio(np.tile(noise(1).samples, 61), RATE), "flac"), AudioTooLarge),
]


@pytest.mark.parametrize(("name", "data", "error"), BAD, ids=[name for name, *_ in BAD])
def test_each_fault_has_its_error(name: str, data: bytes, error: type[AudioError], tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(data)
    for source in (data, path):
        with pytest.raises(F5Error) as caught:
            decode(source, **LIMITS)
        assert type(caught.value) is error, caught.value
        assert caught.value.field == "audio_url"
        assert caught.value.hint
        assert not caught.value.retryable
        assert str(tmp_path) not in caught.value.message


@pytest.mark.parametrize("share", [0.95, 0.5, 0.1])
@pytest.mark.parametrize("name", FORMATS)
def test_truncated_files_say_so(name: str, share: float) -> None:
    data = encode(noise(), name)
    with pytest.raises(AudioTruncated) as caught:
        decode(data[: int(len(data) * share)], **LIMITS)
    assert caught.value.field == "audio_url"


@pytest.mark.parametrize("name", ["flac", "mp3", "aac", "opus"])
def test_damage_in_the_middle_is_corrupt(name: str) -> None:
    data = bytearray(encode(noise(), name))
    middle = len(data) // 2
    data[middle : middle + 3000] = RANDOM[:3000]
    with pytest.raises(AudioCorrupt):
        decode(bytes(data), **LIMITS)


def test_channels_that_cancel_out_are_explained() -> None:
    buffer = io.BytesIO()
    left = (noise(1).samples * 32767).astype("<i2")
    with wave.open(buffer, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.stack([left, -left], axis=1).tobytes())
    with pytest.raises(AudioSilent, match="cancel"):
        decode(buffer.getvalue(), **LIMITS)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF024])
def test_a_wav_that_was_streamed_states_no_length_and_is_fine(size: int) -> None:
    data = bytearray(encode(noise(1), "wav"))
    data[4:8] = data[40:44] = size.to_bytes(4, "little")
    assert len(decode(bytes(data), **LIMITS).samples) == RATE


def test_places_that_hold_no_file(tmp_path: Path) -> None:
    with pytest.raises(NotAudio, match="directory"):
        decode(tmp_path, **LIMITS)
    with pytest.raises(NotAudio):
        decode(Path("/dev/zero"), **LIMITS)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(NotAudio):
        decode(tmp_path / "pipe", **LIMITS)
    for name in ("missing.wav", "nul\0byte.wav", "x" * 5000):
        with pytest.raises(SourceNotFound) as caught:
            decode(tmp_path / name, **LIMITS)
        assert caught.value.field == "audio_url"


def test_a_file_beyond_the_byte_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse.wav"
    with path.open("wb") as file:
        file.write(encode(noise(1), "wav"))
        file.truncate(1 << 40)
    with pytest.raises(AudioTooLarge, match="bytes"):
        decode(path, **LIMITS)


def bomb(hours: float, state_length: bool) -> bytes:
    """A small FLAC that holds hours of silence; without its length in the header if wished."""
    data = bytearray(encode(Audio(np.zeros(round(hours * 3600 * RATE), np.float32), RATE), "flac"))
    if not state_length:
        at = 4 + 4 + 13  # the 36 bits of STREAMINFO that count samples
        data[at] &= 0xF0
        data[at + 1 : at + 5] = bytes(4)
    return bytes(data)


def test_a_bomb_is_defused_by_its_header() -> None:
    with pytest.raises(AudioTooLarge, match="allowed"):
        decode(bomb(0.02, state_length=True), **LIMITS)


def test_a_bomb_without_a_stated_length_is_stopped_while_decoding(tmp_path: Path) -> None:
    path = tmp_path / "bomb.flac"
    path.write_bytes(bomb(0.15, state_length=False))
    assert path.stat().st_size < 200_000
    code = (
        "import sys, resource\nfrom pathlib import Path\nfrom f5_serverless.audio.codec import decode, encode\n"
        "from f5_serverless.errors import AudioTooLarge\nimport av, numpy\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    decode(Path(sys.argv[1]), max_seconds=5, max_bytes=1 << 30)\n"
        "except AudioTooLarge:\n    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    out = subprocess.run([sys.executable, "-c", code, path], capture_output=True, check=True, text=True).stdout
    assert int(out) < 20_000  # kilobytes; the nine minutes in it would be 52,000
