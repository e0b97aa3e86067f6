"""Brings files into memory before they are needed, while something else is waited for.

In: files. Out: nothing but a warm page cache. A worker reads its weights from the volume while it imports torch, so a
start takes as long as the longer of the two, not as long as both. Needs the standard library only.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

_log = logging.getLogger(__name__)
_BLOCK = 4 << 20
_AT_ONCE = 16  # a network file system answers each request late; many at once hide that


def read_ahead(paths: Sequence[Path]) -> threading.Thread:
    """Starts to read ``paths`` (files, or directories with all that is in them) in threads that end with the process.

    What cannot be read is logged and left to whoever needs it, who can say what it means.
    """
    thread = threading.Thread(target=_read, args=(tuple(paths),), name="f5-read-ahead", daemon=True)
    thread.start()
    return thread


def _read(paths: Sequence[Path]) -> None:
    try:
        blocks = iter([(path, start) for path in _files(paths) for start in range(0, path.stat().st_size, _BLOCK)])
    except OSError as error:
        _log.info("Nothing is read ahead: %s", error)
        return
    next_block = threading.Lock()

    def work() -> None:
        buffer = bytearray(_BLOCK)
        while True:
            with next_block:
                path, start = next(blocks, (None, 0))
            if path is None:
                return
            try:
                with path.open("rb", buffering=0) as file:
                    file.seek(start)
                    file.readinto(buffer)
            except OSError as error:
                _log.info("Reading ahead ended: %s", error)
                return

    readers = [threading.Thread(target=work, name="f5-read-ahead", daemon=True) for _ in range(_AT_ONCE)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(inner for inner in path.rglob("*") if inner.is_file())
        elif path.exists():
            yield path
