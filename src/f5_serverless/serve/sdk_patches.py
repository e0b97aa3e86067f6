"""All that touches the inside of the RunPod SDK, in one place, with a check that the inside is still as it was.

Kept from the SDK: its arguments (``--test_input``, ``--rp_serve_api``), fitness checks, the two requests to the queue
(job-take and job-stop), the HTTP session, addresses and job tracker. Replaced, by setting one name
(``runpod.serverless.worker.run_worker``): the worker's loop, because the SDK's

- sleeps up to 1.1 s between two jobs and asks a failing queue again without a pause;
- posts a result three times and then drops it, and posts progress from threads that may overtake the result;
- waits for the open poll (90 s) on SIGTERM;
- forks its pinger from a process with threads, and leaves it behind when the worker is killed.

The replaced and imitated parts are fingerprinted: another SDK release whose inside differs stops the worker at its
start, rather than failing quietly on some job.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import inspect
import sys
import types
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from f5_serverless.errors import SetupError

# Source fingerprints (comments and blank lines do not count) of runpod 1.12.0.
_SHAPE: Mapping[str, str] = {
    "runpod.serverless:start": "730247dce0538de2",
    "runpod.serverless.worker:main": "d1b0cf1f41140a2b",
    "runpod.serverless.worker:run_worker": "f87804f02328571d",
    "runpod.serverless.modules.rp_job:get_job": "5221073b7b9fabcd",
    "runpod.serverless.modules.rp_job:get_stop_signals": "e6e024a4f78f276d",
    "runpod.serverless.modules.rp_job:handle_job": "234267bc94b5a719",
    "runpod.serverless.modules.rp_job:run_job": "2f87c0cdf665c959",
    "runpod.serverless.modules.rp_http:_transmit": "795b2cd8b86b4776",
    "runpod.serverless.modules.rp_http:_handle_result": "436336aba74229ba",
    "runpod.serverless.modules.rp_ping:Heartbeat": "d3b6ac0561a8cdac",
    "runpod.serverless.modules.rp_scale:JobScaler": "15fb556f91541aa7",
    "runpod.serverless.modules.worker_state:JobsProgress": "72c1c5fded302933",
}


@dataclass(frozen=True)
class Sdk:
    """The parts of the SDK that our loop stands on."""

    version: str
    worker_id: str
    done_url: str
    """Where a result goes; ``$ID`` stands for the job."""
    stream_url: str
    session: Callable[[], Any]
    """Makes the aiohttp session with the worker's credentials."""
    get_job: Callable[[Any, int], Awaitable[list[dict[str, Any]] | None]]
    get_stop_signals: Callable[[Any], Awaitable[list[str]]]
    too_many_requests: type[Exception]
    running_jobs: Any
    """``JobsProgress``: what job-take reports as in progress."""
    run_fitness_checks: Callable[[], Awaitable[None]]
    log: Callable[[str, str, str | None], None]
    """``(message, level, job id)`` in the form that RunPod's console reads."""


def fingerprint(thing: Any) -> str:
    """Names the source of a function or class, whatever its comments and indentation."""
    lines = (line.split("#")[0].strip() for line in inspect.getsource(thing).splitlines())
    return hashlib.sha256("\n".join(line for line in lines if line).encode()).hexdigest()[:16]


def check_shape() -> None:
    """Raises `SetupError` naming the parts of the SDK that are not as this module knows them."""
    changed = []
    for place, expected in _SHAPE.items():
        module, name = place.split(":")
        found = getattr(importlib.import_module(module), name, None)
        if found is None or fingerprint(found) != expected:
            changed.append(place)
    if changed:
        raise SetupError(
            f"The RunPod SDK has changed where the worker relies on it: {', '.join(changed)}.",
            hint="Install runpod==1.12.0, or review serve/sdk_patches.py against the new release.",
            retryable=False,
        )


def load_sdk() -> Sdk:
    """Imports the SDK (a second), checks its shape, and returns the parts in use."""
    with _lean_import():
        from runpod import http_client  # type: ignore[import-untyped]
    from runpod.serverless.modules import rp_fitness, rp_http, rp_job, rp_logger, worker_state  # type: ignore[import-untyped]
    from runpod.version import __version__  # type: ignore[import-untyped]

    check_shape()
    logger = rp_logger.RunPodLogger()
    return Sdk(
        version=__version__,
        worker_id=worker_state.WORKER_ID,
        done_url=rp_http.JOB_DONE_URL,
        stream_url=rp_http.JOB_STREAM_URL,
        session=http_client.AsyncClientSession,
        get_job=rp_job.get_job,
        get_stop_signals=rp_job.get_stop_signals,
        too_many_requests=http_client.TooManyRequests,
        running_jobs=worker_state.JobsProgress(),
        run_fitness_checks=rp_fitness.run_fitness_checks,
        log=logger.log,
    )


@contextlib.contextmanager
def _lean_import() -> Iterator[None]:
    """Spares the SDK's import two things that no worker needs, and two thirds of its time.

    It asks the processor's brand for its debugger (and copes with no answer), and its command line, which the HTTP
    client happens to pull in, imports paramiko (and touches it only in SSH commands).
    """
    stubs = {name: types.ModuleType(name) for name in ("paramiko", "cpuinfo") if name not in sys.modules}
    if "cpuinfo" in stubs:
        stubs["cpuinfo"].get_cpu_info = dict  # type: ignore[attr-defined]
    sys.modules.update(stubs)
    try:
        yield
    finally:
        for name in stubs:
            del sys.modules[name]


def start(config: dict[str, Any], loop: Callable[[], None]) -> None:
    """The SDK's ``start``, with ``loop`` in place of its worker loop when jobs come from a queue."""
    import runpod.serverless  # type: ignore[import-untyped]
    from runpod.serverless import worker

    worker.run_worker = lambda _config: loop()
    runpod.serverless.start(config)


def register_check(name: str, check: Callable[[], object]) -> None:
    """Adds a fitness check; the SDK reports ``name`` when it fails, and ends the process."""
    from runpod.serverless.modules import rp_fitness

    def run() -> None:
        check()

    run.__name__ = name
    rp_fitness.register_fitness_check(run)
