"""Words to cues: every rule on its own, the order in which rules yield, and any input at all."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f5_serverless.subtitles import neutral
from f5_serverless.subtitles.captions import Cue, joined, make_cues
from f5_serverless.subtitles.profiles import CaptionProfile, caption_profile, text_columns
from f5_serverless.types import Break, Word

FILM = caption_profile("en")
Speak = Callable[..., list[Word]]

ANYTHING = settings(deadline=None, derandomize=True, max_examples=60)


def lines(cues: tuple[Cue, ...]) -> list[list[str]]:
    return [[joined(line) for line in cue.lines] for cue in cues]


STORY = (
    "When the light had gone, the old keeper climbed the stairs of the tower and looked out over the sea. "
    "The ship that had left the harbour in the morning was nowhere to be seen, although the wind had turned "
    "and the waves were smaller than before. He waited."
)


def test_a_story_is_divided_where_its_phrases_end(speak: Speak) -> None:
    assert lines(make_cues(speak(STORY, pace=0.3, pause=0.3), FILM)) == [
        ["When the light had gone,"],
        ["the old keeper climbed the stairs", "of the tower and looked out over the sea."],
        ["The ship that had left the harbour", "in the morning was nowhere to be seen,"],
        ["although the wind had turned", "and the waves were smaller than before."],
        ["He waited."],
    ]


def test_articles_and_prepositions_stay_with_what_follows(speak: Speak) -> None:
    text = "She carried the enormous painting through an entirely unfamiliar neighbourhood of the capital"
    ends = {joined(line).split()[-1] for cue in make_cues(speak(text), FILM) for line in cue.lines}
    assert not ends & {"the", "an", "of", "through"}


def test_the_text_room_knows_better_than_punctuation() -> None:
    words = [
        Word("Dr.", 0.0, 0.3, break_after=Break.NONE),
        Word("No", 0.3, 0.6, break_after=Break.PARAGRAPH),
        Word("spoke", 0.6, 1.6, break_after=Break.NONE),
    ]
    assert lines(make_cues(words, FILM)) == [["Dr. No"], ["spoke"]]


def test_no_word_is_left_alone(speak: Speak) -> None:
    for count in range(8, 40):
        text = " ".join(["lantern"] * count) + "."
        assert all(len(cue.words) > 1 for cue in make_cues(speak(text, pace=0.35), FILM)), count


def test_a_sentence_of_one_word_may_stand_alone(speak: Speak) -> None:
    words = [*speak("Nobody answered.", start=0.0), *speak("No.", start=4.0), *speak("Never again.", start=8.0)]
    assert lines(make_cues(words, FILM)) == [["Nobody answered."], ["No."], ["Never again."]]


def test_a_long_silence_ends_a_cue() -> None:
    words = [Word("one", 0.0, 0.5), Word("two", 2.2, 2.7)]
    first, second = make_cues(words, FILM)
    assert (first.start_ms, first.end_ms) == (0, 1000)  # half a second after the sound
    assert second.start_ms == 2200


def test_short_pauses_between_cues_are_closed_to_two_frames() -> None:
    # 0.3 s of silence between the two: too short for the picture to be empty.
    words = [Word("One.", 0.0, 1.0, break_after=Break.PARAGRAPH), Word("Two.", 1.3, 2.3)]
    first, second = make_cues(words, FILM, fps=25)
    assert second.start_ms - first.end_ms == 80
    assert make_cues(words, FILM, fps=24)[0].end_ms == 1300 - 90


def test_the_gap_is_taken_from_the_tail_of_the_last_word() -> None:
    words = [Word("One.", 0.0, 2.0, break_after=Break.PARAGRAPH), Word("Two.", 2.0, 4.0)]
    first, second = make_cues(words, FILM, fps=25)
    assert (first.end_ms, second.start_ms) == (1920, 2000)
    assert first.words[-1].end_ms == 1920


def test_a_short_word_stays_long_enough_to_be_read() -> None:
    (cue,) = make_cues([Word("No.", 1.0, 1.1)], FILM)
    assert cue.end_ms - cue.start_ms == 833


def test_a_cue_never_outlives_the_audio() -> None:
    (cue,) = make_cues([Word("Stop.", 1.0, 1.5)], FILM, audio_ms=1600)
    assert cue.end_ms == 1600


def test_seven_seconds_are_the_limit_but_for_one_long_word(speak: Speak) -> None:
    slow = make_cues(speak("one two three four five six seven eight", pace=1.9), FILM)
    assert all(cue.end_ms - cue.start_ms <= 7000 for cue in slow)
    (held,) = make_cues([Word("Goooal!", 0.0, 9.0)], FILM)
    assert held.end_ms >= 9000


def test_a_word_wider_than_a_line_stays_whole(speak: Speak) -> None:
    url = "https://example.com/" + "a" * 60
    cues = make_cues(speak(f"Read {url} today, please."), FILM)
    assert [url] in [joined(line).split() for cue in cues for line in cue.lines]


@pytest.mark.parametrize(
    ("language", "columns"), [("en", 42), ("ja-JP", 26), ("ko", 32), ("zh-TW", 32), ("ar", 42), ("xx", 42)]
)
def test_limits_follow_the_language(language: str, columns: int) -> None:
    assert caption_profile(language).columns == columns


def test_children_read_more_slowly() -> None:
    assert caption_profile("en", "children").columns_per_second == 17
    assert caption_profile("ja", "children").columns_per_second == 8


def test_social_captions_are_one_short_line_without_gaps(speak: Speak) -> None:
    cues = make_cues(speak(STORY, pace=0.3), caption_profile("en", "social"))
    assert all(len(cue.lines) == 1 and text_columns(joined(cue.lines[0])) <= 15 for cue in cues)
    assert all(a.end_ms == b.start_ms for a, b in itertools.pairwise(cues))


def test_chinese_breaks_between_characters_and_never_before_a_comma(speak: Speak) -> None:
    text = "老守塔人走上塔楼的楼梯，望着大海。那艘早上离开港口的船，已经看不见了。" * 6
    cues = make_cues(speak(text, pace=0.2, glued=True), caption_profile("zh"))
    shown = [line for cue in lines(cues) for line in cue]
    assert "".join(shown) == text
    assert all(text_columns(line) <= 32 and line[0] not in "，。" for line in shown)


def test_japanese_lines_neither_start_with_a_small_kana_nor_end_with_an_opening_bracket(speak: Speak) -> None:
    text = "「ちょっと待って」と彼女は言った。「コンピューターは二〇二四年に買いましたよ」" * 5
    cues = make_cues(speak(text, pace=0.2, glued=True), caption_profile("ja"))
    shown = [line for cue in lines(cues) for line in cue]
    assert all(line[0] not in "ょっー」。" and line[-1] != "「" for line in shown)
    assert max(map(text_columns, shown)) <= 26


def test_glued_latin_words_are_not_torn_apart() -> None:
    words = [Word("alpha-", i * 0.4, i * 0.4 + 0.4, glued=i % 3 != 2) for i in range(30)]
    assert all(
        line.endswith("alpha-") and line.count("alpha-") % 3 == 0
        for cue in lines(make_cues(words, FILM))
        for line in cue
    )


def test_nothing_to_show() -> None:
    assert make_cues([], FILM) == ()
    assert make_cues([Word(" \n", 0.0, 1.0), Word("\u202e\x00", 1.0, 2.0)], FILM) == ()


def test_all_words_at_the_same_instant_still_appear_one_after_another() -> None:
    words = [Word(f"word{i}", 0.0, 0.0) for i in range(60)]
    cues = make_cues(words, FILM)
    assert [word.text for cue in cues for word in cue.words] == [word.text for word in words]
    assert all(a.start_ms < a.end_ms <= b.start_ms for a, b in itertools.pairwise(cues))


NASTY = [
    r"{\an8}",
    "-->",
    "<b>",
    "&amp;",
    "👩‍👩‍👧",
    "é",
    "שלום",
    "日",
    "。",
    "「",
    "\ud800x",
    "a\nb",
    "$45.50",
    "x" * 90,
    "\u200b",
    "42",
]
texts = st.one_of(
    st.sampled_from(NASTY),
    st.text(st.characters(exclude_categories=()), min_size=1, max_size=12),
    st.text("abc,.", min_size=1, max_size=9),
)


@st.composite
def timed_words(draw: st.DrawFn) -> list[Word]:
    """Words in order, with gaps or without, some of no length."""
    at, words = draw(st.floats(0, 5)), []
    for text in draw(st.lists(texts, max_size=40)):
        length = draw(st.sampled_from([0.0, 0.02, 0.2, 0.4, 1.1, 8.0]))
        words.append(
            Word(text, at, at + length, glued=draw(st.booleans()), break_after=draw(st.sampled_from([None, *Break])))
        )
        at += length + draw(st.sampled_from([0.0, 0.0, 0.0, 0.05, 0.3, 0.9, 3.0]))
    return words


profiles = st.builds(
    caption_profile, st.sampled_from(["en", "ja", "zh", "ar"]), st.sampled_from(["film", "social", "children"])
)


@ANYTHING
@given(timed_words(), profiles)
def test_whatever_the_words_the_rules_hold(words: list[Word], profile: CaptionProfile) -> None:
    cues = make_cues(words, profile, fps=25)
    kept = [w for w in words if neutral.is_visible(neutral.shown(w.text))]
    assert [w.text for cue in cues for w in cue.words] == [neutral.shown(w.text) for w in kept]
    gap = profile.gap_frames * 40
    for cue in cues:
        assert cue.start_ms < cue.end_ms
        assert 1 <= len(cue.lines) <= profile.max_lines
        assert all(len(line) == 1 or text_columns(joined(line)) <= profile.columns for line in cue.lines)
        assert len(cue.words) == 1 or cue.end_ms - cue.start_ms <= profile.max_ms
        assert all(cue.start_ms <= w.start_ms <= w.end_ms <= cue.end_ms for w in cue.words)
    for a, b in itertools.pairwise(cues):
        assert b.start_ms - a.end_ms >= min(gap, (b.start_ms - a.start_ms) // 4)
    at = 0
    for cue in cues:
        first, last = kept[at], kept[at + len(cue.words) - 1]
        at += len(cue.words)
        if all(w.end - w.start >= 0.04 for w in kept):
            assert abs(cue.start_ms - first.start * 1000) <= 1
            assert cue.end_ms >= last.end * 1000 - gap - 1


@ANYTHING
@given(st.lists(st.builds(Word, texts, st.floats(-10, 100), st.floats(-10, 100)), max_size=30))
def test_even_senseless_times_give_ordered_cues(words: list[Word]) -> None:
    cues = make_cues(words, FILM)
    assert sum(len(cue.words) for cue in cues) == sum(neutral.is_visible(neutral.shown(w.text)) for w in words)
    assert all(a.start_ms < a.end_ms <= b.start_ms for a, b in itertools.pairwise(cues))
