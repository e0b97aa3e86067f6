"""One HTTP GET to one checked IP address, with a limit on every wait and on the whole.

In: an `HttpAddress`, the addresses that `Guard` passed, `Limits`. Out: a `Response` to read blocks from. The name
appears in the ``Host`` header and in TLS (SNI and certificate check) only; it is not resolved here. Proxies of the
environment are not used, cookies and credentials are not sent, redirects are not followed: `fetch` decides about those.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from f5_serverless import __version__
from f5_serverless.storage.addresses import HttpAddress

HEADERS = {
    "Accept": "audio/*, video/*;q=0.9, application/octet-stream;q=0.8, */*;q=0.1",
    "Accept-Encoding": "identity",
    "Connection": "close",
    "User-Agent": f"f5-serverless/{__version__}",
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds: to connect (name, TCP and TLS each), for one wait on data, for a whole fetch with its repetitions."""

    connect: float = 10.0
    read: float = 30.0
    total: float = 600.0
    attempts: int = 3
    redirects: int = 5


class Deadline:
    """A point in time. ``left(most)``: seconds until then, at most ``most``; raises `TimeoutError` when it is past."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self, most: float) -> float:
        rest = self._end - time.monotonic()
        if rest <= 0:
            raise TimeoutError("total time used up")
        return min(rest, most)

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._end


class _Bounded(io.RawIOBase):
    """A socket as a raw stream whose every read ends by the deadline: one byte now and then does not prolong it."""

    def __init__(self, sock: socket.socket, deadline: Deadline, wait: float) -> None:
        self._sock, self._deadline, self._wait = sock, deadline, wait

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        self._sock.settimeout(self._deadline.left(self._wait))
        return self._sock.recv_into(buffer)


class _Socket:
    """As much of a socket as `http.client` asks for."""

    def __init__(self, sock: socket.socket, deadline: Deadline, wait: float) -> None:
        self._sock, self._deadline, self._wait = sock, deadline, wait

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._deadline.left(self._wait))
        self._sock.sendall(data)

    def makefile(self, mode: str, *_: object) -> io.BufferedReader:
        return io.BufferedReader(_Bounded(self._sock, self._deadline, self._wait), 1 << 16)

    def close(self) -> None:
        self._sock.close()


class Response:
    """The answer to one GET. ``headers`` have lower-case names. A context manager: leaving it closes the connection."""

    def __init__(self, connection: http.client.HTTPConnection, raw: http.client.HTTPResponse) -> None:
        self._connection, self._raw = connection, raw
        self.status = raw.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in raw.getheaders()}

    @property
    def length(self) -> int | None:
        """Bytes that the body must have, None where the server does not say."""
        return self._raw.length

    def read(self, size: int) -> bytes:
        """The next bytes, at most ``size``; b"" at the end. Raises `OSError` or `http.client.HTTPException`."""
        return self._raw.read1(size)

    def __enter__(self) -> Response:
        return self

    def __exit__(self, *_: object) -> None:
        self._raw.close()
        self._connection.close()


def get(
    address: HttpAddress,
    ips: Sequence[str],
    *,
    limits: Limits,
    deadline: Deadline,
    headers: Mapping[str, str],
    tls: ssl.SSLContext | None,
) -> Response:
    """Sends the request and reads the head of the answer. Raises `OSError` or `http.client.HTTPException`."""
    sock = _connect(address, ips, limits, deadline, tls)
    connection = http.client.HTTPConnection(address.host, address.port)
    connection.sock = _Socket(sock, deadline, limits.read)
    try:
        connection.putrequest("GET", address.target, skip_host=True, skip_accept_encoding=True)
        for name, value in {"Host": address.netloc, **HEADERS, **headers}.items():
            connection.putheader(name, value)
        connection.endheaders()
        return Response(connection, connection.getresponse())
    except BaseException:
        sock.close()
        raise


def _connect(
    address: HttpAddress, ips: Sequence[str], limits: Limits, deadline: Deadline, tls: ssl.SSLContext | None
) -> socket.socket:
    """A connection to the first of ``ips`` that answers."""
    failure: OSError = OSError("no address")
    for ip in ips:
        try:
            sock = socket.create_connection((ip, address.port), timeout=deadline.left(limits.connect))
        except OSError as error:
            if deadline.passed:
                raise
            failure = error
            continue
        if address.scheme == "http":
            return sock
        try:
            return (tls or ssl.create_default_context()).wrap_socket(sock, server_hostname=address.host)
        except BaseException:
            sock.close()
            raise
    raise failure
