"""The order in which a line of mixed directions is seen: the Unicode Bidirectional Algorithm for one line.

In: a line of text and its base direction. Out: runs from left to right. ASS needs this because renderers lay out the
pieces between override tags from left to right, each on its own, so a line with coloured words has to be ordered
before.

Implements UAX #9 from W1 to L2 with bracket pairs (N0). Explicit embeddings and isolates do not occur: `neutral.shown`
removes them. Mirroring and shaping stay with the renderer.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_BRACKETS = dict(zip("([{（［｛「『【《〈〔", ")]}）］｝」』】》〉〕", strict=True))
_STRONG = {"L": "L", "R": "R", "EN": "R", "AN": "R"}  # how N0 to N2 see a resolved type


@dataclass(frozen=True, slots=True)
class Run:
    """Characters start…end-1 of the line, all of one direction."""

    start: int
    end: int
    rtl: bool


def visual_runs(text: str, rtl: bool, borders: Sequence[int] = ()) -> list[Run]:
    """The runs of ``text`` in the order seen from left to right.

    Runs are cut at ``borders`` (character offsets), so that each can be coloured alone. Within a right-to-left run the
    text stays in reading order.

    >>> [(run.start, run.end, run.rtl) for run in visual_runs("abc אבג", rtl=True)]
    [(3, 7, True), (0, 3, False)]
    """
    levels = _levels(text, 1 if rtl else 0)
    cuts = sorted({0, len(text), *borders} | {i for i in range(1, len(text)) if levels[i] != levels[i - 1]})
    pieces = [(start, end) for start, end in pairwise(cuts) if start < end]
    order = list(range(len(pieces)))
    depth = [levels[start] for start, _ in pieces]
    # L2: from the highest level down to the lowest odd one, reverse each stretch at that level or above.
    for level in range(max(depth, default=0), 0, -1):
        i = 0
        while i < len(order):
            j = i
            while j < len(order) and depth[order[j]] >= level:
                j += 1
            order[i:j] = order[i:j][::-1]
            i = max(j, i + 1)
    return [Run(*pieces[k], rtl=bool(depth[k] % 2)) for k in order]


def _levels(text: str, base: int) -> list[int]:
    """The embedding level of each character; odd ones run from right to left."""
    outer = "R" if base else "L"
    types = [unicodedata.bidirectional(char) or "L" for char in text]
    _resolve_weak(types, outer)
    _resolve_brackets(text, types, outer)
    _resolve_neutral(types, outer)
    levels = [base + _RAISE[base][kind] for kind in types]
    for i in range(len(text) - 1, -1, -1):  # L1: white space at the end of the line has the base level
        if unicodedata.bidirectional(text[i]) not in ("WS", "BN"):
            break
        levels[i] = base
    return levels


_RAISE = ({"L": 0, "R": 1, "EN": 2, "AN": 2}, {"L": 1, "R": 0, "EN": 1, "AN": 1})


def _resolve_weak(types: list[str], outer: str) -> None:
    """W1 to W7, in place: marks, numbers and their separators."""
    strong, before = outer, outer
    for i, kind in enumerate(types):
        if kind in ("NSM", "BN"):
            types[i] = before
        elif kind == "EN" and strong == "AL":
            types[i] = "AN"
        elif kind in ("L", "R", "AL"):
            strong = kind
        before = types[i]
    types[:] = ["R" if kind == "AL" else kind for kind in types]
    for i in range(1, len(types) - 1):
        left, kind, right = types[i - 1 : i + 2]
        if left == right and ((left == "EN" and kind in ("ES", "CS")) or (left == "AN" and kind == "CS")):
            types[i] = left
    for start, end in _stretches(types, "ET"):
        beside = (types[start - 1] if start else "", types[end] if end < len(types) else "")
        types[start:end] = ["EN" if "EN" in beside else "ON"] * (end - start)
    strong = outer
    for i, kind in enumerate(types):
        if kind in ("L", "R"):
            strong = kind
        elif kind == "EN" and strong == "L":
            types[i] = "L"
        elif kind not in ("EN", "AN"):
            types[i] = "ON"


def _resolve_brackets(text: str, types: list[str], outer: str) -> None:
    """N0, in place: both brackets of a pair take the direction of what they hold."""
    inner_first = "R" if outer == "L" else "L"
    for opening, closing in sorted(_pairs(text, types)):
        held = {_STRONG[kind] for kind in types[opening + 1 : closing] if kind in _STRONG}
        if outer in held:
            chosen = outer
        elif held:
            context = next((_STRONG[kind] for kind in reversed(types[:opening]) if kind in _STRONG), outer)
            chosen = inner_first if context == inner_first else outer
        else:
            continue
        types[opening] = types[closing] = chosen


def _pairs(text: str, types: Sequence[str]) -> Iterator[tuple[int, int]]:
    waiting: list[tuple[str, int]] = []
    for i, char in enumerate(text):
        if types[i] != "ON":
            continue
        if char in _BRACKETS:
            waiting.append((_BRACKETS[char], i))
        for place in range(len(waiting) - 1, -1, -1):
            if waiting[place][0] == char:
                yield waiting[place][1], i
                del waiting[place:]
                break


def _resolve_neutral(types: list[str], outer: str) -> None:
    """N1 and N2, in place: what has no direction follows its neighbours if they agree, else the line."""
    for start, end in _stretches(types, "ON"):
        left = _STRONG[types[start - 1]] if start else outer
        right = _STRONG[types[end]] if end < len(types) else outer
        types[start:end] = [left if left == right else outer] * (end - start)


def _stretches(types: Sequence[str], wanted: str) -> Iterator[tuple[int, int]]:
    """Maximal stretches start…end-1 of the type ``wanted``."""
    i = 0
    while i < len(types):
        j = i
        while j < len(types) and types[j] == wanted:
            j += 1
        if j > i:
            yield i, j
        i = max(j, i + 1)
