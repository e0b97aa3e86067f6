"""What the render tests stand on: libass (inside a static ffmpeg from a package) and fonts from packages.

`burn` draws an ASS file over a plain background and returns the frames as arrays. Fontconfig sees only the packaged
fonts, so every machine draws the same picture.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from f5_serverless.subtitles.captions import make_cues
from f5_serverless.subtitles.profiles import caption_profile
from f5_serverless.subtitles.styles import STYLES
from f5_serverless.subtitles.subtitle_generator import render
from f5_serverless.types import Word

Frames = npt.NDArray[np.uint8]
BACKGROUND = 0x3A5068
FONT_PACKAGES = ("font_roboto", "manimgx_fonts", "noto_cjk_sans_jp_bold")


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None, f"{package} is missing: pip install -e '.[dev]'"
    return Path(str(spec.origin)).parent


def speak(text: str, *, pace: float = 0.4, pause: float = 0.0, start: float = 0.5, glued: bool = False) -> list[Word]:
    """Words of ``pace`` seconds each, or glued characters; ``pause`` after each of ``.!?,。、，``."""
    words, at = [], start
    for piece in list(text) if glued else text.split():
        words.append(Word(piece, round(at, 3), round(at + pace, 3), glued=glued))
        at += pace + (pause if piece[-1] in ".!?,。、，" else 0.0)
    return words


def subtitle(words: list[Word], style: str, fmt: str = "ass", language: str = "en") -> str:
    """Words to a subtitle file, the way the pipeline does it."""
    preset = STYLES[style]
    return render(make_cues(words, caption_profile(language, preset.layout)), fmt, preset, language=language)


@pytest.fixture(scope="session", name="speak")
def _speak() -> Callable[..., list[Word]]:
    return speak


@pytest.fixture(scope="session", name="subtitle")
def _subtitle() -> Callable[..., str]:
    return subtitle


@pytest.fixture(scope="session")
def libass_env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which ffmpeg sees the packaged fonts and no others."""
    home = tmp_path_factory.mktemp("fonts")
    folders = "".join(f"<dir>{_folder(package)}</dir>" for package in FONT_PACKAGES)
    (home / "fonts.conf").write_text(
        f"<?xml version='1.0'?><fontconfig>{folders}<cachedir>{home / 'cache'}</cachedir></fontconfig>"
    )
    return {**os.environ, "FONTCONFIG_FILE": str(home / "fonts.conf")}


@pytest.fixture(scope="session")
def burn(libass_env: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Frames]:
    """``burn(ass_text, seconds, fps=10)``: frames of shape (N, height, width, 3) at half the script's resolution."""
    ffmpeg = str(_folder("ffmpeg") / "binaries" / "ffmpeg")
    folder = tmp_path_factory.mktemp("burn")

    def run(ass: str, seconds: float, fps: int = 10, scale: float = 0.5, background: int = BACKGROUND) -> Frames:
        info = dict(line.split(": ", 1) for line in ass.splitlines() if line.startswith("PlayRes"))
        width, height = (round(int(info[key]) * scale) for key in ("PlayResX", "PlayResY"))
        (folder / "caption.ass").write_text(ass, encoding="utf-8")
        source = f"color=c=0x{background:06X}:s={width}x{height}:r={fps}:d={seconds},format=rgb24,ass=caption.ass"
        command = [ffmpeg, "-v", "warning", "-threads", "1", "-f", "lavfi", "-i", source, "-f", "rawvideo", "-"]
        done = subprocess.run(command, cwd=folder, env=libass_env, capture_output=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr.decode()
        assert b"failed to find" not in done.stderr, done.stderr.decode()  # a glyph that no font has
        return np.frombuffer(done.stdout, np.uint8).reshape(-1, height, width, 3)

    return run
