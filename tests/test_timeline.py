"""Displayed words and when they are heard."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_serverless.timeline import displayed_words
from f5_serverless.types import Alignment, Chunk, Token, Word


def token(text: str, *words: str) -> Token:
    return Token(text, " ".join(words), words, 0, len(text))


def alignment(*times: tuple[float, float]) -> Alignment:
    return Alignment(tuple(Word("w", start, end, 0.5) for start, end in times), "ctc")


def test_a_number_lasts_as_long_as_its_words() -> None:
    chunk = Chunk(0, (token("Pay", "pay"), token("$45", "forty-five", "dollars")))
    words = displayed_words(chunk, alignment((0.1, 0.3), (0.3, 0.8), (0.8, 1.2)), 10.0, 1.5)
    assert [(word.text, word.start, word.end) for word in words] == [("Pay", 10.1, 10.3), ("$45", 10.3, 11.2)]


def test_what_is_not_said_is_shown_in_the_gap_after() -> None:
    chunk = Chunk(0, (token("Hi", "hi"), token("🙂"), token("you", "you")))
    words = displayed_words(chunk, alignment((0.1, 0.3), (0.5, 0.8)), 0.0, 1.0)
    assert (words[1].start, words[1].end) == (0.3, 0.5)
    assert words[2].start == 0.5


def test_times_that_do_not_match_the_words_are_a_fault() -> None:
    with pytest.raises(ValueError, match="2 times for 1 words"):
        displayed_words(Chunk(0, (token("Hi", "hi"),)), alignment((0, 1), (1, 2)), 0.0, 2.0)


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
    st.lists(st.floats(-1, 5, allow_nan=False), min_size=60, max_size=60),
    st.floats(0.1, 4),
)
def test_no_word_is_lost_or_timed_outside_its_chunk(shape: list[int], numbers: list[float], duration: float) -> None:
    """Whatever the aligner says, also backwards and outside the sound."""
    chunk = Chunk(0, tuple(token(f"t{k}", *["w"] * count) for k, count in enumerate(shape)))
    times = [(numbers[k], numbers[-k - 1]) for k in range(sum(shape))]
    words = displayed_words(chunk, alignment(*times), 100.0, duration)
    assert [word.text for word in words] == [token.text for token in chunk.tokens]
    last = 100.0
    for word in words:
        assert last <= word.start <= word.end <= 100.0 + duration + 1e-9
        last = word.start
