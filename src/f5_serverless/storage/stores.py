"""Which store a deployment has: a bucket or a directory.

In: the settings. Out: a `Store` (see `outputs`). Opens no connection, and loads the S3 library only where it is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from f5_serverless.storage.outputs import LocalStore, Store
from f5_serverless.storage.s3_transport import S3Settings


class StoreSettings(S3Settings, Protocol):
    """What `open_store` reads. `f5_serverless.config.Settings` is one."""

    @property
    def output_dir(self) -> Path: ...


def open_store(settings: StoreSettings) -> Store:
    """The store that ``settings`` choose: the bucket where one is named, else the directory."""
    if not settings.s3_bucket:
        return LocalStore(settings.output_dir)
    from f5_serverless.storage.s3_store import S3Store

    return S3Store.of(settings)
