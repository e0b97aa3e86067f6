"""Addresses of inputs: what a string names, taken apart strictly, and how it may be shown.

In: a string from a stranger. Out: an `HttpAddress` or a local path, or `SourceRefused`. Nothing is
resolved or opened here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes, urlsplit

from f5_serverless.errors import SourceRefused

MAX_LENGTH = 8192
DEFAULT_PORTS = {"http": 80, "https": 443}
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_PATH_SAFE = "/%:@!$&'()*+,;=~-._?"


@dataclass(frozen=True, slots=True)
class HttpAddress:
    """Where an HTTP request goes. ``host`` is lower-case ASCII without brackets; ``target`` is path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def netloc(self) -> str:
        """What the ``Host`` header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The address as a URL, query included: for requests, never for messages or logs."""
        return f"{self.scheme}://{self.netloc}{self.target}"

    @property
    def shown(self) -> str:
        """The address for messages and logs: no query, which may hold a signature."""
        return f"{self.scheme}://{self.netloc}{_clipped(self.target.partition('?')[0])}"


def scheme_of(address: str) -> str:
    """The scheme in lower case, "" for a bare path.

    >>> scheme_of("S3://bucket/key"), scheme_of("./a.wav")
    ('s3', '')
    """
    match = _SCHEME.match(address)
    return match.group(1).lower() if match else ""


def parse_http(url: str, *, field: str | None) -> HttpAddress:
    """``url`` taken apart. Raises `SourceRefused` for anything that two readers could understand differently."""
    _check_characters(url, field)
    try:
        parts = urlsplit(url)
        port = parts.port
        host = _ascii_host(parts.hostname or "")
    except ValueError:
        raise SourceRefused("The URL is malformed.", field=field) from None
    scheme = parts.scheme.lower()
    if scheme not in DEFAULT_PORTS:
        raise SourceRefused(f"Addresses of the kind {scheme[:20]!r} are not fetched.", field=field)
    if "@" in parts.netloc:
        raise SourceRefused("The URL holds a user name or password, which is not accepted.", field=field)
    if not host:
        raise SourceRefused("The URL has no valid host name.", field=field)
    target = quote(parts.path or "/", safe=_PATH_SAFE.replace("?", ""))
    if parts.query:
        target += "?" + quote(parts.query, safe=_PATH_SAFE)
    return HttpAddress(scheme, host, DEFAULT_PORTS[scheme] if port is None else port, target)


def parse_file(address: str, *, field: str | None) -> Path:
    """The path that a ``file:`` URL or a bare path names. Raises `SourceRefused`."""
    if "\0" in address or len(address) > MAX_LENGTH:
        raise SourceRefused("The path holds a zero byte or is too long.", field=field)
    if scheme_of(address) != "file":
        return Path(address)
    try:
        parts = urlsplit(address)
        path = unquote_to_bytes(parts.path).decode("utf-8")
    except ValueError:
        raise SourceRefused("The file URL is malformed.", field=field) from None
    if (
        parts.netloc not in ("", "localhost")
        or not path.startswith("/")
        or parts.query
        or parts.fragment
        or "\0" in path
    ):
        raise SourceRefused("A file URL must read file:///absolute/path, without host, query or fragment.", field=field)
    return Path(path)


def shown(address: str) -> str:
    """``address`` fit for messages and logs: no query, no user, no contents of a ``data:`` URL, no control characters.

    >>> shown("https://user:secret@example.com/a.wav?X-Amz-Signature=1")
    'https://example.com/a.wav'
    """
    scheme = scheme_of(address)
    if scheme == "data":
        return "a data: URL"
    plain = re.split(r"[?#]", address, maxsplit=1)[0] if scheme else address
    if scheme:
        plain = re.sub(r"^([^:]*:/*)[^/]*@", r"\1", plain)
    return _clipped("".join(c if c.isprintable() else "\ufffd" for c in plain[:MAX_LENGTH]))


def _clipped(text: str, limit: int = 160) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _check_characters(url: str, field: str | None) -> None:
    """Refuses what URL parsers silently drop or repair."""
    if len(url) > MAX_LENGTH:
        raise SourceRefused(f"The URL is longer than {MAX_LENGTH} characters.", field=field)
    if any(c.isspace() or not c.isprintable() or c == "\\" for c in url):
        raise SourceRefused("The URL holds spaces, control characters or backslashes.", field=field)


def _ascii_host(host: str) -> str:
    """``host`` as DNS would be asked for it, so that checks and requests see one spelling. "" if it cannot be one."""
    host = host.rstrip(".") if not host.endswith("..") else ""
    if ":" in host:
        return host  # an IPv6 literal; `guard` reads it
    try:
        ascii_host = host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return ""
    return ascii_host if re.fullmatch(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?", ascii_host) else ""
