"""Subtitles as they are seen: every preset burned into a short video by libass, and the frames measured."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pytest

from f5_serverless.subtitles.styles import STYLES
from f5_serverless.types import Word

Burn: TypeAlias = Callable[..., npt.NDArray[np.uint8]]
Speak: TypeAlias = Callable[..., list[Word]]
Subtitle: TypeAlias = Callable[..., str]
Mask: TypeAlias = npt.NDArray[np.bool_]
FPS = 10
BACKGROUND = 0x3A5068


def near(frame: npt.NDArray[np.uint8], rgb: int, tolerance: int = 40) -> Mask:
    """Where a frame has the colour 0xRRGGBB."""
    wanted = np.array([rgb >> 16 & 255, rgb >> 8 & 255, rgb & 255], dtype=np.int16)
    return np.asarray((np.abs(frame.astype(np.int16) - wanted) <= tolerance).all(axis=-1))


def drawn(frame: npt.NDArray[np.uint8]) -> Mask:
    """Where a frame is not background."""
    return ~near(frame, BACKGROUND, 12)


def box(mask: Mask) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of what is set, as shares of the picture."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    assert len(rows), "nothing is drawn"
    height, width = mask.shape
    return columns[0] / width, rows[0] / height, (columns[-1] + 1) / width, (rows[-1] + 1) / height


def letters(frame: npt.NDArray[np.uint8]) -> Mask:
    """The fill of the letters: brighter than outline and background."""
    return np.asarray(frame.max(axis=-1) > 150)


def strays(one: Mask, other: Mask) -> float:
    """Share of the pixels without counterpart in the other mask within two columns, heights aligned: moved letters."""
    other = np.roll(other, round((box(one)[1] - box(other)[1]) * one.shape[0]), axis=0)
    near_one, near_other = (np.any([np.roll(m, dx, axis=1) for dx in range(-2, 3)], axis=0) for m in (one, other))
    return float(((one & ~near_other).sum() + (other & ~near_one).sum()) / (one.sum() + other.sum()))


def middle(mask: Mask) -> float:
    left, _, right, _ = box(mask)
    return (left + right) / 2


# Where a preset's text belongs: left, top, right, bottom of the area it must stay in.
AREAS = {
    "clean": (0.05, 0.78, 0.95, 0.95),
    "karaoke": (0.05, 0.76, 0.95, 0.94),
    "social": (0.08, 0.50, 0.92, 0.67),
}


@pytest.mark.parametrize("style", STYLES)
def test_text_is_where_and_when_it_should_be(style: str, speak: Speak, subtitle: Subtitle, burn: Burn) -> None:
    frames = burn(subtitle(speak("Gypsy jumps", pace=0.4, start=0.5), style), seconds=2.4, fps=FPS)
    shown = [bool(drawn(frame).any()) for frame in frames]
    assert not any(shown[:5])
    assert all(shown[5:13])
    assert not any(shown[19:])
    left, top, right, bottom = box(drawn(frames[9]))
    area = AREAS[style]
    assert area[0] <= left < right <= area[2]
    assert area[1] <= top < bottom <= area[3]
    assert abs((left + right) / 2 - 0.5) < 0.01


@pytest.mark.parametrize("style", ["karaoke", "social"])
def test_the_word_being_spoken_is_lit_from_left_to_right(
    style: str, speak: Speak, subtitle: Subtitle, burn: Burn
) -> None:
    preset = STYLES[style]
    frames = burn(subtitle(speak("red cat ran", pace=0.4, start=0.4), style), seconds=2.0, fps=FPS)
    lit = [near(frames[4 + 4 * k + 2], preset.current) for k in range(3)]  # the middle of each word
    spans = [box(mask)[::2] for mask in lit]
    assert spans[0][1] < spans[1][0] < spans[1][1] < spans[2][0]
    whole = box(drawn(frames[5]))
    assert abs(spans[0][0] - whole[0]) < 0.03
    assert abs(spans[2][1] - whole[2]) < 0.03
    # Afterwards nothing is lit, and all is said.
    after = frames[4 + 12 + 2]
    assert not near(after, preset.current).any()
    assert near(after, preset.said).any()


def test_karaoke_dims_what_is_to_come(speak: Speak, subtitle: Subtitle, burn: Burn) -> None:
    preset = STYLES["karaoke"]
    frame = burn(subtitle(speak("red cat ran", pace=0.4, start=0.4), "karaoke"), seconds=1.2, fps=FPS)[10]
    said, lit, upcoming = (
        np.median(np.nonzero(near(frame, colour, 12))[1]) for colour in (preset.said, preset.current, preset.upcoming)
    )  # medians, since the soft edges of white letters are grey too
    assert said < lit < upcoming


def test_the_light_rests_while_nobody_speaks(subtitle: Subtitle, burn: Burn) -> None:
    words = [Word("one", 0.2, 0.6), Word("two", 1.4, 1.8)]
    frames = burn(subtitle(words, "karaoke"), seconds=2.0, fps=FPS)
    lit = [bool(near(frame, STYLES["karaoke"].current).any()) for frame in frames]
    assert lit[3] and lit[15]  # noqa: PT018 - one picture in two frames
    assert not any(lit[7:14])
    assert drawn(frames[10]).any()


def test_times_hold_at_the_end_of_a_long_cue(subtitle: Subtitle, burn: Burn) -> None:
    # 0.333 s words: rounding each to centiseconds would be 3 frames off after 20 words at 50 frames a second.
    words = [Word("mm", i / 3, (i + 1) / 3) for i in range(20)]
    frames = burn(subtitle(words, "karaoke"), seconds=6.7, fps=50, scale=0.25)
    lit = [near(frame, STYLES["karaoke"].current, 60) for frame in frames[290:334]]
    changes = [k for k in range(1, len(lit)) if abs(middle(lit[k]) - middle(lit[k - 1])) > 0.005]
    assert any(abs((290 + k) / 50 - 18 / 3) <= 0.021 for k in changes)
    assert any(abs((290 + k) / 50 - 19 / 3) <= 0.041 for k in changes)


@pytest.mark.parametrize("language", ["he", "ar"])
@pytest.mark.parametrize("style", ["karaoke", "social"])
def test_right_to_left_words_light_up_from_right_to_left(
    language: str, style: str, speak: Speak, subtitle: Subtitle, burn: Burn
) -> None:
    text = {"he": "אל הים בא", "ar": "من هو ذا"}[language]
    frames = burn(subtitle(speak(text, pace=0.4, start=0.4), style, language=language), seconds=2.0, fps=FPS)
    places = [middle(near(frames[4 + 4 * k + 2], STYLES[style].current)) for k in range(3)]
    assert places == sorted(places, reverse=True)


@pytest.mark.parametrize(
    ("language", "text"), [("he", "שומר המגדלור (Dr. Smith) עלה!"), ("ar", "كان السعر 45 هنا، والبحر!")]
)
def test_colouring_words_does_not_move_them(
    language: str, text: str, speak: Speak, subtitle: Subtitle, burn: Burn
) -> None:
    """The coloured line has the shape that libass' own bidirectional layout gives the plain one."""
    words = speak(text, pace=0.2, start=0.2)
    coloured = subtitle(words, "karaoke", language=language)
    lines = coloured.splitlines()
    first = next(k for k, line in enumerate(lines) if line.startswith("Dialogue"))
    plain = subtitle(words, "clean", language=language).splitlines()[-1]
    plain_text = plain.split(",,", 1)[1].split("}", 1)[1]
    head, tags = lines[first].split(",,", 1)[0], "0,0,0,,{\\blur1.2}"
    frames = [
        burn("\n".join([*lines[:first], event]) + "\n", seconds=0.4, fps=FPS)[3]
        for event in (lines[first], f"{head},,{tags}{plain_text}")
    ]
    coloured_ink, plain_ink = (letters(frame) for frame in frames)
    assert strays(coloured_ink, plain_ink) < 0.05
    start, *runs = lines[first].split("{\\1c")
    unordered = "{\\1c".join([start, *runs[::-1]])
    wrong = burn("\n".join([*lines[:first], unordered]) + "\n", seconds=0.4, fps=FPS)[3]
    assert strays(letters(wrong), plain_ink) > 0.15  # what renderers make of runs in reading order


