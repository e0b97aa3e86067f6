"""Is everything said that should be said, and nothing else? One verdict per chunk, from independent witnesses.

In: the words that should be heard, their alignment, the sound, and what was read back. Out: a `ChunkVerdict`. The
witnesses are a recogniser that does not know the text (``heard``), a guided reader that knows it and says where the
sound departs from it (``reading``; English), and the sound itself (length of words, silence inside speech). No single
one is trusted where others contradict it: a small recogniser mishears names, and a guided reader mishears
unusual voices. Pure functions; the models come in from outside, bundled by `Checker`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from f5_serverless.types import Alignment, Audio, Finding, OnProgress, Transcript
from f5_serverless.wordmatch import INSERTED, MISSING, REPLACED, SAME, compare, distance, fold

ADVICE = "Synthesise the chunk again with another seed."
FOREIGN_PHONES, FOREIGN_SECONDS = 3, 0.18  # a foreign stretch shorter than this is a reader's slip
NEAR = 2  # words; two witnesses that differ by no more speak of the same place
UNCLEAR = 0.2  # a reader that departs from more than this share of the words does not understand the voice
STRONG = 3  # words in a row that only the recogniser misses or adds, and it is believed alone
LEAST_WORD, LONGEST_LETTER, LONGEST_WORD = 0.03, 0.35, 1.2  # seconds: of a word; per letter, and on top of it
FRAME = 0.01  # seconds
SILENCE, SILENCE_DB = 0.3, -50.0  # a silence this long inside a word (s), this far below the loud frames (dB)
EDGE_STEP_DB, DROPOUT = 25.0, 0.06  # a silence that begins and ends within a frame is a hole, not a pause


class ReadWord(Protocol):
    """One word as a guided reader hears it: ``key``, "" for a foreign stretch of ``phones``; seconds."""

    @property
    def key(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...
    @property
    def phones(self) -> int: ...


class GuidedReading(Protocol):
    """The expected words as ``keys``, the word each belongs to (``owners``), and what was ``heard`` instead."""

    @property
    def keys(self) -> Sequence[str]: ...
    @property
    def owners(self) -> Sequence[int]: ...
    @property
    def heard(self) -> Sequence[ReadWord]: ...


@dataclass(frozen=True, slots=True)
class ChunkVerdict:
    """``passed``; ``wer``: word error rate of what was read back; ``findings``: what is wrong or doubtful; ``score`` in
    [0, 1], higher is better: the attempt with the highest score is the one to keep."""

    passed: bool
    wer: float
    findings: tuple[Finding, ...]
    score: float


@dataclass(frozen=True, slots=True)
class _Event:
    """One departure from the text: ``kind``, the expected words ``first`` to ``last``, the ``heard`` ones."""

    kind: str
    first: int
    last: int
    heard: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return max(self.last - self.first, len(self.heard))


def verify(
    expected: Sequence[str],
    alignment: Alignment,
    audio: Audio,
    heard: str | None,
    *,
    reading: GuidedReading | None = None,
    ref_text: str | None = None,
    language: str = "en",
) -> ChunkVerdict:
    """The verdict on one chunk. ``expected``: its spoken words; ``heard``: a recogniser's text, or None.

    Without any witness (``heard`` and ``reading`` None) only the sound is judged, and ``wer`` is 0.
    """
    if not expected:
        return ChunkVerdict(True, 0.0, (), 1.0)
    folded, owners = _folded(expected, language)
    blind = None if heard is None else _blind_events(folded, owners, fold(heard, language))
    guided = None if reading is None else _guided_events(reading, len(expected))
    faults = _agreed(blind, guided, len(expected))
    findings = [_finding(event, expected, ref_text, language) for event in faults]
    findings += _sound_findings(alignment, audio)
    errors = _errors(blind if blind is not None else guided or [])
    doubts = _errors(guided or []) if blind is not None else 0
    wer = errors / len(expected)
    wrong = sum(finding.severity == "error" for finding in findings)
    score = 1.0 / (1.0 + wrong + 0.5 * wer * len(expected) + 0.1 * doubts)
    return ChunkVerdict(wrong == 0, wer, tuple(findings), score)


def _folded(expected: Sequence[str], language: str) -> tuple[list[str], list[int]]:
    """The expected words folded, and for each the index of the word it comes from, with the end as a last entry."""
    words: list[str] = []
    owners: list[int] = []
    for index, word in enumerate(expected):
        for part in fold(word, language):
            words.append(part)
            owners.append(index)
    return words, [*owners, len(expected)]


def _blind_events(expected: Sequence[str], owners: Sequence[int], heard: Sequence[str]) -> list[_Event]:
    """Where the recogniser's text departs from the expected one, neighbours joined, as positions of whole words."""
    events: list[_Event] = []
    for step in compare(expected, heard):
        if step.kind == SAME:
            continue
        words = tuple(heard[step.heard_first : step.heard_last])
        last = events[-1] if events else None
        if last is not None and last.last == step.first and last.kind == step.kind:
            events[-1] = _Event(step.kind, last.first, step.last, last.heard + words)
        else:
            events.append(_Event(step.kind, step.first, step.last, words))
    return [_owned(_named(event, expected), owners) for event in events]


