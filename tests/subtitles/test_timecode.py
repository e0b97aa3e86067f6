from __future__ import annotations

import math

import pytest

from f5_serverless.errors import InternalError
from f5_serverless.subtitles.timecode import timestamp, to_cs, to_ms


@pytest.mark.parametrize(
    ("seconds", "ms"), [(0.0, 0), (0.0004, 0), (0.0005, 1), (1.2345, 1235), (-3.0, 0), (3600, 3_600_000)]
)
def test_seconds_become_the_nearest_millisecond(seconds: float, ms: int) -> None:
    assert to_ms(seconds) == ms


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -math.inf])
def test_what_is_no_time_is_refused(seconds: float) -> None:
    with pytest.raises(InternalError, match="no time"):
        to_ms(seconds)


def test_centiseconds_round_halves_upwards() -> None:
    assert [to_cs(ms) for ms in (0, 4, 5, 14, 15)] == [0, 0, 1, 1, 2]


def test_timestamps() -> None:
    assert timestamp(0, separator=".") == "00:00:00.000"
    assert timestamp(36_000_000 - 1, separator=",") == "09:59:59,999"
    assert timestamp(360_000_000, separator=",") == "100:00:00,000"
