"""One job as the worker's thread sees it: what it gets, how it reports and is stopped, what becomes of its errors.

`JobRunner` is the whole interface between the queue's side and the work: a blocking function from a `JobContext` to
the answer. `attempt` runs it and always returns the body to post, ``{"output": …}`` or ``{"error": "…"}``. No event
loop, no HTTP and no RunPod in here.

RunPod shows ``error`` as a string beside status FAILED, and its API takes nothing else there: so ``error`` is the
JSON text of `F5Error.to_dict`, which `read_error` turns back into a dict.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from f5_serverless.errors import Cancelled, DeadlineExceeded, F5Error, InputError, InternalError
from f5_serverless.types import OnProgress, Progress

log = logging.getLogger("f5_serverless.worker")

# Parts of messages and class names after which a process can no longer use its GPU, whatever it tries.
_FATAL_MARKS = (
    "cuda error",
    "device-side assert",
    "cublas_status",
    "cudnn_status_execution_failed",
    "acceleratorerror",
    "uncorrectable ecc",
    "nvml",
)
_SURVIVABLE_MARKS = ("out of memory",)


@dataclass(frozen=True)
class JobContext:
    """What a `JobRunner` gets. ``progress`` raises `Cancelled` or `DeadlineExceeded` when the job must stop."""

    id: str
    input: Mapping[str, Any]
    progress: OnProgress
    streaming: bool
    """Whether the caller wants finished chunks as they come (``options.stream``)."""
    emit: Callable[[dict[str, Any]], None]
    """Sends one finished chunk (JSON data) to a streaming caller; does nothing otherwise."""


JobRunner: TypeAlias = Callable[[JobContext], dict[str, Any]]
"""Runs one job, blocking. Returns the answer as JSON data; raises `F5Error`."""


@dataclass
class JobControl:
    """The line into a running job: the loop sets ``cancelled``, the thread sets ``latest`` and checks both limits."""

    seconds: float
    """What the job may take."""
    started: float = field(default_factory=time.monotonic)
    latest: Progress | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)

    def progress(self, progress: Progress) -> None:
        """The job's `OnProgress`. Raises `Cancelled` or `DeadlineExceeded`."""
        if self.cancelled.is_set():
            raise Cancelled("The job was cancelled.")
        if time.monotonic() - self.started > self.seconds:
            raise overdue(self.seconds)
        self.latest = progress


def overdue(seconds: float) -> DeadlineExceeded:
    """The error of a job that took longer than it was given."""
    return DeadlineExceeded(f"The job was given {seconds:g} s and was not finished within them.")


def wants_stream(job_input: Any) -> bool:
    """Whether the request says ``"options": {"stream": true}``. Whether that is allowed is for the request's parser."""
    options = job_input.get("options") if isinstance(job_input, Mapping) else None
    return isinstance(options, Mapping) and options.get("stream") is True


@dataclass(frozen=True)
class Attempt:
    """What came of running a job: the ``body`` to post, and whether this process is ``broken`` for the next one."""

    body: dict[str, Any]
    broken: bool = False
    size: int = 0
    """Bytes of the answer as JSON."""


def attempt(runner: JobRunner, context: JobContext) -> Attempt:
    """Runs the job and turns whatever happens into the body to post. Raises nothing."""
    try:
        if not isinstance(context.input, Mapping):
            raise InputError("`input` must be an object.", field="input")
        answer = runner(context)
        size = len(json.dumps(answer, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"))
        return Attempt({"output": answer}, size=size)
    except F5Error as error:
        broken = is_fatal(error)
        log.warning("Failed: %s", error.code, extra={"job_id": context.id}, exc_info=error if broken else None)
        return Attempt(failure(error), broken)
    except Exception as error:
        log.exception("Failed unexpectedly", extra={"job_id": context.id})
        broken = is_fatal(error)
        return Attempt(failure(unforeseen(retryable=broken)), broken)


def unforeseen(*, retryable: bool = False) -> InternalError:
    """What a caller is told about an exception that nobody planned for: nothing of it."""
    return InternalError(
        "The service failed in a way it did not foresee; the log has the details.", retryable=retryable
    )


def failure(error: F5Error) -> dict[str, Any]:
    """The body that makes a job FAILED: ``{"error": "<JSON text of the error>"}``."""
    return {"error": json.dumps(error.to_dict(), ensure_ascii=False)}


def read_error(error: Any) -> dict[str, Any]:
    """The error of a FAILED job, from the string that RunPod's ``/status`` shows.

    A string that is none of ours (the queue's own words) becomes the message of an ``internal`` error.

    >>> read_error(failure(InputError("No text.", field="text"))["error"])["field"]
    'text'
    """
    try:
        found = json.loads(error)
    except (TypeError, ValueError):
        found = None
    if isinstance(found, dict) and "code" in found:
        return found
    return InternalError(str(error), retryable=True).to_dict()


def is_fatal(error: BaseException) -> bool:
    """Whether ``error``, or what caused it, leaves the GPU unusable for this process."""
    for cause in _chain(error):
        text = f"{type(cause).__name__} {cause}".lower()
        if any(mark in text for mark in _SURVIVABLE_MARKS):
            continue
        if not isinstance(cause, InputError) and any(mark in text for mark in _FATAL_MARKS):
            return True
    return False


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__
