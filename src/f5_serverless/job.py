"""One job under way: what was asked, what it may use, how long its stages took, what it has to tell at the end.

Stages read and fill a `Job`; only `pipeline` makes one. It does nothing by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from f5_serverless.config import Settings
from f5_serverless.request import Request
from f5_serverless.services import Services
from f5_serverless.storage.manifest import VoiceSource
from f5_serverless.synthesis import Take
from f5_serverless.types import Chunk, OnProgress, Progress

OnTake = Callable[[Chunk, Take], None]


class Stopwatch:
    """Books how long each stage took, and reports stages as progress."""

    def __init__(self, progress: OnProgress) -> None:
        self.timings: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the seconds spent inside to ``timings[name]``."""
        self._progress(Progress(name, 0, 1))
        start = time.perf_counter()
        try:
            yield
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start


@dataclass
class Job:
    """One job under way: the request, what it may use, and what it has to tell at the end."""

    request: Request
    services: Services
    scratch: Path
    watch: Stopwatch
    progress: OnProgress
    on_take: OnTake
    warnings: list[str]
    sources: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each input that was fetched, by field."""
    verification: dict[str, Any] | None = None
    voice_source: VoiceSource | None = None

    @property
    def settings(self) -> Settings:
        return self.services.settings

    @property
    def language(self) -> str:
        return self.request.options.language or "en"
