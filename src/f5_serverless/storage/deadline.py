"""An end for every wait: a point in time, and a socket whose operations never pass it.

A socket's own time-out bounds one wait only: a server that drips one byte a second holds a client for ever. Here each
wait is bounded by ``wait`` seconds and all of them together by a `Deadline`.
"""

from __future__ import annotations

import io
import socket
import time
from collections.abc import Callable
from typing import Any

SLICE = 1 << 16


class Deadline:
    """A point in time, ``seconds`` from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self, most: float) -> float:
        """Seconds until then, at most ``most``. Raises `TimeoutError` when it is past."""
        rest = self._end - time.monotonic()
        if rest <= 0:
            raise TimeoutError("total time used up")
        return min(rest, most)

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._end


class BoundedSocket:
    """``sock`` with bounded reads and writes. ``deadline`` is asked anew each time: connections outlive requests."""

    def __init__(self, sock: socket.socket, deadline: Callable[[], Deadline], wait: float) -> None:
        self._sock, self._deadline, self._wait = sock, deadline, wait

    def sendall(self, data: bytes) -> None:
        """Sends all of ``data``; a peer that takes nothing for ``wait`` seconds ends it."""
        with memoryview(data) as view, view.cast("B") as octets:
            for start in range(0, len(octets), SLICE):
                self._sock.settimeout(self._deadline().left(self._wait))
                self._sock.sendall(octets[start : start + SLICE])

    def makefile(self, mode: str = "rb", buffering: int = -1, **_: object) -> io.RawIOBase | io.BufferedReader:
        """A stream to read from. It stays open when the socket is closed, as `http.client` relies on."""
        raw = _BoundedReader(self._sock, self._deadline, self._wait)
        return raw if buffering == 0 else _LineReader(raw, SLICE)

    def close(self) -> None:
        self._sock.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _LineReader(io.BufferedReader):
    """Lines must end with a line feed: `http.client` takes a head that breaks off for a whole one, cut short."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(size)
        if not line.endswith(b"\n") and (size is None or size < 0 or len(line) < size):
            raise ConnectionResetError("the connection ended within a line")
        return line


class _BoundedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: Callable[[], Deadline], wait: float) -> None:
        self._sock, self._deadline, self._wait = sock, deadline, wait
        self._raw = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(self._deadline().left(self._wait))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()
