"""How subtitles look: the presets, as data.

A preset names the picture it is drawn for (pixels), the caption layout that fits it (`profiles.LAYOUTS`), how the
spoken word is marked, and its type. Sizes are ASS sizes: pixels of line height at PlayResY. Colours are 0xRRGGBB.
All type is bold. Nothing is rendered here; `ass` turns a preset into an ASS style.

Fonts come from Debian packages. ASS names one family per style: where it is missing, the player's own fallback
applies, so each preset leaves room for the wider DejaVu Sans.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from f5_serverless.errors import InternalError
from f5_serverless.subtitles.profiles import base_language


class Highlight(Enum):
    """How the word being spoken is marked."""

    NONE = "none"
    WORD = "word"


@dataclass(frozen=True, slots=True)
class SubtitleStyle:
    """One preset.

    ``said``, ``current``, ``upcoming``: colour of a word after, while and before it is spoken. ``anchor`` is the ASS
    alignment (numeric keypad: 2 bottom centre, 5 middle). ``margin_v`` is measured from the edge that ``anchor`` names.
    ``blur`` softens the outline's edge. ``settle_ms``: how long a word takes
    from ``current`` to ``said``.
    """

    name: str
    width: int
    height: int
    layout: str
    highlight: Highlight
    font: str
    size: int
    said: int
    current: int
    upcoming: int
    outline_colour: int
    outline: float
    shadow_colour: int
    shadow_opacity: float
    shadow: float
    blur: float
    anchor: int
    margin_h: int
    margin_v: int
    settle_ms: int


_WHITE, _BLACK = 0xFFFFFF, 0x000000

STYLES: dict[str, SubtitleStyle] = {
    style.name: style
    for style in (
        # Film subtitles: quiet, within title safety (5 % at the sides, 6 % below), readable on snow and on night.
        SubtitleStyle(
            name="clean",
            width=1920,
            height=1080,
            layout="film",
            highlight=Highlight.NONE,
            font="Roboto",
            size=78,
            said=_WHITE,
            current=_WHITE,
            upcoming=_WHITE,
            outline_colour=_BLACK,
            outline=3.0,
            shadow_colour=_BLACK,
            shadow_opacity=0.55,
            shadow=2.0,
            blur=1.0,
            anchor=2,
            margin_h=96,
            margin_v=66,
            settle_ms=0,
        ),
        # The word being spoken is lit, words to come are dimmed, words said stay white.
        SubtitleStyle(
            name="karaoke",
            width=1920,
            height=1080,
            layout="film",
            highlight=Highlight.WORD,
            font="Roboto",
            size=86,
            said=_WHITE,
            current=0xFFD23F,
            upcoming=0xB4BAC4,
            outline_colour=0x101418,
            outline=4.0,
            shadow_colour=_BLACK,
            shadow_opacity=0.5,
            shadow=3.0,
            blur=1.2,
            anchor=2,
            margin_h=96,
            margin_v=80,
            settle_ms=60,
        ),
        # Vertical video: one to three heavy words at two thirds of the height, clear of the apps' buttons and captions.
        SubtitleStyle(
            name="social",
            width=1080,
            height=1920,
            layout="social",
            highlight=Highlight.WORD,
            font="Roboto Black",
            size=150,
            said=_WHITE,
            current=0xFFE135,
            upcoming=_WHITE,
            outline_colour=_BLACK,
            outline=9.0,
            shadow_colour=_BLACK,
            shadow_opacity=0.6,
            shadow=5.0,
            blur=1.5,
            anchor=2,
            margin_h=90,
            margin_v=680,
            settle_ms=0,
        ),
    )
}

_CJK, _ARABIC, _HEBREW, _OTHER = 1.1, 1.3, 1.06, 1.06
_SCRIPT_FONTS: dict[str, tuple[str, float]] = {
    "ja": ("Noto Sans CJK JP", _CJK),
    "ko": ("Noto Sans CJK KR", _CJK),
    "zh": ("Noto Sans CJK SC", _CJK),
    "zh-tw": ("Noto Sans CJK TC", _CJK),
    "zh-hant": ("Noto Sans CJK TC", _CJK),
    "zh-hk": ("Noto Sans CJK HK", _CJK),
    "yue": ("Noto Sans CJK HK", _CJK),
    "ar": ("Noto Sans Arabic", _ARABIC),
    "fa": ("Noto Sans Arabic", _ARABIC),
    "ur": ("Noto Sans Arabic", _ARABIC),
    "he": ("Noto Sans Hebrew", _HEBREW),
    "yi": ("Noto Sans Hebrew", _HEBREW),
    "hi": ("Noto Sans Devanagari", _OTHER),
    "mr": ("Noto Sans Devanagari", _OTHER),
    "th": ("Noto Sans Thai", _OTHER),
    "ta": ("Noto Sans Tamil", _OTHER),
    "te": ("Noto Sans Telugu", _OTHER),
}
"""Families for scripts that the presets' own font lacks, ASS sizes a font by its line height, and these
have taller lines than Roboto: the factor makes the letters as large again."""

FONT_PACKAGES: dict[str, str] = {
    "Roboto": "fonts-roboto",
    "Noto Sans CJK": "fonts-noto-cjk",
    "Noto Sans": "fonts-noto-core",
}
"""Debian packages by the beginning of the family's name."""


def subtitle_style(name: str) -> SubtitleStyle:
    """The preset called ``name``. Requests are checked against `STYLES` before; another name here is a bug."""
    if name not in STYLES:
        raise InternalError(f"no subtitle style {name!r}; there are {', '.join(STYLES)}")
    return STYLES[name]


def font_for(style: SubtitleStyle, language: str) -> tuple[str, int]:
    """Family and ASS size in which ``style`` writes ``language``."""
    code = language.replace("_", "-").lower()
    for key in (code, "-".join(code.split("-")[:2]), base_language(language)):
        if key in _SCRIPT_FONTS:
            family, factor = _SCRIPT_FONTS[key]
            return family, round(style.size * factor)
    return style.font, style.size
