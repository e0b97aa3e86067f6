"""Spelling is forgiven, speech is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_serverless.wordmatch import SAME, compare, distance, fold

SAME_SPEECH = [
    ("The harbour was grey.", "the harbor was gray"),
    ("forty-five dollars and fifty cents", "$45.50"),
    ("seventy thousand people", "70,000 people."),
    ("twelve percent", "12%"),
    ("in nineteen sixty-nine", "in 1969"),
    ("in two thousand and five", "in 2005"),
    ("the twenty-second of May", "the 22nd of May"),
    ("left on the third of March", "left on 3 March"),
    ("left on March third", "left on March 3"),
    ("sixty people and nineteen dogs in March", "60 people and 19 dogs in March"),
    ("every one of them", "everyone of them"),
    ("the colour of the theatre", "The color of the theater"),
    ("I don't know", "I don’t know!"),
    ("Professor Okafor", "Professor Ocafor"),
    ("Mister Kowalczyk", "mister Cowelkzick"),
    ("Mister and Missus Brown", "Mr. and Mrs. Brown"),
    ("no brand name", "no brandname"),
]
OTHER_SPEECH = [
    ("the old door was open", "the door was open", "missing"),
    ("the old door was open", "the old old door was open", "inserted"),
    ("the old door was open", "the old giraffe door was open", "inserted"),
    ("the old door was open", "the old umbrella was open", "replaced"),
    ("the old door was open", "the old door was", "missing"),
]


@pytest.mark.parametrize(("expected", "heard"), SAME_SPEECH)
def test_what_sounds_the_same_is_the_same(expected: str, heard: str) -> None:
    assert {step.kind for step in compare(fold(expected), fold(heard))} == {SAME}


@pytest.mark.parametrize(("expected", "heard", "kind"), OTHER_SPEECH)
def test_what_does_not_is_named(expected: str, heard: str, kind: str) -> None:
    departures = [step for step in compare(fold(expected), fold(heard)) if step.kind != SAME]
    assert [step.kind for step in departures] == [kind]


def test_other_languages_spell_their_own_numbers() -> None:
    assert fold("Es sind 21 Bücher", "de") == ["es", "sind", "einundzwanzig", "bücher"]
    assert fold("Il y a 80 livres", "fr")[-2:] == ["vingts", "livres"]
    assert fold("今天3点", "zh") == ["今", "天", "3", "点"]


@pytest.mark.parametrize(
    "text", ["12:30", "0045", "3.5", "1e9", "99999999999999999999", "½", "②", "1.2.3", "$", "$5.00"]
)
def test_no_number_breaks_it(text: str) -> None:
    assert all(word for word in fold(text))


@given(st.lists(st.sampled_from(["the", "old", "door", "was", "open", "again"]), max_size=12), st.data())
def test_the_walk_covers_both_lists_in_order(expected: list[str], data: st.DataObject) -> None:
    heard = data.draw(st.lists(st.sampled_from(["the", "old", "door", "was", "giraffe"]), max_size=12))
    i = j = 0
    for step in compare(expected, heard):
        assert (step.first, step.heard_first) == (i, j)
        i, j = step.last, step.heard_last
    assert (i, j) == (len(expected), len(heard))


@given(st.text(max_size=12), st.text(max_size=12))
def test_distance_is_symmetric_and_bounded(one: str, other: str) -> None:
    assert 0 <= distance(one, other) == pytest.approx(distance(other, one))
    assert distance(one, other) <= 1
    assert distance(one, one) == 0
