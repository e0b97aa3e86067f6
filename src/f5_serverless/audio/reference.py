"""A recording of a voice, made ready to condition the model.

In: mono sound and the words said in it, with their times where an aligner is at hand. Out: a `Voice` at the model's
sample rate: silent edges trimmed, at most twelve seconds, with a short silent tail. What is longer is cut at a pause
between two words, and the text is cut at the same place: a reference that says more than its text leaks words into the
speech. It opens no file and recognises no speech.

Thresholds and the tail follow the published F5-TTS inference code (SWivid/F5-TTS, utils_infer).
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Sequence

import numpy as np

from f5_serverless.audio.samples import db_to_gain, frame_rms, gain_to_db, peak, resample, to_samples
from f5_serverless.audio.voice_report import grade
from f5_serverless.errors import AudioSilent, AudioTooLarge, InputError
from f5_serverless.types import Audio, Voice, Word

TAIL_SECONDS = 0.05
EDGE_DB = -42.0
"""Below this level (dBFS, blocks of 10 ms) the edges are silent."""

EDGE_BELOW_LOUDEST_DB = 20.0
"""In a quiet recording the edge is judged by its loudest block instead."""

MOST_AFTER_WORD = 0.3
"""So much of a pause is kept behind the last word of a cut reference, in seconds."""

_FIELD = "voice_reference_url"
_SENTENCE_END = tuple(".!?。！？…")
_CLAUSE_END = tuple(",;:，、；：—")
_VERSION = 1


def prepare(
    audio: Audio,
    ref_text: str,
    *,
    sample_rate: int = 24_000,
    max_seconds: float = 12.0,
    words: Sequence[Word] | None = None,
    language: str = "en",
    heard: str | None = None,
) -> Voice:
    """``audio`` as a reference voice, with its report.

    ``words``: the words of ``ref_text`` in order, timed in ``audio``; needed only where speech lasts longer than
    ``max_seconds``. ``heard``: what a recogniser read, for the report. The text comes back cut with the sound, and ends
    with a mark, as the model wants it. The level stays as it is: the engine raises a quiet voice for the model, and
    lowers what it says by as much. Raises `AudioSilent`; `AudioTooLarge` where there is no place to cut; `InputError`
    for an empty text.
    """
    text = " ".join(ref_text.split())
    if not text:
        raise InputError(
            "The reference voice needs the words that are said in it.",
            field="options.ref_text",
            hint="Send ref_text, or install a recogniser (`f5-serverless doctor`).",
        )
    original = audio
    audio = resample(audio, sample_rate)
    start, end = speech_edges(audio)
    whole_text = text
    if end - start > to_samples(max_seconds, sample_rate):
        audio, text = _cut(audio, text, start, max_seconds, words)
        cut_start, cut_end = speech_edges(audio)
    else:
        cut_start, cut_end = start, end
    used = Audio(audio.samples[cut_start:cut_end], sample_rate)
    report = grade(
        original,
        used,
        text,
        lead_silence=start / sample_rate,
        tail_silence=max(0.0, original.duration - end / sample_rate),
        whole_text=whole_text,
        heard=heard,
    )
    samples = np.concatenate([used.samples, np.zeros(to_samples(TAIL_SECONDS, sample_rate), np.float32)])
    prepared = Audio(samples, sample_rate)
    text = _ended(text)
    return Voice(prepared, text, _hash(prepared, text, language), language, report)


def speech_edges(audio: Audio) -> tuple[int, int]:
    """The samples between which ``audio`` is not silent, to 10 ms, counted from either end. Raises `AudioSilent`."""
    frame = max(1, audio.sample_rate // 100)
    forward = frame_rms(audio.samples, frame)
    backward = frame_rms(audio.samples[::-1], frame)
    threshold = db_to_gain(min(EDGE_DB, gain_to_db(peak(forward)) - EDGE_BELOW_LOUDEST_DB))
    if not peak(audio.samples):
        raise AudioSilent("The reference recording is silent.", field=_FIELD)
    start = int(np.argmax(forward >= threshold)) * frame
    end = len(audio.samples) - int(np.argmax(backward >= threshold)) * frame
    return start, max(end, start + 1)


def _cut(audio: Audio, text: str, start: int, max_seconds: float, words: Sequence[Word] | None) -> tuple[Audio, str]:
    """The beginning of sound and text, both up to the best pause before ``max_seconds`` of speech."""
    too_long = f"The reference holds more than {max_seconds:.0f} s of speech"
    if not words:
        raise AudioTooLarge(
            f"{too_long}, and without word times it cannot be cut together with its text.",
            field=_FIELD,
            hint=f"Send a reference of at most {max_seconds:.0f} s, or install an aligner (`f5-serverless doctor`).",
        )
    begin = start / audio.sample_rate
    places = _places(text, words)
    best: tuple[float, int] | None = None
    for index, (word, following) in enumerate(itertools.pairwise(words)):
        place = places[index]
        if place is None or word.end - begin > max_seconds:
            continue
        score = _worth(text[:place], following.start - word.end, (word.end - begin) / max_seconds)
        if best is None or score > best[0]:
            best = (score, index)
    if best is None:
        raise AudioTooLarge(
            f"{too_long} and has no place where sound and text can be cut together.",
            field=_FIELD,
            hint=f"Send a reference of at most {max_seconds:.0f} s with exactly its words as ref_text.",
        )
    word, following = words[best[1]], words[best[1] + 1]
    pause = max(0.0, following.start - word.end)
    latest = begin + max_seconds
    end = min(word.end + min(pause / 2, MOST_AFTER_WORD), latest)
    return Audio(audio.samples[: to_samples(end, audio.sample_rate)], audio.sample_rate), text[
        : places[best[1]]
    ].strip()


def _worth(before: str, pause: float, share: float) -> float:
    """How good a cut is: a long pause, after a sentence or a clause, and late (``share`` of the allowed length)."""
    mark = 0.4 if before.rstrip("\"'”’»)] ").endswith(_SENTENCE_END) else 0.0
    mark = 0.15 if not mark and before.rstrip("\"'”’»)] ").endswith(_CLAUSE_END) else mark
    return min(max(pause, 0.0), 0.6) + mark + 0.5 * min(share, 1.0) - (1.0 if share < 0.4 else 0.0)


def _places(text: str, words: Sequence[Word]) -> list[int | None]:
    """For each word the end of its place in ``text``, its punctuation included; None where it is not found.

    Words come without punctuation and in their spoken form, so a number may be missing: what is missing is no place to
    cut at, neither behind it nor in front of it.
    """
    folded = text.lower() if len(text.lower()) == len(text) else text  # some letters grow when lowered
    spans: list[tuple[int, int] | None] = []
    at = 0
    for word in words:
        core = re.sub(r"^\W+|\W+$", "", word.text).lower()
        found = re.compile(rf"(?<!\w){re.escape(core)}(?!\w)").search(folded, at) if core else None
        if found is None and core and not core.isascii():  # scripts without spaces
            found = re.compile(re.escape(core)).search(folded, at)
        if found is None or found.start() - at > 60:
            spans.append(None)
            continue
        spans.append(found.span())
        at = found.end()
    places: list[int | None] = []
    for span, following in zip(spans, [*spans[1:], None], strict=True):
        gap = text[span[1] : following[0]] if span and following else None
        if span is None or gap is None or any(c.isalnum() for c in gap):
            places.append(None)
        else:  # marks up to the first space belong to this word
            places.append(span[1] + len(gap.split(" ", 1)[0]))
    return places


def _ended(text: str) -> str:
    """
    >>> _ended("Hello there"), _ended("Hello!"), _ended("Well,")
    ('Hello there.', 'Hello!', 'Well.')
    """
    if text.rstrip("\"'”’»)] ").endswith(_SENTENCE_END):
        return text
    dense = "\u3040" <= text[-1] <= "\u9fff"
    return text.rstrip("".join(_CLAUSE_END) + "- ") + ("。" if dense else ".")


def _hash(audio: Audio, text: str, language: str) -> str:
    digest = hashlib.sha256(f"{_VERSION}\0{audio.sample_rate}\0{language}\0{text}\0".encode())
    digest.update(np.ascontiguousarray(audio.samples, "<f4").tobytes())
    return digest.hexdigest()
