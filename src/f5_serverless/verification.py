"""Is everything said that should be said, and nothing else? One verdict per chunk, from independent witnesses.

In: the words that should be heard, their alignment, the sound, and what was read back. Out: a `ChunkVerdict`. The
witnesses are a recogniser that does not know the text (``heard``), a guided reader that knows it and says where the
sound departs from it (``reading``; English), and the sound itself (length of words, silence inside speech). No single
one is trusted where others contradict it: a small recogniser mishears names, and a guided reader mishears
unusual voices. Pure functions; the models come in from outside, bundled by `checker.Checker`.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from f5_serverless.types import Alignment, Audio, Finding
from f5_serverless.wordmatch import INSERTED, MISSING, REPLACED, SAME, compare, distance, fold

REPEATED = "repeated"
ADVICE = "Synthesise the chunk again with another seed."
FOREIGN_PHONES, FOREIGN_SECONDS = 3, 0.18  # a foreign stretch shorter than this is a reader's slip …
FOREIGN_ALONE = 0.28  # … and than this where only the reader hears it
REPEAT_ALONE = 0.09  # seconds; a word said twice so short that only the reader hears it is one word with a break
NEAR = 2  # words; two witnesses that differ by no more speak of the same place
GAIN = 4.0  # log probability by which a recogniser must prefer what it wrote to the text, to be believed …
GAIN_NEAR, GAIN_DENIED = -3.0, 14.0  # … where a trusted reader departs there too; … where it follows the text
GAIN_TWICE = 1.0  # of a word said twice: a recogniser leaves such words out, but never makes them up
LONG, GAIN_LONG = 3, -8.0  # so many words at once missing or added need less
GAIN_ABSENT = -4.0  # below this the recogniser is sure to hear a word that a trusted reader misses
GAIN_REPEAT = -8.0  # below this it is sure that a word was said once
GAIN_READER = -2.0  # the same for a departure that only an untrusted reader reports
STRONG = 2  # words in a row that a recogniser that gives no probabilities must miss or add, to be believed alone
LEAST_WORD, LONGEST_LETTER, LONGEST_WORD = 0.03, 0.35, 1.2  # seconds: of a word; per letter, and on top of it
FRAME = 0.01  # seconds
SILENCE_DB = -50.0  # relative to the loud frames
EDGE_DB, DROPOUT = 15.0, 0.3  # a silence this long (s) is a hole if the sound on both sides is within this of the loud


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
class Event:
    """One departure from the text: ``kind``, the expected words ``first`` to ``last``, what was ``heard`` instead.

    ``source``: "recogniser" or "reader". ``gain``: by how much (log probability) the recogniser prefers the text with
    this departure to the text without it; None where it was not asked. ``near``: the other witness departs there too;
    ``denied``: it followed the text there. ``firm``: the reader hears it for long enough to be believed alone.
    """

    kind: str
    first: int
    last: int
    heard: tuple[str, ...] = ()
    source: str = "recogniser"
    gain: float | None = None
    near: bool = False
    denied: bool = False
    firm: bool = False

    @property
    def size(self) -> int:
        return max(self.last - self.first, len(self.heard))


class Judge(Protocol):
    """A recogniser that has heard the chunk: what it wrote, and the log probability of any other text."""

    @property
    def text(self) -> str: ...
    def likelihood(self, text: str) -> float: ...


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


# --------------------------------------------------------------------------------------------------- the witnesses


def weigh(
    expected: Sequence[str],
    heard: str | None,
    *,
    judge: Judge | None = None,
    reading: GuidedReading | None = None,
    language: str = "en",
) -> list[Event]:
    """All departures that any witness reports, each with what the other thinks of it."""
    guided = [] if reading is None else guided_events(reading, len(expected))
    if heard is None:
        return guided
    raw = heard.split()
    blind = _blind_events(expected, raw, language)
    written = 0.0 if judge is None or not (blind or guided) else judge.likelihood(heard)
    weighed = []
    for event, first, last in blind:
        gain = None
        if judge is not None:
            gain = written - judge.likelihood(_mended(raw, first, last, expected[event.first : event.last]))
        near = any(_near(event, other) for other in guided)
        weighed.append(replace(event, gain=gain, near=near, denied=reading is not None and not near))
    for event in guided:
        near = any(_near(event, other) for other, _, _ in blind)
        gain = None
        if judge is not None and not near and "…" not in event.heard:
            with_it = " ".join([*expected[: event.first], *event.heard, *expected[event.last :]])
            gain = judge.likelihood(with_it) - judge.likelihood(" ".join(expected))
        weighed.append(replace(event, gain=gain, near=near, denied=not near))
    return weighed


def _mended(raw: Sequence[str], first: int, last: int, words: Sequence[str]) -> str:
    """``raw`` with ``words`` in the place of ``first`` to ``last``, and the punctuation that stood there."""
    before, after = [*raw[:first], *words], list(raw[last:])
    mark = raw[last - 1][-1] if last > first else ""
    if before and mark in tuple(",.;:!?") and before[-1][-1].isalnum():
        before[-1] += mark
    return " ".join([*before, *after])


def believed(events: Sequence[Event], reader_trusted: bool) -> list[Event]:
    """The departures that count as faults: each needs its witness's word and must not be denied by the other."""
    return [
        event
        for event in events
        if (_blind_counts if event.source == "recogniser" else _guided_counts)(event, reader_trusted)
    ]


