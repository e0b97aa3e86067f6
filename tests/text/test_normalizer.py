"""The golden tables, and what must hold for any text: no displayed word is lost, and no digit is left unsaid."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f5_serverless.errors import InputError
from f5_serverless.text.cleaning import PAUSE, clean
from f5_serverless.text.normalizer import COVERED, aligned_words, normalize
from f5_serverless.types import Break, Script

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.tsv"))
LINES = [
    (path.stem, *line.split("\t"))
    for path in GOLDEN
    for line in path.read_text(encoding="utf-8").splitlines()
    if not line.startswith("#\t") and not line.startswith("# displayed")
]
LANGUAGES = st.sampled_from(sorted(COVERED))
NUMERIC = st.text(alphabet="0123456789.,:/-–+$€%°#@()'\" kKmMIVXapDrSteht\n", max_size=40)
ANY = st.text(alphabet=st.characters(exclude_categories=[]), max_size=80)
PHRASES = (
    "Dr. $5 million 3 PM May 5, 2024 Henry VIII 1/2 10 - 20 (555) 123-4567 😀 — U.S. € 19. Mai #a1b @c2 x² R$ 1 234 年 "
    "Mio."
)
WORDS = st.lists(st.sampled_from(PHRASES.split()))


def spoken(text: str, language: str = "en") -> str:
    return " ".join(token.spoken.strip() for token in normalize(text, language).tokens if token.spoken)


def script_or_none(text: str, language: str) -> Script | None:
    try:
        return normalize(text, language)
    except InputError as error:
        assert error.field == "text"
        return None


@pytest.mark.parametrize(
    ("language", "displayed", "said", "word_map"), LINES, ids=[f"{row[0]}-{row[1]}" for row in LINES]
)
def test_golden(language: str, displayed: str, said: str, word_map: str) -> None:
    script = normalize(displayed, language)
    assert "|".join(token.spoken.strip() for token in script.tokens) == word_map
    joint = "" if language == "zh" else " "
    assert joint.join(token.spoken.strip() for token in script.tokens if token.spoken) == said
    assert script.warnings == ()


@pytest.mark.parametrize(
    ("language", "least"), [("en", 300), *((code, 40) for code in ("de", "fr", "es", "it", "pt", "zh"))]
)
def test_golden_tables_are_large_enough(language: str, least: int) -> None:
    assert len({row[1] for row in LINES if row[0] == language}) >= least


def without_marks(text: str) -> str:
    """``text`` without white space, pauses and invisible format characters."""
    return "".join(c for c in text if not c.isspace() and c != PAUSE and unicodedata.category(c) != "Cf")


def check_script(script: Script, text: str) -> None:
    """What holds for every script."""
    assert without_marks("".join(token.text for token in script.tokens)) == without_marks(clean(text).text)
    end = 0
    for token in script.tokens:
        assert end <= token.start < token.end <= len(text)
        end = token.end
        assert bool(token.spoken) == bool(token.words)
        assert all(word and not any(c.isspace() for c in word) for word in token.words)
        assert token.words == aligned_words(token.spoken)
        assert token.text
    assert any(token.words for token in script.tokens)
    assert script.tokens[-1].break_after == Break.PARAGRAPH


@given(text=ANY, language=st.sampled_from(["en", "de", "zh", "ru", "xx"]))
@settings(max_examples=200, deadline=None)
def test_no_displayed_word_is_lost_whatever_the_input(text: str, language: str) -> None:
    script = script_or_none(text, language)
    if script is not None:
        check_script(script, text)


@given(text=st.one_of(NUMERIC, WORDS.map(" ".join), WORDS.map("".join)), language=LANGUAGES)
@settings(max_examples=300, deadline=None)
def test_no_digit_is_left_unsaid_in_a_covered_language(text: str, language: str) -> None:
    script = script_or_none(text, language)
    if script is not None:
        check_script(script, text)
        assert not any(c.isdigit() for token in script.tokens for c in token.spoken)


@given(text=ANY, language=LANGUAGES)
@settings(max_examples=300, deadline=None)
def test_no_digit_of_any_script_is_left_unsaid(text: str, language: str) -> None:
    script = script_or_none(f"a {text} 5", language)
    assert script is not None
    assert not any(c.isdigit() for token in script.tokens for c in token.spoken)


@given(words=st.lists(st.text(alphabet="abcXYZ019.,!?'$%/:", min_size=1, max_size=8), min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_words_without_markup_are_displayed_as_they_were_typed(words: list[str]) -> None:
    text = " ".join(words)
    script = script_or_none(text, "en")
    if script is not None:
        assert [token.text for token in script.tokens] == words
        assert [text[token.start : token.end] for token in script.tokens] == words


def test_offsets_point_into_the_request() -> None:
    text = "So **very bold** &amp; [pause 1s] `done`."
    script = normalize(text)
    assert [(t.text, text[t.start : t.end]) for t in script.tokens] == [
        ("So", "So"),
        ("very", "very"),
        ("bold", "bold"),
        ("&", "&amp;"),
        ("done.", "done`."),
    ]
    assert script.tokens[3].pause_after == 1.0


@pytest.mark.parametrize(
    ("text", "pauses"),
    [
        ("One [pause 0.8s] two", (0.0, [0.8, 0.0])),
        ("One[pause 800ms]two", (0.0, [0.8, 0.0])),
        ("[pause 2s] One", (2.0, [0.0])),
        ("😀 [pause 2s] One", (2.0, [0.0, 0.0])),
        ("One [pause 1s][PAUSE 10s] two", (0.0, [11.0, 0.0])),
        ("One 😀 [pause 1s] two", (0.0, [0.0, 1.0, 0.0])),
        ("One. [pause .5 sec]", (0.0, [0.5])),
    ],
)
def test_explicit_pauses(text: str, pauses: tuple[float, list[float]]) -> None:
    script = normalize(text)
    assert (script.lead_pause, [token.pause_after for token in script.tokens]) == pauses
    assert "pause" not in "".join(token.text + token.spoken for token in script.tokens)


@pytest.mark.parametrize(
    "mark", ["[pause 11s]", "[pause -1s]", "[pause]", "[pause 1]", "[pause 1e9s]", "[pause 1.2.3s]"]
)
def test_a_pause_that_cannot_be_is_refused(mark: str) -> None:
    with pytest.raises(InputError, match="pause") as caught:
        normalize(f"Hello {mark} you")
    assert caught.value.field == "text"


def test_other_brackets_are_text() -> None:
    assert [token.text for token in normalize("He waits [pause for breath] here").tokens][2:5] == [
        "[pause",
        "for",
        "breath]",
    ]


@pytest.mark.parametrize(
    "text", ["", "  \n", "😀", "...", "— !", "**", "{\\an8}", "[pause 1s]", "\u200b\u202e", "\ud800"]
)
def test_nothing_to_say_is_an_error(text: str) -> None:
    with pytest.raises(InputError) as caught:
        normalize(text)
    assert caught.value.field == "text"


def test_override_tags_are_shown_and_not_said() -> None:
    token = normalize("{\\an8}Hello").tokens[0]
    assert (token.text, token.spoken) == ("{\\an8}Hello", "Hello")


def test_control_and_direction_characters_leave_the_screen() -> None:
    tokens = normalize("Hel\u200blo\x07 \u202ewor\u00adld\u202c").tokens
    assert [token.text for token in tokens] == ["Hello", "world"]


def test_an_emoji_of_several_characters_stays_whole() -> None:
    tokens = normalize("Hi 👩\u200d🚀 you").tokens
    assert [token.text for token in tokens] == ["Hi", "👩\u200d🚀", "you"]
    assert tokens[1].words == ()


def test_other_languages_pass_through_with_a_warning_for_digits() -> None:
    script = normalize("У меня 5 яблок.", "ru")
    assert [token.spoken for token in script.tokens] == ["У", "меня", "5", "яблок."]
    assert "ru" in script.warnings[0]
    assert normalize("Привет, мир!", "ru").warnings == ()


@pytest.mark.parametrize(("language", "said"), [("pt", "dezanove pessoas"), ("pt-BR", "dezenove pessoas")])
def test_varieties_of_a_language(language: str, said: str) -> None:
    assert spoken("19 pessoas", language) == said


def test_japanese_is_timed_by_character() -> None:
    script = normalize("2024年、きょうは5%です。", "ja")
    assert "".join(token.spoken for token in script.tokens) == "二千二十四年、きょうは五パーセントです。"
    assert all(token.glued for token in script.tokens[:-1])
    assert not script.tokens[-1].glued
    assert "きょ" in [token.text for token in script.tokens]


def test_breaks_follow_the_punctuation() -> None:
    script = normalize("Dr. Smith, hello. How are you?\n\nFine (really) — e.g. so.")
    breaks = {token.text: token.break_after for token in script.tokens}
    assert breaks["Dr."] == Break.NONE
    assert breaks["Smith,"] == Break.CLAUSE
    assert breaks["hello."] == Break.SENTENCE
    assert breaks["you?"] == Break.PARAGRAPH
    assert breaks["Fine"] == Break.CLAUSE
    assert breaks["e.g."] == Break.NONE


def test_words_joined_by_a_dash_are_two_words_on_screen_and_in_speech() -> None:
    tokens = normalize("Well—yes").tokens
    assert [(t.text, t.spoken, t.glued) for t in tokens] == [("Well—", "Well, ", True), ("yes", "yes", False)]


def test_words_for_the_aligner_have_no_punctuation() -> None:
    token = normalize("It is $45.50, o'clock").tokens[2]
    assert token.words == ("forty-five", "dollars", "and", "fifty", "cents")


@pytest.mark.timeout(60)  # quadratic work on these lengths takes minutes
@pytest.mark.parametrize(
    "pattern",
    [
        *("*a ", "**a", "_a _", "~~a", "[a](", "[[", "<b ", "<!--", "&a", "{\\", "```", "# \n", "\n- ", "[pause 1s]"),
        *("1.", "1-", "1 ", "1,", "a@a.", "a.a-", "((", "—a", "Dr. ", "aA1", "I", "'", "..."),
    ],
)
def test_time_grows_with_the_length_and_not_faster(pattern: str) -> None:
    text = (pattern * 40_000)[:40_000] + " word"
    assert normalize(text).tokens[-1].text.endswith("word")
