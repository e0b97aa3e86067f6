"""From chunks to takes: synthesise, trim, align and check, make again what failed, and keep what is finished.

In: the chunks of one script. Out: one `Take` per chunk, in order. Work goes in groups, each kept in the chunk cache
when it is finished, so that a job that is stopped or killed loses one group and a job that is sent again with one
sentence changed makes one chunk. What a take is depends on the chunk and the settings alone, never on its group.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from f5_serverless import __version__
from f5_serverless.audio import join
from f5_serverless.engines.base import Aligner, AlignItem, SynthesisItem, Synthesizer, chunk_seed
from f5_serverless.storage.cache import CachedChunk, ChunkCache, cache_key
from f5_serverless.types import Alignment, Audio, Chunk, OnProgress, Progress, SynthesisSettings, Voice, Word

log = logging.getLogger(__name__)

GROUP = 8
"""Chunks that are synthesised, checked and kept together."""


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """One chunk as it was spoken: trimmed sound, and its spoken words in seconds from the start of that sound."""

    audio: Audio
    alignment: Alignment
    seed: int
    attempts: int = 1
    reused: bool = False


class Watch(Protocol):
    """Books how long a stage takes."""

    def stage(self, name: str) -> AbstractContextManager[None]: ...


@dataclass(frozen=True)
class Studio:
    """Everything that making takes needs, for one job."""

    engine: Synthesizer
    aligner: Aligner
    voice: Voice | None
    settings: SynthesisSettings
    cache: ChunkCache
    watch: Watch
    progress: OnProgress

    def takes(self, chunks: Sequence[Chunk], on_take: Callable[[Chunk, Take], None]) -> list[Take]:
        """One `Take` per chunk. ``on_take`` gets each as soon as it is finished, in order.

        Raises what the engines raise, and what ``progress`` raises to stop the job.
        """
        done: list[Take] = []
        for first in range(0, len(chunks), GROUP):
            group = chunks[first : first + GROUP]
            self.progress(Progress("synthesise", first, len(chunks)))
            with self.watch.stage("cache"):
                found = [self._kept(chunk) for chunk in group]
            missing = [chunk for chunk, take in zip(group, found, strict=True) if take is None]
            made = iter(self._made(missing, first, len(chunks)) if missing else ())
            for chunk, take in zip(group, found, strict=True):
                finished = take if take is not None else next(made)
                if take is None:
                    with self.watch.stage("cache"):
                        self.cache.put(self._key(chunk), finished.audio, _about(finished))
                on_take(chunk, finished)
                done.append(finished)
        self.progress(Progress("synthesise", len(chunks), len(chunks)))
        return done

    def _made(self, chunks: Sequence[Chunk], first: int, total: int) -> Iterator[Take]:
        """New takes of ``chunks``."""
        items = [SynthesisItem(chunk.spoken, self._seed(chunk, 0), chunk.duration) for chunk in chunks]

        def within(event: Progress) -> None:
            self.progress(Progress(event.stage, min(first + event.done, total), total, event.detail))

        with self.watch.stage("synthesise"):
            speeches = self.engine.synthesize(self.voice, items, self.settings, within)
        with self.watch.stage("align"):
            # Aligned before trimming: the silence around the words helps to find where they begin.
            wanted = [AlignItem(speech.audio, chunk.words) for speech, chunk in zip(speeches, chunks, strict=True)]
            aligned = self.aligner.align(
                wanted, self.settings.language, lambda _: self.progress(Progress("align", first, total))
            )
        for alignment, speech in zip(aligned, speeches, strict=True):
            sound, removed = join.trim_silence(speech.audio)
            yield Take(sound, _shifted(alignment, removed / sound.sample_rate, sound.duration), speech.seed)

    def _seed(self, chunk: Chunk, attempt: int) -> int:
        return chunk_seed(self.settings.seed, chunk.spoken, chunk.occurrence, attempt)

    def _key(self, chunk: Chunk) -> str:
        """The name of a take in the cache: everything that decides what it is."""
        settings = self.settings
        return cache_key(
            version=__version__,
            spoken=chunk.spoken,
            words=chunk.words,
            seed=self._seed(chunk, 0),
            duration=chunk.duration,
            voice=None if self.voice is None else self.voice.hash,
            model=self.engine.model,
            aligner=self.aligner.name,
            language=settings.language,
            speed=settings.speed,
            nfe_step=settings.nfe_step,
            cfg_strength=settings.cfg_strength,
        )

    def _kept(self, chunk: Chunk) -> Take | None:
        """The take of an earlier job or attempt, or None."""
        cached = self.cache.get(self._key(chunk))
        return None if cached is None else _take(cached)


def _shifted(alignment: Alignment, seconds: float, duration: float) -> Alignment:
    """``alignment`` in sound from whose front ``seconds`` were removed, and which now lasts ``duration``."""

    def moved(time: float) -> float:
        return min(max(time - seconds, 0.0), duration)

    words = (replace(word, start=moved(word.start), end=moved(word.end)) for word in alignment.words)
    return replace(alignment, words=tuple(words))


def _about(take: Take) -> dict[str, Any]:
    """What the cache keeps beside the sound."""
    return {
        "words": [[word.text, word.start, word.end, word.score] for word in take.alignment.words],
        "method": take.alignment.method,
        "heard": take.alignment.heard,
        "seed": take.seed,
        "attempts": take.attempts,
    }


def _take(cached: CachedChunk) -> Take:
    """The reverse of `_about`."""
    about = cached.about
    words = tuple(Word(text, start, end, score) for text, start, end, score in about["words"])
    alignment = Alignment(words, about["method"], about["heard"])
    return Take(cached.audio, alignment, about["seed"], about["attempts"], reused=True)
