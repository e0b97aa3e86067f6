"""From chunks to takes: synthesise, trim, align and check, make again what failed, and keep what is finished.

In: the chunks of one script. Out: one `Take` per chunk, in order. Work goes in groups, each kept in the chunk cache
when it is finished, so that a job that is stopped or killed loses one group and a job that is sent again with one
sentence changed makes one chunk. What a take is depends on the chunk and the settings alone, never on its group.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from f5_serverless import __version__
from f5_serverless.audio import join
from f5_serverless.checker import Checker, CheckItem
from f5_serverless.engines.base import Aligner, AlignItem, SynthesisItem, Synthesizer, chunk_seed
from f5_serverless.storage.cache import CachedChunk, ChunkCache, cache_key
from f5_serverless.types import (
    Alignment,
    Audio,
    Chunk,
    Finding,
    OnProgress,
    Progress,
    Speech,
    SynthesisSettings,
    Voice,
    Word,
)
from f5_serverless.verification import ChunkVerdict

log = logging.getLogger(__name__)

GROUP = 8
"""Chunks that are synthesised, checked and kept together."""


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """One chunk as it was spoken: trimmed sound, and its spoken words in seconds from the start of that sound.

    ``verdict``: what reading it back said, None where nothing was read back. ``attempts``: how many were made.
    """

    audio: Audio
    alignment: Alignment
    seed: int
    verdict: ChunkVerdict | None = None
    attempts: int = 1
    reused: bool = False

    @property
    def passed(self) -> bool:
        """Whether there is no reason to make it again."""
        return self.verdict is None or self.verdict.passed


class Watch(Protocol):
    """Books how long a stage takes."""

    timings: dict[str, float]

    def stage(self, name: str) -> AbstractContextManager[None]: ...


@dataclass(frozen=True)
class Studio:
    """Everything that making takes needs, for one job.

    ``checker`` None: takes are aligned by ``aligner`` and not read back. A chunk that fails is made again with another
    seed, ``max_attempts`` times in all, as long as the job has not spent ``retry_seconds`` on that.
    """

    engine: Synthesizer
    aligner: Aligner
    checker: Checker | None
    voice: Voice | None
    settings: SynthesisSettings
    cache: ChunkCache
    watch: Watch
    progress: OnProgress
    max_attempts: int = 3
    retry_seconds: float = 120.0

    @property
    def checked_by(self) -> str:
        """Who reads the takes back."""
        return "nobody" if self.checker is None else self.checker.checked_by(self.settings.language)

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
            made = iter(self._made(missing, first, len(chunks)) if missing else [])
            for chunk, take in zip(group, found, strict=True):
                finished = take if take is not None else next(made)
                if take is None:
                    with self.watch.stage("cache"):
                        self.cache.put(self._key(chunk), finished.audio, _about(finished))
                on_take(chunk, finished)
                done.append(finished)
        self.progress(Progress("synthesise", len(chunks), len(chunks)))
        return done

    def _made(self, chunks: Sequence[Chunk], first: int, total: int) -> list[Take]:
        """New takes of ``chunks``: of each the best of its attempts."""
        best = self._attempt(chunks, 0, first, total)
        for attempt in range(1, self.max_attempts):
            failed = [index for index, take in enumerate(best) if not take.passed]
            if not failed or self.watch.timings.get("retry", 0.0) > self.retry_seconds:
                break
            log.info("%d of %d chunks are made again (attempt %d)", len(failed), len(best), attempt + 1)
            with self.watch.stage("retry"):
                again = self._attempt([chunks[index] for index in failed], attempt, first, total)
            for index, take in zip(failed, again, strict=True):
                better = _score(take) > _score(best[index])
                best[index] = replace(take if better else best[index], attempts=attempt + 1)
        return best

    def _attempt(self, chunks: Sequence[Chunk], attempt: int, first: int, total: int) -> list[Take]:
        """Every chunk once, with the seeds of this attempt."""
        items = [SynthesisItem(chunk.spoken, self._seed(chunk, attempt), chunk.duration) for chunk in chunks]

        def within(event: Progress) -> None:
            self.progress(Progress(event.stage, min(first + event.done, total), total, event.detail))

        with self.watch.stage("synthesise"):
            speeches = self.engine.synthesize(self.voice, items, self.settings, within)
        with self.watch.stage("check"):
            checked = self._checked(chunks, speeches, lambda _: self.progress(Progress("check", first, total)))
        takes = []
        for (alignment, verdict), speech in zip(checked, speeches, strict=True):
            sound, removed = join.trim_silence(speech.audio)
            moved = _shifted(alignment, removed / sound.sample_rate, sound.duration)
            takes.append(Take(sound, moved, speech.seed, verdict))
        return takes

    def _checked(
        self, chunks: Sequence[Chunk], speeches: Sequence[Speech], progress: OnProgress
    ) -> list[tuple[Alignment, ChunkVerdict | None]]:
        """Alignment and verdict of each. Before trimming: silence around the words helps to find where they begin."""
        language = self.settings.language
        if self.checker is None:
            plain = [AlignItem(speech.audio, chunk.words) for speech, chunk in zip(speeches, chunks, strict=True)]
            return [(alignment, None) for alignment in self.aligner.align(plain, language, progress)]
        ref_text = None if self.voice is None else self.voice.ref_text
        items = [CheckItem(s.audio, c.words, ref_text) for s, c in zip(speeches, chunks, strict=True)]
        return list(self.checker.check(items, language, progress))

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
            checked_by=self.checked_by,
            max_attempts=self.max_attempts,
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


def _score(take: Take) -> float:
    return 1.0 if take.verdict is None else take.verdict.score


def report(chunks: Sequence[Chunk], takes: Sequence[Take], checked_by: str) -> dict[str, Any]:
    """The answer's ``verification``: who read the speech back, and what was found, in all and by chunk.

    ``passed`` and ``wer`` are None where nobody could read it back: silence about faults is not their absence.
    """
    entries = [
        {
            "index": chunk.index,
            "passed": None if take.verdict is None else take.verdict.passed,
            "wer": None if take.verdict is None else round(take.verdict.wer, 4),
            "attempts": take.attempts,
            "findings": [] if take.verdict is None else [asdict(finding) for finding in take.verdict.findings],
        }
        for chunk, take in zip(chunks, takes, strict=True)
    ]
    heard = [(take.verdict, len(chunk.words)) for chunk, take in zip(chunks, takes, strict=True) if take.verdict]
    unread = checked_by in ("nobody", "sound only")
    words = sum(count for _, count in heard)
    return {
        "checked_by": checked_by,
        "passed": None if unread else all(verdict.passed for verdict, _ in heard),
        "wer": None if unread else round(sum(verdict.wer * count for verdict, count in heard) / max(words, 1), 4),
        "attempts": sum(take.attempts for take in takes),
        "chunks": entries,
    }


def _about(take: Take) -> dict[str, Any]:
    """What the cache keeps beside the sound."""
    return {
        "words": [[word.text, word.start, word.end, word.score] for word in take.alignment.words],
        "method": take.alignment.method,
        "heard": take.alignment.heard,
        "seed": take.seed,
        "attempts": take.attempts,
        "verdict": None if take.verdict is None else asdict(take.verdict),
    }


def _take(cached: CachedChunk) -> Take:
    """The reverse of `_about`."""
    about = cached.about
    words = tuple(Word(text, start, end, score) for text, start, end, score in about["words"])
    verdict = None
    if about["verdict"] is not None:
        findings = tuple(Finding(**finding) for finding in about["verdict"]["findings"])
        verdict = ChunkVerdict(**{**about["verdict"], "findings": findings})
    alignment = Alignment(words, about["method"], about["heard"])
    return Take(cached.audio, alignment, about["seed"], verdict, about["attempts"], reused=True)
