"""The models that verification needs, in one object: an aligner and whatever witnesses a deployment has.

In: chunks of sound with the words that should be in them. Out: for each its word times and its verdict. It
decides nothing itself (see `verification`); it knows which witnesses there are, and whether one understands the voice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from f5_serverless.engines.base import Aligner, AlignItem
from f5_serverless.evidence import GuidedReading, guided_events
from f5_serverless.types import Alignment, Audio, Judge, OnProgress, Progress
from f5_serverless.verification import ChunkVerdict, verify

FOLLOWS, FOLLOWS_FEW = 0.1, 0.13  # share of a chunk's words that a reader may depart from; the same with few chunks
ENOUGH = 4  # chunks


@dataclass(frozen=True, slots=True, eq=False)
class CheckItem(AlignItem):
    """One chunk's sound, the spoken words that should be in it, and the reference's text for leaks, or None."""

    ref_text: str | None = None


class _Reader(Protocol):
    name: str

    def supports(self, language: str) -> bool: ...

    def read(self, items: Sequence[AlignItem], language: str, progress: OnProgress) -> Sequence[GuidedReading]: ...


class _Recogniser(Protocol):
    name: str

    def listen(self, audio: Audio, language: str) -> Judge: ...


def follows(reader: _Reader, audio: Audio, words: tuple[str, ...], language: str, progress: OnProgress) -> bool:
    """Whether ``reader`` follows the voice in ``audio``: a reference, which says ``words`` and nothing else."""
    (found,) = reader.read([AlignItem(audio, words)], language, progress)
    return sum(event.size for event in guided_events(found, len(words))) <= FOLLOWS_FEW * max(1, len(words))


class Checker:
    """An aligner and the witnesses at hand, for one voice. What can be checked depends on them: see `checked_by`.

    Whether the guided reader understands the voice is learned from what it has read of it so far: of a voice that it
    understands it follows most chunks word by word. Make one Checker per job.
    """

    def __init__(
        self,
        aligner: Aligner,
        reader: _Reader | None = None,
        recogniser: _Recogniser | None = None,
        *,
        reader_understands: bool | None = None,
    ) -> None:
        """``reader`` and ``recogniser`` may be None; an aligner that reads (WhisperX) needs no recogniser.

        ``reader_understands``: whether the reader follows this voice, where that is known (see `follows`). Then a
        chunk's verdict depends on that chunk alone, whatever was checked before it.
        """
        self._understands = reader_understands
        self._aligner = aligner
        self._reader = reader
        self._recogniser = recogniser
        self._departures: list[float] = []  # share of words, per chunk read

    def checked_by(self, language: str) -> str:
        """The witnesses for ``language``, such as "pocketsphinx + faster-whisper"; "sound only" without one."""
        names = []
        if self._reader is not None and self._reader.supports(language):
            names.append(self._reader.name)
        if self._recogniser is not None:
            names.append(self._recogniser.name)
        elif self._aligner.name == "whisperx":
            names.append("whisperx")
        return " + ".join(names) or "sound only"

    def check(
        self, items: Sequence[CheckItem], language: str, progress: OnProgress
    ) -> list[tuple[Alignment, ChunkVerdict]]:
        """Alignment and verdict of each item. Raises what the models raise."""
        aligned = self._aligner.align(items, language, progress)
        readings: Sequence[GuidedReading | None] = [None] * len(items)
        if self._reader is not None and self._reader.supports(language):
            read = self._reader.read(items, language, progress)
            for item, found in zip(items, read, strict=True):
                away = sum(event.size for event in guided_events(found, len(item.words)))
                self._departures.append(away / max(1, len(item.words)))
            readings = read
        judged = []
        for index, (item, alignment, reading) in enumerate(zip(items, aligned, readings, strict=True)):
            progress(Progress("verify", index, len(items)))
            judge = alignment.judge if self._recogniser is None else self._recogniser.listen(item.audio, language)
            verdict = verify(
                item.words,
                alignment,
                item.audio,
                alignment.heard if judge is None else judge.text,
                judge=judge,
                reading=reading,
                reader_trusted=reading is not None and self.reader_trusted,
                ref_text=item.ref_text,
                language=language,
            )
            judged.append((replace(alignment, judge=None), verdict))  # so that its memory goes
        return judged

    @property
    def reader_trusted(self) -> bool:
        """Whether the guided reader follows this voice: as it was told, or at least every fourth chunk of it."""
        if self._understands is not None:
            return self._understands
        ordered = sorted(self._departures)
        if not ordered:
            return False
        return ordered[len(ordered) // 4] <= (FOLLOWS if len(ordered) >= ENOUGH else FOLLOWS_FEW)
