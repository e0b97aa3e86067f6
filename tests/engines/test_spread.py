"""Word times by estimate: inside the detected speech, in order, by length."""

from __future__ import annotations

import numpy as np
import pytest

from f5_serverless.engines.base import AlignItem
from f5_serverless.engines.spread import SpreadAligner, speech_spans, spread
from f5_serverless.types import Audio, no_progress

RATE = 16_000


def bursts(*spans: tuple[float, float], total: float) -> Audio:
    time = np.arange(round(total * RATE)) / RATE
    heard = np.zeros(len(time), bool)
    for start, end in spans:
        heard |= (time >= start) & (time < end)
    return Audio((0.3 * np.sin(2 * np.pi * 220 * time) * heard).astype(np.float32), RATE)


def test_spans_are_found_to_a_frame() -> None:
    spans = speech_spans(bursts((0.5, 1.5), (2.0, 3.0), total=4.0))
    assert spans == [pytest.approx((0.5, 1.5), abs=0.021), pytest.approx((2.0, 3.0), abs=0.021)]
    assert speech_spans(Audio(np.zeros(RATE, np.float32), RATE)) == []
    assert speech_spans(Audio(np.zeros(0, np.float32), RATE)) == []


def test_words_lie_in_the_speech_and_share_it_by_length() -> None:
    found = spread(bursts((0.5, 1.5), (2.0, 3.0), total=4.0), ("abc", "abc", "abcdefg"))
    assert found.method == "interpolated"
    times = [(word.start, word.end) for word in found.words]
    assert times[0] == pytest.approx((0.5, 1.0), abs=0.03)
    assert times[1] == pytest.approx((1.0, 1.5), abs=0.03)
    assert times[2] == pytest.approx((2.0, 3.0), abs=0.03)


def test_silence_and_emptiness_still_give_every_word_a_time() -> None:
    silent = Audio(np.zeros(RATE, np.float32), RATE)
    (found, none) = SpreadAligner().align([AlignItem(silent, ("a", "b")), AlignItem(silent, ())], "xx", no_progress)
    assert found.words[-1].end == pytest.approx(1.0)
    assert none.words == ()
