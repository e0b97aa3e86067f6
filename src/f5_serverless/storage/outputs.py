"""The store of outputs: one protocol, and its form as a local directory.

In: a key such as ``jobs/3f2a/audio.wav`` and bytes or a file. Out: the same bytes under the same key, a URL for them,
pages of keys. An object is either there in full or not there at all: it is written aside, made durable and renamed.
`S3Store` is the other implementation; `stores.open_store` picks one. Nothing here knows what the bytes mean.
"""

from __future__ import annotations

import errno
import mimetypes
import os
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from f5_serverless.errors import InternalError, SourceNotFound, StorageError, StoreForbidden, StoreFull

NO_METADATA: Mapping[str, str] = MappingProxyType({})
TEMPORARY = ".tmp"
STALE_SECONDS = 6 * 3600.0
OCTETS = "application/octet-stream"

CONTENT_TYPES = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".opus": "audio/ogg",
    ".ogg": "audio/ogg",
    ".aac": "audio/aac",
    ".m4a": "audio/mp4",
    ".ass": "text/x-ssa; charset=utf-8",
    ".srt": "application/x-subrip; charset=utf-8",
    ".vtt": "text/vtt; charset=utf-8",
    ".json": "application/json",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One stored object. ``size`` in bytes, ``modified`` in epoch seconds; ``etag`` changes with the bytes."""

    key: str
    size: int
    modified: float
    etag: str
    content_type: str = OCTETS
    metadata: Mapping[str, str] = field(default_factory=lambda: NO_METADATA)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a listing, in the order of keys. ``next`` continues it; None: that was the last page."""

    items: tuple[ObjectInfo, ...]
    next: str | None = None


