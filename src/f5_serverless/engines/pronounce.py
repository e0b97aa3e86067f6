"""How an English word sounds, in the phones of the CMU dictionary, for words an aligner's dictionary does not have.

In: one spoken word. Out: phones such as ``("HH", "AH", "L", "OW")``, never empty. The letter-to-sound model of
`hibari-tts` reads it; where that has no answer (a script it cannot read), a neutral syllable stands for
every two characters, so that the word still takes its place in the sound. This module knows no audio.
"""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Callable

from f5_serverless.errors import EngineUnavailable

# Symbols of the letter-to-sound model (IPA with one-letter diphthongs) in CMU phones. Longest match wins.
PHONES: dict[str, tuple[str, ...]] = {
    "A": ("EY",), "I": ("AY",), "O": ("OW",), "Q": ("OW",), "W": ("AW",), "Y": ("OY",), "ᵊ": ("AH",), "ᵻ": ("IH",),
    "a": ("AA",), "ɑ": ("AA",), "ɐ": ("AH",), "ɒ": ("AA",), "æ": ("AE",), "ɔ": ("AO",), "ə": ("AH",), "ɚ": ("ER",),
    "ɛ": ("EH",), "ɜ": ("ER",), "e": ("EY",), "i": ("IY",), "ɪ": ("IH",), "ɨ": ("IH",), "o": ("OW",), "u": ("UW",),
    "ʊ": ("UH",), "ʌ": ("AH",), "y": ("Y", "UW"), "ɜɹ": ("ER",), "əɹ": ("ER",),
    "b": ("B",), "d": ("D",), "f": ("F",), "h": ("HH",), "j": ("Y",), "k": ("K",), "l": ("L",), "m": ("M",),
    "n": ("N",), "p": ("P",), "r": ("R",), "ɹ": ("R",), "s": ("S",), "t": ("T",), "v": ("V",), "w": ("W",),
    "x": ("K",), "z": ("Z",), "ɡ": ("G",), "g": ("G",), "ŋ": ("NG",), "ð": ("DH",), "θ": ("TH",), "ʃ": ("SH",),
    "ʒ": ("ZH",), "ʤ": ("JH",), "ʧ": ("CH",), "T": ("D",), "ɾ": ("D",), "ʔ": ("T",), "ç": ("HH",),
}  # fmt: skip
NEUTRAL = ("T", "AH")

_load_lock = threading.Lock()
_reader: Callable[[str], str] | None = None


def phones_of(word: str) -> tuple[str, ...]:
    """The phones of ``word``. Raises `EngineUnavailable` without `hibari-tts`.

    >>> phones_of("blorf")
    ('B', 'L', 'AO', 'R', 'F')
    """
    found: list[str] = []
    symbols = _read(word)
    position = 0
    while position < len(symbols):
        for length in (2, 1):
            phones = PHONES.get(symbols[position : position + length])
            if phones is not None:
                found.extend(phones)
                position += length
                break
        else:  # stress and length marks, spaces
            position += 1
    if found:
        return tuple(found)
    letters = sum(unicodedata.category(c)[0] in "LN" for c in word)
    return NEUTRAL * max(1, (letters + 1) // 2)


def _read(word: str) -> str:
    global _reader
    with _load_lock:
        if _reader is None:
            try:
                from hibari.g2p import G2P
            except ImportError:
                raise EngineUnavailable(
                    "Words outside the dictionary need the package hibari-tts.",
                    hint="Install it: pip install 'f5-serverless[preview]'",
                ) from None
            _reader = G2P()
        return _reader(word) or ""
