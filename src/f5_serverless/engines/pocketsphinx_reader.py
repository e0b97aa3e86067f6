"""Reads sound back against its text: which of the expected words are heard, in which order, and where something else.

In: sound and the words that should be in it. Out: the words as they come, with "" for a stretch that is none of
them. The search may skip a word, say it again, or leave the
text for a loop of single phones; each of these costs, so that it only happens where the sound demands it. This is
no free recognition: it cannot say what the foreign stretch means. English, on `pocketsphinx`.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from f5_serverless.engines.base import AlignItem
from f5_serverless.engines.pocketsphinx_aligner import FRAME, PocketsphinxAligner, heard, pcm_of
from f5_serverless.types import OnProgress, Progress

LOOP = ("AH", "IY", "AA", "UW", "S", "N", "T", "K", "M", "L", "R", "D", "F")
"""Phones of the loop. Broad classes are enough, and four times faster than all 39."""
SKIP, AGAIN, LEAVE, PHONE = 1e-4, 1e-4, 1e-6, 0.02  # probabilities of leaving the text
GAP = 0.05  # seconds between two phones of one foreign stretch
_VARIANT = re.compile(r"\(\d+\)$")
BEAM = 1e-60  # the loop makes wide beams slow; a lost path is reported as nothing heard


@dataclass(frozen=True, slots=True)
class Heard:
    """One word as it comes, as one of `Reading.keys`, or "" for a stretch that is none of them, ``phones`` long."""

    key: str
    start: float
    end: float
    phones: int = 0


@dataclass(frozen=True, slots=True)
class Reading:
    """``keys``: the expected words as dictionary entries (a hyphenated word is several); ``owners``: for each, the
    index of its word; ``heard``: what came instead, in order."""

    keys: tuple[str, ...]
    owners: tuple[int, ...]
    heard: tuple[Heard, ...]


class PocketsphinxReader:
    """Loads once, on first use; calls from several threads take turns."""

    name = "pocketsphinx"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._words = PocketsphinxAligner(beam=BEAM)
        self._ready = False

    def supports(self, language: str) -> bool:
        """Only English."""
        return self._words.supports(language)

    def read(self, items: Sequence[AlignItem], language: str, progress: OnProgress) -> list[Reading]:
        """What is heard in each item, in order. Raises as `PocketsphinxAligner.align` does."""
        read = []
        with self._lock:
            decoder = self._words.decoder(language)
            if not self._ready:
                for phone in LOOP:
                    decoder.add_word(f"_{phone}", phone, phone == LOOP[-1])
                self._ready = True
            for index, item in enumerate(items):
                progress(Progress("read back", index, len(items)))
                read.append(self._one(decoder, item))
        return read

    def _one(self, decoder: Any, item: AlignItem) -> Reading:
        keys, owners = [], []
        for index, word in enumerate(item.words):
            for key in self._words.keys(word):
                keys.append(key)
                owners.append(index)
        sound = pcm_of(item.audio)
        if not keys or len(sound) < 800:
            return Reading(tuple(keys), tuple(owners), ())
        decoder.add_fsg("read", decoder.create_fsg("read", 0, len(keys), _grammar(keys)))
        decoder.activate_search("read")
        return Reading(tuple(keys), tuple(owners), tuple(_heard(heard(decoder, sound))))


def _grammar(keys: Sequence[str]) -> list[tuple[Any, ...]]:
    """States 0…n between the words, and beside each a loop of phones."""
    count = len(keys)
    arcs: list[tuple[Any, ...]] = []
    for state, key in enumerate(keys):
        arcs += [(state, state + 1, 1.0, key), (state, state + 1, SKIP), (state + 1, state, AGAIN)]
    for state in range(count + 1):
        loop = count + 1 + state
        arcs += [(state, loop, LEAVE), (loop, state, 1.0)]
        arcs += [(loop, loop, PHONE, f"_{phone}") for phone in LOOP]
    return arcs


def _heard(segments: Any) -> Iterator[Heard]:
    """Segments as words, without silence. Phones in a row are one foreign stretch."""
    foreign: Heard | None = None
    for segment in segments:
        if segment.word == "(NULL)" or segment.word.startswith(("<", "[")):
            continue
        start, end = segment.start_frame * FRAME, (segment.end_frame + 1) * FRAME
        if segment.word.startswith("_") and foreign is not None and start - foreign.end < GAP:
            foreign = Heard("", foreign.start, end, foreign.phones + 1)
            continue
        if foreign is not None:
            yield foreign
            foreign = None
        if segment.word.startswith("_"):
            foreign = Heard("", start, end, 1)
        else:
            yield Heard(_VARIANT.sub("", segment.word), start, end)
    if foreign is not None:
        yield foreign
