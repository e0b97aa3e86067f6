"""Bad input, as strangers send it: each request gets a code, a field and exit code 2, and leaves no file behind."""

from __future__ import annotations

import base64
import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from f5_serverless import cli


def wav(samples: bytes, rate: int = 16_000, *, channels: int = 1, claimed: int | None = None) -> bytes:
    """A PCM16 WAV file; ``claimed`` is the data length its header says."""
    size = len(samples) if claimed is None else claimed
    head = b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt "
    head += struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * 2 * channels, 2 * channels, 16)
    return head + b"data" + struct.pack("<I", size) + samples


def tone(seconds: float = 1.0) -> bytes:
    time = np.arange(int(16_000 * seconds)) / 16_000
    return (np.sin(440 * 2 * np.pi * time) * 9_000).astype("<i2").tobytes()


def flac_bomb() -> bytes:
    """Five hours of silence in a few kilobytes."""
    out = io.BytesIO()
    with av.open(out, "w", format="flac") as container:
        stream = container.add_stream("flac", rate=8_000, layout="mono")
        block = np.zeros((1, 65_535), np.int16)
        for index in range(5 * 3600 * 8_000 // 65_535 + 1):
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
            frame.sample_rate = 8_000
            frame.pts = index * 65_535
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def data_url(content: bytes, mime: str = "audio/wav") -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


SPEAK = {"text": "Hello there."}

# name: (payload, field)
REQUESTS: dict[str, tuple[Any, str]] = {
    "a list": ([], "input"),
    "a number": (7, "input"),
    "a string": ("text", "input"),
    "null": (None, "input"),
    "empty": ({}, "text"),
    "null text": ({"text": None}, "text"),
    "empty text": ({"text": ""}, "text"),
    "blank text": ({"text": " \n\t "}, "text"),
    "text as number": ({"text": 5}, "text"),
    "text as list": ({"text": ["a"]}, "text"),
    "text as object": ({"text": {"a": 1}}, "text"),
    "text as boolean": ({"text": True}, "text"),
    "text with NUL": ({"text": "a\0b"}, "text"),
    "text with escape": ({"text": "\x1b[31mred"}, "text"),
    "text with a lone surrogate": ({"text": "a\ud800b"}, "text"),
    "1 MB of text": ({"text": "word " * 200_001}, "text"),
    "only emoji": ({"text": "😀😀 🎉"}, "text"),
    "only punctuation": ({"text": "... !!! ???"}, "text"),
    "only zero-width characters": ({"text": "\u200b\u200d\ufeff"}, "text"),
    "only direction marks": ({"text": "\u202e\u202c\u200f"}, "text"),
    "Arabic for an English engine": ({"text": "مرحبا بالعالم"}, "text"),
    "Hebrew for an English engine": ({"text": "שלום עולם"}, "text"),
    "Chinese for an English engine": ({"text": "你好，世界。"}, "text"),
    "another language for an English engine": ({"text": "Hallo.", "options": {"language": "de"}}, "options.language"),
    "unknown key": (SPEAK | {"txt": "x"}, "txt"),
    "unknown key with a control character": (SPEAK | {"a\nb": 1}, "(unprintable)"),
    "an option at the top": (SPEAK | {"speed": 1}, "speed"),
    "unknown option": (SPEAK | {"options": {"spede": 1}}, "options.spede"),
    "empty key": (SPEAK | {"": 1}, "(unprintable)"),
    "__proto__": (SPEAK | {"__proto__": {}}, "__proto__"),
    "options null": (SPEAK | {"options": None}, "options"),
    "options a list": (SPEAK | {"options": []}, "options"),
    "options a string": (SPEAK | {"options": "fast"}, "options"),
    "options deep": (SPEAK | {"options": nested(50)}, "options"),
    "mode unknown": (SPEAK | {"options": {"mode": "sing"}}, "options.mode"),
    "mode subtitle without audio": (SPEAK | {"options": {"mode": "subtitle"}}, "options.mode"),
    "mode revoice without audio": (SPEAK | {"options": {"mode": "revoice"}}, "options.mode"),
    "mode speak with audio": (SPEAK | {"audio_url": "a.wav", "options": {"mode": "speak"}}, "options.mode"),
    "ref_text without a voice": (SPEAK | {"options": {"ref_text": "x"}}, "options.ref_text"),
    "speed as string": (SPEAK | {"options": {"speed": "1"}}, "options.speed"),
    "speed NaN": (SPEAK | {"options": {"speed": float("nan")}}, "options.speed"),
    "speed infinite": (SPEAK | {"options": {"speed": float("inf")}}, "options.speed"),
    "speed zero": (SPEAK | {"options": {"speed": 0}}, "options.speed"),
    "speed negative": (SPEAK | {"options": {"speed": -1}}, "options.speed"),
    "speed too high": (SPEAK | {"options": {"speed": 2.01}}, "options.speed"),
    "speed boolean": (SPEAK | {"options": {"speed": True}}, "options.speed"),
    "seed negative": (SPEAK | {"options": {"seed": -1}}, "options.seed"),
    "seed huge": (SPEAK | {"options": {"seed": 10**400}}, "options.seed"),
    "seed float": (SPEAK | {"options": {"seed": 1.5}}, "options.seed"),
    "seed boolean": (SPEAK | {"options": {"seed": False}}, "options.seed"),
    "nfe_step zero": (SPEAK | {"options": {"nfe_step": 0}}, "options.nfe_step"),
    "nfe_step a million": (SPEAK | {"options": {"nfe_step": 10**6}}, "options.nfe_step"),
    "cfg_strength NaN": (SPEAK | {"options": {"cfg_strength": float("nan")}}, "options.cfg_strength"),
    "engine unknown": (SPEAK | {"options": {"engine": "xtts"}}, "options.engine"),
    "format unknown": (SPEAK | {"options": {"audio_format": "../../x"}}, "options.audio_format"),
    "subtitle format unknown": (SPEAK | {"options": {"subtitle_format": "exe"}}, "options.subtitle_format"),
    "subtitle formats empty": (SPEAK | {"options": {"subtitle_format": []}}, "options.subtitle_format"),
    "style unknown": (SPEAK | {"options": {"subtitle_style": "{\\an8}"}}, "options.subtitle_style"),
    "language is a path": (SPEAK | {"options": {"language": "../etc"}}, "options.language"),
    "loudness positive": (SPEAK | {"options": {"loudness": 3}}, "options.loudness"),
    "loudness infinite": (SPEAK | {"options": {"loudness": float("-inf")}}, "options.loudness"),
    "return unknown": (SPEAK | {"options": {"return": "email"}}, "options.return"),
    "return by its inner name": (SPEAK | {"options": {"return_": "url"}}, "options.return_"),
    "audio as number": ({"audio_url": 5, "text": "Hi."}, "audio_url"),
    "audio empty": ({"audio_url": "", "text": "Hi."}, "audio_url"),
    "audio with a line break": ({"audio_url": "a\nb", "text": "Hi."}, "audio_url"),
    "audio URL too long": ({"audio_url": "https://x/" + "a" * 20_000, "text": "Hi."}, "audio_url"),
    "/etc/passwd as audio": ({"audio_url": "file:///etc/passwd", "text": "Hi."}, "audio_url"),
    "an unknown scheme": ({"audio_url": "gopher://x/a.wav", "text": "Hi."}, "audio_url"),
    "an ffmpeg protocol": ({"audio_url": "concat:a.wav|b.wav", "text": "Hi."}, "audio_url"),
    "a missing file": ({"audio_url": "no-such-file.wav", "text": "Hi."}, "audio_url"),
    "an endless file": ({"audio_url": "/dev/zero", "text": "Hi."}, "audio_url"),
    "a directory": ({"audio_url": "/", "text": "Hi."}, "audio_url"),
    "loopback": ({"audio_url": "http://127.0.0.1:9/a.wav", "text": "Hi."}, "audio_url"),
    "cloud metadata": ({"audio_url": "http://169.254.169.254/latest/meta-data/", "text": "Hi."}, "audio_url"),
    "data URL without data": ({"audio_url": "data:audio/wav;base64,", "text": "Hi."}, "audio_url"),
    "data URL not base64": ({"audio_url": "data:audio/wav;base64,!!!", "text": "Hi."}, "audio_url"),
    "voice missing": (SPEAK | {"voice_reference_url": "no-such-voice.wav"}, "voice_reference_url"),
    "voice not audio": (SPEAK | {"voice_reference_url": "/etc/passwd"}, "voice_reference_url"),
}

# name: (content, code)
FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty file": (lambda: b"", "audio_empty"),
    "text file": (lambda: b"This is no audio at all.\n" * 50, "not_audio"),
    "html": (lambda: b"<!doctype html><html><body>404</body></html>", "not_audio"),
    "random bytes": (lambda: np.random.default_rng(3).bytes(20_000), "not_audio"),
    "wav without samples": (lambda: wav(b""), "audio_empty"),
    "silent wav": (lambda: wav(b"\0" * 32_000), "audio_silent"),
    "truncated wav": (lambda: wav(tone(1.0)[:16_000], claimed=32_000), "audio_truncated"),
    "flac bomb": (flac_bomb, "audio_too_large"),
}


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[Any], dict[str, Any]]:
    """Runs a request through the command line as a file; checks what holds for every refusal; returns the error."""
    monkeypatch.setenv("F5_OUTPUT_DIR", str(tmp_path / "out"))
    monkeypatch.setenv("F5_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("F5_ALIGNER", "pocketsphinx")
    monkeypatch.chdir(tmp_path)
    job = tmp_path / "job.json"

    def go(payload: Any) -> dict[str, Any]:
        job.write_text(json.dumps(payload))
        before = set(tmp_path.rglob("*"))
        code = cli.main(["job", str(job)])
        shown = capsys.readouterr()
        answer = json.loads(shown.out)
        assert code == 2, shown.out
        assert "Traceback" not in shown.out + shown.err
        assert set(tmp_path.rglob("*")) == before, "a refused request left something behind"
        error: dict[str, Any] = answer["error"]
        assert set(error) == {"code", "message", "field", "retryable", "hint"}
        assert error["retryable"] is False
        assert error["code"]
        assert error["hint"]
        assert len(error["message"]) < 600
        return error

    return go


@pytest.mark.parametrize("name", REQUESTS)
def test_hostile_request(name: str, run: Callable[[Any], dict[str, Any]]) -> None:
    payload, field = REQUESTS[name]
    assert run(payload)["field"] == field


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("way", ["path", "data"])
def test_hostile_file(name: str, way: str, run: Callable[[Any], dict[str, Any]], tmp_path: Path) -> None:
    make, code = FILES[name]
    content = make()
    if way == "path":
        (tmp_path / "input.bin").write_bytes(content)
    address = str(tmp_path / "input.bin") if way == "path" else data_url(content)
    error = run({"audio_url": address, "text": "Hello there."})
    assert error["field"] == "audio_url"
    if not (way == "data" and not content):
        assert error["code"] == code


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[1,2", b"\xff\xfe\x00", b'{"text": "a', b"[" * 100_000, b"nul", b'{"a": 01}', b"PK\x03\x04"],
)
def test_not_json(content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "job.json").write_bytes(content)
    assert cli.main(["job", str(tmp_path / "job.json")]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["field"] == "input"


def test_a_missing_job_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["job", str(tmp_path / "none.json")]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "source_not_found"
