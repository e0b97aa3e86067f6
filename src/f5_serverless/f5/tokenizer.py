"""Text to token ids, by the official scheme: characters as they are, Chinese as pinyin with tone numbers.

`split` gives the tokens as strings, `Vocabulary.encode` their ids. The official scheme cuts text with jieba first, and
the cuts matter in English too: a space is put before a word that follows a bracket or a dash. For text without
Chinese the same cuts are made here by one regular expression, so that `rjieba` and `pypinyin` are imported only when
Chinese occurs. No normalisation: digits and symbols are looked up as they stand.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from f5_serverless.errors import EngineUnavailable, ModelError

UNKNOWN = 0
"""Id of what is not in the vocabulary: the first line, a space in the official one."""

REPLACED = str.maketrans({";": ",", "“": '"', "”": '"', "‘": "'", "’": "'"})

_CUT = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*%?|[+#&._%-]+|\r\n|.", re.DOTALL)
"""How jieba cuts what is not Chinese. A test holds it against `rjieba`."""

_NEEDS_CHINESE = re.compile(
    "[\u2e80-\u2fff\u3005-\u3007\u3021-\u3029\u3100-\u9fff\uf900-\ufaff\U0001d000-\U0001d7ff\U00020000-\U0003ffff]"
    r"|AT&T|[cC]#|[cC]\+\+"
)
"""Text in which jieba's dictionary or pypinyin can matter; the Latin ones are its only words without Chinese."""


def split(text: str) -> list[str]:
    """The tokens of ``text``.

    >>> split("(so) it’s")
    ['(', ' ', 's', 'o', ')', ' ', 'i', 't', "'", 's']
    """
    text = text.translate(REPLACED)
    cut, pinyin = _chinese() if _NEEDS_CHINESE.search(text) else (_CUT.findall, _as_it_is)
    tokens: list[str] = []
    for segment in cut(text):
        width = len(segment.encode("utf-8"))
        if width == len(segment):
            if tokens and width > 1 and tokens[-1] not in " :'\"":
                tokens.append(" ")
            tokens.extend(segment)
        elif width == 3 * len(segment):
            _extend(tokens, segment, pinyin(segment))
        else:
            for character in segment:
                _extend(tokens, character, pinyin(character) if _is_chinese(character) else [character])
    return tokens


def _extend(tokens: list[str], segment: str, syllables: Sequence[str]) -> None:
    """Adds one syllable per character of ``segment``, with a space before each Chinese one."""
    for index, character in enumerate(segment):
        if _is_chinese(character):
            tokens.append(" ")
        tokens.append(syllables[index])


def _is_chinese(character: str) -> bool:
    return "\u3100" <= character <= "\u9fff"


def _as_it_is(segment: str) -> list[str]:
    """What pypinyin gives for a character that is not Chinese."""
    return [segment]


def _chinese() -> tuple[Callable[[str], list[str]], Callable[[str], list[str]]]:
    """The cutter and the pinyin reader for text with Chinese in it."""
    try:
        import rjieba
        from pypinyin import Style, lazy_pinyin
    except ImportError as error:
        raise EngineUnavailable(
            f"Chinese text needs the package {error.name}.", hint="Install it: pip install 'f5-serverless[f5]'"
        ) from None

    def pinyin(segment: str) -> list[str]:
        syllables: list[str] = lazy_pinyin(segment, style=Style.TONE3, tone_sandhi=True)
        return syllables

    return rjieba.cut, pinyin


@dataclass(frozen=True, slots=True, eq=False)
class Vocabulary:
    """Token strings to ids. ``size`` counts distinct entries, as the embedding table does."""

    ids: dict[str, int]

    @property
    def size(self) -> int:
        return len(self.ids)

    @property
    def mark(self) -> str:
        """Six hex digits that tell vocabularies apart."""
        return hashlib.sha256("\n".join(f"{k}\t{v}" for k, v in self.ids.items()).encode()).hexdigest()[:6]

    @classmethod
    def from_file(cls, path: Path) -> Vocabulary:
        """Reads one token per line. Raises `ModelError` where it cannot be a vocabulary."""
        try:
            lines = path.read_text(encoding="utf-8").split("\n")
        except FileNotFoundError:
            raise ModelError(f"The vocabulary {path.name} does not exist.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"The vocabulary {path.name} cannot be read: {error}") from None
        if lines and lines[-1] == "":
            lines.pop()
        ids = {line: index for index, line in enumerate(lines)}
        if not ids:
            raise ModelError(f"The vocabulary {path.name} is empty.")
        return cls(ids)

    def encode(self, text: str) -> list[int]:
        """Ids of the tokens of ``text``; what is unknown becomes `UNKNOWN`."""
        return [self.ids.get(token, UNKNOWN) for token in split(text)]
