"""Is everything said that should be said, and nothing else? One verdict per chunk, from independent witnesses.

In: the words that should be heard, their alignment, the sound, and what was read back. Out: a `ChunkVerdict`. The
witnesses are a recogniser that does not know the text (``heard``), a guided reader that knows it and says where the
sound departs from it (``reading``; English), and the sound itself (length of words, silence inside speech). Which of
the first two is believed where is `evidence`'s business. Pure functions; the models come in from outside, bundled by
`checker.Checker`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from f5_serverless.evidence import REPEATED, Event, GuidedReading, believed, weigh
from f5_serverless.types import Alignment, Audio, Finding, Judge
from f5_serverless.wordmatch import INSERTED, MISSING, REPLACED, distance, fold

ADVICE = "Synthesise the chunk again with another seed."
LEAST_WORD, LONGEST_LETTER, LONGEST_WORD = 0.03, 0.35, 1.2  # seconds: of a word; per letter, and on top of it
FRAME = 0.01  # seconds
SILENCE_DB = -50.0  # relative to the loud frames
EDGE_DB, DROPOUT = 15.0, 0.3  # a silence this long (s) is a hole if the sound on both sides is within this of the loud


@dataclass(frozen=True, slots=True)
class ChunkVerdict:
    """``passed``; ``wer``: word error rate of what was read back; ``findings``: what is wrong or doubtful; ``score`` in
    [0, 1], higher is better: the attempt with the highest score is the one to keep."""

    passed: bool
    wer: float
    findings: tuple[Finding, ...]
    score: float


def verify(
    expected: Sequence[str],
    alignment: Alignment,
    audio: Audio,
    heard: str | None,
    *,
    judge: Judge | None = None,
    reading: GuidedReading | None = None,
    reader_trusted: bool = True,
    ref_text: str | None = None,
    language: str = "en",
) -> ChunkVerdict:
    """The verdict on one chunk. ``expected``: its spoken words; ``heard``: a recogniser's text, or None.

    ``judge`` answers how well other texts would fit; ``reading`` is the guided reader's; ``reader_trusted`` says
    whether it understands this voice. Without any witness only the sound is judged, and ``wer`` is 0.
    """
    if not expected:
        return ChunkVerdict(True, 0.0, (), 1.0)
    events = weigh(expected, heard, judge=judge, reading=reading, language=language)
    faults = believed(events, reader_trusted and reading is not None)
    findings = [_finding(event, expected, ref_text, language) for event in faults]
    findings += _sound_findings(alignment, audio)
    witness = "reader" if heard is None else "recogniser"
    errors = sum(event.size for event in events if event.source == witness)
    wer = min(1.0, errors / len(expected))
    wrong = sum(event.size for event in faults) + sum(f.severity == "error" for f in findings[len(faults) :])
    return ChunkVerdict(wrong == 0, wer, tuple(findings), 1.0 / (1.0 + wrong + 0.2 * errors))


_CODES = {
    MISSING: ("word_missing", "not heard"),
    INSERTED: ("word_inserted", "heard, but not in the text"),
    REPEATED: ("word_repeated", "heard twice"),
    REPLACED: ("word_replaced", "heard as something else"),
}


def _finding(event: Event, expected: Sequence[str], ref_text: str | None, language: str) -> Finding:
    code, what = _CODES[event.kind]
    words = expected[event.first : event.last] if event.kind in (MISSING, REPLACED) else event.heard
    at_edge = event.first == 0 or event.last >= len(expected)
    if event.kind == INSERTED and at_edge and ref_text and _is_leak(event.heard, fold(ref_text, language)):
        code, what = "reference_leaked", "heard at the edge: words of the reference"
    place = f" (word {event.first + 1})"
    return Finding(code, f"“{' '.join(words)}” {what}{place}.", ADVICE, "error")


def _is_leak(words: Sequence[str], reference: Sequence[str]) -> bool:
    """Whether ``words`` stand at either end of the reference text."""
    ends = [*reference[: len(words) + 1], *reference[-len(words) - 1 :]]
    return all(word == "…" or any(distance(word, other) < 0.35 for other in ends) for word in words)


# ------------------------------------------------------------------------------------------------------ the sound


def _sound_findings(alignment: Alignment, audio: Audio) -> list[Finding]:
    """Words that cannot be speech, and holes in the sound."""
    findings: list[Finding] = []
    if alignment.method != "interpolated":
        for word in alignment.words:
            length = word.end - word.start
            if length < LEAST_WORD:
                findings.append(Finding("word_too_short", f"“{word.text}” lasts {length:.2f} s.", ADVICE, "warning"))
            elif length > LONGEST_WORD + LONGEST_LETTER * len(word.text):
                findings.append(Finding("word_too_long", f"“{word.text}” lasts {length:.2f} s.", ADVICE, "error"))
    for start, end in holes(audio):
        text = f"The sound breaks off for {end - start:.2f} s at {start:.2f} s."
        findings.append(Finding("silence_in_speech", text, ADVICE, "error"))
    return findings


def holes(audio: Audio) -> list[tuple[float, float]]:
    """Silences that begin and end abruptly in the middle of sound, in seconds: dropouts, not pauses."""
    import numpy as np

    size = max(1, round(FRAME * audio.sample_rate))
    count = len(audio.samples) // size
    if count < 10:
        return []
    frames = audio.samples[: count * size].reshape(count, size).astype(np.float64)
    level = 10 * np.log10(np.mean(frames**2, axis=1) + 1e-12)
    loud = np.percentile(level, 95)
    quiet = level < loud + SILENCE_DB
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8))).reshape(-1, 2)
    found = []
    for first, last in edges:
        if first < 2 or last > count - 2 or (last - first) * FRAME < DROPOUT:
            continue
        falls = level[first - 2 : first].max() > loud - EDGE_DB
        rises = level[last : last + 2].max() > loud - EDGE_DB
        if falls and rises:
            found.append((first * FRAME, last * FRAME))
    return found
