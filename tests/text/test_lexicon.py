"""The pronunciation lexicon: whole words, any case, several words, files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from f5_serverless.errors import InputError
from f5_serverless.text.lexicon import check_lexicon, load_lexicon
from f5_serverless.text.normalizer import normalize


def pairs(text: str, lexicon: dict[str, str], language: str = "en") -> list[tuple[str, str]]:
    return [(token.text, token.spoken) for token in normalize(text, language, lexicon=lexicon).tokens]


def test_whole_words_in_any_case() -> None:
    said = pairs("Nguyen, NGUYEN and Nguyens", {"Nguyen": "win"})
    assert said == [("Nguyen,", "win,"), ("NGUYEN", "win"), ("and", "and"), ("Nguyens", "Nguyens")]


def test_possessive() -> None:
    assert pairs("Nguyen's house", {"nguyen": "win"})[0] == ("Nguyen's", "win's")


def test_several_words_share_the_reading() -> None:
    said = pairs("Visit New York City.", {"new york city": "the big fat apple"})
    assert said == [("Visit", "Visit"), ("New", "the"), ("York", "big"), ("City.", "fat apple.")]


def test_the_longest_key_wins_and_rules_do_not_see_it() -> None:
    assert pairs("AC/DC and AC", {"AC/DC": "acca dacca", "AC": "air con"}) == [
        ("AC/DC", "acca dacca"),
        ("and", "and"),
        ("AC", "air con"),
    ]


def test_chinese_keys_match_characters() -> None:
    assert [spoken for _, spoken in pairs("我在重庆。", {"重庆": "崇 庆"}, "zh")] == ["我", "在", "崇", "庆。"]


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "x",
        {"a": 1},
        {1: "a"},
        {"": "a"},
        {"a": ""},
        {"a": "!?"},
        {"a": "b" * 201},
        {"a": "b\nc"},
        {"a\0": "b"},
    ],
)
def test_what_is_no_lexicon_names_the_field(value: object) -> None:
    with pytest.raises(InputError) as caught:
        check_lexicon(value)
    assert caught.value.field == "options.lexicon"


def test_files(tmp_path: Path) -> None:
    toml, plain = tmp_path / "lexicon.toml", tmp_path / "lexicon.json"
    toml.write_text('Nguyen = "win"\n"New York" = "noo york"\n', encoding="utf-8")
    plain.write_text(json.dumps({"Nguyen": "win"}), encoding="utf-8")
    assert load_lexicon(toml) == {"Nguyen": "win", "New York": "noo york"}
    assert load_lexicon(plain) == {"Nguyen": "win"}


@pytest.mark.parametrize(
    ("name", "content"), [("a.toml", "x ="), ("a.json", "{"), ("a.json", "[1]"), ("a.json", "\udcff")]
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"a\.(toml|json)"):
        load_lexicon(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml"):
        load_lexicon(tmp_path / "none.toml")
