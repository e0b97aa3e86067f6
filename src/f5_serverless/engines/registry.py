"""Which engine does what, chosen by name or by what is installed, and loaded once per process.

`Engines` is handed to the pipeline. Choosing never falls back silently: where `f5` was asked for and cannot run,
`EngineUnavailable` says what is missing; where `auto` ends at the preview engine, the answer says so.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, cast

from f5_serverless.config import Settings
from f5_serverless.engines import f5tts_check
from f5_serverless.engines.base import Aligner, Synthesizer
from f5_serverless.errors import EngineUnavailable
from f5_serverless.types import Finding

if TYPE_CHECKING:
    from f5_serverless.engines.pocketsphinx_reader import PocketsphinxReader
    from f5_serverless.engines.transcriber import FasterWhisperTranscriber
    from f5_serverless.engines.whisperx_engine import Choice

T = TypeVar("T")


@dataclass(frozen=True)
class F5Files:
    """Where the parts of an F5-TTS model are. ``config`` None: the file beside the checkpoint."""

    checkpoint: Path
    vocab: Path
    vocoder: Path
    config: str | None
    licence: str


def f5_files(settings: Settings) -> F5Files:
    """The model that ``settings.model`` names; the files need not be there. Raises `ModelError` for an unknown name.

    A directory holds a checkpoint, ``vocab.txt``, ``vocos/`` and, unless it is a `F5TTS_v1_Base`, a configuration.
    """
    if "/" in settings.model:
        folder = Path(settings.model).expanduser()
        return F5Files(folder, folder / "vocab.txt", folder / "vocos", None, "unknown")
    from f5_serverless.runtime import models

    found = models.locate(settings.model, settings.models_path, *models.HUB_CACHES)
    return F5Files(found.checkpoint, found.vocab, found.vocoder, found.config, found.licence)


def f5_findings(settings: Settings) -> list[Finding]:
    """What keeps the f5 engine from running here, and the command that mends each; empty where nothing does."""
    files = f5_files(settings)
    found = f5tts_check.check(files.checkpoint, files.vocab, files.vocoder, probe_device=False)
    return [finding for finding in found if finding.severity == "error"]


class Engines:
    """The engines of one process. Thread-safe: two jobs that need the same engine at once load it once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._locks: dict[str, threading.RLock] = {}
        self._loaded: dict[str, object] = {}

    def synthesizer(self, wanted: str) -> Synthesizer:
        """The engine that speaks. ``wanted``: auto, f5 or preview. Raises `EngineUnavailable`."""
        name = self._settings.engine if wanted == "auto" else wanted
        if name == "auto":
            name = "preview" if f5_findings(self._settings) else "f5"
        loaders: dict[str, Callable[[], Synthesizer]] = {"preview": self._load_preview, "f5": self._load_f5}
        if name not in loaders:
            raise EngineUnavailable(f"There is no engine named {name!r}.", hint="Set F5_ENGINE to auto, f5 or preview.")
        return self._once(name, loaders[name])

    def aligner(self, language: str) -> Aligner:
        """The best installed aligner for ``language``. Raises `EngineUnavailable`."""
        return self.aligner_choice(language).aligner

    def aligner_choice(self, language: str) -> Choice:
        """The same, and why it was chosen where it is not the best there is."""
        code = language.lower().split("-")[0]
        return self._once(f"aligner {code}", lambda: self._choose_aligner(code))

    def reader(self) -> PocketsphinxReader | None:
        """What reads English speech back against its text, or None where it is not installed."""
        if find_spec("pocketsphinx") is None:
            return None
        from f5_serverless.engines.pocketsphinx_reader import PocketsphinxReader

        return self._once("reader", PocketsphinxReader)

    def transcriber(self) -> FasterWhisperTranscriber:
        """What writes down speech. Raises `EngineUnavailable`."""
        return self._once("transcriber", self._load_transcriber)

    def transcriber_at_hand(self) -> FasterWhisperTranscriber | None:
        """The same, where its model lies on this machine or the volume and costs no download; else None."""
        named = self._settings.whisper_model
        stored = self._settings.models_path / "whisper"
        at_hand = Path(named).is_dir() or any(stored.glob(f"models--*{named.replace('/', '--')}/snapshots/*/model.bin"))
        return self.transcriber() if at_hand and find_spec("faster_whisper") is not None else None

    def _once(self, name: str, load: Callable[[], T]) -> T:
        with self._lock:  # one lock per engine: different ones load side by side
            lock = self._locks.setdefault(name, threading.RLock())
        with lock:
            if name not in self._loaded:
                self._loaded[name] = load()
            return cast(T, self._loaded[name])

    def _load_preview(self) -> Synthesizer:
        from f5_serverless.engines.preview_engine import PreviewSynthesizer

        return PreviewSynthesizer()

    def _load_f5(self) -> Synthesizer:
        from f5_serverless.engines.f5tts_engine import F5TTSEngine

        settings = self._settings
        problems = f5_findings(settings)
        if problems:
            raise EngineUnavailable(
                "The f5 engine cannot run here: " + " ".join(problem.message for problem in problems),
                hint=" ".join(dict.fromkeys(problem.advice for problem in problems)),
            )
        files = f5_files(settings)
        return F5TTSEngine.load(
            files.checkpoint,
            files.vocab,
            files.vocoder,
            config=files.config,
            device=settings.device,
            dtype=settings.dtype,
            int8=settings.cpu_int8,
            weights_io=settings.weights_io,  # type: ignore[arg-type]  # checked by the loader
            cuda_graphs=settings.cuda_graphs,
            licence=files.licence,
            threads=settings.threads or None,
        )

    def _choose_aligner(self, language: str) -> Choice:
        from f5_serverless.engines.whisperx_engine import WhisperXAligner, choose_aligner

        wanted = self._settings.aligner
        if wanted not in ("auto", "whisperx", "pocketsphinx"):
            raise EngineUnavailable(
                f"There is no aligner named {wanted!r}.", hint="Set F5_ALIGNER to auto, whisperx or pocketsphinx."
            )
        whisperx: WhisperXAligner | None = None
        if wanted == "whisperx" or (wanted == "auto" and find_spec("whisperx") is not None):
            named = {language: self._settings.align_model} if self._settings.align_model else None
            folder = str(self._settings.models_path / "align")  # on the volume, so that one worker downloads for all
            whisperx = WhisperXAligner(device=self._torch_device(), models=named, model_dir=folder)
        if wanted == "whisperx" and whisperx is not None:
            whisperx.align([], language, lambda _: None)  # asked for by name: what is missing must be said
        pocketsphinx: Aligner | None = None
        if wanted != "whisperx" and find_spec("pocketsphinx") is not None:
            from f5_serverless.engines.preview_engine import PocketsphinxAligner

            pocketsphinx = PocketsphinxAligner()
        return choose_aligner(language, whisperx=whisperx, pocketsphinx=pocketsphinx)

    def _torch_device(self) -> str:
        """The device that models on torch use, as torch names it."""
        if self._settings.device != "auto":
            return self._settings.device
        if find_spec("torch") is None:
            return "cpu"
        import torch

        return "cuda" if torch.cuda.is_available() else "cpu"

    def _load_transcriber(self) -> FasterWhisperTranscriber:
        from f5_serverless.engines.transcriber import FasterWhisperTranscriber

        if find_spec("faster_whisper") is None:
            raise EngineUnavailable(
                "Writing down speech needs the package faster-whisper.",
                hint="Install it: pip install 'f5-serverless[whisperx]'",
            )
        device = self._torch_device().partition(":")[0]
        return FasterWhisperTranscriber(
            self._settings.whisper_model,
            device=device,
            # On a CPU 8 bits are twice as fast; the gate's figures (benchmarks.verification) are taken with them.
            compute_type="float16" if device == "cuda" else "int8",
            download_root=str(self._settings.models_path / "whisper"),
        )
