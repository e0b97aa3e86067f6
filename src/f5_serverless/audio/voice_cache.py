"""Prepared voices by the hash of what they were made from, so that a known voice is never prepared twice.

In memory and, where a directory is given, on disk, where other workers find them too. Both are bounded; the voice used
longest ago goes first. A file is written aside and renamed, and carries the hash of its content: one that is damaged is
told, removed and made again. A disk that is full costs the speed-up and nothing else. It prepares nothing itself.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import os
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np

from f5_serverless.errors import InternalError
from f5_serverless.types import Audio, Finding, Voice, VoiceReport

log = logging.getLogger(__name__)

_MAGIC = b"F5VOICE1\n"
_SUFFIX = ".voice"


def voice_key(source: bytes, ref_text: str, language: str, **choices: object) -> str:
    """The key of a voice: a hash of the source's bytes, its text, and whatever else changes the result."""
    digest = hashlib.sha256(json.dumps([ref_text, language, sorted(choices.items())], default=str).encode() + b"\0")
    digest.update(source)
    return digest.hexdigest()


class VoiceCache:
    """At most ``max_items`` voices of ``max_bytes`` in all, in memory and again in ``directory`` (None: memory only).

    Safe to use from several threads, and by several processes on one directory.
    """

    def __init__(self, directory: Path | None = None, *, max_items: int = 64, max_bytes: int = 256 << 20) -> None:
        self._directory = directory
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._memory: OrderedDict[str, Voice] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get_or_prepare(self, key: str, prepare: Callable[[], Voice]) -> Voice:
        """The voice of ``key``, from memory, from disk, or from ``prepare``; then it is kept."""
        found = self.get(key)
        if found is None:
            found = prepare()
            self.put(key, found)
        return found

    def get(self, key: str) -> Voice | None:
        """The voice of ``key``, or None. A damaged file counts as absent."""
        with self._lock:
            if key in self._memory:
                self._memory.move_to_end(key)
                return self._memory[key]
        voice = self._read(key)
        if voice is not None:
            self._remember(key, voice)
        return voice

    def put(self, key: str, voice: Voice) -> None:
        """Keeps ``voice`` under ``key``."""
        self._remember(key, voice)
        if self._directory is None:
            return
        path = self._path(key)
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(_packed(voice))
            os.replace(aside, path)
            self._make_room()
        except OSError as error:
            log.warning("A prepared voice could not be kept on disk: %s", error.strerror)
            with contextlib.suppress(OSError):
                aside.unlink(missing_ok=True)

    def _remember(self, key: str, voice: Voice) -> None:
        with self._lock:
            old = self._memory.pop(key, None)
            self._bytes += voice.audio.samples.nbytes - (old.audio.samples.nbytes if old else 0)
            self._memory[key] = voice
            while len(self._memory) > self._max_items or (self._bytes > self._max_bytes and len(self._memory) > 1):
                _, gone = self._memory.popitem(last=False)
                self._bytes -= gone.audio.samples.nbytes

    def _path(self, key: str) -> Path:
        if self._directory is None or not key.isalnum():
            raise InternalError("A voice's key is a hexadecimal hash.")
        return self._directory / f"{key}{_SUFFIX}"

    def _read(self, key: str) -> Voice | None:
        if self._directory is None:
            return None
        path = self._path(key)
        try:
            data = path.read_bytes()
            voice = _unpacked(data)
            os.utime(path)  # its last use, for `_make_room`
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("A prepared voice could not be read: %s", error.strerror)
            return None
        except (ValueError, KeyError, TypeError):
            log.warning("The prepared voice %s is damaged and is made again", key[:12])
            path.unlink(missing_ok=True)
            return None
        return voice

    def _make_room(self) -> None:
        """Removes the files used longest ago, until both bounds hold again."""
        entries: list[tuple[float, int, Path]] = []
        for path in (self._directory or Path()).glob(f"*{_SUFFIX}"):
            with contextlib.suppress(FileNotFoundError):  # another worker made room meanwhile
                status = path.stat()
                entries.append((status.st_mtime, status.st_size, path))
        entries.sort(reverse=True)
        total = 0
        for count, (_, size, path) in enumerate(entries, 1):
            total += size
            if count > 1 and (count > self._max_items or total > self._max_bytes):
                path.unlink(missing_ok=True)


def _packed(voice: Voice) -> bytes:
    samples = np.ascontiguousarray(voice.audio.samples, "<f4").tobytes()
    fields = {
        "sample_rate": voice.audio.sample_rate,
        "ref_text": voice.ref_text,
        "hash": voice.hash,
        "language": voice.language,
        "report": dataclasses.asdict(voice.report) if voice.report else None,
    }
    body = json.dumps(fields).encode() + b"\n" + samples
    return _MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def _unpacked(data: bytes) -> Voice:
    """Raises ValueError, KeyError or TypeError for anything that `_packed` did not write."""
    if not data.startswith(_MAGIC):
        raise ValueError("not a voice")
    digest, body = data[len(_MAGIC) :].split(b"\n", 1)
    if hashlib.sha256(body).hexdigest().encode() != digest:
        raise ValueError("damaged")
    head, samples = body.split(b"\n", 1)
    fields = json.loads(head)
    audio = Audio(np.frombuffer(samples, "<f4").astype(np.float32), fields.pop("sample_rate"))
    report = fields.pop("report")
    if report is not None:
        report["findings"] = tuple(Finding(**finding) for finding in report["findings"])
    return Voice(audio=audio, report=VoiceReport(**report) if report else None, **fields)