def test_markup_from_callers_is_text(subtitle: Subtitle, burn: Burn) -> None:
    words = [Word(r"{\an8}hello", 0.0, 0.5), Word(r"\Nworld", 0.5, 1.0)]
    frame = burn(subtitle(words, "clean"), seconds=0.4, fps=FPS)[2]
    left, top, right, bottom = box(drawn(frame))
    assert AREAS["clean"][1] < top  # neither moved to the top by \an8 ...
    assert bottom - top < 0.08  # ... nor broken by \N
    bare = burn(subtitle([Word("hello", 0.0, 0.5), Word("world", 0.5, 1.0)], "clean"), seconds=0.4, fps=FPS)[2]
    bare_left, _, bare_right, _ = box(drawn(bare))
    assert right - left > 1.4 * (bare_right - bare_left)  # {\an8} and \N take the room of eight letters
    raw = subtitle(words, "clean").splitlines()[-1]
    assert "\\{" in raw


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize(
    "word", ["DONAUDAMPFSCHIFFFAHRTSGESELLSCHAFT", "https://example.com/" + "a/b" * 30, "WWWWWWWWWWWWWWW"]
)
def test_the_widest_words_stay_in_the_picture(style: str, word: str, subtitle: Subtitle, burn: Burn) -> None:
    left, _, right, _ = box(drawn(burn(subtitle([Word(word, 0.0, 1.0)], style), seconds=0.2, fps=FPS)[1]))
    assert left > 0.02
    assert right < 0.98


