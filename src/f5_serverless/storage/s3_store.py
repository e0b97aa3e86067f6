"""A bucket, or a prefix in one, as a `Store`: mapping of keys, signing of addresses. `S3Client` does the work."""

from __future__ import annotations

import dataclasses
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from f5_serverless.errors import StorageError, StoreMisconfigured
from f5_serverless.storage.outputs import NO_METADATA, ObjectInfo, Page, check_key, content_type_of
from f5_serverless.storage.s3_address import Place
from f5_serverless.storage.s3_client import S3Client
from f5_serverless.storage.s3_transport import S3Options, S3Settings


class S3Store:
    """Objects under ``prefix`` in ``bucket``. Metadata values may be any text; they are kept percent-encoded."""

    def __init__(self, client: S3Client, bucket: str, prefix: str = "", *, url_expires: int = 86_400) -> None:
        self.client = client
        self.bucket = bucket
        self.prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        if self.prefix:
            check_key(self.prefix + "x")
        self._url_expires = url_expires

    @classmethod
    def of(cls, settings: S3Settings) -> S3Store:
        """The store of a deployment. Raises `StoreMisconfigured` or `NotAvailable`."""
        options = S3Options.of(settings)
        if options is None or not settings.s3_bucket:
            raise StoreMisconfigured("No bucket is set.", field="S3_BUCKET")
        return cls(S3Client(options), settings.s3_bucket, settings.s3_prefix, url_expires=settings.url_expires)

    def put(
        self,
        key: str,
        source: Path | bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> None:
        """As `Store.put`."""
        self.client.put(self._place(key), source, content_type or content_type_of(key), metadata)

    def get(self, key: str, destination: Path) -> ObjectInfo:
        """As `Store.get`."""
        aside = destination.with_name(f".{uuid.uuid4().hex}.part")
        try:
            info = self.client.get(self._place(key), aside)
            os.replace(aside, destination)
        finally:
            aside.unlink(missing_ok=True)
        return dataclasses.replace(info, key=key)

    def read(self, key: str, limit: int = 1 << 20) -> bytes | None:
        """As `Store.read`."""
        data = self.client.read(self._place(key), limit)
        if data is not None and len(data) > limit:
            raise StorageError(f"Object {key!r} is larger than {limit} bytes.", retryable=False)
        return data

    def head(self, key: str) -> ObjectInfo | None:
        """As `Store.head`."""
        info = self.client.head(self._place(key))
        return dataclasses.replace(info, key=key) if info else None

    def exists(self, key: str) -> bool:
        """As `Store.exists`."""
        return self.head(key) is not None

    def url(self, key: str, expires: int | None = None) -> str:
        """A signed ``https://`` address."""
        return self.client.presign(self._place(key), self._url_expires if expires is None else expires)

    def list(self, prefix: str = "", *, token: str | None = None, limit: int = 1000) -> Page:
        """As `Store.list`. ``content_type`` and ``metadata`` are not filled in; `head` gives them."""
        page = self.client.page(self.bucket, self.prefix + prefix, token, limit)
        own = len(self.prefix)
        return Page(tuple(dataclasses.replace(item, key=item.key[own:]) for item in page.items), page.next)

    def delete(self, key: str) -> None:
        """As `Store.delete`."""
        self.client.delete(self._place(key))

    def touch(self, key: str) -> None:
        """Nothing: an object's time cannot be changed without writing it again."""

    def check(self) -> None:
        """As `Store.check`: lists the prefix."""
        self.list(limit=1)

    def describe(self) -> str:
        """For instance ``bucket talks/f5/ at s3.eu-west-1.amazonaws.com``."""
        host = urlsplit(self.client.options.endpoint).netloc.rpartition("@")[2] or "AWS"
        return f"bucket {self.bucket}/{self.prefix} at {host}"

    def _place(self, key: str) -> Place:
        return Place(self.bucket, self.prefix + check_key(key))
