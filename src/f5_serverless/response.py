"""JSON out: the one answer every entry gives, and the one shape of an error.

An `Answer` always has all its keys; what does not apply is null or empty. Times are seconds, rounded to the
millisecond. Nothing here touches a file or a store.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from f5_serverless import __version__
from f5_serverless.errors import F5Error, InternalError
from f5_serverless.types import Word

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answer:
    """What a finished job returns.

    ``duration`` in seconds; ``sample_rate`` in Hz. With ``return: url`` there are ``audio_url``, ``subtitle_urls`` and
    ``manifest_url``; with ``return: inline`` ``audio`` is a ``data:`` URL and ``subtitles`` maps formats to file
    contents. ``verification`` says how the speech was checked, ``overflows`` which lines of a dub did not fit.
    ``words_url``: where ``words`` are if they are too many for an answer; then ``words`` is empty.
    ``reused``: the same job was done before, and this is its result.
    """

    mode: str
    engine: str
    duration: float
    sample_rate: int
    words: Sequence[Word]
    seed: int | None = None
    model: str | None = None
    licence: str | None = None
    aligner: str | None = None
    audio_url: str | None = None
    subtitle_urls: Mapping[str, str] = field(default_factory=dict)
    manifest_url: str | None = None
    words_url: str | None = None
    audio: str | None = None
    subtitles: Mapping[str, str] = field(default_factory=dict)
    verification: Mapping[str, Any] | None = None
    overflows: Sequence[Mapping[str, Any]] = ()
    warnings: Sequence[str] = ()
    timings: Mapping[str, float] = field(default_factory=dict)
    reused: bool = False
    version: str = __version__

    def to_dict(self) -> dict[str, Any]:
        """The answer as JSON-ready data."""
        answer: dict[str, Any] = {
            "mode": self.mode,
            "engine": self.engine,
            "model": self.model,
            "licence": self.licence,
            "aligner": self.aligner,
            "audio_url": self.audio_url,
            "duration": round(self.duration, 3),
            "sample_rate": self.sample_rate,
            "words": [word_to_dict(word) for word in self.words],
            "subtitle_urls": dict(self.subtitle_urls),
            "manifest_url": self.manifest_url,
            "words_url": self.words_url,
            "seed": self.seed,
            "verification": None if self.verification is None else dict(self.verification),
            "overflows": [dict(overflow) for overflow in self.overflows],
            "warnings": list(self.warnings),
            "timings": {stage: round(seconds, 4) for stage, seconds in self.timings.items()},
            "reused": self.reused,
            "version": self.version,
        }
        if self.audio is not None:
            answer["audio"] = self.audio
        if self.subtitles:
            answer["subtitles"] = dict(self.subtitles)
        return answer

    @classmethod
    def from_dict(cls, answer: Mapping[str, Any]) -> Answer:
        """The answer that `to_dict` gave."""
        words = [Word(word["text"], word["start"], word["end"], word["score"]) for word in answer["words"]]
        return cls(**{**answer, "words": words})


def word_to_dict(word: Word) -> dict[str, Any]:
    """One word of an answer: ``{text, start, end, score}``."""
    return {
        "text": word.text,
        "start": round(word.start, 3),
        "end": round(word.end, 3),
        "score": None if word.score is None else round(word.score, 3),
    }


def error_answer(error: Exception) -> dict[str, Any]:
    """``{"error": {code, message, field, retryable, hint}}``. What is not an `F5Error` is logged whole and shown as
    an internal error, so that no traceback, path or secret of ours reaches the caller."""
    if not isinstance(error, F5Error):
        log.error("unforeseen error", exc_info=error)
        error = InternalError(f"An internal error stopped the job ({type(error).__name__}).")
    return {"error": error.to_dict()}
