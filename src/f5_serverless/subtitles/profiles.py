"""How much text a viewer can take in: caption limits by language and by layout.

The film figures are those of the Netflix timed-text guides (2 lines; 5/6 to 7 seconds; two frames between events;
out-time up to half a second after the sound). Widths are counted in columns: a Latin letter is one column, a
full-width character two, a combining mark none. So "Japanese 13 x 4 characters a second" reads 26 columns and 8 columns
a second here, and one unit serves mixed text. This module divides no text.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache

from f5_serverless.errors import InternalError


@dataclass(frozen=True, slots=True)
class CaptionProfile:
    """The limits of one cue. Milliseconds, columns, and columns a second.

    ``gap_frames`` is the least number of frames between two cues; 0 chains them without a gap. ``chain_frames``: a
    shorter pause than this is closed down to the gap, so that cues do not blink. ``linger_ms`` is how long a cue may
    stay after its last sound, ``split_ms`` the silence that always ends a cue.
    """

    language: str
    max_lines: int = 2
    columns: int = 42
    columns_per_second: float = 20.0
    min_ms: int = 833
    max_ms: int = 7000
    gap_frames: int = 2
    chain_frames: int = 12
    linger_ms: int = 500
    split_ms: int = 1500


LATIN = (42, 20.0, 17.0)
LANGUAGES: dict[str, tuple[int, float, float]] = {
    # language: (columns of a line, columns a second for adults, for children)
    "ja": (26, 8.0, 8.0),
    "ko": (32, 24.0, 18.0),
    "zh": (32, 18.0, 14.0),
    "yue": (32, 18.0, 14.0),
    "ar": (42, 17.0, 14.0),
}
"""Where the limits differ from the Latin ones."""

_LAYOUTS: dict[str, dict[str, int | float]] = {
    "film": {},
    "children": {},
    # One short line of a few words that follows the voice: it is seen, not read, so the reading limits rest.
    "social": {
        "max_lines": 1,
        "columns": 15,
        "columns_per_second": 40.0,
        "min_ms": 300,
        "max_ms": 3000,
        "gap_frames": 0,
        "chain_frames": 18,
        "linger_ms": 350,
        "split_ms": 700,
    },
}
LAYOUTS = tuple(_LAYOUTS)


def base_language(language: str) -> str:
    """The language without region and script.

    >>> base_language("zh-Hant_TW")
    'zh'
    """
    return language.replace("_", "-").split("-", 1)[0].lower()


def caption_profile(language: str, layout: str = "film") -> CaptionProfile:
    """The limits for a language code such as "en" or "zh-TW" in a layout of `LAYOUTS`.

    Unknown languages get the Latin limits.
    """
    if layout not in _LAYOUTS:
        raise InternalError(f"no caption layout {layout!r}; there are {', '.join(LAYOUTS)}")
    code = base_language(language)
    columns, adults, children = LANGUAGES.get(code, LATIN)
    speed = children if layout == "children" else adults
    profile = CaptionProfile(language=code, columns=columns, columns_per_second=speed)
    return replace(profile, **_LAYOUTS[layout])  # type: ignore[arg-type]


@lru_cache(maxsize=4096)
def _columns_of(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf", "Cc") or "\U0001f3fb" <= char <= "\U0001f3ff":
        return 0  # marks, joiners, and the skin tones of emoji
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def text_columns(text: str) -> int:
    """Width of ``text`` in columns; what a joiner attaches to an emoji takes no room.

    >>> text_columns("naïve"), text_columns("日本"), text_columns("👨\u200d👩\u200d👧")
    (5, 4, 2)
    """
    if text.isascii():
        return len(text)
    return sum(_columns_of(char) for i, char in enumerate(text) if i == 0 or text[i - 1] != "\u200d")