def _blind_counts(event: Event, reader_trusted: bool) -> bool:
    if event.gain is None:
        return event.near or not reader_trusted or event.size >= STRONG
    if event.size >= LONG and event.kind in (MISSING, INSERTED):  # garbled words are improbable in any text
        return event.gain >= GAIN_LONG
    if not reader_trusted:
        return event.gain >= GAIN
    if event.near:
        return event.gain >= GAIN_NEAR
    return event.gain >= (GAIN_TWICE if event.kind == REPEATED and event.size == 1 else GAIN_DENIED)


def _guided_counts(event: Event, reader_trusted: bool) -> bool:
    if not reader_trusted:
        return event.kind == REPEATED and event.gain is not None and event.gain >= GAIN_READER
    if event.kind == MISSING:
        return event.gain is None or event.gain >= GAIN_ABSENT
    if not event.denied:
        return True
    return event.firm or (event.kind == REPEATED and event.gain is not None and event.gain >= GAIN_REPEAT)


def _blind_events(expected: Sequence[str], raw: Sequence[str], language: str) -> list[tuple[Event, int, int]]:
    """Where the recogniser's words depart from the expected ones, neighbours joined; each with its range in ``raw``."""
    words, owners = _folded(expected, language)
    heard, heard_owners = _folded(raw, language)
    spans: list[list[int]] = []
    for step in compare(words, heard):
        if step.kind == SAME:
            continue
        if spans and spans[-1][1] == step.first and spans[-1][3] == step.heard_first:
            spans[-1][1], spans[-1][3] = step.last, step.heard_last
        else:
            spans.append([step.first, step.last, step.heard_first, step.heard_last])
    events = []
    for first, last, one, other in spans:
        kind = INSERTED if first == last else MISSING if one == other else REPLACED
        said = tuple(heard[one:other])
        if kind == INSERTED and _repeats(said, words, first):
            kind = REPEATED
        start, end = _owned(first, last, owners)
        raw_start, raw_end = _owned(one, other, heard_owners)
        events.append((Event(kind, start, end, said), raw_start, raw_end))
    return events


def _repeats(said: Sequence[str], words: Sequence[str], place: int) -> bool:
    """Whether an insertion only says again what stands beside it."""
    near = words[max(0, place - len(said) - 1) : place + len(said) + 1]
    return all(any(distance(word, other) < 0.2 for other in near) for word in said)


def _owned(first: int, last: int, owners: Sequence[int]) -> tuple[int, int]:
    """A range of folded words as a range of the words they come from."""
    start = owners[first]
    return start, owners[last - 1] + 1 if last > first else start


def _folded(words: Sequence[str], language: str) -> tuple[list[str], list[int]]:
    """``words`` folded, and for each the index of the word it comes from, with the end as a last entry."""
    folded: list[str] = []
    owners: list[int] = []
    for index, word in enumerate(words):
        for part in fold(word, language):
            folded.append(part)
            owners.append(index)
    return folded, [*owners, len(words)]


def guided_events(reading: GuidedReading, count: int) -> list[Event]:
    """Where the guided reader left the text. Short foreign stretches without a missing word are its slips."""
    keys, owners = list(reading.keys), [*reading.owners, count]
    solid = [h for h in reading.heard if h.key or (h.phones >= FOREIGN_PHONES and h.end - h.start >= FOREIGN_SECONDS)]
    matcher = difflib.SequenceMatcher(None, keys, [h.key for h in solid], autojunk=False)
    events = []
    for tag, first, last, one, other in matcher.get_opcodes():
        if tag == "equal":
            continue
        said = tuple(h.key or "…" for h in solid[one:other])
        kind = {"delete": MISSING, "insert": INSERTED, "replace": REPLACED}[tag]
        if kind == INSERTED and all(
            word in keys[max(0, first - len(said) - 1) : first + len(said) + 1] for word in said
        ):
            kind = REPEATED
        start, end = _owned(first, last, owners)
        events.append(Event(kind, start, end, said, "reader", firm=_is_firm(kind, solid, one, other)))
    return events


def _is_firm(kind: str, heard: Sequence[ReadWord], first: int, last: int) -> bool:
    """Whether the words ``first`` to ``last`` of ``heard`` are more than a reader's slip."""
    if kind == INSERTED and any(not word.key for word in heard[first:last]):
        return any(word.phones > FOREIGN_PHONES or word.end - word.start >= FOREIGN_ALONE for word in heard[first:last])
    if kind not in (INSERTED, REPEATED):
        return False
    said = {word.key for word in heard[first:last]}
    beside = [word for word in heard[max(0, first - 1) : last + 1] if word.key in said]
    return min(word.end - word.start for word in beside) >= REPEAT_ALONE


def _near(one: Event, other: Event) -> bool:
    return one.first <= other.last + NEAR and other.first <= one.last + NEAR


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
