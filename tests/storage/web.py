"""A web server on loopback whose answers a test writes, and short words for fetching from it."""

from __future__ import annotations

import http.server
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from f5_serverless.storage.fetch import Fetcher
from f5_serverless.storage.http_get import Limits

SOUND = os.urandom(700_000)
QUICK = Limits(connect=2.0, read=0.5, total=3.0, attempts=2)


class Web(http.server.ThreadingHTTPServer):
    """A web server on loopback. ``routes``: path → function of the handler; ``seen``: (path, headers) of requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes: dict[str, Callable[[Handler], None]] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []

    def url(self, path: str = "/a.wav", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server_port}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Web

    def do_GET(self) -> None:
        self.server.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
        self.server.routes.get(self.path.partition("?")[0], lambda h: h.send_error(404))(self)

    do_HEAD = do_GET

    def give(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"content_type": "audio/wav", "content_length": str(len(body)), **headers}.items():
            if value:
                self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return


def open_to(web: Web, limits: Limits = QUICK, **more: object) -> Fetcher:
    return Fetcher(allow_hosts=[f"127.0.0.1:{web.server_port}"], limits=limits, **more)  # type: ignore[arg-type]


def fetch(fetcher: Fetcher, address: str, folder: Path, max_bytes: int = 1_000_000) -> Path:
    return fetcher.fetch(address, field="audio_url", directory=folder, max_bytes=max_bytes)


def never_asked(host: str, port: int) -> Sequence[str]:
    """A resolver for what must be refused before it is asked."""
    raise AssertionError(f"{host} was resolved although it must be refused before")