class Store(Protocol):
    """Objects under keys. All methods raise `StorageError` when the store refuses or fails."""

    def put(
        self,
        key: str,
        source: Path | bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> None:
        """Stores ``source`` under ``key``, replacing what was there; readers see the old bytes or the new ones."""
        ...

    def get(self, key: str, destination: Path) -> ObjectInfo:
        """Writes the object to the file ``destination``. Raises `SourceNotFound`; leaves no partial file."""
        ...

    def read(self, key: str, limit: int = 1 << 20) -> bytes | None:
        """The object's bytes, None if there is none. Raises `StorageError` if it is larger than ``limit`` bytes."""
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """What is known of the object without reading it, None if there is none."""
        ...

    def exists(self, key: str) -> bool: ...

    def url(self, key: str, expires: int | None = None) -> str:
        """An address for the caller. ``expires``: seconds for which a signed address stays valid."""
        ...

    def list(self, prefix: str = "", *, token: str | None = None, limit: int = 1000) -> Page:
        """At most ``limit`` objects whose key starts with ``prefix``, from where the page that gave ``token`` ended."""
        ...

    def delete(self, key: str) -> None:
        """Removes the object. No error if there is none."""
        ...

    def touch(self, key: str) -> None:
        """Notes that the object was used, where the store can: its ``modified`` becomes now."""
        ...

    def check(self) -> None:
        """Raises what would stand in the way of using the store. Writes nothing."""
        ...

    def describe(self) -> str:
        """One line for people: which store this is. Holds no secret."""
        ...


def check_key(key: str) -> str:
    """``key`` if it is one that every store can hold. Raises `InternalError`: keys are made by this package.

    >>> check_key("jobs/1/audio.wav")
    'jobs/1/audio.wav'
    """
    parts = key.split("/")
    bad = (
        not key
        or any(part in ("", ".", "..") for part in parts)
        or parts[0] == TEMPORARY
        or any(not character.isprintable() or character == "\\" for character in key)
        or any(len(part.encode("utf-8", "surrogatepass")) > 200 for part in parts)
        or len(key.encode("utf-8", "surrogatepass")) > 900
    )
    if bad:
        raise InternalError("An object key is empty, too long, or not a plain relative path.")
    return key


def content_type_of(key: str) -> str:
    """The media type that a key's suffix stands for."""
    suffix = Path(key).suffix.lower()
    return CONTENT_TYPES.get(suffix) or mimetypes.guess_type("x" + suffix)[0] or OCTETS


class LocalStore:
    """A directory as a store. Object ``a/b`` is the file ``root/a/b``.

    A directory keeps neither content types nor metadata: the type is read off the suffix, and what must be known of an
    output stands in the manifest beside it. The directory is made with the first `put`, not before. ``durable`` False,
    for caches: renamed without waiting for the disk.
    """

    def __init__(self, root: Path, *, durable: bool = True, stale_seconds: float = STALE_SECONDS) -> None:
        self.root = Path(os.path.abspath(root))
        self._durable = durable
        self._stale_seconds = stale_seconds
        self._swept = False

    def put(
        self,
        key: str,
        source: Path | bytes,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] = NO_METADATA,
    ) -> None:
        """As `Store.put`. A crash leaves at most a file in ``.tmp``, which a later process sweeps away."""
        target = self._path(key)
        with self._explained(f"write {key}"):
            aside = self._aside()
            try:
                _write(aside, source, self._durable)
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(aside, target)
                if self._durable:
                    _sync_directory(target.parent)
            finally:
                aside.unlink(missing_ok=True)

    def get(self, key: str, destination: Path) -> ObjectInfo:
        """As `Store.get`."""
        info = self.head(key)
        if info is None:
            raise self._missing(key)
        aside = destination.with_name(f".{uuid.uuid4().hex}.part")
        with self._explained(f"read {key}"):
            try:
                file = self._path(key).open("rb")
            except FileNotFoundError:  # removed between the look and the reading
                raise self._missing(key) from None
            try:
                with file, aside.open("xb") as out:
                    shutil.copyfileobj(file, out, 1 << 20)
                os.replace(aside, destination)
            finally:
                aside.unlink(missing_ok=True)
        return info

    def read(self, key: str, limit: int = 1 << 20) -> bytes | None:
        """As `Store.read`."""
        with self._explained(f"read {key}"):
            try:
                with self._path(key).open("rb") as file:
                    data = file.read(limit + 1)
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
                return None
        if len(data) > limit:
            raise StorageError(f"Object {key!r} is larger than {limit} bytes.", retryable=False)
        return data

    def head(self, key: str) -> ObjectInfo | None:
        """As `Store.head`."""
        path = self._path(key)
        with self._explained(f"look at {key}"):
            try:
                stat = path.stat()
            except (FileNotFoundError, NotADirectoryError):
                return None
        return _info(key, stat) if path.is_file() else None

    def exists(self, key: str) -> bool:
        """As `Store.exists`."""
        return self.head(key) is not None

    def url(self, key: str, expires: int | None = None) -> str:
        """A ``file://`` URL. It does not expire."""
        return self._path(key).as_uri()

    def list(self, prefix: str = "", *, token: str | None = None, limit: int = 1000) -> Page:
        """As `Store.list`. ``token`` is the last key of the page before."""
        with self._explained("list objects"):
            keys = sorted(
                key for key in self._keys(prefix) if key.startswith(prefix) and (token is None or key > token)
            )
            items = [info for key in keys[:limit] if (info := self.head(key)) is not None]
        return Page(tuple(items), keys[limit - 1] if len(keys) > limit else None)

    def delete(self, key: str) -> None:
        """As `Store.delete`. Directories stay: taking them away would race with another worker's `put`."""
        with self._explained(f"remove {key}"):
            self._path(key).unlink(missing_ok=True)

    def touch(self, key: str) -> None:
        """As `Store.touch`."""
        with self._explained(f"touch {key}"):
            try:
                os.utime(self._path(key))
            except FileNotFoundError:
                return  # somebody removed it: there is nothing to note

    def check(self) -> None:
        """As `Store.check`: the directory, or the nearest one above it that exists, can be written to."""
        nearest = next(path for path in (self.root, *self.root.parents) if path.exists())
        if not nearest.is_dir():
            raise StorageError(f"{nearest} is a file, not a directory.", retryable=False)
        if not os.access(nearest, os.W_OK | os.X_OK):
            raise StoreForbidden(f"{nearest} cannot be written to by this user.")

    def describe(self) -> str:
        """For instance ``directory /srv/out``."""
        return f"directory {self.root}"

    def _missing(self, key: str) -> SourceNotFound:
        return SourceNotFound(f"There is no object {key!r} in {self.describe()}.")

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    def _keys(self, prefix: str) -> Iterator[str]:
        """All keys below the last directory that ``prefix`` names in full."""
        top = self.root / prefix.rpartition("/")[0]
        if ".." in Path(prefix).parts:
            raise InternalError("A prefix must be a plain relative path.")
        for directory, folders, files in os.walk(top):
            if Path(directory) == self.root and TEMPORARY in folders:
                folders.remove(TEMPORARY)
            for name in files:
                yield (Path(directory) / name).relative_to(self.root).as_posix()

    def _aside(self) -> Path:
        """A new name in ``.tmp``, on the same file system as every object."""
        folder = self.root / TEMPORARY
        folder.mkdir(parents=True, exist_ok=True)
        if not self._swept:
            self._swept = True
            _sweep(folder, self._stale_seconds)
        return folder / uuid.uuid4().hex

    @contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Turns an `OSError` into the store's error."""
        try:
            yield
        except OSError as error:
            raise _store_error(error, f"Could not {what} in {self.describe()}") from error


def _write(path: Path, source: Path | bytes, durable: bool) -> None:
    """Writes ``source`` to ``path``; ``durable``: waits until the disk has it."""
    with path.open("xb") as out:
        if isinstance(source, bytes):
            out.write(source)
        else:
            with source.open("rb") as file:
                shutil.copyfileobj(file, out, 1 << 20)
        out.flush()
        if durable:
            os.fsync(out.fileno())


def _sync_directory(path: Path) -> None:
    """Makes a rename in ``path`` durable."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (
            errno.EINVAL,
            errno.ENOTSUP,
            errno.EROFS,
        ):  # some network volumes cannot sync directories
            raise
    finally:
        os.close(handle)


def _sweep(folder: Path, stale_seconds: float) -> None:
    """Removes what dead processes left in ``folder``."""
    oldest = time.time() - stale_seconds
    for path in folder.iterdir():
        try:
            if path.stat().st_mtime < oldest:
                path.unlink()
        except FileNotFoundError:
            continue  # another worker sweeps too


def _info(key: str, stat: os.stat_result) -> ObjectInfo:
    etag = f"{stat.st_ino:x}-{stat.st_mtime_ns:x}-{stat.st_size:x}"
    return ObjectInfo(key, stat.st_size, stat.st_mtime, etag, content_type_of(key))


def _store_error(error: OSError, message: str) -> StorageError:
    reason = os.strerror(error.errno) if error.errno else type(error).__name__
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull(f"{message}: {reason}.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreForbidden(f"{message}: {reason}.")
    permanent = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ENOENT)
    return StorageError(f"{message}: {reason}.", retryable=error.errno not in permanent)
