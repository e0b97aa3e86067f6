"""The embedded aligner: finds known English words in sound with `pocketsphinx`, whose weights come in its package.

In: sound and the spoken words in it, at any length. Out: one time per word. Long recordings are walked through in
windows: each window is searched for as many of the coming words as fit, what is certain is kept, and the next window
starts at the last kept word, so that no error is carried along and the cost grows with the length alone.
It aligns a wrong text without complaint (see `verification`); only what cannot be is refused.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from f5_serverless.engines.base import AlignItem
from f5_serverless.engines.pronounce import phones_of
from f5_serverless.errors import AlignmentImpossible, EngineFailed, EngineUnavailable
from f5_serverless.types import Alignment, Audio, OnProgress, Progress, Word

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Pcm = npt.NDArray[np.int16]

RATE = 16_000
FRAME = 0.01  # seconds
WINDOW = 24.0  # seconds of sound searched at once
TAIL = 4.0  # seconds at a window's end that are too uncertain to keep
WHOLE = 32.0  # sound up to this length is searched in one go
FASTEST_WORDS = 6.0  # words per second a window may hold; only bounds the search
LEAST_WORD = 0.04  # seconds; a text with less sound than this per word cannot be what is said
CLOSURE = 0.1  # seconds; a silence shorter than this is the stop before a consonant and belongs to the word after it
PEAK = 0.5
# Narrow beams lose the path on unusual voices; the default ones fail on two of nine clips.
BEAM = 1e-200
SEARCH = {"bestpath": False, "lm": None, "cmn": "batch"}
_PARTS = re.compile(r"[\s\-‐‑–—_/.]+")
_STRIP = re.compile(r"[^\w']+")


@dataclass(frozen=True, slots=True)
class _Span:
    """Where one part was found: ``start`` and ``end`` in seconds; its log acoustic score per frame."""

    start: float
    end: float
    score: float


class PocketsphinxAligner:
    """An `Aligner` for English. Loads once, on first use; calls from several threads take turns."""

    name = "pocketsphinx"

    def __init__(self, beam: float = BEAM) -> None:
        """``beam``: how unlikely a path may be and still be followed; narrower is faster."""
        self._lock = threading.Lock()
        self._beam = beam
        self._decoder: Any = None

    def supports(self, language: str) -> bool:
        """Only English."""
        return language.lower().replace("_", "-").split("-")[0] == "en"

    def align(self, items: Sequence[AlignItem], language: str, progress: OnProgress) -> list[Alignment]:
        """One `Alignment` per item, ``method`` "pocketsphinx", ``heard`` always None (it reads nothing by itself).

        A word's ``score`` is None: the model's likelihoods do not compare between words. Words that no path
        was found for are laid evenly over the sound at hand and the method says "interpolated".
        Raises `AlignmentImpossible` where there are far more words than the sound has room for,
        `EngineUnavailable` without the package, `EngineFailed`, or what ``progress`` raises.
        """
        aligned: list[Alignment] = []
        with self._lock:
            decoder = self.decoder(language)
            for index, item in enumerate(items):
                progress(Progress("align", index, len(items)))
                aligned.append(self._one(decoder, item, progress))
        progress(Progress("align", len(items), len(items)))
        return aligned

    def decoder(self, language: str) -> Any:
        """The loaded decoder, for others in this room. It is not thread-safe."""
        if not self.supports(language):
            raise EngineUnavailable(f"pocketsphinx knows English only, not {language!r}.")
        if self._decoder is None:
            try:
                from pocketsphinx import Decoder
            except ImportError:
                raise EngineUnavailable(
                    "Word times in the preview need the package pocketsphinx.",
                    hint="Install it: pip install 'f5-serverless[preview]'",
                ) from None
            widths = {"beam": self._beam, "pbeam": self._beam, "wbeam": self._beam * 1e20}
            self._decoder = Decoder(**SEARCH, **widths, loglevel="FATAL")
        return self._decoder

    def _one(self, decoder: Any, item: AlignItem, progress: OnProgress) -> Alignment:
        if not item.words:
            return Alignment((), self.name)
        duration = item.audio.duration
        if duration < LEAST_WORD * len(item.words):
            raise AlignmentImpossible(
                f"{len(item.words)} words cannot be said in {duration:.2f} s of sound.", field="text"
            )
        keys = [self.keys(word) for word in item.words]
        flat = [key for parts in keys for key in parts]
        spans, complete = _Walk(decoder, pcm_of(item.audio), flat, progress).run()
        words: list[Word] = []
        cursor, before = 0, 0.0
        for text, parts in zip(item.words, keys, strict=True):
            start = min(max(round(spans[cursor].start, 4), before), duration)
            cursor += len(parts)
            before = min(max(round(spans[cursor - 1].end, 4), start), duration)
            words.append(Word(text, start, before))
        return Alignment(tuple(words), self.name if complete else "interpolated")

    def keys(self, word: str) -> list[str]:
        """Dictionary entries for ``word``: itself, or its hyphenated parts, or a new entry from its letters."""
        plain = _STRIP.sub("", word.lower().replace("’", "'"))
        whole = word.lower().strip('.,;:!?"“”()[]').replace("’", "'")
        for candidate in (whole, plain):
            if candidate and self._decoder.lookup_word(candidate) is not None:
                return [candidate]
        parts = [p for p in (_STRIP.sub("", part) for part in _PARTS.split(whole)) if p.strip("'_")]
        if len(parts) > 1:
            return [key for part in parts for key in self.keys(part)]
        key = parts[0] if parts else "neutral_sound"
        if self._decoder.lookup_word(key) is None:
            try:
                self._decoder.add_word(key, " ".join(phones_of(key)), True)
            except RuntimeError as error:
                raise EngineFailed("pocketsphinx refused a new word.") from error
        return [key]


@dataclass
class _Walk:
    """One recording and its flat list of dictionary ``keys``, walked from window to window."""

    decoder: Any
    pcm: Pcm
    keys: list[str]
    progress: OnProgress

    def run(self) -> tuple[list[_Span], bool]:
        """A span per key, monotone, and whether all of them were really found."""
        spans: list[_Span] = []
        total, position, complete = len(self.pcm) / RATE, 0.0, True
        while len(spans) < len(self.keys):
            self.progress(Progress("align", round(position), round(total), "seconds"))
            rest = self.keys[len(spans) :]
            last = total - position <= WHOLE
            end = total if last else position + WINDOW
            coming = rest if last else rest[: int(WINDOW * FASTEST_WORDS)]
            found = self._search(position, end, coming, whole=last)
            if last or len(coming) == len(rest) == len(found):
                if len(found) < len(rest):
                    complete = False
                    at = found[-1].end if found else position
                    found += _even(at, total, len(rest) - len(found))
                kept = found
            else:
                kept = _certain(found, end)
                if not kept:  # nothing recognisable here: step over half a window, its share of the words with it
                    complete = False
                    step = position + WINDOW / 2
                    share = max(1, round(len(rest) * (step - position) / (total - position)))
                    kept = _even(position, step, min(share, len(rest)))
            spans += kept
            position = kept[-1].end
        return spans, complete

    def _search(self, start: float, end: float, keys: list[str], *, whole: bool) -> list[_Span]:
        """Spans of the first keys found between ``start`` and ``end`` seconds. ``whole``: all, or none at all."""
        sound = self.pcm[round(start * RATE) : round(end * RATE)]
        if len(sound) < RATE * 0.05:
            return []
        count = len(keys)
        chain: list[tuple[Any, ...]] = [(i, i + 1, 1.0, key) for i, key in enumerate(keys)]
        final = count
        if not whole:  # the window may end after any word
            final = count + 1
            chain += [(i, final, 1.0) for i in range(1, count + 1)]
        decoder = self.decoder
        decoder.add_fsg("words", decoder.create_fsg("words", 0, final, chain))
        decoder.activate_search("words")
        found = list(_spans(heard(decoder, sound), start))
        return found if not whole or len(found) == count else []


def heard(decoder: Any, sound: Pcm) -> Any:
    """The segments that ``decoder``'s search finds in ``sound``, whatever it heard before.

    Its front end keeps something of each utterance, which moves words of the next one by a frame or two; so it is made
    anew, which costs a tenth of a millisecond.
    """
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(sound.tobytes(), full_utt=True)
    decoder.end_utt()
    return decoder.seg() or ()


def _spans(segments: Any, offset: float) -> Iterator[_Span]:
    """Words among ``segments``. A short silence is given to the word after it."""
    silence = CLOSURE  # before the first word there is no stop to hear, only silence
    for segment in segments:
        length = (segment.end_frame + 1 - segment.start_frame) * FRAME
        if segment.word == "(NULL)":
            continue
        if segment.word.startswith(("<", "[")):
            silence += length
            continue
        start = segment.start_frame * FRAME
        lead = silence if silence < CLOSURE else 0.0
        silence = 0.0
        yield _Span(offset + start - lead, offset + start + length, segment.ascore)


def _certain(found: list[_Span], end: float) -> list[_Span]:
    """What to keep of a window that ends at ``end``: up to the longest pause of its sure part's second half."""
    sure = [span for span in found if span.end <= end - TAIL]
    if len(sure) < 2:
        return sure
    half = len(sure) // 2
    cut = max(range(half, len(sure)), key=lambda i: (found[i + 1].start - sure[i].end) if i + 1 < len(found) else 0.0)
    return sure[: cut + 1]


def _even(start: float, end: float, count: int) -> list[_Span]:
    """``count`` spans of equal length."""
    step = max(0.0, end - start) / count
    return [_Span(start + i * step, start + (i + 1) * step, 0.0) for i in range(count)]


def pcm_of(audio: Audio) -> Pcm:
    """``audio`` at 16 kHz as int16 (N,), its peak at half of full scale."""
    import numpy as np
    import soxr

    sound = audio.samples if audio.sample_rate == RATE else soxr.resample(audio.samples, audio.sample_rate, RATE)
    peak = float(np.max(np.abs(sound), initial=0.0))
    scaled: Pcm = (sound * (32767 * PEAK / peak) if peak > 0 else sound).astype(np.int16)
    return scaled
