"""What becomes of a job's answer, errors, cancellation and deadline; which errors cost the worker."""

from __future__ import annotations

import json
from typing import Any

import pytest

from f5_serverless.errors import (
    Cancelled,
    DeadlineExceeded,
    EngineFailed,
    F5Error,
    InputError,
    OutOfMemory,
)
from f5_serverless.serve.job import Attempt, JobContext, JobControl, attempt, is_fatal, read_error, wants_stream
from f5_serverless.types import Progress

STEP = Progress("synthesise", 1, 3)


def tried(runner: Any, job_input: Any = None) -> Attempt:
    control = JobControl(seconds=60)
    return attempt(runner, JobContext("id", {} if job_input is None else job_input, control.progress, False, print))


def raising(error: Exception, cause: Exception | None = None) -> Any:
    def run(_: JobContext) -> dict[str, Any]:
        raise error from cause

    return run


def test_an_answer_is_posted_as_output_with_its_size() -> None:
    result = tried(lambda _: {"text": "ü"})
    assert result.body == {"output": {"text": "ü"}}
    assert result.size == len('{"text": "ü"}'.encode())


def test_an_error_is_a_string_that_reads_back_as_the_error() -> None:
    error = InputError("No text.", field="text")
    body = tried(raising(error)).body
    assert isinstance(body["error"], str)
    assert read_error(body["error"]) == error.to_dict()


@pytest.mark.parametrize("error", [RuntimeError("secret"), KeyError("secret"), MemoryError("secret"), F5Error("x")])
def test_the_unforeseen_becomes_internal_and_says_nothing(error: Exception) -> None:
    body = tried(raising(error)).body
    assert json.loads(body["error"])["code"] == "internal"
    assert "secret" not in body["error"]
    assert "Traceback" not in body["error"]


@pytest.mark.parametrize("answer", [{"n": float("nan")}, {"n": object()}, {"n": {1, 2}}])
def test_an_answer_that_is_no_json_is_our_fault(answer: dict[str, Any]) -> None:
    assert read_error(tried(lambda _: answer).body["error"])["code"] == "internal"


@pytest.mark.parametrize("job_input", ["text", 3, ["text"]])
def test_an_input_that_is_no_object_is_the_callers_fault(job_input: Any) -> None:
    assert read_error(tried(lambda _: {}, job_input).body["error"])["field"] == "input"


@pytest.mark.parametrize("error", ["worker exited", "", None, "[1]", '{"no": "code"}'])
def test_the_queues_own_errors_read_as_retryable(error: Any) -> None:
    read = read_error(error)
    assert (read["code"], read["retryable"]) == ("internal", True)


@pytest.mark.parametrize(
    ("error", "cause", "fatal"),
    [
        (EngineFailed("broke"), RuntimeError("CUDA error: an illegal memory access was encountered"), True),
        (RuntimeError("CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"), None, True),
        (type("AcceleratorError", (RuntimeError,), {})("device gone"), None, True),
        (OutOfMemory("no room"), RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), False),
        (RuntimeError("shapes do not match"), None, False),
        (InputError("the text says: CUDA error"), None, False),
    ],
)
def test_which_errors_cost_the_worker(error: Exception, cause: Exception | None, fatal: bool) -> None:
    if cause is not None:
        error.__cause__ = cause
    assert is_fatal(error) is fatal
    assert tried(raising(error, cause)).broken is fatal


def test_progress_raises_when_cancelled() -> None:
    control = JobControl(seconds=60)
    control.progress(STEP)
    assert control.latest == STEP
    control.cancelled.set()
    with pytest.raises(Cancelled):
        control.progress(STEP)


def test_progress_raises_after_the_deadline() -> None:
    control = JobControl(seconds=0, started=0)
    with pytest.raises(DeadlineExceeded) as caught:
        control.progress(STEP)
    assert caught.value.retryable


@pytest.mark.parametrize(
    ("job_input", "streams"),
    [
        ({"options": {"stream": True}}, True),
        ({"options": {"stream": "yes"}}, False),
        ({"options": None}, False),
        ({}, False),
        ([], False),
    ],
)
def test_streaming_is_asked_for_in_so_many_words(job_input: Any, streams: bool) -> None:
    assert wants_stream(job_input) is streams
