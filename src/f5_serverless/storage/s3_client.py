"""S3: objects of any S3-compatible store, whole or not at all, each operation within its deadline.

In: `S3Options`; buckets, keys, files. Out: the same bytes in the store or in a file. Large objects travel in parts,
several at once, through a few buffers; a cut download goes on where it broke off (Range, If-Match), a failed upload is
aborted and leaves nothing visible. Every failure is one of the errors of `s3_errors`. `S3Store` is the `Store` on top.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from f5_serverless.errors import AudioTooLarge, F5Error, FetchFailed, SourceNotFound, StorageError
from f5_serverless.storage import s3_address
from f5_serverless.storage.deadline import Deadline
from f5_serverless.storage.outputs import NO_METADATA, OCTETS, ObjectInfo, Page
from f5_serverless.storage.s3_address import Place
from f5_serverless.storage.s3_errors import Changed, explain, status_and_code
from f5_serverless.storage.s3_transport import S3Options, faults, make_client

log = logging.getLogger("f5_serverless.storage.s3")

MOST_PARTS = 9_000
WORKERS = 3
BLOCK = 1 << 18
ABORT_SECONDS = 5.0
UNLIMITED = 1 << 62
UPLOAD_MARK = "upload-mark"
NO_OBJECT = ("NoSuchKey", "NotFound", "404")
_VISIBLE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) != "%")


def nothing() -> None:
    """An ``alive`` that never objects."""


class _Stopped(Exception):
    """This part is not wanted any more, since another one failed."""


class S3Client:
    """Operations on objects. One object serves all threads."""

    def __init__(self, options: S3Options) -> None:
        self.options = options
        self._local = threading.local()
        self._client = make_client(options, self._deadline)
        self._faults = faults()

    # ------------------------------------------------------------------------------------------------ inputs

    def locate(self, address: str) -> tuple[str, str] | None:
        """(bucket, key) if ``address`` lies in this store, else None. Raises `SourceRefused`."""
        return s3_address.locate(address, self.options.endpoint)

    def download(
        self,
        bucket: str,
        key: str,
        destination: Path,
        *,
        max_bytes: int = UNLIMITED,
        field: str | None = None,
        alive: Callable[[], object] = nothing,
    ) -> None:
        """A caller's input into the existing file ``destination``. Raises the errors of inputs, with ``field``."""
        self.get(Place(bucket, key, field, source=True), destination, max_bytes, alive)

    # ------------------------------------------------------------------------------------------------ objects

    def get(
        self, place: Place, destination: Path, max_bytes: int = UNLIMITED, alive: Callable[[], object] = nothing
    ) -> ObjectInfo:
        """Writes the object to ``destination``. On failure the file's contents are undefined."""
        with self._within():
            for _ in range(3):
                info = self._head(place)
                if info is None:
                    raise SourceNotFound(f"There is no object {place}.", field=place.field)
                if info.size > max_bytes:
                    raise AudioTooLarge(f"{place} is larger than the limit of {max_bytes} bytes.", field=place.field)
                try:
                    self._fill(place, info, destination, alive)
                except Changed:
                    log.info("an object was replaced while it was read; reading it again")
                    continue
                return info
        kind = FetchFailed if place.source else StorageError
        raise kind(f"{place} was replaced again and again while it was read.", field=place.field)

    def read(self, place: Place, limit: int) -> bytes | None:
        """At most ``limit`` + 1 bytes of the object, in one request; None if there is none."""
        with self._within():
            attempt = 0
            while True:
                attempt += 1
                try:
                    answer = self._client.get_object(Bucket=place.bucket, Key=place.key)
                    with answer["Body"] as body:
                        data: bytes = body.read(limit + 1)
                    if len(data) < min(limit + 1, answer["ContentLength"]):
                        raise ConnectionError("the body ended early")
                    return data
                except self._faults as error:
                    if status_and_code(error)[1] in NO_OBJECT:
                        return None
                    self._pause(error, place, "read", attempt)

    def head(self, place: Place) -> ObjectInfo | None:
        """What is known of the object, None if there is none."""
        with self._within():
            return self._head(place)

    def put(self, place: Place, source: Path | bytes, content_type: str, metadata: Mapping[str, str]) -> None:
        """Stores ``source``; readers see the old object or the new one."""
        size = len(source) if isinstance(source, bytes) else source.stat().st_size
        about = {
            "ContentType": content_type,
            "Metadata": {name.lower(): quote(value[:500], safe=_VISIBLE) for name, value in metadata.items()},
        }
        with self._within():
            if size <= self.options.part_bytes:
                data = source if isinstance(source, bytes) else source.read_bytes()
                self._call(place, "put_object", "write", Body=data, ContentMD5=_md5(data), **about)
            else:
                self._put_parts(place, source, size, about)

    def delete(self, place: Place) -> None:
        """Removes the object, if there is one."""
        with self._within():
            self._call(place, "delete_object", "remove")

    def page(self, bucket: str, prefix: str, token: str | None, limit: int) -> Page:
        """A page of objects, with their whole keys."""
        more = {"ContinuationToken": token} if token else {}
        with self._within():
            found = self._call(
                Place(bucket, ""), "list_objects_v2", "list", Key=None, Prefix=prefix, MaxKeys=min(limit, 1000), **more
            )
        items = tuple(
            ObjectInfo(item["Key"], item["Size"], item["LastModified"].timestamp(), item.get("ETag", ""))
            for item in found.get("Contents", ())
        )
        return Page(items, found.get("NextContinuationToken") if found.get("IsTruncated") else None)

    def presign(self, place: Place, expires: int) -> str:
        """An address that opens the object for ``expires`` seconds (at most a week) without keys."""
        try:
            url: str = self._client.generate_presigned_url(
                "get_object",
                Params={"Bucket": place.bucket, "Key": place.key},
                ExpiresIn=max(1, min(expires, 7 * 86_400)),
            )
        except self._faults as error:
            raise self._explained(error, place, "sign an address for") from error
        return url

    # ------------------------------------------------------------------------------------------------ parts

    def _fill(self, place: Place, info: ObjectInfo, destination: Path, alive: Callable[[], object]) -> None:
        """The object's bytes into ``destination``, in ranges when it is large."""
        handle = os.open(destination, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            if info.size <= self.options.part_bytes:
                self._fill_range(place, info, 0, handle, alive)
            else:
                starts = range(0, info.size, self.options.part_bytes)
                self._in_parallel(lambda at, stop: self._fill_range(place, info, at, handle, stop), starts, alive)
        finally:
            os.close(handle)

    def _fill_range(self, place: Place, info: ObjectInfo, start: int, handle: int, alive: Callable[[], object]) -> None:
        """One range, resumed where it breaks. Attempts are counted anew whenever bytes have come."""
        at, end, attempt = start, min(start + self.options.part_bytes, info.size), 0
        whole = info.size <= self.options.part_bytes
        while True:
            before = at
            try:
                bounds = {} if whole and at == 0 else {"Range": f"bytes={at}-{end - 1}"}
                answer = self._client.get_object(Bucket=place.bucket, Key=place.key, IfMatch=info.etag, **bounds)
                with answer["Body"] as body:
                    if not _is_part(answer, info, bool(bounds)):
                        raise Changed
                    while at < end and (block := body.read(min(BLOCK, end - at))):
                        os.pwrite(handle, block, at)
                        at += len(block)
                        alive()
                if at >= end:
                    return
                raise ConnectionError("the body ended early")
            except self._faults as error:
                if status_and_code(error)[0] in (412, 416):
                    raise Changed from error
                attempt = 1 if at > before else attempt + 1
                self._pause(error, place, "read", attempt)

    def _put_parts(self, place: Place, source: Path | bytes, size: int, about: Mapping[str, Any]) -> None:
        """A multipart upload. It is aborted when anything fails: an upload that is not completed is never visible."""
        part_size = max(self.options.part_bytes, -(-size // MOST_PARTS))
        mark = uuid.uuid4().hex
        about = {**about, "Metadata": {**about["Metadata"], UPLOAD_MARK: mark}}
        upload = self._call(place, "create_multipart_upload", "write", **about)["UploadId"]
        tags: dict[int, str] = {}

        def send(start: int, stop: Callable[[], object]) -> None:
            stop()
            number = start // part_size + 1
            data = _slice(source, start, part_size)
            answer = self._call(
                place, "upload_part", "write", UploadId=upload, PartNumber=number, Body=data, ContentMD5=_md5(data)
            )
            tags[number] = answer["ETag"]

        try:
            self._in_parallel(send, range(0, size, part_size), nothing)
            parts = [{"PartNumber": number, "ETag": tags[number]} for number in sorted(tags)]
            self._complete(place, upload, parts, mark)
        except BaseException:
            self._abort(place, upload)
            raise

    def _complete(self, place: Place, upload: str, parts: list[dict[str, Any]], mark: str) -> None:
        """Makes the upload an object. An answer that was lost is made up for by looking at the object."""
        try:
            self._call(place, "complete_multipart_upload", "write", UploadId=upload, MultipartUpload={"Parts": parts})
        except F5Error as error:
            if status_and_code(_cause(error))[1] != "NoSuchUpload":
                raise
            info = self._head(place)
            if info is None or info.metadata.get(UPLOAD_MARK) != mark:
                raise StorageError(f"Could not write {place}: the store lost the upload.") from error

    def _abort(self, place: Place, upload: str) -> None:
        try:
            with self._within(min(ABORT_SECONDS, self.options.total_seconds)):
                self._call(place, "abort_multipart_upload", "clean up", UploadId=upload)
        except F5Error as error:
            log.warning("an unfinished upload stays in the store until its lifecycle rule removes it: %s", error.code)

    def _in_parallel(
        self, work: Callable[[int, Callable[[], object]], None], starts: range, alive: Callable[[], object]
    ) -> None:
        """``work(start, stop)`` for each of ``starts``, a few at a time. ``stop()`` raises once another has failed."""
        deadline, failed = self._deadline(), threading.Event()

        def stop() -> None:
            if failed.is_set():
                raise _Stopped

        def run(start: int) -> None:
            self._local.deadline = deadline
            try:
                work(start, stop)
            except BaseException:
                failed.set()
                raise

        with ThreadPoolExecutor(WORKERS, thread_name_prefix="s3") as pool:
            futures: list[Future[None]] = [pool.submit(run, start) for start in starts]
            try:
                while (result := wait(futures, timeout=0.5, return_when=FIRST_EXCEPTION)).not_done:
                    alive()
                    if any(future.exception() for future in result.done):
                        break
            finally:
                failed.set()
                pool.shutdown(cancel_futures=True)
        errors = [future.exception() for future in futures if future.done() and not future.cancelled()]
        first = next((e for e in errors if e is not None and not isinstance(e, _Stopped)), None)
        if first is not None:
            raise first

    # ------------------------------------------------------------------------------------------------ calls

    def _call(self, place: Place, operation: str, verb: str, **more: Any) -> Any:
        """One S3 operation, repeated while that can help and there is time."""
        arguments = {"Bucket": place.bucket, "Key": place.key} | more
        arguments = {name: value for name, value in arguments.items() if value is not None}
        attempt = 0
        while True:
            attempt += 1
            try:
                return getattr(self._client, operation)(**arguments)
            except self._faults as error:
                self._pause(error, place, verb, attempt)

    def _head(self, place: Place) -> ObjectInfo | None:
        attempt = 0
        while True:
            attempt += 1
            try:
                found = self._client.head_object(Bucket=place.bucket, Key=place.key)
                break
            except self._faults as error:
                reason = self._reason(place) if 300 <= status_and_code(error)[0] < 500 else error
                if reason is None or status_and_code(reason)[1] in NO_OBJECT:
                    return None
                self._pause(reason, place, "read", attempt)
        metadata = {name.lower(): unquote(value) for name, value in found.get("Metadata", {}).items()}
        return ObjectInfo(
            place.key,
            found["ContentLength"],
            found["LastModified"].timestamp(),
            found.get("ETag", ""),
            found.get("ContentType", OCTETS),
            metadata or NO_METADATA,
        )

    def _reason(self, place: Place) -> Exception | None:
        """Why a HEAD was refused: its answer has no body, that of a GET says it. None: it is there after all."""
        try:
            self._client.get_object(Bucket=place.bucket, Key=place.key, Range="bytes=0-0")["Body"].close()
        except self._faults as error:
            return None if status_and_code(error)[0] == 416 else error
        return None

    def _pause(self, error: Exception, place: Place, verb: str, attempt: int) -> None:
        """Waits before the next attempt, longer each time and out of step with others; or raises what it means."""
        fault = self._explained(error, place, verb)
        rest = random.uniform(0.5, 1.0) * min(8.0, self.options.backoff_seconds * 2**attempt)
        deadline = self._deadline()
        if not fault.retryable or attempt >= self.options.attempts or deadline.passed:
            raise fault from error
        log.info("%s failed (%s), attempt %d", verb, fault.code, attempt)
        try:
            time.sleep(deadline.left(rest))
            deadline.left(rest)
        except TimeoutError:
            raise fault from error

    def _explained(self, error: Exception, place: Place, verb: str) -> F5Error:
        fault = explain(error, f"{verb} {place}", field=place.field, source=place.source)
        if fault is None:
            raise error
        return fault

    def _deadline(self) -> Deadline:
        deadline: Deadline | None = getattr(self._local, "deadline", None)
        return deadline if deadline is not None else Deadline(self.options.total_seconds)

    @contextmanager
    def _within(self, seconds: float | None = None) -> Iterator[None]:
        """Gives what this thread does under it one deadline."""
        before = getattr(self._local, "deadline", None)
        self._local.deadline = Deadline(self.options.total_seconds if seconds is None else seconds)
        try:
            yield
        finally:
            self._local.deadline = before


def _cause(error: BaseException) -> Exception:
    return error.__cause__ if isinstance(error.__cause__, Exception) else Exception()


def _is_part(answer: Mapping[str, Any], info: ObjectInfo, partial: bool) -> bool:
    """Whether a GET's answer belongs to the object that was looked at, and is the kind of answer asked for."""
    if answer.get("ETag", info.etag) != info.etag:
        return False
    bounds: str | None = answer.get("ContentRange")
    return (
        bounds.endswith(f"/{info.size}") if partial and bounds else not partial and answer["ContentLength"] == info.size
    )


def _md5(data: bytes) -> str:
    """The checksum that every S3-compatible store verifies."""
    return base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()


def _slice(source: Path | bytes, start: int, size: int) -> bytes:
    if isinstance(source, bytes):
        return source[start : start + size]
    with source.open("rb") as file:
        file.seek(start)
        return file.read(size)
