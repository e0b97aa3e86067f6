"""Where the witnesses say that speech departs from its text, and which of them is believed.

In: the words that should be heard, what a recogniser wrote that does not know them, what a guided reader heard that
does. Out: `Event`s, and of these the ones that count as faults. No single witness is trusted where others contradict
it: a small recogniser mishears names, a guided reader mishears unusual voices. The thresholds were chosen on seeded
faults (`benchmarks.verification`). Pure functions; knows nothing of audio, models or verdicts.
"""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from f5_serverless.types import Judge
from f5_serverless.wordmatch import INSERTED, MISSING, REPLACED, SAME, Step, compare, distance, fold

REPEATED = "repeated"
NEAR = 2  # words; two witnesses that differ by no more speak of the same place
STRONG = 2  # words in a row that a recogniser that gives no probabilities must miss or add, to be believed alone
LONG = 3  # so many words at once missing or added are not a slip of the recogniser
ABSORBED, SWALLOWED = 3, 0.05  # letters of a word that a neighbour may have swallowed if it sounds this different
FOREIGN_PHONES, FOREIGN_SECONDS = 3, 0.18  # a foreign stretch shorter than this is a reader's slip …
FOREIGN_ALONE = 0.28  # … and than this where only the reader hears it
REPEAT_ALONE = 0.085  # seconds; a word said twice so short that only the reader hears it is one word with a break

# How much likelier (log probability) the recogniser must find the text with a departure than without it, for the
# departure to count. Of what the recogniser wrote itself …
GAIN = 4.0  # … where there is no reader
GAIN_LONG = -8.0  # … of LONG words at once missing or added: such texts are improbable, so they gain little
GAIN_NEAR = -3.0  # … where a trusted reader departs from the text too
# … where a trusted reader follows the text: of a word more, of a word twice. That words are missing is not believed
# there: a recogniser leaves words out and writes others for them, a reader does not.
GAIN_DENIED, GAIN_TWICE = 3.0, -1.0
# … of a voice that the reader does not follow, so that the recogniser may mishear it too: of words more, of others.
GAIN_MORE, GAIN_GARBLED = 0.0, 8.0
# Of what only the reader reports: of a word missing; twice; twice and for long; of any, where it is not trusted.
GAIN_ABSENT, GAIN_REPEAT, GAIN_ONCE, GAIN_READER = -4.0, -8.0, -13.0, -2.0


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
class Event:
    """One departure from the text: ``kind``, the expected words ``first`` to ``last``, what was ``heard`` instead.

    ``source``: "recogniser" or "reader". ``gain``: by how much (log probability) the recogniser prefers the text with
    this departure to the text without it; None where it was not asked. ``near``: the other witness departs there too;
    ``denied``: it followed the text there. ``firm``: the reader hears it for long enough to be believed alone.
    ``absorbed``: short words missing, or words more, that may belong to a neighbour which the recogniser misheard.
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
    absorbed: bool = False

    @property
    def size(self) -> int:
        return max(self.last - self.first, len(self.heard))

    @property
    def surplus(self) -> int:
        """By how many words the two texts differ in length."""
        return abs(self.last - self.first - len(self.heard))


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
    contradicted = event.kind == REPLACED and event.denied and reader_trusted
    if event.surplus >= LONG and not contradicted:  # garbled words are improbable in any text
        return event.gain >= GAIN_LONG
    if not reader_trusted:
        return event.gain >= _least_gain(event)
    if event.near:
        return event.gain >= GAIN_NEAR
    if event.kind == REPEATED:
        return event.gain >= GAIN_TWICE
    return event.kind == INSERTED and not event.absorbed and event.gain >= GAIN_DENIED


def _least_gain(event: Event) -> float:
    """What a recogniser alone must gain. Where a reader cannot follow the voice, it may mishear it too: then words
    that it wrote for others say little."""
    if not (event.near or event.denied):  # there is no reader
        return GAIN
    if event.kind == REPLACED or event.absorbed:
        return GAIN_GARBLED
    return GAIN if event.kind == MISSING else GAIN_MORE


def _guided_counts(event: Event, reader_trusted: bool) -> bool:
    if not reader_trusted:
        return event.kind == REPEATED and (event.near or (event.gain is not None and event.gain >= GAIN_READER))
    if event.kind == MISSING:
        return event.gain is None or event.gain >= GAIN_ABSENT
    if not event.denied:
        return True
    if event.kind == REPEATED and event.gain is not None:
        return event.gain >= (GAIN_ONCE if event.firm else GAIN_REPEAT)
    return event.firm


def _blind_events(expected: Sequence[str], raw: Sequence[str], language: str) -> list[tuple[Event, int, int]]:
    """Where the recogniser's words depart from the expected ones, neighbours joined; each with its range in ``raw``."""
    words, owners = _folded(expected, language)
    heard, heard_owners = _folded(raw, language)
    steps = compare(words, heard)
    events = []
    for begin, end in _runs(steps):
        first, last = steps[begin].first, steps[end - 1].last
        one, other = steps[begin].heard_first, steps[end - 1].heard_last
        kind = INSERTED if first == last else MISSING if one == other else REPLACED
        said = tuple(heard[one:other])
        if kind == INSERTED and _repeats(said, words, first):
            kind = REPEATED
        beside = (*steps[max(0, begin - 1) : begin], *steps[end : end + 1])
        absorbed = all(len(word) <= ABSORBED for word in words[first:last]) and any(
            _unlike(step, words, heard) > SWALLOWED for step in beside
        )
        start, stop = _owned(first, last, owners)
        raw_start, raw_end = _owned(one, other, heard_owners)
        events.append((Event(kind, start, stop, said, absorbed=absorbed), raw_start, raw_end))
    return events


def _runs(steps: Sequence[Step]) -> list[tuple[int, int]]:
    """Where ``steps`` depart from the text: begin and end of each stretch."""
    edges = [
        0,
        *(i for i in range(1, len(steps)) if (steps[i].kind == SAME) != (steps[i - 1].kind == SAME)),
        len(steps),
    ]
    return [(begin, end) for begin, end in itertools.pairwise(edges) if begin < end and steps[begin].kind != SAME]


def _unlike(step: Step, words: Sequence[str], heard: Sequence[str]) -> float:
    """How differently the two sides of ``step`` sound, in [0, 1]."""
    return distance("".join(words[step.first : step.last]), "".join(heard[step.heard_first : step.heard_last]))


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
