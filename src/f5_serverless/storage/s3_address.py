"""Which store an S3 address belongs to: URLs taken apart, addressing and region read off the endpoint. Pure functions.

In: an address and the endpoint that this worker has keys for. Out: (bucket, key), or None where the address is an
ordinary web address: one with a query (a signed URL carries its own right), or one of a store that the keys do not
belong to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

from f5_serverless.errors import SourceRefused
from f5_serverless.storage.addresses import DEFAULT_PORTS, scheme_of

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
_AWS_HOST = re.compile(
    r"(?:(?P<bucket>.+)\.)?s3(?:[.-](?:dualstack\.|fips\.)?(?P<region>[a-z0-9-]+))?\.amazonaws\.com(?:\.cn)?"
)

VIRTUAL_ONLY = (".aliyuncs.com", ".myqcloud.com", ".volces.com", ".amazonaws.com", ".amazonaws.com.cn")
"""Endpoints that want the bucket in the host name. Every other one understands it in the path."""

_REGIONS = tuple(
    re.compile(pattern)
    for pattern in (
        r"s3[.-](?:dualstack\.|fips\.)?([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?",
        r"s3\.([a-z0-9-]+)\.backblazeb2\.com",
        r"s3\.([a-z0-9-]+)\.wasabisys\.com",
        r"([a-z0-9-]+)\.digitaloceanspaces\.com",
        r"s3\.([a-z0-9-]+)\.scw\.cloud",
        r"([a-z0-9-]+)\.linodeobjects\.com",
        r"s3\.([a-z0-9-]+)\.io\.cloud\.ovh\.(?:net|us)",
        r"([a-z0-9-]+)\.your-objectstorage\.com",
        r"s3api-([a-z0-9-]+)\.runpod\.io",
    )
)


@dataclass(frozen=True, slots=True)
class Place:
    """One object, and whose business its faults are: ``source`` when it is a caller's input (named in ``field``)."""

    bucket: str
    key: str
    field: str | None = None
    source: bool = False

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


def addressing_of(endpoint: str) -> str:
    """ "virtual" or "path", as the store at ``endpoint`` understands it; AWS itself where ``endpoint`` is empty.

    >>> addressing_of(""), addressing_of("http://minio:9000")
    ('virtual', 'path')
    """
    host = urlsplit(endpoint).hostname or ""
    return "virtual" if not endpoint or host.endswith(VIRTUAL_ONLY) else "path"


def region_of(endpoint: str) -> str | None:
    """The region that ``endpoint`` names; "auto" for R2; "us-east-1" for a store without regions; None for AWS itself.

    >>> region_of("https://s3.us-west-004.backblazeb2.com"), region_of("https://abc.eu.r2.cloudflarestorage.com")
    ('us-west-004', 'auto')
    """
    if not endpoint:
        return None
    host = urlsplit(endpoint).hostname or ""
    if host.endswith(".r2.cloudflarestorage.com"):
        return "auto"
    for pattern in _REGIONS:
        match = pattern.fullmatch(host)
        if match:
            return match.group(1)
    return "us-east-1"


def locate(address: str, endpoint: str, *, field: str | None = None) -> tuple[str, str] | None:
    """(bucket, key) of ``address`` in the store at ``endpoint``. Raises `SourceRefused` for a malformed ``s3://``.

    >>> locate("s3://b1b/a b.wav", ""), locate("https://b1b.s3.eu-west-1.amazonaws.com/a%20b.wav", "")
    (('b1b', 'a b.wav'), ('b1b', 'a b.wav'))
    """
    scheme = scheme_of(address)
    if scheme == "s3":
        bucket, _, key = address[5:].partition("/") if address[2:5] == "://" else ("", "", "")
        return _checked(bucket, key, field)
    if scheme not in DEFAULT_PORTS:
        return None
    try:
        parts = urlsplit(address)
        found = _in_aws(parts.hostname or "", parts.path) if not endpoint else _at(endpoint, parts)
        if found is None or parts.query or parts.fragment or "@" in parts.netloc:
            return None
        bucket, path = found
        key = unquote_to_bytes(path).decode("utf-8")
    except ValueError:
        return None
    if not bucket:
        bucket, _, key = key.partition("/")
    return _checked(bucket, key, field)


def _in_aws(host: str, path: str) -> tuple[str, str] | None:
    match = _AWS_HOST.fullmatch(host)
    return (match.group("bucket") or "", path[1:]) if match else None


def _at(endpoint: str, parts: SplitResult) -> tuple[str, str] | None:
    """(bucket or "", rest of the path) if the URL ``parts`` point to ``endpoint`` or to a bucket's name below it."""
    home = urlsplit(endpoint)
    host, home_host = parts.hostname or "", home.hostname or ""
    if _AWS_HOST.fullmatch(home_host):
        return _in_aws(host, parts.path)
    ports = (parts.port or DEFAULT_PORTS[parts.scheme], home.port or DEFAULT_PORTS[home.scheme])
    if parts.scheme != home.scheme or ports[0] != ports[1]:
        return None
    if host == home_host:
        return "", parts.path[1:]
    if host.endswith("." + home_host):
        return host.removesuffix("." + home_host), parts.path[1:]
    return None


def _checked(bucket: str, key: str, field: str | None) -> tuple[str, str]:
    odd = (
        any(part in (".", "..") for part in key.split("/")) or "\0" in key or len(key.encode("utf-8", "replace")) > 1024
    )
    if not _BUCKET.fullmatch(bucket) or ".." in bucket or not key or odd or key.endswith("/"):
        raise SourceRefused("An S3 address must read s3://bucket/key, with a plain key.", field=field)
    return bucket, key
