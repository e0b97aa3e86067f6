"""Nothing twice: a cache of finished chunks, and an index of finished jobs. Both live in a `Store`.

In: a key made by `cache_key` from everything that decides a result, and the result. Out: exactly what was put in, or
None. An entry is whole and unchanged or it is not there: it is written atomically and carries its own hash. The caches
hold no addresses that expire: who finds a finished job signs its URLs anew. What goes into a key is the caller's
business.
"""

from __future__ import annotations

import hashlib
import json
import logging
import random
import struct
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from f5_serverless.errors import StorageError
from f5_serverless.storage.outputs import ObjectInfo, Store
from f5_serverless.types import Audio

log = logging.getLogger("f5_serverless.storage.cache")

CHUNKS = "chunks/"
RESULTS = "results/"
MAX_CHUNK_BYTES = 256 << 20
MAX_RESULT_BYTES = 64 << 20
_MAGIC = b"F5C1"
_HEAD = struct.Struct("<4s32s")
_SIZE = struct.Struct("<I")
SWEEP_SHARE = 16
KEEP_SHARE = 0.9


def cache_key(**parts: Any) -> str:
    """One name for ``parts``, whatever their order: SHA-256 of their canonical JSON. Raises `TypeError`, `ValueError`.

    >>> cache_key(text="Hello.", seed=1) == cache_key(seed=1, text="Hello.")
    True
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class CachedChunk:
    """What was put in. ``about``: JSON that belongs to the sound (seed, word times, report)."""

    audio: Audio
    about: Mapping[str, Any] = field(default_factory=dict)


class ChunkCache:
    """Finished chunks in ``store``, at most ``max_bytes`` of them (0: nothing is kept). Safe between processes.

    Beyond that the least recently used go (in a bucket: the oldest, since reading leaves no trace there). The bound is
    enforced after every sixteenth of it that was written, so the cache can be that much larger for a while. A store
    that fails is a cache that misses: the job goes on without it.
    """

    def __init__(self, store: Store, max_bytes: int) -> None:
        self.store = store
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._written = random.uniform(
            0, max_bytes / SWEEP_SHARE
        )  # so that many short processes sweep now and then too

    def get(self, key: str) -> CachedChunk | None:
        """The entry, bit for bit, or None. A damaged entry is dropped."""
        if self.max_bytes <= 0:
            return None
        name = _chunk_name(key)
        chunk: CachedChunk | None = None
        try:
            data = self.store.read(name, MAX_CHUNK_BYTES)
            if data is None:
                return None
            chunk = _unpack(data)
            if chunk is None:
                log.warning("a damaged cache entry was dropped")
                self.store.delete(name)
            else:
                self.store.touch(name)
        except StorageError as error:
            log.warning("the chunk cache cannot be read: %s", error.code)
        return chunk

    def put(self, key: str, audio: Audio, about: Mapping[str, Any] | None = None) -> None:
        """Keeps an entry. Entries larger than the whole cache are not kept."""
        data = _pack(audio, about or {})
        if len(data) > min(self.max_bytes, MAX_CHUNK_BYTES):
            return
        try:
            self.store.put(_chunk_name(key), data, content_type="application/octet-stream")
            if self._due(len(data)):
                self.sweep()
        except StorageError as error:
            log.warning("the chunk cache cannot be written: %s", error.code)

    def sweep(self) -> int:
        """Removes the least recently used entries beyond the bound; returns how many."""
        entries = self._entries()
        size = sum(item.size for item in entries)
        if size <= self.max_bytes:
            return 0
        removed = 0
        for item in sorted(entries, key=lambda item: (item.modified, item.key)):
            if size <= self.max_bytes * KEEP_SHARE:
                break
            self.store.delete(item.key)
            size -= item.size
            removed += 1
        return removed

    def size(self) -> int:
        """Bytes that all entries take."""
        return sum(item.size for item in self._entries())

    def _entries(self) -> list[ObjectInfo]:
        found: list[ObjectInfo] = []
        token: str | None = None
        while True:
            page = self.store.list(CHUNKS, token=token, limit=100_000)
            found += page.items
            token = page.next
            if token is None:
                return found

    def _due(self, size: int) -> bool:
        with self._lock:
            self._written += size
            if self._written < self.max_bytes / SWEEP_SHARE:
                return False
            self._written = 0
            return True


class ResultIndex:
    """Answers of finished jobs, by the hash of what was asked. An answer counts only while its outputs are there."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def get(self, key: str) -> dict[str, Any] | None:
        """The answer put under ``key``, or None. A damaged entry, or one whose outputs are gone, is dropped."""
        name = f"{RESULTS}{_checked(key)}.json"
        data = self.store.read(name, MAX_RESULT_BYTES)
        if data is None:
            return None
        answer = _open_result(data)
        if answer is not None and all(self.store.exists(output) for output in answer["outputs"]):
            found: dict[str, Any] = answer["answer"]
            return found
        self.store.delete(name)
        return None

    def put(self, key: str, answer: Mapping[str, Any], outputs: Sequence[str] = ()) -> None:
        """Keeps ``answer``; call it last, when every object named in ``outputs`` is stored."""
        body = json.dumps({"answer": answer, "outputs": list(outputs)}, ensure_ascii=False, allow_nan=False).encode()
        data = hashlib.sha256(body).hexdigest().encode() + b"\n" + body
        if len(data) <= MAX_RESULT_BYTES:
            self.store.put(f"{RESULTS}{_checked(key)}.json", data, content_type="text/plain; charset=utf-8")


def _open_result(data: bytes) -> dict[str, Any] | None:
    digest, _, body = data.partition(b"\n")
    if hashlib.sha256(body).hexdigest().encode() != digest:
        return None
    found: dict[str, Any] = json.loads(body)
    return found


def _checked(key: str) -> str:
    if not key.isalnum() or not key.isascii() or len(key) < 8:
        raise ValueError("a cache key must be a hash")
    return key


def _chunk_name(key: str) -> str:
    return f"{CHUNKS}{_checked(key)[:2]}/{key}"


def _pack(audio: Audio, about: Mapping[str, Any]) -> bytes:
    """Magic, hash of all that follows, size of the header, header (JSON), samples (float32, little-endian)."""
    import numpy as np

    header = json.dumps({"rate": audio.sample_rate, "about": about}, ensure_ascii=False, allow_nan=False).encode()
    body = _SIZE.pack(len(header)) + header + np.ascontiguousarray(audio.samples, dtype="<f4").tobytes()
    return _HEAD.pack(_MAGIC, hashlib.sha256(body).digest()) + body


def _unpack(data: bytes) -> CachedChunk | None:
    """The entry, None if it is damaged."""
    import numpy as np

    if len(data) < _HEAD.size:
        return None
    magic, digest = _HEAD.unpack_from(data)
    body = memoryview(data)[_HEAD.size :]
    if magic != _MAGIC or hashlib.sha256(body).digest() != digest:
        return None
    start = _SIZE.size + _SIZE.unpack_from(body)[0]
    header = json.loads(bytes(body[_SIZE.size : start]))
    samples = np.frombuffer(body[start:], dtype="<f4").astype(np.float32)
    return CachedChunk(Audio(samples, int(header["rate"])), header["about"])
