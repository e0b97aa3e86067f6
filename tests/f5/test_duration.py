"""Durations by syllables: scripts compare fairly, tempo and speed scale, nothing is absurdly short or long."""

from __future__ import annotations

import pytest

from f5_serverless.f5.duration import Tempo, estimate_seconds, syllables, tempo_of, usual_seconds


@pytest.mark.parametrize(
    ("text", "language", "count"),
    [
        ("strength", "en", 1),
        ("banana", "en", 3),
        ("jumped over", "en", 3),
        ("BBC", "en", 3),
        ("Straßenbahn", "de", 3),
        ("señorita", "es", 4),
        ("здравствуйте", "ru", 3),
        ("你好世界", "zh", 4),
        ("しゃしん", "ja", 3),
        ("コーヒー", "ja", 4),
        ("안녕하세요", "ko", 5),
        ("नमस्ते", "hi", 3),
        ("", "en", 0),
        ("... !", "en", 0),
    ],
)
def test_syllables(text: str, language: str, count: int) -> None:
    assert syllables(text, language) == count


def test_scripts_compare_fairly() -> None:
    """The same sentence takes about as long in each language, although its bytes differ threefold."""
    sentence = {
        "en": "The weather is very nice today, so we are going to the park.",
        "zh": "今天天气很好，所以我们要去公园。",
        "ja": "きょうはてんきがとてもいいので、こうえんにいきます。",
        "ru": "Сегодня очень хорошая погода, поэтому мы идём в парк.",
        "es": "Hoy hace muy buen tiempo, así que vamos al parque.",
    }
    seconds = [usual_seconds(text, language) for language, text in sentence.items()]
    assert max(seconds) / min(seconds) < 1.7
    assert all(1.8 < value < 4 for value in seconds)


def test_tempo_follows_the_recording() -> None:
    text = "The quick brown fox jumps over the lazy dog."
    usual = usual_seconds(text, "en")
    assert tempo_of(text, usual * 1.3, "en").factor == pytest.approx(1.3)
    assert estimate_seconds(text, Tempo(1.3), "en") == pytest.approx(1.3 * usual)
    assert estimate_seconds(text, Tempo(1.3), "en", speed=2.0) == pytest.approx(0.65 * usual)
    assert tempo_of(text, usual * 50, "en").factor == 2.0
    assert tempo_of("", 3.0, "en").factor == 1.0


def test_pauses_count_inside_and_not_at_the_end() -> None:
    plain = usual_seconds("one two three four", "en")
    assert usual_seconds("one two three four.", "en") == plain
    assert usual_seconds("one two, three four", "en") == pytest.approx(plain + 0.15)
    assert usual_seconds("One two. Three four.", "en") == pytest.approx(plain + 0.35)


def test_short_lines_get_room() -> None:
    assert estimate_seconds("Hi.", Tempo(), "en") >= 0.35
    assert estimate_seconds("😀", Tempo(), "en") >= 0.35
