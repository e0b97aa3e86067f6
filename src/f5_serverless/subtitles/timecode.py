"""Time inside subtitles: integer milliseconds. In: float seconds. Out: milliseconds, centiseconds, and timestamps.

The only place that converts seconds. It does not order or repair times; `captions` does that.
"""

from __future__ import annotations

import math

from f5_serverless.errors import InternalError


def to_ms(seconds: float) -> int:
    """Seconds to the nearest millisecond, halves upwards; before zero becomes zero.

    >>> to_ms(1.0005), to_ms(-0.2)
    (1001, 0)

    Raises InternalError for NaN and infinity: no aligner may hand those out.
    """
    if not math.isfinite(seconds):
        raise InternalError(f"a word time is {seconds}, which is no time")
    return max(0, math.floor(seconds * 1000 + 0.5))


def to_cs(ms: int) -> int:
    """Milliseconds to the nearest centisecond, halves upwards: the grid of ASS.

    >>> to_cs(1004), to_cs(1005)
    (100, 101)
    """
    return (ms + 5) // 10


def timestamp(ms: int, *, separator: str) -> str:
    """``HH:MM:SS`` and milliseconds after ``separator``: a comma in SRT, a point in WebVTT.

    >>> timestamp(3_723_004, separator=",")
    '01:02:03,004'
    """
    seconds, milli = divmod(ms, 1000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02d}:{minute:02d}:{second:02d}{separator}{milli:03d}"
