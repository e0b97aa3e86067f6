"""Chunks: everything is in one of them, none is over budget, and an edit stays where it was made."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f5_serverless.errors import LimitExceeded
from f5_serverless.text.chunker import PAUSES, chunk, sentence_split
from f5_serverless.text.normalizer import normalize
from f5_serverless.text.syllables import estimate_seconds_plain
from f5_serverless.types import Break, Chunk, Script

VOCABULARY = (
    *(
        "the",
        "quick",
        "brown",
        "fox",
        "jumps",
        "over",
        "a",
        "lazy",
        "dog",
        "while",
        "seven",
        "tired",
        "wizards",
        "watch",
    ),
    *("from", "beneath", "an", "old", "umbrella"),
)


def chunks_of(text: str, budget: float = 8.0, language: str = "en", most: int = 10_000) -> tuple[Chunk, ...]:
    return chunk(normalize(text, language), estimate=estimate_seconds_plain, max_seconds=budget, max_chunks=most)


def sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(VOCABULARY) for _ in range(words)).capitalize() + rng.choice([".", ".", "?", "!"])


def check(script: Script, chunks: Sequence[Chunk], budget: float) -> None:
    assert tuple(token for piece in chunks for token in piece.tokens) == script.tokens
    assert [piece.index for piece in chunks] == list(range(len(chunks)))
    seen: Counter[str] = Counter()
    for piece in chunks:
        assert piece.words
        assert piece.occurrence == seen[piece.spoken]
        seen[piece.spoken] += 1
        assert estimate_seconds_plain(piece.spoken) <= budget or sum(bool(token.words) for token in piece.tokens) == 1
        assert all(token.pause_after == 0 for token in piece.tokens[:-1]) or not any(
            token.words for token in piece.tokens[[t.pause_after > 0 for t in piece.tokens].index(True) + 1 :]
        )


def test_one_sentence_is_one_chunk() -> None:
    texts = [
        "The first sentence is long enough to stand alone.",
        "So is the second one, which follows it directly.",
        "And here is a third sentence of usual length.",
    ]
    assert [piece.text for piece in chunks_of(" ".join(texts))] == texts


def test_short_sentences_join_a_neighbour_and_not_across_paragraphs() -> None:
    first, second = chunks_of("Yes. This sentence is clearly long enough to stand alone.\n\nNo.")
    assert first.text.startswith("Yes. This")
    assert second.text == "No."


def test_a_long_sentence_is_cut_at_clauses_and_balanced() -> None:
    text = (
        "When the rain had stopped at last, the children ran out into the garden, where the old tree stood, "
        "and they climbed into its branches, laughing and shouting, until their mother called them in for supper."
    )
    pieces = chunks_of(text, budget=6.0)
    assert len(pieces) in (2, 3)
    assert all(piece.text.endswith((",", ".")) for piece in pieces)
    lengths = [estimate_seconds_plain(piece.spoken) for piece in pieces]
    assert max(lengths) < 2.5 * min(lengths)
    assert [piece.pause_after for piece in pieces[:-1]] == [PAUSES[Break.CLAUSE]] * (len(pieces) - 1)


def test_a_sentence_without_punctuation_is_cut_between_words() -> None:
    text = " ".join(VOCABULARY * 20)
    pieces = chunks_of(text, budget=5.0)
    assert " ".join(piece.text for piece in pieces) == text
    assert all(1.2 < estimate_seconds_plain(piece.spoken) <= 5.0 for piece in pieces)
    assert {piece.pause_after for piece in pieces} == {0.0}


def test_one_word_over_budget_stays_whole() -> None:
    word = "ba" * 200
    assert [piece.text for piece in chunks_of(f"Say {word} now.", budget=2.0)] == ["Say", word, "now."]


def test_chinese_is_cut_between_characters() -> None:
    text = "我" * 100
    pieces = chunks_of(text, budget=4.0, language="zh")
    assert "".join(piece.text for piece in pieces) == text
    assert all(estimate_seconds_plain(piece.spoken) <= 4.0 for piece in pieces)


def test_pauses_by_what_ends_a_chunk() -> None:
    long = "This sentence is clearly long enough to stand alone"
    pieces = chunks_of(f"{long}. {long}!\n\n{long}. [pause 1.25s] {long}. [pause 3s]")
    assert [piece.pause_after for piece in pieces] == [0.25, 0.6, 1.25, 3.0]
    assert chunks_of(f"{long}.")[0].pause_after == 0.0


def test_an_explicit_pause_ends_a_chunk_inside_a_sentence() -> None:
    pieces = chunks_of("Wait [pause 500ms] here 😀 [pause 1s] now.")
    assert [(piece.text, piece.pause_after) for piece in pieces] == [("Wait", 0.5), ("here 😀", 1.0), ("now.", 0.0)]


def test_what_is_not_said_goes_with_a_neighbour() -> None:
    pieces = chunks_of(
        "😀 This sentence is clearly long enough to stand alone. 🎉\n\n★★★\n\nThe other one is long enough too."
    )
    assert [len(piece.tokens) for piece in pieces] == [12, 7]
    assert all(piece.words for piece in pieces)


def test_too_many_chunks_are_refused() -> None:
    text = "This sentence is clearly long enough to stand alone. " * 5
    assert len(chunks_of(text, most=5)) == 5
    with pytest.raises(LimitExceeded) as caught:
        chunks_of(text, most=4)
    assert caught.value.field == "text"


def test_equal_sentences_are_numbered() -> None:
    pieces = chunks_of("This sentence is clearly long enough to stand alone. " * 3)
    assert [piece.occurrence for piece in pieces] == [0, 1, 2]


def test_sentence_split_ends_at_sentences() -> None:
    groups = sentence_split(normalize("Dr. Smith came. He saw 3.5 cats! Etc. Right?").tokens)
    assert [" ".join(token.text for token in group) for group in groups] == [
        "Dr. Smith came.",
        "He saw 3.5 cats!",
        "Etc. Right?",
    ] or len(groups) == 4


@given(
    text=st.lists(
        st.sampled_from(["Yes.", "word", "long,", "number 45", "😀", "end!", "\n\n", "[pause 1s]", "$5", "—", "(so)"])
    ).map(" ".join),
    budget=st.floats(0.3, 6.0),
)
@settings(max_examples=300, deadline=None)
def test_every_token_is_in_one_chunk(text: str, budget: float) -> None:
    script = normalize(f"Start {text}")
    pieces = chunk(script, estimate=estimate_seconds_plain, max_seconds=budget, max_chunks=10_000)
    check(script, pieces, budget)
    explicit = sum(token.pause_after for token in script.tokens)
    assert sum(p.pause_after for p in pieces if any(t.pause_after for t in p.tokens)) == pytest.approx(explicit)


def difference(one: Sequence[Chunk], two: Sequence[Chunk]) -> int:
    """How many chunks of ``two`` are not in ``one``."""
    known = {(piece.spoken, piece.occurrence) for piece in one}
    return sum((piece.spoken, piece.occurrence) not in known for piece in two)


@pytest.mark.parametrize(
    ("shortest", "longest", "worst"), [(8, 20, 1), (2, 20, 2), (1, 3, 4)], ids=["usual", "mixed", "all short"]
)
def test_an_edit_changes_its_own_chunk_only(shortest: int, longest: int, worst: int) -> None:
    rng = random.Random(11)
    base = [sentence(rng, rng.randint(shortest, longest)) for _ in range(300)]
    before = chunks_of(" ".join(base))
    changed: list[int] = []
    for round_ in range(12):
        place = rng.randrange(300)
        new = f"Something entirely new is said here, number {round_}."
        edited = [*base[:place], new, *base[place + (round_ % 2) :]]
        changed.append(difference(before, chunks_of(" ".join(edited))))
    assert sorted(changed)[len(changed) * 9 // 10] <= worst
    assert max(changed) <= worst + 2


def test_a_row_of_equal_short_sentences_is_joined() -> None:
    pieces = chunks_of("No. " * 200)
    assert len(pieces) < 100
    assert min(estimate_seconds_plain(piece.spoken) for piece in pieces[:-1]) > 0.4
