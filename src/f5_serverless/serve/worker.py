"""The RunPod worker: loads the models, checks the machine, and runs jobs until it is told to end.

In: `Settings`, a function that loads everything and returns the `JobRunner`, and the process's environment. The same
call serves all of RunPod's ways: the queue (`job_loop`), ``--test_input '{"input": …}'`` and ``--rp_serve_api`` (both
the SDK's). docs/worker.md describes states, errors and settings.

It does not know what a job is: the pipeline is behind the `JobRunner`. The SDK is imported inside `run_worker`, while
the models load in another thread.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import os
import sys
import threading
from collections.abc import Callable, Coroutine, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from f5_serverless.config import Settings
from f5_serverless.errors import F5Error
from f5_serverless.serve import sdk_patches
from f5_serverless.serve.fitness import Check
from f5_serverless.serve.heartbeat import Heartbeat, PingTarget
from f5_serverless.serve.job import JobContext, JobControl, JobRunner, attempt, failure, unforeseen
from f5_serverless.serve.job_loop import JobLoop, LoopTimes
from f5_serverless.serve.outbox import Outbox

log = logging.getLogger("f5_serverless.worker")

_SDK_LEVELS = {"WARNING": "WARN", "ERROR": "ERROR"}


def run_worker(
    settings: Settings,
    load: Callable[[], JobRunner],
    *,
    environ: MutableMapping[str, str],
    checks: Sequence[Check] = (),
    times: LoopTimes | None = None,
) -> int:
    """Serves jobs until SIGTERM; the exit code.

    ``load`` runs once, in a thread, while the SDK is imported; no job is taken before it has returned. ``environ`` is
    ``os.environ``: RunPod's variables are read from it, and the SDK's log level is set in it where it is unset.
    ``checks`` run before the first job. ``times`` replaces what follows from ``settings`` (tests).
    """
    loading = _in_thread(load)
    # The SDK's default is DEBUG, which prints whole inputs and outputs.
    environ.setdefault("RUNPOD_LOG_LEVEL", _SDK_LEVELS.get(settings.log_level.upper(), "INFO"))
    sdk = sdk_patches.load_sdk()
    _log_through(sdk, settings.log_level)
    times = times or LoopTimes(
        concurrency=settings.concurrency,
        job_seconds=settings.job_seconds,
        drain_seconds=settings.drain_seconds,
        progress_seconds=settings.progress_seconds,
    )
    exit_code = 0

    def serve_queue() -> None:
        nonlocal exit_code
        exit_code = _serve_queue(sdk, loading, settings, times, environ, checks)

    sdk_patches.start({"handler": local_handler(loading, times)}, serve_queue)
    return exit_code


def _serve_queue(
    sdk: sdk_patches.Sdk,
    loading: concurrent.futures.Future[JobRunner],
    settings: Settings,
    times: LoopTimes,
    environ: MutableMapping[str, str],
    checks: Sequence[Check],
) -> int:
    """What stands in for the SDK's worker loop: life signs first, then checks (the models last), then jobs."""
    heartbeat = _heartbeat(sdk, environ)
    if heartbeat is not None:
        sdk.running_jobs.set_mirror(heartbeat)
    for check in (*checks, Check("models", loading.result)):
        sdk_patches.register_check(check.name, check.run)
    asyncio.run(_checked(sdk))  # ends the process where one fails
    loop = JobLoop(sdk, loading.result(), _outbox(settings), times, heartbeat)
    code = loop.start()
    if heartbeat is not None:
        heartbeat.stop()
    log.info("Ended with code %d", code)
    if loop.abandoned:  # a thread that cannot be stopped would keep the process, and its pings' jobs, for ever
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


async def _checked(sdk: sdk_patches.Sdk) -> None:
    await sdk.run_fitness_checks()


def local_handler(
    loading: concurrent.futures.Future[JobRunner], times: LoopTimes
) -> Callable[[dict[str, Any]], Coroutine[Any, Any, dict[str, Any]]]:
    """The handler that the SDK itself calls (``--test_input``, ``--rp_serve_api``): one job, no queue to talk to.

    It is a plain coroutine, since the SDK's test mode never consumes a generator; a streaming request gets the whole.
    """
    threads = concurrent.futures.ThreadPoolExecutor(times.concurrency, thread_name_prefix="job")

    async def handle(job: dict[str, Any]) -> dict[str, Any]:
        try:
            runner = await asyncio.wrap_future(loading)
        except F5Error as error:
            return failure(error)
        except Exception:
            log.exception("The models could not be loaded")
            return failure(unforeseen())
        control = JobControl(times.job_seconds)
        context = JobContext(str(job.get("id")), job.get("input", {}), control.progress, False, lambda _: None)
        result = await asyncio.get_running_loop().run_in_executor(threads, attempt, runner, context)
        output = result.body.get("output")
        return output if isinstance(output, dict) else result.body

    return handle


def _in_thread(load: Callable[[], JobRunner]) -> concurrent.futures.Future[JobRunner]:
    """``load()`` in a daemon thread: one that hangs must not keep a process that failed its checks."""
    future: concurrent.futures.Future[JobRunner] = concurrent.futures.Future()

    def run() -> None:
        try:
            future.set_result(load())
        except Exception as error:  # noqa: BLE001  raised again by whoever asks the future
            future.set_exception(error)

    threading.Thread(target=run, name="load", daemon=True).start()
    return future


def _heartbeat(sdk: sdk_patches.Sdk, environ: MutableMapping[str, str]) -> Heartbeat | None:
    """The pinging process, where RunPod said whom to ping."""
    url, key = environ.get("RUNPOD_WEBHOOK_PING"), environ.get("RUNPOD_AI_API_KEY")
    if not url or not key or "RUNPOD_POD_ID" not in environ:
        log.info("No pings: RunPod's variables for them are not set")
        return None
    seconds = int(environ.get("RUNPOD_PING_INTERVAL", "10000")) / 1000
    return Heartbeat(PingTarget(url.replace("$RUNPOD_POD_ID", sdk.worker_id), key, seconds, sdk.version))


def _outbox(settings: Settings) -> Outbox | None:
    """The outbox where it was set, else on the volume, else none (said in the log)."""
    place = Path(settings.outbox_dir) if settings.outbox_dir else settings.volume_root / "outbox"
    if not settings.outbox_dir and not settings.volume_root.is_dir():
        log.warning("No outbox (no volume, F5_OUTBOX_DIR not set): a result is lost if this worker dies with it")
        return None
    try:
        return Outbox(place)
    except OSError as error:
        log.error("No outbox: %s cannot be used (%s)", place, error.strerror)
        return None


def _log_through(sdk: sdk_patches.Sdk, level: str) -> None:
    """Sends this package's log through the SDK's, so that RunPod's console shows it beside the job's id."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            name = {"WARNING": "WARN", "CRITICAL": "ERROR"}.get(record.levelname, record.levelname)
            sdk.log(self.format(record), name, getattr(record, "job_id", None))

    logger = logging.getLogger("f5_serverless")
    logger.handlers = [Handler()]
    logger.setLevel(level.upper())
    logger.propagate = False