def _owned(event: _Event, owners: Sequence[int]) -> _Event:
    """``event`` with positions of folded words turned into positions of the words they come from."""
    first = owners[event.first]
    last = owners[event.last - 1] + 1 if event.last > event.first else first
    return _Event(event.kind, first, last, event.heard)


def _named(event: _Event, expected: Sequence[str]) -> _Event:
    """An insertion that repeats its neighbourhood is a repetition."""
    if event.kind == INSERTED:
        near = expected[max(0, event.first - len(event.heard) - 1) : event.first + len(event.heard) + 1]
        if all(any(distance(word, other) < 0.2 for other in near) for word in event.heard):
            return _Event("repeated", event.first, event.last, event.heard)
    return event


def _guided_events(reading: GuidedReading, count: int) -> list[_Event]:
    """Where the guided reader left the text. Short foreign stretches without a missing word are its slips."""
    keys, heard = list(reading.keys), list(reading.heard)
    solid = [h for h in heard if h.key or (h.phones >= FOREIGN_PHONES and h.end - h.start >= FOREIGN_SECONDS)]
    owners = [*reading.owners, count]
    events: list[_Event] = []
    for kind, first, last, one, other in _exact_steps(keys, [h.key for h in solid]):
        words = tuple(h.key or "…" for h in solid[one:other])
        if kind == INSERTED and all(word in keys[max(0, first - 2) : first + 2] for word in words):
            kind = "repeated"
        end = owners[last - 1] + 1 if last > first else owners[first]
        events.append(_Event(kind, owners[first], end, words))
    return events


def _exact_steps(expected: Sequence[str], heard: Sequence[str]) -> list[tuple[str, int, int, int, int]]:
    """Departures between two lists of dictionary keys, by longest common subsequence."""
    import difflib

    names = {"delete": MISSING, "insert": INSERTED, "replace": REPLACED}
    matcher = difflib.SequenceMatcher(None, expected, heard, autojunk=False)
    return [(names[tag], a, b, c, d) for tag, a, b, c, d in matcher.get_opcodes() if tag in names]


def _agreed(blind: list[_Event] | None, guided: list[_Event] | None, count: int) -> list[_Event]:
    """The departures to believe."""
    if blind is None:
        return guided or []
    if guided is None:
        return blind
    if not guided:  # it follows the text word by word: a recogniser alone must be very sure
        return [event for event in blind if event.size >= STRONG and event.kind != REPLACED]
    if sum(event.size for event in guided) <= max(3, UNCLEAR * count):
        near = [e for e in blind if any(_near(e, other) for other in guided)]
        return near or guided
    return blind


def _near(one: _Event, other: _Event) -> bool:
    return one.first <= other.last + NEAR and other.first <= one.last + NEAR


def _errors(events: Sequence[_Event]) -> int:
    return sum(event.size for event in events)


_CODES = {
    MISSING: ("word_missing", "not heard"),
    INSERTED: ("word_inserted", "heard, but not in the text"),
    "repeated": ("word_repeated", "heard twice"),
    REPLACED: ("word_replaced", "heard as something else"),
}


def _finding(event: _Event, expected: Sequence[str], ref_text: str | None, language: str) -> Finding:
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
    quiet = level < np.percentile(level, 95) + SILENCE_DB
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]]).astype(np.int8))).reshape(-1, 2)
    found = []
    for first, last in edges:
        if first < 2 or last > count - 2 or (last - first) * FRAME < DROPOUT:
            continue
        floor = float(level[first:last].mean())
        falls = level[first - 2 : first].max() - floor > EDGE_STEP_DB + 20
        rises = level[last : last + 2].max() - floor > EDGE_STEP_DB + 20
        if falls and rises:
            found.append((first * FRAME, last * FRAME))
    return found


# ------------------------------------------------------------------------------------------------------ the bundle


@dataclass(frozen=True, slots=True, eq=False)
class CheckItem:
    """One chunk's sound, the spoken words that should be in it, and the reference's text for leaks, or None."""

    audio: Audio
    words: tuple[str, ...]
    ref_text: str | None = None


class _Aligner(Protocol):
    name: str

    def align(self, items: Sequence[CheckItem], language: str, progress: OnProgress) -> list[Alignment]: ...


class _Reader(Protocol):
    name: str

    def supports(self, language: str) -> bool: ...

    def read(self, items: Sequence[CheckItem], language: str, progress: OnProgress) -> Sequence[GuidedReading]: ...


class _Recogniser(Protocol):
    name: str

    def transcribe(self, audio: Audio, language: str | None, progress: OnProgress) -> Transcript: ...


class Checker:
    """An aligner and the witnesses at hand. What can be checked depends on them; `checked_by` says what it was."""

    def __init__(self, aligner: _Aligner, reader: _Reader | None = None, recogniser: _Recogniser | None = None) -> None:
        """``reader`` and ``recogniser`` may be None; an aligner that reads (WhisperX) needs no recogniser."""
        self._aligner = aligner
        self._reader = reader
        self._recogniser = recogniser

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
            readings = self._reader.read(items, language, progress)
        judged = []
        for item, alignment, reading in zip(items, aligned, readings, strict=True):
            heard = alignment.heard
            if self._recogniser is not None:
                heard = self._recogniser.transcribe(item.audio, language, progress).text
            verdict = verify(
                item.words, alignment, item.audio, heard, reading=reading, ref_text=item.ref_text, language=language
            )
            judged.append((alignment, verdict))
        return judged
