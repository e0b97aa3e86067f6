"""From chunks to takes: synthesise, trim, align, in groups, with progress.

In: chunks of one script, a prepared voice, the engines. Out: one `Take` per chunk, in order. Groups bound how much
work a cancelled or killed job loses, and how much sound is held twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from f5_serverless.audio import join
from f5_serverless.engines.base import Aligner, AlignItem, SynthesisItem, Synthesizer, chunk_seed
from f5_serverless.types import Alignment, Audio, Chunk, OnProgress, Progress, SynthesisSettings, Voice

GROUP = 8
"""Chunks that are synthesised, aligned and kept together."""


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """One chunk as it was spoken: trimmed sound, and its spoken words in seconds from the start of that sound."""

    audio: Audio
    alignment: Alignment
    seed: int


class Watch(Protocol):
    """Books how long a stage takes."""

    def stage(self, name: str) -> AbstractContextManager[None]: ...


def make_takes(
    chunks: Sequence[Chunk],
    voice: Voice | None,
    engine: Synthesizer,
    aligner: Aligner,
    settings: SynthesisSettings,
    *,
    watch: Watch,
    progress: OnProgress,
) -> list[Take]:
    """One `Take` per chunk. Raises what the engines raise, and what ``progress`` raises to stop the job."""
    takes: list[Take] = []
    for first in range(0, len(chunks), GROUP):
        group = chunks[first : first + GROUP]
        progress(Progress("synthesise", first, len(chunks)))
        items = [
            SynthesisItem(
                text=chunk.spoken,
                seed=chunk_seed(settings.seed, chunk.spoken, chunk.occurrence, attempt=0),
                duration=chunk.duration,
            )
            for chunk in group
        ]

        def within(event: Progress, first: int = first) -> None:
            progress(Progress(event.stage, min(first + event.done, len(chunks)), len(chunks), event.detail))

        with watch.stage("synthesise"):
            speeches = engine.synthesize(voice, items, settings, within)
        with watch.stage("align"):
            sounds = [join.trim_silence(speech.audio)[0] for speech in speeches]
            found = aligner.align(
                [AlignItem(sound, chunk.words) for sound, chunk in zip(sounds, group, strict=True)],
                settings.language,
                lambda _: progress(Progress("align", first, len(chunks))),  # noqa: B023 - called within this round
            )
        takes += [
            Take(sound, alignment, speech.seed)
            for sound, alignment, speech in zip(sounds, found, speeches, strict=True)
        ]
    progress(Progress("synthesise", len(chunks), len(chunks)))
    return takes
