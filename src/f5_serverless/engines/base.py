"""What an engine is, and how one is chosen and loaded once.

Three protocols, because one package rarely does all three: a `Synthesizer` speaks chunks, an `Aligner` says when known
words are heard, a `Transcriber` writes down unknown speech. Implementations import their heavy packages
inside their loader.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from f5_serverless.types import (
    Alignment,
    Audio,
    OnProgress,
    Speech,
    SynthesisSettings,
    Transcript,
    Voice,
)


@dataclass(frozen=True, slots=True)
class SynthesisItem:
    """One chunk as an engine needs it: the spoken ``text``, its own ``seed``, and a fixed ``duration`` (s) or None."""

    text: str
    seed: int
    duration: float | None = None


class Synthesizer(Protocol):
    """Turns spoken text into sound. The same item, voice and settings give the same bytes, whatever the neighbours."""

    name: str
    model: str
    """Names the exact weights; part of every cache key."""
    licence: str
    sample_rate: int
    clones: bool
    """False: the voice is the engine's own, and every answer says so."""
    languages: frozenset[str] | None
    """Codes of the languages it speaks, without region; None: whatever its voice and weights allow."""

    def synthesize(
        self, voice: Voice | None, items: Sequence[SynthesisItem], settings: SynthesisSettings, progress: OnProgress
    ) -> list[Speech]:
        """One `Speech` per item, in order. Raises `EngineFailed`, `OutOfMemory`, or what ``progress`` raises."""
        ...

    def warm_up(self) -> None:
        """Loads what is loaded late and runs it once, so that the first request waits for nothing."""
        ...

    def estimate_seconds(self, voice: Voice | None, text: str, settings: SynthesisSettings) -> float:
        """How long ``text`` will take to say, in seconds. The chunker asks this for every sentence: keep it cheap."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class AlignItem:
    """One piece of audio and the spoken words in it."""

    audio: Audio
    words: tuple[str, ...]


class Aligner(Protocol):
    """Finds known words in sound."""

    name: str

    def supports(self, language: str) -> bool: ...

    def align(self, items: Sequence[AlignItem], language: str, progress: OnProgress) -> list[Alignment]:
        """One `Alignment` per item; each has exactly one timed word per word asked for, monotone, inside the audio."""
        ...


class Transcriber(Protocol):
    """Writes down unknown speech."""

    name: str

    def transcribe(self, audio: Audio, language: str | None, progress: OnProgress) -> Transcript:
        """``language`` None: detected."""
        ...


def chunk_seed(seed: int, spoken: str, occurrence: int, attempt: int) -> int:
    """The seed of one chunk: a 63-bit number from (request seed, what is said, its occurrence, attempt).

    It depends on the chunk's content and not on its position, so that a sentence inserted above leaves the sound of the
    others as it was.

    >>> chunk_seed(7, "Hello.", 0, 0) == chunk_seed(7, "Hello.", 0, 0)
    True
    >>> chunk_seed(7, "Hello.", 0, 0) == chunk_seed(7, "Hello.", 1, 0)
    False
    """
    digest = hashlib.sha256(f"{seed}\0{occurrence}\0{attempt}\0{spoken}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
