"""Lists of words written as running text. No contents, only the two readers."""

from __future__ import annotations


def word_set(text: str) -> frozenset[str]:
    """The words of ``text``, for looking up."""
    return frozenset(text.split())


def word_row(text: str) -> tuple[str, ...]:
    """The words of ``text``, in order."""
    return tuple(text.split())
