"""The preview engine: a small English voice whose weights come inside its package.

`PreviewSynthesizer` speaks with `hibari-tts` (24 kHz, one voice). It clones nobody: every answer that
uses it must say so. It exists so that the whole product can be tried and tested on a laptop in a minute.
`PocketsphinxAligner`, the aligner that goes with it, lives in `pocketsphinx_aligner` and is re-exported here.
Silence at a chunk's edges is left in: whoever joins the chunks trims it.
"""

from __future__ import annotations

import importlib.metadata
import re
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from f5_serverless.engines.base import SynthesisItem
from f5_serverless.engines.pocketsphinx_aligner import PocketsphinxAligner
from f5_serverless.errors import EngineFailed, EngineUnavailable
from f5_serverless.types import Audio, OnProgress, Progress, Speech, SynthesisSettings, Voice

if TYPE_CHECKING:
    from f5_serverless.types import Samples

__all__ = ["PocketsphinxAligner", "PreviewSynthesizer"]

RATE = 24_000
INSTALL = "pip install 'f5-serverless[preview]'"
SLOWEST, FASTEST = 0.5, 2.0  # what the model was trained to do
STRETCH_SLOWEST, STRETCH_FASTEST = 0.75, 1.6  # how far a fixed duration may bend the pace before it sounds wrong
FIT_ROUNDS = 4
FIT_TOLERANCE = 0.02  # seconds of silence worth no further round
EDGE = 0.005  # seconds of sound kept beyond the first and last audible sample
AUDIBLE = 10 ** (-55 / 20)  # amplitude below which a sample counts as silence
NOTHING = 0.1  # seconds of silence for a text without a sound in it
_VOWELS = re.compile(r"[aeiouy]+|\d", re.IGNORECASE)
_WORD = re.compile(r"\w+")
_PAUSE = re.compile(r"[,;:—]|[.!?…]+")
PER_WORD, PER_SYLLABLE, PER_LETTER, PER_PAUSE, PER_TEXT = 0.02, 0.11, 0.022, 0.25, 0.6  # seconds, fitted at speed 1


class _Voice(Protocol):
    def __call__(self, text: str, speed: float = 1.0, seed: int | None = None) -> Samples: ...


class PreviewSynthesizer:
    """A `Synthesizer` for English. Loads once, on first use; may be called from several threads."""

    name = "preview"
    licence = "Apache-2.0"
    sample_rate = RATE
    clones = False
    languages: frozenset[str] | None = frozenset({"en"})

    def __init__(self, threads: int = 1) -> None:
        """``threads``: of the neural network's runtime; one is enough for thirty times real time."""
        self._threads = threads
        self._lock = threading.Lock()
        self._voice: _Voice | None = None
        try:
            self.model = f"hibari-tts {importlib.metadata.version('hibari-tts')} (heart)"
        except importlib.metadata.PackageNotFoundError:
            self.model = "hibari-tts (not installed)"  # using it raises `EngineUnavailable`

    def synthesize(
        self, voice: Voice | None, items: Sequence[SynthesisItem], settings: SynthesisSettings, progress: OnProgress
    ) -> list[Speech]:
        """Speaks each item by itself, so neighbours change nothing. ``voice`` is ignored: there is only one.

        A fixed ``duration`` is met by pace first (within 0.75 to 1.6 of the asked pace, and the model's 0.5 to
        2), then by silence. Speech is never cut: what does not fit comes back longer, and the caller compares.
        Raises `EngineUnavailable` without the package, `EngineFailed`, or what ``progress`` raises.
        """
        speak = self._load()
        made: list[Speech] = []
        for index, item in enumerate(items):
            progress(Progress("synthesise", index, len(items)))
            pace = min(max(settings.speed, SLOWEST), FASTEST)
            try:
                samples = _say(speak, item, pace)
            except (RuntimeError, ValueError, IndexError, KeyError) as error:
                raise EngineFailed(f"The preview voice failed on chunk {index}: {type(error).__name__}.") from error
            made.append(Speech(Audio(samples, RATE), item.seed))
        progress(Progress("synthesise", len(items), len(items)))
        return made

    def warm_up(self) -> None:
        """Loads the voice and says a word."""
        self.synthesize(None, [SynthesisItem("Ready.", seed=0)], SynthesisSettings(seed=0), lambda _: None)

    def estimate_seconds(self, voice: Voice | None, text: str, settings: SynthesisSettings) -> float:
        """Seconds that ``text`` will take, from syllables, letters and pauses. Costs microseconds, needs no model."""
        seconds = (
            PER_TEXT
            + PER_WORD * len(_WORD.findall(text))
            + PER_SYLLABLE * len(_VOWELS.findall(text))
            + PER_LETTER * sum(map(len, _WORD.findall(text)))
            + PER_PAUSE * len(_PAUSE.findall(text))
        )
        return seconds / min(max(settings.speed, SLOWEST), FASTEST)

    def _load(self) -> _Voice:
        with self._lock:
            if self._voice is None:
                try:
                    from hibari import Hibari
                except ImportError:
                    raise _missing() from None
                loaded: _Voice = Hibari(threads=self._threads)
                self._voice = loaded
            return self._voice


def _missing() -> EngineUnavailable:
    return EngineUnavailable("The preview voice needs the package hibari-tts.", hint=f"Install it: {INSTALL}")


def _say(speak: _Voice, item: SynthesisItem, pace: float) -> Samples:
    """One item as samples (N,), fitted to its duration if it has one."""
    import numpy as np

    sound = speak(item.text, pace, item.seed)
    if not len(sound):
        sound = np.zeros(round(NOTHING * RATE), np.float32)
    return sound if item.duration is None else _fit(speak, item, pace, sound)


def _fit(speak: _Voice, item: SynthesisItem, pace: float, sound: Samples) -> Samples:
    """``item`` at the pace that fills its duration best without running over, then silence on the end."""
    import numpy as np

    assert item.duration is not None
    target = round(item.duration * RATE)
    slowest, fastest = max(SLOWEST, pace * STRETCH_SLOWEST), min(FASTEST, pace * STRETCH_FASTEST)
    best = _bare(sound)
    tried = pace
    for _ in range(FIT_ROUNDS):
        current = _bare(sound)
        if _fits_better(len(current), len(best), target):
            best = current
        if 0 <= target - len(best) <= FIT_TOLERANCE * RATE:
            break
        wanted = min(max(tried * len(current) / max(target - FIT_TOLERANCE / 2 * RATE, 1), slowest), fastest)
        if abs(wanted - tried) < 1e-3:
            break
        tried = wanted
        sound = speak(item.text, tried, item.seed)
    return np.pad(best, (0, max(0, target - len(best)))).astype(np.float32)


def _fits_better(length: int, best: int, target: int) -> bool:
    """Whether ``length`` is nearer to ``target`` than ``best``; anything that fits beats anything that does not."""
    if best > target:
        return length < best
    return best < length <= target


def _bare(sound: Samples) -> Samples:
    """``sound`` without the silence at its edges. All silence: as it is."""
    import numpy as np

    audible = np.flatnonzero(np.abs(sound) > AUDIBLE)
    if not len(audible):
        return sound
    margin = round(EDGE * RATE)
    return sound[max(0, audible[0] - margin) : audible[-1] + 1 + margin]
