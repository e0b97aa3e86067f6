"""One HTTP GET to one checked IP address, with a limit on every wait and on the whole.

In: an `HttpAddress`, the addresses that `Guard` passed, `Limits`. Out: a `Response` to read blocks from. The name
appears in the ``Host`` header and in TLS (SNI and certificate check) only; it is not resolved here. Proxies of the
environment are not used, cookies and credentials are not sent, redirects are not followed: `fetch` decides about those.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from f5_serverless import __version__
from f5_serverless.storage.addresses import HttpAddress
from f5_serverless.storage.deadline import BoundedSocket, Deadline

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
    connection.sock = BoundedSocket(sock, lambda: deadline, limits.read)
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
