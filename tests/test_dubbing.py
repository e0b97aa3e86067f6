"""Lines with times, the chunks that say them, and where they go."""

from __future__ import annotations

import pytest

from f5_serverless.dubbing import Line, Spoken, lines_of_recording, place, plan
from f5_serverless.types import Break, Chunk, Script, Token, Word

RATE = 1000


def script(text: str) -> Script:
    tokens = tuple(
        Token(part, part, (part.strip("."),), 0, 0, break_after=Break.SENTENCE if part.endswith(".") else Break.NONE)
        for part in text.split()
    )
    return Script(tokens, "en")


def cut(whole: Script) -> list[Chunk]:
    return [Chunk(0, whole.tokens)]


def test_a_recording_is_divided_at_its_sentences() -> None:
    whole = script("One two. Three four. Five")
    words = [Word(token.text, float(k), k + 0.5) for k, token in enumerate(whole.tokens)]
    lines = lines_of_recording(whole, words)
    assert [(line.start, line.end) for line in lines] == [(0.0, 1.5), (2.0, 3.5), (4.0, 4.5)]
    assert [token.text for line in lines for token in line.script.tokens] == [word.text for word in words]


def test_what_is_not_spoken_stays_with_a_sentence() -> None:
    whole = Script((*script("One two.").tokens, Token("🙂", "", (), 0, 0, break_after=Break.SENTENCE)), "en")
    words = [Word(token.text, float(k), k + 0.5) for k, token in enumerate(whole.tokens)]
    (line,) = lines_of_recording(whole, words)
    assert [token.text for token in line.script.tokens] == ["One", "two.", "🙂"]


@pytest.mark.parametrize(("span", "expected"), [(2.0, 2.0), (0.5, 2 / 1.5), (9.0, 2 / 0.75)])
def test_the_pace_is_bent_within_bounds(span: float, expected: float) -> None:
    (item,) = plan([Line(script("Two seconds."), 1.0, 1.0 + span)], cut, lambda _: 2.0)
    assert item.chunk.duration == pytest.approx(expected)


def test_equal_lines_are_told_apart() -> None:
    lines = [Line(script("Yes."), 0.0, 1.0), Line(script("Yes."), 2.0, 3.0)]
    assert [item.chunk.occurrence for item in plan(lines, cut, lambda _: 1.0)] == [0, 1]


def test_first_words_start_at_their_time() -> None:
    lines = [Line(script("One."), 1.0, 2.0), Line(script("Two."), 3.0, 4.0)]
    planned = plan(lines, cut, lambda _: 1.0)
    placed = place(lines, planned, [Spoken(900, 0.05), Spoken(800, 0.1)], RATE)
    assert placed.lead == pytest.approx(0.95)
    assert placed.lead + 0.9 + placed.pauses[0] + 0.1 == pytest.approx(3.0)
    assert placed.overflows == ()


def test_what_does_not_fit_is_named_and_pushes_the_next_line() -> None:
    lines = [Line(script("Far too long."), 0.0, 1.0), Line(script("Next."), 1.0, 2.0), Line(script("Last."), 5.0, 6.0)]
    planned = plan(lines, cut, lambda _: 1.0)
    placed = place(lines, planned, [Spoken(1500, 0.0), Spoken(500, 0.0), Spoken(500, 0.0)], RATE)
    (overflow,) = placed.overflows
    assert (overflow.line, overflow.text, overflow.over) == (0, "Far too long.", 0.5)
    assert placed.pauses == pytest.approx((0.0, 3.0, 0.0))
