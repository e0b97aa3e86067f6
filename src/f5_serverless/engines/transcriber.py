"""Writes down unknown speech with faster-whisper (CTranslate2), without what it makes up on silence.

In: sound, and its language or None. Out: a timed `Transcript`. A Whisper model asked to write down silence or music
writes what its training texts had there ("Thank you for watching"); words that stand where nothing is heard, stock
phrases in quiet places and endless repetitions are dropped here. The model is a directory or a name of the hub.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from f5_serverless.engines.spread import speech_spans
from f5_serverless.errors import EngineFailed, EngineUnavailable, OutOfMemory
from f5_serverless.types import Audio, OnProgress, Progress, Transcript, Word

RATE = 16_000
NO_SPEECH = 0.6  # the model's own doubt …
SURE = -1.0  # … counts where its mean log probability is below this
HEARD_SHARE = 0.2  # a word with less detected speech than this share of its time was not said
MARGIN = 0.15  # seconds of tolerance around detected speech: the model's word times are coarse
FRAMES, LEAST_FRAMES = 3_000, 1_000  # of 10 ms: what a Whisper model hears at once; less than 10 s confuses it
REST = 1.0  # seconds of silence after a chunk
MOST_TOKENS = 220  # per chunk
REPEATS = 4  # the same few words this often in a row are a loop of the model, not speech
LONGEST_LOOP = 6  # words
MOST_WORDS = 5.5  # per second; hardly anybody speaks faster, so a model that writes more may go round in circles …
ROUND = 4  # … of at least so many words, unless it goes round more than twice
QUIET_SHARE = 0.5  # a stock phrase needs this share of detected speech
STOCK = frozenset(
    {
        "thank you",
        "thank you very much",
        "thanks for watching",
        "thank you for watching",
        "thank you for listening",
        "you",
        "bye",
        "bye bye",
        "please subscribe",
        "subtitles by the amara org community",
        "see you next time",
        "music",
        "applause",
        "untertitel der amara org community",
        "sous titres réalisés par la communauté d amara org",
        "subtítulos realizados por la comunidad de amara org",
        "vielen dank",
        "merci",
        "gracias",
        "amara org",
    }
)
INSTALL = "pip install 'f5-serverless[whisperx]'"
_PLAIN = re.compile(r"[^\w\s]+")


@dataclass(frozen=True, slots=True)
class _Segment:
    words: tuple[Word, ...]
    no_speech: float
    log_probability: float


class FasterWhisperTranscriber:
    """A `Transcriber`. Loads once, on first use; calls from several threads take turns."""

    name = "faster-whisper"

    def __init__(
        self,
        model: str,
        device: str = "cpu",
        compute_type: str = "default",
        threads: int = 1,
        download: bool = True,
        beam_size: int = 1,
        download_root: str | None = None,
    ) -> None:
        """``model``: directory of a CTranslate2 model, or a name such as "large-v3-turbo". ``download``: whether a
        named model may be fetched if it is not in ``download_root`` (None: the hub's own cache)."""
        self.model = model
        self._options = {
            "device": device,
            "compute_type": compute_type,
            "cpu_threads": threads,
            "local_files_only": not download,
            "download_root": download_root,
        }
        self._beam = beam_size
        self._lock = threading.Lock()
        self._whisper: Any = None

    def transcribe(self, audio: Audio, language: str | None, progress: OnProgress) -> Transcript:
        """``language`` None: detected. Silence gives no words. Raises `EngineUnavailable`, `EngineFailed`,
        `OutOfMemory`, or what ``progress`` raises."""
        import numpy as np
        import soxr

        samples = audio.samples if audio.sample_rate == RATE else soxr.resample(audio.samples, audio.sample_rate, RATE)
        spans = speech_spans(audio)
        if not spans:
            return Transcript((), language or "en")
        with self._lock:
            whisper = self._load()
            if language is not None and not whisper.model.is_multilingual and _code(language) != "en":
                raise EngineUnavailable(f"The model {self.model} knows English only, not {language!r}.")
            try:
                found, about = whisper.transcribe(
                    np.ascontiguousarray(samples, dtype=np.float32),
                    language=None if language is None else _code(language),
                    beam_size=self._beam,
                    temperature=0.0,
                    word_timestamps=True,
                    condition_on_previous_text=False,
                )
                segments = list(_segments(found, audio.duration, progress))
            except RuntimeError as error:
                kind = OutOfMemory if "out of memory" in str(error).lower() else EngineFailed
                raise kind("The transcription model failed.") from error
        words = [word for segment in segments for word in _said(segment, spans)]
        return Transcript(tuple(without_loops(words)), about.language)

    def listen(self, audio: Audio, language: str) -> Listening:
        """Reads a chunk of at most 30 s back, and answers afterwards how well other texts would fit the same sound."""
        import numpy as np
        import soxr

        samples = audio.samples if audio.sample_rate == RATE else soxr.resample(audio.samples, audio.sample_rate, RATE)
        with self._lock:
            whisper = self._load()
            try:
                return Listening(whisper, np.ascontiguousarray(samples, np.float32), _code(language), self._lock)
            except RuntimeError as error:
                kind = OutOfMemory if "out of memory" in str(error).lower() else EngineFailed
                raise kind("The transcription model failed.") from error

    def load(self) -> None:
        """Loads the model, so that the first call does not wait for it. Raises `EngineUnavailable`."""
        with self._lock:
            self._load()

    def _load(self) -> Any:
        if self._whisper is None:
            try:
                from faster_whisper import WhisperModel
            except ImportError:
                raise EngineUnavailable(
                    "Transcription needs the package faster-whisper.", hint=f"Install it: {INSTALL}"
                ) from None
            try:
                self._whisper = WhisperModel(self.model, **self._options)
            except (RuntimeError, ValueError, OSError) as error:
                raise EngineUnavailable(
                    "The transcription model could not be loaded.",
                    hint="Allow the download, or name a local directory with a CTranslate2 Whisper model.",
                ) from error
        return self._whisper


class Listening:
    """One chunk, heard once. ``text`` is what the model wrote; `likelihood` scores any other text."""

    def __init__(self, whisper: Any, samples: Any, language: str, lock: threading.Lock) -> None:
        """``samples``: float32 at 16 kHz; what is longer than 30 s is not heard. The caller holds ``lock``."""
        import numpy as np
        from faster_whisper.tokenizer import Tokenizer

        self._lock = lock
        self._whisper = whisper
        padded = np.pad(samples, (0, round(REST * RATE)))  # the model expects an end it can hear
        features = whisper.feature_extractor(padded)[:, :FRAMES]
        self._frames = features.shape[-1]
        window = np.zeros((features.shape[0], max(LEAST_FRAMES, self._frames + self._frames % 2)), np.float32)
        window[:, : self._frames] = features
        self._sound = whisper.encode(window)
        multilingual = whisper.model.is_multilingual
        self._tokens = Tokenizer(whisper.hf_tokenizer, multilingual, task="transcribe", language=language)
        self._prompt = [*self._tokens.sot_sequence, self._tokens.no_timestamps]
        written = whisper.model.generate(
            self._sound, [self._prompt], beam_size=1, max_length=MOST_TOKENS, suppress_blank=True
        )[0]
        text = str(self._tokens.decode(written.sequences_ids[0])).strip()
        self.text = one_round(text) if len(text.split()) > MOST_WORDS * len(samples) / RATE else text

    def likelihood(self, text: str) -> float:
        """The log probability that the model would write ``text`` for this sound."""
        import math

        tokens = self._tokens.encode(" " + text.strip())[:MOST_TOKENS]
        if not tokens:
            return 0.0
        with self._lock:
            aligned = self._whisper.model.align(
                self._sound, list(self._tokens.sot_sequence), [[*tokens, self._tokens.eot]], self._frames
            )[0]
        return sum(math.log(max(probability, 1e-9)) for probability in aligned.text_token_probs)


def _code(language: str) -> str:
    return language.lower().replace("_", "-").split("-")[0]


def _segments(found: Any, duration: float, progress: OnProgress) -> Iterator[_Segment]:
    for segment in found:
        progress(Progress("transcribe", round(segment.end), round(duration), "seconds"))
        words = tuple(
            Word(
                word.word.strip(),
                min(float(word.start), duration),
                min(float(word.end), duration),
                float(word.probability),
                glued=not word.word.endswith(" ") and bool(re.search(r"[぀-ヿ一-鿿]", word.word)),
            )
            for word in segment.words or ()
            if word.word.strip()
        )
        yield _Segment(words, float(segment.no_speech_prob), float(segment.avg_logprob))


def _said(segment: _Segment, spans: Sequence[tuple[float, float]]) -> list[Word]:
    """The words of ``segment`` that something is heard of."""
    if not segment.words or (segment.no_speech > NO_SPEECH and segment.log_probability < SURE):
        return []
    plain = " ".join(_PLAIN.sub(" ", " ".join(word.text for word in segment.words)).lower().split())
    start, end = segment.words[0].start, segment.words[-1].end
    if plain in STOCK and _heard_share(start, end, spans, 0.0) < QUIET_SHARE:
        return []
    return [word for word in segment.words if _heard_share(word.start, word.end, spans, MARGIN) >= HEARD_SHARE]


def _heard_share(start: float, end: float, spans: Sequence[tuple[float, float]], margin: float) -> float:
    """How much of ``start`` to ``end`` lies in ``spans`` widened by ``margin``, as a share."""
    length = max(end - start, 0.01)
    heard = sum(max(0.0, min(end, last + margin) - max(start, first - margin)) for first, last in spans)
    return min(1.0, heard / length)


def one_round(text: str) -> str:
    """``text`` without the repetitions that it ends in, the last of which may be cut off.

    >>> one_round("It is late. It is late. It is late. It")
    'It is late.'
    >>> one_round("It is late, very late.")
    'It is late, very late.'
    """
    words = text.split()
    plain = [_PLAIN.sub("", word).lower() for word in words]
    for size in range(1, len(words) // 2 + 1):
        run = 0
        while run + size < len(words) and plain[-1 - run] == plain[-1 - run - size]:
            run += 1
        if run > size or (run == size and size >= ROUND):
            return " ".join(words[: len(words) - run])
    return text


def without_loops(words: Sequence[Word]) -> list[Word]:
    """``words`` with runs of `REPEATS` or more equal phrases cut down to one.

    >>> [w.text for w in without_loops([Word("no", i, i + 1) for i in range(5)])]
    ['no']
    """
    kept = list(words)
    for size in range(1, LONGEST_LOOP + 1):
        at = 0
        while at + size * REPEATS <= len(kept):
            phrase = [word.text.lower() for word in kept[at : at + size]]
            count = 1
            while [w.text.lower() for w in kept[at + count * size : at + (count + 1) * size]] == phrase:
                count += 1
            if count >= REPEATS:
                del kept[at + size : at + count * size]
            at += 1
    return kept
