"""The data that rooms hand to each other. Frozen, without behaviour beyond views of themselves.

Units: seconds as float wherever speech is meant; samples as int where audio is joined; milliseconds as int inside
`subtitles`. Audio inside the package is mono float32 in [-1, 1]. This module knows nothing else of the package, and
numpy only for type checkers, so that the container's thin layer can import it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Samples: TypeAlias = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Audio:
    """Mono sound. ``samples``: float32 of shape (N,), full scale is [-1, 1]; ``sample_rate`` in Hz."""

    samples: Samples
    sample_rate: int

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True, slots=True)
class Word:
    """One word and when it is heard.

    ``start`` and ``end`` in seconds; ``score`` in [0, 1], or None where the aligner gives none. ``glued`` means that no
    space stands between this word and the next one (Chinese, Japanese). ``break_after`` says what kind of
    phrase end follows.
    """

    text: str
    start: float
    end: float
    score: float | None = None
    glued: bool = False
    break_after: Break | None = None


class Break(IntEnum):
    """How strongly the text is divided after a word."""

    NONE = 0
    CLAUSE = 1  # comma, semicolon, colon, dash
    SENTENCE = 2
    PARAGRAPH = 3


@dataclass(frozen=True, slots=True)
class Token:
    """One word of the request with its two faces.

    ``text`` is what captions show: the word as it was written, its punctuation attached. ``spoken`` is what the
    synthesiser reads, punctuation included, possibly several words ("forty-five dollars and fifty cents,"), or ""
    for what is shown and not said (an emoji). ``words`` are the words an aligner looks for: no punctuation, never
    empty strings.
    ``start``/``end`` are character offsets in the text of the request. ``pause_after`` is explicit silence in seconds.
    """

    text: str
    spoken: str
    words: tuple[str, ...]
    start: int
    end: int
    glued: bool = False
    break_after: Break = Break.NONE
    pause_after: float = 0.0


@dataclass(frozen=True, slots=True)
class Script:
    """A whole text, normalised. No displayed word of the request is missing from ``tokens``."""

    tokens: tuple[Token, ...]
    language: str
    warnings: tuple[str, ...] = ()
    lead_pause: float = 0.0
    """Explicit silence before the first token, in seconds."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What is synthesised in one go: consecutive tokens of one script.

    ``occurrence`` counts earlier chunks with the same spoken text, so that equal sentences get different seeds and a
    sentence inserted before them changes nothing for the others. ``pause_after`` is the silence that follows it in
    the joined audio, in seconds. ``duration`` fixes its length in seconds (dubbing); None lets the engine choose.
    """

    index: int
    tokens: tuple[Token, ...]
    occurrence: int = 0
    pause_after: float = 0.0
    duration: float | None = None

    @property
    def spoken(self) -> str:
        """What the synthesiser reads."""
        parts: list[str] = []
        for token in self.tokens:
            if token.spoken:
                parts.append(token.spoken if token.glued else token.spoken + " ")
        return "".join(parts).strip()

    @property
    def text(self) -> str:
        """What captions show."""
        return "".join(t.text if t.glued else t.text + " " for t in self.tokens).strip()

    @property
    def words(self) -> tuple[str, ...]:
        """The words an aligner looks for, in order."""
        return tuple(word for token in self.tokens for word in token.words)


class Judge(Protocol):
    """A recogniser that has heard a piece of audio: what it wrote, and the log probability of any other text."""

    @property
    def text(self) -> str: ...
    def likelihood(self, text: str) -> float: ...


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where the words of one piece of audio are. ``words`` has exactly one entry per word asked for, in order.

    ``heard`` is what a recogniser read without knowing the text, or None where there is no recogniser; ``method``
    names the aligner ("ctc", "pocketsphinx", "interpolated"). ``judge``: the aligner as a recogniser, where it is one;
    it holds what was heard in memory, so keep it no longer than needed.
    """

    words: tuple[Word, ...]
    method: str
    heard: str | None = None
    judge: Judge | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a recogniser heard. ``words`` are timed; ``language`` is a code such as "en"."""

    words: tuple[Word, ...]
    language: str

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


@dataclass(frozen=True, slots=True, eq=False)
class Speech:
    """One synthesised chunk. ``seed`` is the seed that was really used."""

    audio: Audio
    seed: int


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong or worth knowing, and what to do about it. ``severity``: info, warning or error."""

    code: str
    message: str
    advice: str
    severity: str = "warning"


@dataclass(frozen=True, slots=True)
class VoiceReport:
    """How good a reference recording is. Levels in dBFS, durations in seconds, rate in syllables per second."""

    duration: float
    used_duration: float
    clipped_share: float
    noise_floor_db: float
    level_db: float
    lead_silence: float
    tail_silence: float
    speech_rate: float | None = None
    text_match: float | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Voice:
    """A prepared reference: the sound that conditions the model and the words said in it. ``hash`` names both."""

    audio: Audio
    ref_text: str
    hash: str
    language: str = "en"
    report: VoiceReport | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is: the stage's name, and step ``done`` of ``total`` within it."""

    stage: str
    done: int
    total: int
    detail: str = ""


OnProgress: TypeAlias = Callable[[Progress], None]
"""Called often. It may raise `Cancelled` or `DeadlineExceeded`: that is how a job is stopped."""


def no_progress(_: Progress) -> None:
    """An `OnProgress` that does nothing."""


@dataclass(frozen=True, slots=True)
class SynthesisSettings:
    """What the caller may choose about the voice. None: the engine's own default."""

    seed: int
    language: str = "en"
    speed: float = 1.0
    nfe_step: int | None = None
    cfg_strength: float | None = None
