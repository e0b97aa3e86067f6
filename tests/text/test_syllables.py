"""Syllables of many scripts, and seconds."""

from __future__ import annotations

import pytest

from f5_serverless.text.syllables import count_syllables, estimate_seconds_plain


@pytest.mark.parametrize(
    ("text", "syllables", "tolerance"),
    [
        ("cat", 1, 0),
        ("hello world", 3, 0),
        ("The quick brown fox jumps over the lazy dog.", 11, 0),
        ("A comfortable chair is available for everybody here.", 16, 2),
        ("forty-five dollars and fifty cents", 9, 0),
        ("F B I", 3, 0),
        ("Der schnelle braune Fuchs springt über den faulen Hund.", 13, 1),
        ("El veloz murciélago hindú comía feliz cardillo y kiwi.", 20, 2),
        ("Съешь же ещё этих мягких французских булок", 14, 1),
        ("你好世界", 4, 0),
        ("きょうはいいてんきです", 10, 0),
        ("コーヒー", 4, 0),
        ("안녕하세요 여러분", 8, 0),
        ("مرحبا بالعالم", 6, 1),
        ("नमस्ते दुनिया", 6, 1),
        ("", 0, 0),
        ("!?…", 0, 0),
        ("xyz", 1, 1),
    ],
)
def test_syllables(text: str, syllables: int, tolerance: int) -> None:
    assert abs(count_syllables(text) - syllables) <= tolerance


def test_seconds_grow_with_the_text_and_shrink_with_the_rate() -> None:
    text = "The quick brown fox jumps over the lazy dog."
    assert 1.8 < estimate_seconds_plain(text) < 3.2
    assert estimate_seconds_plain(text * 10) > 9 * estimate_seconds_plain(text)
    assert estimate_seconds_plain(text, rate=2.0) > 2 * estimate_seconds_plain(text, rate=5.0)
    assert estimate_seconds_plain("你好世界", "zh-CN") == pytest.approx(4 / 4.6)
