"""The pronunciation lexicon: written words → how they are said.

In: a mapping from a request (``options.lexicon``) or a deployment's file. Keys are whole words, upper and lower case
alike, of one or more words; values are read as they are. This module does not look into words: "win" in "winner"
stays.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from f5_serverless.errors import InputError
from f5_serverless.text.cleaning import clean
from f5_serverless.text.reading import Reading, Said, sounding
from f5_serverless.text.tokens import Raw, split_words

MAX_ENTRIES = 10_000
MAX_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """One key as the words it is written with, and what is said."""

    key: tuple[str, ...]
    spoken: str


class Lexicon:
    """Finds entries in a text. The longest key wins."""

    def __init__(self, entries: Mapping[str, str]) -> None:
        self._by_first: dict[str, list[Entry]] = {}
        for written, spoken in entries.items():
            words, _ = split_words(clean(written))
            key = tuple(_folded(word.text) for word in words)
            if key:
                self._by_first.setdefault(key[0], []).append(Entry(key, " ".join(spoken.split())))
        for found in self._by_first.values():
            found.sort(key=lambda entry: -len(entry.key))

    def __bool__(self) -> bool:
        return bool(self._by_first)

    def read(self, words: Sequence[Raw], index: int) -> Reading | None:
        """The entry that begins at ``index``: its words, shared out over the written ones."""
        first = words[index].core.casefold()
        for stem, ending in ((first, ""), (first.removesuffix("'s"), "'s")):
            for entry in self._by_first.get(stem, ()):
                if ending and (len(entry.key) > 1 or stem == first):
                    continue
                if self._matches(entry.key, words, index, bool(ending)):
                    return _shared(entry.spoken + ending, len(entry.key))
        return None

    @staticmethod
    def _matches(key: tuple[str, ...], words: Sequence[Raw], index: int, first_known: bool) -> bool:
        if index + len(key) > len(words):
            return False
        for offset, part in enumerate(key):
            word = words[index + offset]
            inner = offset + 1 < len(key)
            if inner and (word.trail or word.pause):
                return False
            if not (offset == 0 and first_known) and word.core.casefold() != part:
                return False
        return True


def _folded(text: str) -> str:
    return sounding(text).casefold()


def _shared(spoken: str, count: int) -> Reading:
    """``spoken`` over ``count`` written words: one each, the rest on the last."""
    parts = spoken.split(" ")
    shares = [" ".join(parts[i : i + 1]) for i in range(count - 1)] + [" ".join(parts[count - 1 :])]
    return [Said(share) for share in shares]


def check_lexicon(value: object, field: str = "options.lexicon") -> dict[str, str]:
    """``value`` as a lexicon. Raises `InputError` naming ``field``.

    >>> check_lexicon({"Nguyen": "win"})
    {'Nguyen': 'win'}
    """
    if not isinstance(value, Mapping):
        raise InputError(f'{field} must be an object of words, for instance {{"Nguyen": "win"}}.', field=field)
    if len(value) > MAX_ENTRIES:
        raise InputError(f"{field} has {len(value)} entries; at most {MAX_ENTRIES} are allowed.", field=field)
    checked: dict[str, str] = {}
    for written, spoken in value.items():
        for what, text in (("key", written), ("value", spoken)):
            if not isinstance(text, str) or not any(character.isalnum() for character in text):
                raise InputError(f"{field}: every {what} must be text with a letter in it.", field=field)
            if len(text) > MAX_LENGTH or not text.isprintable():
                raise InputError(f"{field}: a {what} is at most {MAX_LENGTH} printable characters.", field=field)
        checked[written] = spoken
    return checked


def load_lexicon(path: Path) -> dict[str, str]:
    """A deployment's lexicon: a TOML or JSON file of ``word = "said"``. Raises `InputError` naming the file."""
    try:
        text = path.read_text(encoding="utf-8")
        value = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except (OSError, ValueError) as error:
        raise InputError(f"The lexicon {path.name} cannot be read: {type(error).__name__}.", field=path.name) from error
    return check_lexicon(value, path.name)
