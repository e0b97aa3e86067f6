"""Finished results, kept on the volume until the queue has them.

The SDK posts a result three times and then drops it. Here each finished result is a file before it is posted: a
worker that dies, or a queue that is away, costs no finished work. A record moves from ``pending/`` to ``sent/`` when
the queue has taken it, and stays there for a while, so that a job which is delivered a second time gets the same
answer without being run again. All workers on one volume share the directory.

Files are written aside and renamed. They are not fsynced: a killed process cannot tear them, and one torn by a
machine's crash does not parse and counts as absent, which costs one more run and never a wrong answer.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

_SENT_SECONDS = 3600.0
_PENDING_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Record:
    """One finished result: the ``body`` to post for ``job_id``, whose input had ``digest``, made by ``worker``."""

    job_id: str
    digest: str
    body: dict[str, Any]
    stream: bool
    worker: str

    @property
    def failed(self) -> bool:
        return "error" in self.body


def digest_of(job_input: Any) -> str:
    """Names a job's input: a queue that uses an id again must not get another job's answer."""
    canonical = json.dumps(job_input, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


class Outbox:
    """The directory of records. Methods block on the disk: call them off the event loop. Raises OSError."""

    def __init__(self, root: Path) -> None:
        self._pending = root / "pending"
        self._sent = root / "sent"
        for directory in (self._pending, self._sent):
            directory.mkdir(parents=True, exist_ok=True)

    def put(self, record: Record) -> None:
        """Keeps ``record`` until `delivered` or `forget`."""
        aside = self._pending / f".{uuid.uuid4().hex}"
        aside.write_text(json.dumps(asdict(record)), encoding="utf-8")
        os.replace(aside, self._pending / _name(record.job_id))

    def find(self, job_id: str, digest: str) -> Record | None:
        """The kept answer to this very job, delivered or not; None if there is none."""
        for directory in (self._pending, self._sent):
            record = _read(directory / _name(job_id))
            if record is not None and (record.job_id, record.digest) == (job_id, digest):
                return record
        return None

    def delivered(self, record: Record) -> None:
        """The queue has it. A failure is not kept: who sends the job again means it."""
        path = self._pending / _name(record.job_id)
        with contextlib.suppress(FileNotFoundError):  # another worker on this volume was faster
            if record.failed:
                path.unlink()
            else:
                os.replace(path, self._sent / path.name)
                os.utime(self._sent / path.name)

    def forget(self, job_id: str) -> None:
        """The queue does not want it (any more)."""
        (self._pending / _name(job_id)).unlink(missing_ok=True)

    def pending(self, worker: str, others_after: float) -> Iterator[Record]:
        """What waits: all of ``worker``, and of other workers what is older than ``others_after`` seconds."""
        for path in sorted(self._pending.glob("*.json")):
            record = _read(path)
            if record is not None and (record.worker == worker or _age(path) > others_after):
                yield record

    def clean(self) -> int:
        """Removes what is too old to matter, and leftovers of killed writers; how many files."""
        old = [path for path in self._sent.glob("*.json") if _age(path) > _SENT_SECONDS]
        old += [path for path in self._pending.glob("*") if _age(path) > _PENDING_SECONDS]
        old += [path for path in self._pending.glob(".*") if _age(path) > _SENT_SECONDS]
        for path in old:
            path.unlink(missing_ok=True)
        return len(old)


def _name(job_id: str) -> str:
    """A file name for any job id."""
    return hashlib.sha256(job_id.encode("utf-8", "surrogatepass")).hexdigest()[:40] + ".json"


def _read(path: Path) -> Record | None:
    try:
        return Record(**json.loads(path.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _age(path: Path) -> float:
    """Seconds since ``path`` was written; 0 if it is gone."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
