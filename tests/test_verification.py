"""Verdicts: what each witness may say alone, and what they need each other for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from f5_serverless.types import Alignment, Audio, Word
from f5_serverless.verification import ChunkVerdict, verify

RATE = 16_000
TEXT = "the harbour was quiet and the boats came home before the storm"
WORDS = tuple(TEXT.split())


@dataclass(frozen=True)
class Judge:
    """A recogniser that wrote ``text``, and finds every other text ``margin`` less likely per word that differs."""

    text: str
    margin: float

    def likelihood(self, text: str) -> float:
        return 0.0 if text.split() == self.text.split() else -self.margin


@dataclass(frozen=True)
class Key:
    key: str
    start: float = 0.0
    end: float = 0.5
    phones: int = 0


@dataclass(frozen=True)
class Reading:
    keys: tuple[str, ...]
    owners: tuple[int, ...]
    heard: tuple[Key, ...]


def reading(text: str) -> Reading:
    """What a guided reader hears; "…" is a foreign stretch of five phones."""
    heard = tuple(Key("", phones=5) if word == "…" else Key(word) for word in text.split())
    return Reading(WORDS, tuple(range(len(WORDS))), heard)


def sound(seconds: float = 5.0) -> Audio:
    time = np.arange(round(seconds * RATE)) / RATE
    return Audio((0.3 * np.sin(2 * np.pi * 200 * time)).astype(np.float32), RATE)


def aligned(audio: Audio) -> Alignment:
    step = audio.duration / len(WORDS)
    return Alignment(tuple(Word(w, i * step, (i + 1) * step) for i, w in enumerate(WORDS)), "ctc")


def verdict(heard: str | None, **more: object) -> ChunkVerdict:
    audio = sound()
    return verify(WORDS, aligned(audio), audio, heard, **more)  # type: ignore[arg-type]


def judged(heard: str, margin: float = 20.0, **more: object) -> ChunkVerdict:
    return verdict(heard, judge=Judge(heard, margin), **more)


def test_what_is_said_passes() -> None:
    found = judged("The harbor was quiet, and the boats came home before the storm.", reading=reading(TEXT))
    assert found.passed
    assert found.wer == 0
    assert found.score == 1
    assert found.findings == ()


@pytest.mark.parametrize(
    ("heard", "code"),
    [
        ("The harbour was quiet, and the boats came before the storm.", "word_missing"),
        ("The harbour was was quiet, and the boats came home before the storm.", "word_repeated"),
        ("The harbour was quiet, and the giraffe boats came home before the storm.", "word_inserted"),
        ("The harbour was quiet, and the umbrella came home before the storm.", "word_replaced"),
        ("", "word_missing"),
    ],
)
def test_a_sure_recogniser_is_believed(heard: str, code: str) -> None:
    found = judged(heard)
    assert not found.passed
    assert code in {finding.code for finding in found.findings}
    assert found.wer > 0
    assert found.score < 0.6


def test_a_recogniser_that_hardly_prefers_its_own_words_is_not_believed() -> None:
    assert judged("The harbour was quiet, and boats came home before the storm.", margin=1.0).passed


def test_a_reader_that_follows_the_text_overrules_a_doubtful_recogniser() -> None:
    heard = "The harbour was quiet, and boats came home before the storm."
    assert not judged(heard, margin=5.0).passed
    assert judged(heard, margin=5.0, reading=reading(TEXT)).passed
    assert judged(heard, margin=25.0, reading=reading(TEXT)).passed
    assert not judged(heard, margin=5.0, reading=reading(heard)).passed


def test_a_recogniser_that_writes_a_word_twice_needs_little_to_be_believed() -> None:
    heard = "The harbour was quiet, and the boats boats came home before the storm."
    assert not judged(heard, margin=0.5, reading=reading(TEXT)).passed
    assert judged(heard, margin=-2.0, reading=reading(TEXT)).passed
    more = heard.replace("boats boats", "giraffe boats")
    assert not judged(more, margin=4.0, reading=reading(TEXT)).passed
    assert judged(more, margin=2.0, reading=reading(TEXT)).passed


@pytest.mark.parametrize(("seconds", "phones", "passed"), [(0.2, 3, True), (0.2, 4, False), (0.3, 3, False)])
def test_a_foreign_stretch_that_only_the_reader_hears_must_be_long(seconds: float, phones: int, passed: bool) -> None:
    words = [Key(word) for word in WORDS]
    heard = (*words[:6], Key("", 2.0, 2.0 + seconds, phones), *words[6:])
    found = judged(TEXT, reading=Reading(WORDS, tuple(range(len(WORDS))), heard))
    assert found.passed is passed


@pytest.mark.parametrize(("second", "margin", "passed"), [(0.07, 9.0, True), (0.12, 9.0, False), (0.07, 7.0, False)])
def test_a_repetition_that_only_the_reader_hears_must_be_long_or_likely(
    second: float, margin: float, passed: bool
) -> None:
    words = [Key(word) for word in WORDS]
    heard = (*words[:7], Key(WORDS[6], 2.0, 2.0 + second), *words[7:])
    found = judged(TEXT, margin=margin, reading=Reading(WORDS, tuple(range(len(WORDS))), heard))
    assert found.passed is passed


def test_a_trusted_reader_catches_what_the_recogniser_mends() -> None:
    twice = reading(TEXT.replace("boats", "boats boats"))
    found = judged(TEXT, reading=twice, margin=10.0)
    assert [finding.code for finding in found.findings] == ["word_repeated"]
    assert judged(TEXT, reading=twice, margin=15.0).passed
    assert judged(TEXT, reading=twice, margin=10.0, reader_trusted=False).passed


GARBLED = reading("… …")  # of a voice that the reader does not follow


@pytest.mark.parametrize(
    ("said", "heard", "margin", "passed"),
    [
        ("the boats", "the goats and", 7.0, True),  # misheard
        ("the boats", "the goats and", 9.0, False),
        ("the boats", "boats", 5.0, False),  # missing
        ("the boats", "boads", 5.0, True),  # … or swallowed
        ("the boats", "the giraffe boats", 2.0, False),  # more
        ("boats came", "boats boats came", 2.0, False),
    ],
)
def test_of_a_voice_that_the_reader_does_not_follow_mishearing_is_forgiven(
    said: str, heard: str, margin: float, passed: bool
) -> None:
    found = judged(TEXT.replace(said, heard), margin=margin, reading=GARBLED, reader_trusted=False)
    assert found.passed is passed


def test_two_doubtful_witnesses_of_the_same_place_are_believed() -> None:
    heard = TEXT.replace("the boats", "boats")
    assert not judged(heard, margin=2.0, reading=reading(heard)).passed


def test_a_reader_alone_is_enough_where_there_is_no_recogniser() -> None:
    assert verdict(None, reading=reading(TEXT)).passed
    found = verdict(None, reading=reading(TEXT.replace("boats", "…")))
    assert not found.passed
    assert found.wer == pytest.approx(1 / len(WORDS))


def test_words_of_the_reference_at_the_edge_are_named() -> None:
    found = judged("its name. " + TEXT, ref_text="That is how the lighthouse got its name.")
    assert [finding.code for finding in found.findings] == ["reference_leaked"]
    inside = judged(TEXT.replace("boats", "its name boats"), ref_text="That is how the lighthouse got its name.")
    assert [finding.code for finding in inside.findings] == ["word_inserted"]


def test_a_hole_in_the_sound_is_found_and_a_pause_is_not() -> None:
    audio = sound()
    holed = audio.samples.copy()
    holed[2 * RATE : round(2.5 * RATE)] = 0
    found = verify(WORDS, aligned(audio), Audio(holed, RATE), TEXT)
    assert [finding.code for finding in found.findings] == ["silence_in_speech"]
    fade = np.concatenate([np.linspace(1, 0, 3200), np.zeros(4800), np.linspace(0, 1, 3200)]).astype(np.float32)
    paused = audio.samples.copy()
    paused[2 * RATE : 2 * RATE + len(fade)] *= fade
    assert verify(WORDS, aligned(audio), Audio(paused, RATE), TEXT).passed


def test_a_word_of_many_seconds_is_no_word() -> None:
    audio = sound(12.0)
    words = [*aligned(sound()).words[:-1], Word("storm", 4.6, 12.0)]
    found = verify(WORDS, Alignment(tuple(words), "ctc"), audio, TEXT)
    assert [finding.code for finding in found.findings] == ["word_too_long"]


def test_better_attempts_score_higher() -> None:
    texts = [TEXT, TEXT.replace("boats ", ""), TEXT.replace("boats came home ", ""), "something else entirely"]
    scores = [judged(text).score for text in texts]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == len(scores)


def test_nothing_expected_is_nothing_wrong() -> None:
    assert verify((), Alignment((), "ctc"), sound(), None).passed
