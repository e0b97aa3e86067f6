"""Speech whose word times are known: espeak-ng, driven through its library, which reports each word as it says it.

In: a sentence of plain words. Out: the sound and, per word, where it starts and where its last sound ends. The voice is
a formant synthesiser and no ear-pleaser; what counts is that nobody had to guess the times. The library and its
data come from the wheel ``espeakng-loader`` (a development dependency; the product does not use it).
"""

from __future__ import annotations

import ctypes
import math
import threading
from dataclasses import dataclass
from functools import cache

import numpy as np

from f5_serverless.types import Audio

WORD, PHONEME = 1, 7  # kinds of event
SYNCHRONOUS = 2
PHONEME_EVENTS = 1
UTF8 = 1
RATE, PITCH = 1, 3  # espeak_SetParameter
PAUSES = frozenset({"", "_", "_:", "_::", "_!", "_|", ";", "||", "__"})

_lock = threading.Lock()


class _Id(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    )


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Spoken:
    """``audio``; its ``words``; ``starts`` and ``ends`` in seconds, one each per word.

    NaN where espeak-ng runs two words together ("of the") and reports only the first.
    """

    audio: Audio
    words: tuple[str, ...]
    starts: tuple[float, ...]
    ends: tuple[float, ...]


@cache
def _library() -> tuple[ctypes.CDLL, int]:
    """The loaded library and its sample rate in Hz."""
    import espeakng_loader

    library = ctypes.CDLL(espeakng_loader.get_library_path())
    rate = library.espeak_Initialize(SYNCHRONOUS, 0, espeakng_loader.get_data_path().encode(), PHONEME_EVENTS)
    if rate <= 0:
        raise RuntimeError("espeak-ng does not start")
    return library, rate


def speak(text: str, *, voice: str = "en-us", words_per_minute: int = 160, pitch: int = 50) -> Spoken:
    """Says ``text`` (words split by spaces, punctuation attached). Raises ValueError for an unknown voice.

    >>> clip = speak("hello there")
    >>> clip.words
    ('hello', 'there')
    """
    blocks: list[np.ndarray] = []
    marks: list[tuple[int, int, int, str]] = []  # kind, sample, text position, phoneme

    def receive(samples: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
        if samples and count > 0:
            blocks.append(np.ctypeslib.as_array(samples, shape=(count,)).copy())
        index = 0
        while events[index].type != 0:
            event = events[index]
            name = event.id.string.decode("utf-8", "replace") if event.type == PHONEME else ""
            marks.append((event.type, event.sample, event.text_position, name))
            index += 1
        return 0

    with _lock:
        library, rate = _library()
        callback = _Callback(receive)
        library.espeak_SetSynthCallback(callback)
        if library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice}")
        library.espeak_SetParameter(RATE, words_per_minute, 0)
        library.espeak_SetParameter(PITCH, pitch, 0)
        encoded = text.encode()
        library.espeak_Synth(encoded, len(encoded) + 1, 0, 0, 0, UTF8, None, None)
    samples = np.concatenate(blocks).astype(np.float32) / 32768
    return _timed(text, Audio(samples, rate), marks)


def _timed(text: str, audio: Audio, marks: list[tuple[int, int, int, str]]) -> Spoken:
    """Events to words: a word starts at its WORD event and ends where a pause or the next word begins."""
    words = text.split()
    offsets, position = [], 0
    for word in words:
        position = text.index(word, position)
        offsets.append(position)
        position += len(word)
    first: dict[int, int] = {}
    for kind, sample, place, _ in marks:
        if kind == WORD:
            owner = max(i for i, offset in enumerate(offsets) if offset <= max(0, place - 1))
            first.setdefault(owner, sample)
    pauses = [sample for kind, sample, _, name in marks if kind == PHONEME and name in PAUSES]
    starts = [first.get(i, math.nan) for i in range(len(words))]
    limits = [*starts[1:], float(len(audio.samples))]
    ends = [
        min([limit, *(p for p in pauses if start < p <= limit)])  # a comparison with NaN is false
        for start, limit in zip(starts, limits, strict=True)
    ]
    rate = audio.sample_rate
    return Spoken(audio, tuple(words), tuple(s / rate for s in starts), tuple(e / rate for e in ends))
