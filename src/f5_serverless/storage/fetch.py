"""Fetching inputs, from strangers too: an address in, a local file out.

In: an address (``https://``, ``s3://``, ``data:``; ``file://`` and bare paths only where ``allow_local`` is set, which
is the command line alone). Out: a path to a regular file of at most ``max_bytes`` bytes. Whether the bytes are a
recording is the codec's business. Every host is checked by `Guard`, each redirect anew; every wait has an end; what
fails leaves no file.
"""

from __future__ import annotations

import base64
import binascii
import errno
import http.client
import logging
import os
import random
import ssl
import stat
import time
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote_to_bytes, urljoin

from f5_serverless.errors import (
    AudioTooLarge,
    F5Error,
    FetchFailed,
    NotAudio,
    NotAvailable,
    SourceForbidden,
    SourceNotFound,
    SourceRefused,
    SourceUnreadable,
)
from f5_serverless.storage.addresses import HttpAddress, parse_file, parse_http, scheme_of, shown
from f5_serverless.storage.deadline import Deadline
from f5_serverless.storage.guard import Guard, Resolver, system_resolver
from f5_serverless.storage.http_get import Limits, Response, get

log = logging.getLogger("f5_serverless.storage.fetch")

BLOCK = 1 << 18
REDIRECTS = frozenset({301, 302, 303, 307, 308})
RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
TYPES = frozenset(
    {"application/octet-stream", "binary/octet-stream", "application/ogg", "application/mp4", "application/x-matroska"}
    | {"application/x-flac", "application/x-ogg", "application/vnd.apple.mpegurl.audio", "application/mxf"}
    | {"application/x-subrip", "text/vtt", "text/srt", "application/srt"}
)
KERNEL = ("/proc", "/sys", "/dev")


class S3Reader(Protocol):
    """What `Fetcher` asks of the S3 room. `s3_client.S3Client` is one."""

    def locate(self, address: str) -> tuple[str, str] | None:
        """(bucket, key) if this client is the one to read ``address`` with, else None. Raises `SourceRefused`."""
        ...

    def download(
        self,
        bucket: str,
        key: str,
        destination: Path,
        *,
        max_bytes: int,
        field: str | None,
        alive: Callable[[], object],
    ) -> None:
        """Writes the object to ``destination``."""
        ...


class _Again(Exception):
    """This attempt failed in a way that another one may not."""

    def __init__(self, error: F5Error) -> None:
        super().__init__(error.message)
        self.error = error


def nothing() -> None:
    """An ``alive`` that never objects."""


