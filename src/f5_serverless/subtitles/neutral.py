"""Caption text that no format can mistake for its own markup: typed text appears on screen as typed.

In: a word as the caller wrote it. Out: the same word, safe inside an ASS event, an SRT block or a WebVTT cue. What
cannot be shown (control characters, line ends inside a word, overrides of the writing direction) becomes a space or
goes.
"""

from __future__ import annotations

import re
import unicodedata

_JOINER = "\u2060"  # WORD JOINER: no width, no glyph, no line break
_RIGHT_TO_LEFT, _POP, _LEFT_MARK = "\u202b", "\u202c", "\u200e"
_SPACES = re.compile(r"[\s\u0085\u2028\u2029]+")
# Directional overrides, embeddings and isolates would reach beyond their word; marks (LRM, RLM) do not.
_UNSHOWN = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]")
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")
_RTL_LANGUAGES = frozenset({"ar", "he", "fa", "ur", "yi", "ps", "sd", "ug", "dv", "ckb"})


def shown(text: str) -> str:
    """``text`` as one visible run: inner white space is one space, what has no form on screen is left out."""
    text = _UNSHOWN.sub("", _SPACES.sub(" ", text)).strip()
    return _LONE_SURROGATE.sub("\ufffd", text)


def is_visible(text: str) -> bool:
    """Whether anything of ``text`` leaves a mark on screen."""
    return any(unicodedata.category(char) not in ("Cf", "Cc", "Zs", "Zl", "Zp") for char in text)


def for_ass(text: str) -> str:
    r"""Safe in the Text field of an ASS event.

    ``\{`` and ``\}`` are libass' own escapes. It has none for the backslash itself: a word joiner after it keeps
    ``\N``, ``\n``, ``\h`` from being read, and shows nothing.
    """
    return escape_ass(shown(text))


def escape_ass(text: str) -> str:
    """As `for_ass`, for a piece of text that `shown` has cleaned."""
    return text.replace("\\", "\\" + _JOINER).replace("{", "\\{").replace("}", "\\}")


def for_srt(text: str) -> str:
    """A line, safe in SRT, which has no escapes: joiners break up the tags and arrows that players look for."""
    text = shown(text).replace("-->", "--" + _JOINER + ">")
    return text.replace("<", "<" + _JOINER).replace("{", "{" + _JOINER).replace("\\", "\\" + _JOINER)


def for_vtt(text: str) -> str:
    """Safe in a WebVTT cue, by its own entities; ``-->`` cannot arise, since ``>`` is escaped."""
    return shown(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def has_rtl(text: str) -> bool:
    """Whether any character is written from right to left."""
    return not text.isascii() and any(unicodedata.bidirectional(char) in ("R", "AL") for char in text)


def reads_rtl(text: str, language: str) -> bool:
    """Whether a line runs from right to left: in such a language, or when its first directed character does."""
    if language in _RTL_LANGUAGES:
        return True
    for char in text:
        direction = unicodedata.bidirectional(char)
        if direction in ("L", "R", "AL"):
            return direction != "L"
    return False


def directed(line: str, rtl: bool) -> str:
    """A finished line, embedded so that players lay it out from right to left whatever their default is."""
    return f"{_RIGHT_TO_LEFT}{line}{_POP}" if rtl else line


def isolated(run: str, rtl: bool) -> str:
    """A run of a line whose runs are already in visual order: no renderer may reorder it with its neighbours."""
    return f"{_LEFT_MARK}{_RIGHT_TO_LEFT}{run}{_POP}{_LEFT_MARK}" if rtl else run
