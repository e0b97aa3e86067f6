"""What a CTC model finds of texts that it did not write: the evidence where there is no other recogniser."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmarks import tiny_ctc
from f5_serverless.engines import ctc
from f5_serverless.engines.base import AlignItem
from f5_serverless.engines.whisperx_engine import read_emission
from f5_serverless.types import Alignment, Audio, Judge, no_progress
from f5_serverless.verification import ChunkVerdict, verify

TEXT = "the harbour was quiet and the boats came home before the storm"


def listened(said: str, expected: str = TEXT, doubts: dict[str, str] | None = None) -> tuple[Alignment, Audio]:
    """``expected`` aligned to an emission of ``said``; for letters in ``doubts`` others are heard a bit more."""
    emission, _ = tiny_ctc.spoken_emission(np.random.default_rng(1), said.split())
    for letter, other in (doubts or {}).items():
        one, two = tiny_ctc.DICTIONARY[letter], tiny_ctc.DICTIONARY[other]
        frames = emission.argmax(axis=1) == one
        emission[frames, two] = emission[frames, one] + 0.5
    time = np.arange(len(emission) * 320) / 16_000
    audio = Audio((0.3 * np.sin(2 * np.pi * 200 * time)).astype(np.float32), 16_000)
    item = AlignItem(audio, tuple(expected.split()))
    return read_emission(emission, item, "en", tiny_ctc.DICTIONARY, tiny_ctc.BLANK, no_progress), audio


def judge_of(alignment: Alignment) -> Judge:
    assert alignment.judge is not None
    return alignment.judge


def verdict(said: str, doubts: dict[str, str] | None = None) -> ChunkVerdict:
    alignment, audio = listened(said, doubts=doubts)
    return verify(TEXT.split(), alignment, audio, alignment.heard, judge=alignment.judge)


@pytest.mark.parametrize("seed", range(8))
def test_likelihoods_are_those_of_the_published_loss(seed: int) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(seed)
    emission = tiny_ctc.random_emission(rng, int(rng.integers(20, 120)))
    tokens = [int(token) for token in rng.integers(1, emission.shape[1], int(rng.integers(1, 9)))]
    tokens += tokens[-1:]  # a letter twice needs a blank between
    loss = torch.nn.functional.ctc_loss(
        torch.from_numpy(emission)[:, None], torch.tensor([tokens]), [len(emission)], [len(tokens)], reduction="sum"
    )
    assert ctc.log_likelihood(emission, tokens, 0) == pytest.approx(-float(loss), rel=1e-4)


def test_more_letters_than_frames_are_impossible_and_no_letters_are_silence() -> None:
    emission = tiny_ctc.random_emission(np.random.default_rng(0), 3)
    assert ctc.log_likelihood(emission, [4, 4], 0) > -math.inf
    assert ctc.log_likelihood(emission, [4, 4, 4], 0) == -math.inf
    assert ctc.log_likelihood(emission, [], 0) == pytest.approx(float(emission[:, 0].sum()), rel=1e-6)


def test_what_was_said_is_likelier_than_less_or_more() -> None:
    judge = judge_of(listened(TEXT)[0])
    assert judge.text == TEXT
    right = judge.likelihood("The harbour was quiet, and the boats came home before the storm.")
    assert right == judge.likelihood(TEXT)
    assert right > judge.likelihood(TEXT.replace("was ", "")) + 8
    assert right > judge.likelihood(TEXT.replace("was ", "was was ")) + 8
    assert judge.likelihood(TEXT * 20) < -1_000


def test_characters_that_the_model_does_not_know_fit_anywhere() -> None:
    judge = judge_of(listened(TEXT)[0])
    assert judge.likelihood(TEXT.replace("harbour", "ħarbour")) > judge.likelihood(TEXT.replace("harbour", "zarbour"))


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (TEXT.replace("the boats", "boats"), "word_missing"),
        (TEXT.replace("the boats", "the the boats"), "word_repeated"),
        (TEXT.replace("the boats", "the purple boats"), "word_inserted"),
        (TEXT.replace("quiet", "loud"), "word_replaced"),
    ],
)
def test_alone_it_catches_what_is_wrong(said: str, code: str) -> None:
    assert code in {finding.code for finding in verdict(said).findings}


def test_alone_it_forgives_letters_that_it_could_have_read_either_way() -> None:
    found = verdict(TEXT, doubts={"b": "g", "t": "m", "s": "l"})
    assert found.wer > 0
    assert found.passed


def test_it_forgives_nothing_where_nobody_can_be_asked() -> None:
    alignment, audio = listened(TEXT, doubts={"b": "g", "t": "m", "s": "l"})
    assert not verify(TEXT.split(), alignment, audio, alignment.heard).passed