class Fetcher:
    """Fetches addresses. Holds no state between calls; one object serves all threads.

    ``allow_hosts`` as in ``F5_ALLOW_HOSTS``; ``resolver`` and ``tls`` are for tests and for deployments with a CA of
    their own.
    """

    def __init__(
        self,
        *,
        allow_hosts: Iterable[str] = (),
        allow_local: bool = False,
        limits: Limits | None = None,
        s3: S3Reader | None = None,
        resolver: Resolver = system_resolver,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.guard = Guard.of(allow_hosts, resolver)
        self.allow_local = allow_local
        self.limits = limits or Limits()
        self.s3 = s3
        self.tls = tls

    def fetch(
        self,
        address: str,
        *,
        field: str | None,
        directory: Path,
        max_bytes: int,
        alive: Callable[[], object] = nothing,
    ) -> Path:
        """The file behind ``address``, in ``directory``; a local file stays where it is and its own path is returned.

        ``alive`` is called between blocks and may raise to stop. Raises `SourceRefused`, `SourceNotFound`,
        `SourceForbidden`, `SourceUnreadable`, `AudioTooLarge`, `NotAudio`, `NotAvailable` or `FetchFailed`, all of
        them with ``field``.
        """
        if self.s3 is not None and (place := self.s3.locate(address)) is not None:
            path = _aside(directory)
            with _Discarded(path):
                self.s3.download(*place, path, max_bytes=max_bytes, field=field, alive=alive)
            return path
        scheme = scheme_of(address)
        if scheme in ("", "file"):
            if not self.allow_local:
                raise SourceRefused("Local files can be named on the command line only.", field=field)
            return _local(parse_file(address, field=field), field, max_bytes)
        if scheme == "s3":
            raise NotAvailable(
                "No S3 store is configured here.",
                field=field,
                hint="Set S3_BUCKET or AWS_ACCESS_KEY_ID for the worker.",
            )
        path = _aside(directory)
        with _Discarded(path):
            if scheme == "data":
                path.write_bytes(decode_data_url(address, field=field, max_bytes=max_bytes))
            else:
                self._download(parse_http(address, field=field), path, field, max_bytes, alive)
        return path

    def _download(
        self, first: HttpAddress, path: Path, field: str | None, max_bytes: int, alive: Callable[[], object]
    ) -> None:
        """GET with repetitions: what breaks in the middle is resumed where the server's validators allow it."""
        deadline = Deadline(self.limits.total)
        part = _Part(path, max_bytes, field, alive)
        for attempt in range(1, self.limits.attempts + 1):
            try:
                return self._attempt(first, part, deadline, field)
            except _Again as again:
                log.info("fetch from %s, attempt %d failed: %s", first.netloc, attempt, again.error.code)
                if attempt == self.limits.attempts or deadline.passed:
                    raise again.error from again.__cause__
            time.sleep(random.uniform(0.1, 0.3) * 2**attempt)
            alive()
        raise AssertionError("unreachable")

    def _attempt(self, first: HttpAddress, part: _Part, deadline: Deadline, field: str | None) -> None:
        address = first
        for _ in range(self.limits.redirects + 1):
            try:
                ips = self.guard.addresses(address, field=field, timeout=deadline.left(self.limits.connect))
                response = get(
                    address, ips, limits=self.limits, deadline=deadline, headers=part.headers(), tls=self.tls
                )
                with response:
                    if response.status not in REDIRECTS:
                        _check_status(response, address, field)
                        part.receive(response)
                        return
                    target = response.headers.get("location")
            except (OSError, http.client.HTTPException) as error:
                raise _explained(error, address, field) from error
            if not target:
                raise FetchFailed(f"{address.shown} redirects to nowhere.", field=field, retryable=False)
            address = parse_http(urljoin(address.url, target), field=field)
        raise FetchFailed(
            f"{first.shown} redirects more than {self.limits.redirects} times.", field=field, retryable=False
        )


class _Part:
    """The growing file of one download, and what is needed to resume it."""

    def __init__(self, path: Path, max_bytes: int, field: str | None, alive: Callable[[], object]) -> None:
        self._path, self._max, self._field, self._alive = path, max_bytes, field, alive
        self._size = 0
        self._etag: str | None = None

    def headers(self) -> dict[str, str]:
        """Asks for the rest of the same representation, or for all of it."""
        if self._size and self._etag:
            return {"Range": f"bytes={self._size}-", "If-Range": self._etag}
        return {}

    def receive(self, response: Response) -> None:
        """Writes the body. Raises `OSError` when it ends early, so that the caller tries again."""
        resumes = response.status == 206 and response.headers.get("content-range", "").startswith(
            f"bytes {self._size}-"
        )
        if response.status == 206 and not resumes:
            self._etag = None
            raise ConnectionError("another range than the one asked for")
        if not resumes:
            self._size = 0
            etag = response.headers.get("etag", "")
            self._etag = etag if etag.startswith('"') else None
        expected = response.length
        if expected is not None:
            self._check(self._size + expected)
        with self._path.open("r+b") as file:
            file.truncate(self._size)
            file.seek(self._size)
            received = 0
            while block := response.read(BLOCK):
                received += len(block)
                self._check(self._size + len(block))
                file.write(block)
                self._size += len(block)
                self._alive()
        if expected is not None and received < expected:
            raise ConnectionError("the body ended early")

    def _check(self, size: int) -> None:
        if size > self._max:
            raise AudioTooLarge(f"The file is larger than the limit of {self._max} bytes.", field=self._field)


class _Discarded:
    """A private new file that is removed when the block under it fails."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._path.unlink(missing_ok=True)


def _aside(directory: Path) -> Path:
    return directory / f"input-{uuid.uuid4().hex}"


def _check_status(response: Response, address: HttpAddress, field: str | None) -> None:
    """Passes what carries a recording, as far as its head tells."""
    status = response.status
    if status in (404, 410):
        raise SourceNotFound(f"{address.shown} does not exist (HTTP {status}).", field=field)
    if status in (401, 402, 403, 407, 451):
        raise SourceForbidden(f"{address.shown} may not be read (HTTP {status}).", field=field)
    if status not in (200, 206):
        again = status in RETRY_STATUS
        error = FetchFailed(f"{address.shown} answered with HTTP {status}.", field=field, retryable=again)
        raise _Again(error) if again else error
    if response.headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise FetchFailed(f"{address.shown} answers compressed although not asked to.", field=field, retryable=False)
    _check_type(response.headers.get("content-type", ""), address.shown, field)


def _check_type(content_type: str, source: str, field: str | None) -> None:
    kind = content_type.partition(";")[0].strip().lower()
    if kind and not kind.startswith(("audio/", "video/")) and kind not in TYPES:
        raise NotAudio(
            f"{source} is labelled {kind[:60]!r}, not as a recording.",
            field=field,
            hint="Give the address of the file itself, served as audio/*, video/* or application/octet-stream.",
        )


def _explained(error: Exception, address: HttpAddress, field: str | None) -> Exception:
    """What the caller sees of a failed connection. Certificates and malformed answers are not worth another try."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return FetchFailed(f"{address.netloc} has no valid certificate.", field=field, retryable=False)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return FetchFailed("The worker's disk is full.", field=field)
    if isinstance(error, http.client.HTTPException) and not isinstance(
        error, (http.client.IncompleteRead, http.client.RemoteDisconnected)
    ):
        return FetchFailed(f"{address.shown} gives no valid HTTP answer.", field=field, retryable=False)
    reason = "took too long" if isinstance(error, TimeoutError) else "broke the connection or refuses it"
    return _Again(FetchFailed(f"{address.netloc} {reason}.", field=field))


def decode_data_url(url: str, *, field: str | None, max_bytes: int) -> bytes:
    """The bytes of a ``data:`` URL, base64 or percent-encoded. Its size is checked before anything is decoded."""
    head, comma, body = url[5:].partition(",")
    if not comma or len(head) > 200:
        raise SourceRefused("The data: URL has no comma after its type.", field=field)
    parameters = [part.strip().lower() for part in head.split(";")]
    _check_type(parameters[0], "The data: URL", field)
    is_base64 = parameters[-1] == "base64"
    size = len(body) * 3 // 4 - 2 if is_base64 else len(body) - 2 * body.count("%")
    if size > max_bytes:
        raise AudioTooLarge(f"The data: URL holds more than the limit of {max_bytes} bytes.", field=field)
    try:
        if not is_base64:
            return unquote_to_bytes(body.encode("ascii"))
        raw = unquote_to_bytes(body.encode("ascii")) if "%" in body else body.encode("ascii")
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except (UnicodeError, binascii.Error):
        raise SourceRefused("The data: URL is not valid base64 or percent-encoding.", field=field) from None


def _local(path: Path, field: str | None, max_bytes: int) -> Path:
    """``path`` if it is a regular, readable file within the limit."""
    name = shown(str(path))
    try:
        real = path.resolve(strict=True)
        if real.is_relative_to(KERNEL[0]) or real.is_relative_to(KERNEL[1]) or real.is_relative_to(KERNEL[2]):
            raise SourceUnreadable(f"{name} is a device or a file of the kernel, not a recording.", field=field)
        handle = os.open(real, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # O_NONBLOCK: a pipe must not hold us
    except (FileNotFoundError, NotADirectoryError):
        raise SourceNotFound(f"There is no file {name}.", field=field) from None
    except PermissionError:
        raise SourceForbidden(f"{name} may not be read by this user.", field=field) from None
    except (OSError, RuntimeError) as error:  # RuntimeError: Path.resolve on a loop of links
        raise SourceUnreadable(f"{name} cannot be opened.", field=field) from error
    try:
        info = os.fstat(handle)
    finally:
        os.close(handle)
    if stat.S_ISDIR(info.st_mode):
        raise SourceUnreadable(f"{name} is a directory.", field=field)
    if not stat.S_ISREG(info.st_mode):
        raise SourceUnreadable(f"{name} is no regular file.", field=field)
    if info.st_size > max_bytes:
        raise AudioTooLarge(f"{name} is larger than the limit of {max_bytes} bytes.", field=field)
    return real
