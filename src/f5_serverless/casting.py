"""The voice of a job: from a recording and what is said in it to a prepared `Voice`.

Where the words are not given, a recogniser writes them down; where the recording is longer than the model takes, an
aligner says where sound and text can be cut together. The text is normalised, since the model reads what is spoken.
"""

from __future__ import annotations

from f5_serverless.audio import reference
from f5_serverless.engines.base import AlignItem
from f5_serverless.engines.registry import Engines
from f5_serverless.errors import EngineUnavailable, InputError
from f5_serverless.text import normalizer
from f5_serverless.types import Audio, Chunk, OnProgress, Voice, Word, no_progress

LONGEST_REFERENCE = 12.0
"""Seconds of a reference that the model uses; what is longer is cut at a pause."""


def prepare_voice(
    audio: Audio,
    ref_text: str | None,
    language: str,
    engines: Engines,
    *,
    sample_rate: int,
    progress: OnProgress = no_progress,
) -> Voice:
    """``audio`` as a `Voice`. Raises `InputError` where the words are missing and nobody can write them down."""
    return written_voice(audio, ref_text, language, engines, sample_rate=sample_rate, progress=progress)[0]


def written_voice(
    audio: Audio,
    ref_text: str | None,
    language: str,
    engines: Engines,
    *,
    sample_rate: int,
    progress: OnProgress = no_progress,
) -> tuple[Voice, str]:
    """The same, and the words as they were given or written down, of the whole recording."""
    heard: str | None = None
    if ref_text is None:
        ref_text = _written_down(audio, language, engines, progress)
    elif (recogniser := engines.transcriber_at_hand()) is not None:
        heard = _spoken(recogniser.transcribe(audio, language, progress).text, language)
    spoken = Chunk(0, normalizer.normalize(ref_text, language).tokens)
    words: tuple[Word, ...] | None = None
    if audio.duration > LONGEST_REFERENCE:
        aligner = engines.aligner(language)
        words = aligner.align([AlignItem(audio, spoken.words)], language, progress)[0].words
    voice = reference.prepare(
        audio,
        spoken.spoken,
        sample_rate=sample_rate,
        max_seconds=LONGEST_REFERENCE,
        words=words,
        language=language,
        heard=heard,
    )
    return voice, ref_text


def _spoken(text: str, language: str) -> str:
    """What was heard, in spoken form: "45" is no other text than "forty-five". Empty where nothing was heard."""
    return Chunk(0, normalizer.normalize(text, language).tokens).spoken if any(c.isalnum() for c in text) else ""


def _written_down(audio: Audio, language: str, engines: Engines, progress: OnProgress) -> str:
    try:
        text = engines.transcriber().transcribe(audio, language, progress).text
    except EngineUnavailable as error:
        raise InputError(
            "The reference voice needs the words that are said in it, and no recogniser is installed to find them.",
            field="options.ref_text",
            hint=f"Send ref_text. {error.hint}",
        ) from error
    if not text.strip():
        raise InputError("No speech was found in the reference recording.", field="voice_reference_url")
    return text
