"""A model hub on loopback: enough of its protocol for the real client, and the faults that real ones have.

``Hub`` serves repositories from memory: model info with sizes, hashes and git blob ids, and files with ranges. Faults
are fields that tests set.
"""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
LARGE = 1 << 14
"""Files from this size on are kept as large files: their ETag is a SHA-256."""


@dataclass
class Hub:
    """``repositories``: files by repository. Use as a context manager; ``endpoint`` is its address."""

    repositories: dict[str, dict[str, bytes]]
    commit: str = COMMIT
    cut_after: int | None = None
    """The body of a large file breaks off after so many bytes …"""
    cuts: int = 0
    """… so many times."""
    status: int | None = None
    """Every request is answered with this status."""
    error_code: str | None = None
    """The hub's own name for what went wrong, sent with ``status``."""
    corrupt: bool = False
    """One byte of each large file is changed on its way."""
    stated_size: int | None = None
    """What the information claims as the size of large files, whatever they have."""
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)

    def __enter__(self) -> Hub:
        hub = self

        class Handler(_Handler):
            pass

        Handler.hub = hub
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def fetched(self, name: str) -> list[str | None]:
        """The Range of each GET of a file."""
        return [header for method, path, header in self.requests if method == "GET" and path.endswith(name)]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self, *, body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.hub.requests.append((self.command, path, self.headers.get("Range")))
        if self.hub.status is not None:
            self._send(self.hub.status, b"{}", {"X-Error-Code": self.hub.error_code or ""}, body)
            return
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            self._info("/".join(parts[2:4]), body)
        elif len(parts) > 4 and parts[2] == "resolve":
            self._file("/".join(parts[:2]), "/".join(parts[4:]), body)
        else:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)

    def _info(self, repository: str, body: bool) -> None:
        files = self.hub.repositories.get(repository)
        if files is None:
            self._send(404, b'{"error": "not found"}', {"X-Error-Code": "RepoNotFound"}, body)
            return
        siblings = []
        for name, data in files.items():
            size = self.hub.stated_size if self.hub.stated_size and len(data) >= LARGE else len(data)
            sibling: dict[str, object] = {"rfilename": name, "size": size, "blobId": _blob(data)}
            if len(data) >= LARGE:
                sibling["lfs"] = {"sha256": hashlib.sha256(data).hexdigest(), "size": size, "pointerSize": 134}
            siblings.append(sibling)
        info = {"id": repository, "modelId": repository, "sha": self.hub.commit, "private": False, "tags": []}
        self._send(200, json.dumps({**info, "downloads": 0, "likes": 0, "siblings": siblings}).encode(), {}, body)

    def _file(self, repository: str, name: str, body: bool) -> None:
        data = self.hub.repositories.get(repository, {}).get(name)
        if data is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": self.hub.commit}, body)
            return
        large = len(data) >= LARGE
        etag = hashlib.sha256(data).hexdigest() if large else _blob(data)
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": self.hub.commit, "Accept-Ranges": "bytes"}
        if large:
            headers |= {"X-Linked-ETag": f'"{etag}"', "X-Linked-Size": str(self.hub.stated_size or len(data))}
            if self.hub.corrupt:
                data = data[:100] + bytes([data[100] ^ 1]) + data[101:]
        status, start = 200, 0
        if wanted := self.headers.get("Range"):
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            status = 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        self._send(status, data[start:], headers, body, cut=large)

    def _send(self, status: int, data: bytes, headers: dict[str, str], body: bool, cut: bool = False) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        if not body:
            return
        if cut and self.hub.cut_after is not None and self.hub.cuts > 0:
            self.hub.cuts -= 1
            self.wfile.write(data[: self.hub.cut_after])
            self.close_connection = True
            return
        self.wfile.write(data)


def _blob(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