@pytest.mark.parametrize(
    ("language", "text", "glued"),
    [
        ("ja", "灯台守は「階段」を上り、", True),
        ("zh-CN", "老守塔人走上塔楼，", True),
        ("ko", "등대지기는 계단을", False),
        ("he", "שומר המגדלור $45.50!", False),
        ("ar", "حارس المنارة، 45", False),
        ("de", "„Größe“ über Öl – 5 €", False),
        ("en", "Yes 🎉 👩‍👩‍👧 please ❤️", False),
        ("el", "Καλημέρα κόσμε", False),
        ("hi", "नमस्ते दुनिया", False),
    ],
)
def test_every_script_has_its_glyphs(
    language: str, text: str, glued: bool, speak: Speak, subtitle: Subtitle, burn: Burn
) -> None:
    """`burn` refuses frames in which a glyph is missing; joined emoji and Indic clusters are one shape, not several."""
    frame = burn(subtitle(speak(text, pace=0.2, start=0.0, glued=glued), "karaoke", language=language), 0.2, FPS)[1]
    assert drawn(frame).sum() > 1000


def test_a_missing_glyph_would_be_noticed(speak: Speak, subtitle: Subtitle, burn: Burn) -> None:
    with pytest.raises(AssertionError, match="failed to find"):
        burn(subtitle(speak("\ue123", start=0.0), "clean"), 0.2, FPS)


def test_joined_emoji_stay_joined(speak: Speak, subtitle: Subtitle, burn: Burn) -> None:
    family, one = (burn(subtitle(speak(t, start=0.0), "karaoke"), 0.2, FPS)[1] for t in ("x👨‍👩‍👧", "x👩"))
    widths = [box(drawn(frame))[2] - box(drawn(frame))[0] for frame in (family, one)]
    assert widths[0] < 1.4 * widths[1]
