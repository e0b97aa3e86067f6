"""Saying something again at given times: lines with a start and an end, chunks with fixed durations, and a placement.

In: the words of a recording, or the cues of a subtitle file, with their times. Out: for each line the chunks that say
it (each with the duration that is left for it, bent no further than speech bears) and, once they are spoken, the second
at which each starts. Speech is never cut and never hurried beyond `FASTEST`: what does not fit pushes the next line
back and is named in the overflow report.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from f5_serverless.types import Break, Chunk, Script, Token, Word

FASTEST, SLOWEST = 1.5, 0.75
"""How far a line's pace may be bent, as a multiple of the pace the engine would choose."""
LATE = 0.04  # seconds by which a line may start late before it is reported


@dataclass(frozen=True, slots=True)
class Line:
    """Something to be said from ``start`` to ``end``, both in seconds of the original."""

    script: Script
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Planned:
    """A chunk with its duration fixed, and the number of the line it belongs to."""

    chunk: Chunk
    line: int


@dataclass(frozen=True, slots=True)
class Overflow:
    """A line that did not fit: it ends ``over`` seconds after the next line should have begun."""

    line: int
    text: str
    start: float
    over: float


@dataclass(frozen=True, slots=True)
class Placement:
    """Where spoken chunks go: seconds of silence before the first and after each, and what did not fit."""

    lead: float
    pauses: tuple[float, ...]
    overflows: tuple[Overflow, ...]


@dataclass(frozen=True, slots=True)
class Spoken:
    """What `place` must know of a spoken chunk: its length in samples, and the second its first word starts at."""

    samples: int
    onset: float


def lines_of_recording(script: Script, words: Sequence[Word]) -> list[Line]:
    """One line per sentence, from the tokens of ``script`` and the time of each (one word per token)."""
    lines: list[Line] = []
    first = 0
    for index, token in enumerate(script.tokens):
        last = index == len(script.tokens) - 1
        if token.break_after < Break.SENTENCE and not last:
            continue
        tokens = script.tokens[first : index + 1]
        if any(t.words for t in tokens):
            lines.append(Line(_script(tokens, script), words[first].start, words[index].end))
            first = index + 1
    if first < len(script.tokens) and lines:  # what is left is not spoken: it is shown with the last sentence
        tail = lines.pop()
        lines.append(dataclasses.replace(tail, script=_script(tail.script.tokens + script.tokens[first:], script)))
    return lines


def plan(
    lines: Sequence[Line],
    cut: Callable[[Script], Sequence[Chunk]],
    estimate: Callable[[str], float],
) -> list[Planned]:
    """The chunks that say ``lines``, numbered through. A line too long for one chunk shares its time among several."""
    planned: list[Planned] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(lines):
        chunks = list(cut(line.script))
        natural = [max(estimate(chunk.spoken), 0.1) for chunk in chunks]
        pauses = sum(chunk.pause_after for chunk in chunks[:-1])
        room = max(line.end - line.start - pauses, 0.1)
        for chunk, seconds in zip(chunks, natural, strict=True):
            share = room * seconds / sum(natural)
            occurrence = seen.get(chunk.spoken, 0)
            seen[chunk.spoken] = occurrence + 1
            fixed = dataclasses.replace(
                chunk,
                index=len(planned),
                occurrence=occurrence,
                duration=min(max(share, seconds / FASTEST), seconds / SLOWEST),
            )
            planned.append(Planned(fixed, number))
    return planned


def place(lines: Sequence[Line], planned: Sequence[Planned], spoken: Sequence[Spoken], sample_rate: int) -> Placement:
    """Where each chunk starts: the first word of a line at the line's time, or as soon after it as there is room."""
    position = 0
    starts: list[int] = []
    overflows: list[Overflow] = []
    previous: Planned | None = None
    for item, sound in zip(planned, spoken, strict=True):
        if previous is not None and previous.line == item.line:
            start = position + round(previous.chunk.pause_after * sample_rate)
        else:
            wanted = round((lines[item.line].start - sound.onset) * sample_rate)
            start = max(wanted, position)
            late = (start - wanted) / sample_rate
            if late > LATE and previous is not None:
                before = lines[previous.line]
                text = " ".join(token.text for token in before.script.tokens)
                overflows.append(Overflow(previous.line, text, before.start, round(late, 3)))
        starts.append(start)
        position = start + sound.samples
        previous = item
    ends = [start + sound.samples for start, sound in zip(starts, spoken, strict=True)]
    gaps = [(after - end) / sample_rate for end, after in zip(ends, starts[1:], strict=False)]
    lead = starts[0] / sample_rate if starts else 0.0
    return Placement(lead, (*gaps, 0.0)[: len(starts)], tuple(overflows))


def _script(tokens: tuple[Token, ...], script: Script) -> Script:
    return Script(tokens=tokens, language=script.language)
