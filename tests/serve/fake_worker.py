"""A real worker process with a quick, fake job in place of the pipeline. Run by the tests, not collected by them.

    python fake_worker.py '{"outbox": "/tmp/x", "times": {"drain_seconds": 5}}' [--test_input …]

What a job does is said by its input: see `run`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from f5_serverless.config import Settings
from f5_serverless.errors import EngineFailed, FetchFailed
from f5_serverless.serve.fitness import Check, volume_check
from f5_serverless.serve.job import JobContext
from f5_serverless.serve.job_loop import LoopTimes
from f5_serverless.serve.worker import run_worker
from f5_serverless.types import Progress


def run(context: JobContext) -> dict[str, Any]:
    """Echoes; on the way it may note that it ran, take steps, send pieces, hang, fail or grow."""
    job = context.input
    if note := job.get("note"):
        with Path(note).open("a") as file:
            file.write(f"{os.getpid()}\n")
    for step in range(job.get("steps", 0)):
        context.progress(Progress("synthesise", step, job["steps"]))
        time.sleep(job.get("pause", 0.05))
        if context.streaming:
            context.emit({"chunk": step})
    time.sleep(job.get("deaf", 0))
    match job.get("raise"):
        case "internal":
            raise RuntimeError("s3cr3t detail")
        case "fetch":
            raise FetchFailed("The server did not answer.", field="audio_url")
        case "cuda":
            raise EngineFailed("The engine broke.") from RuntimeError("CUDA error: device-side assert triggered")
        case "nan":
            return {"score": float("nan")}
    return {"echo": job.get("echo"), "padding": "x" * job.get("size", 0)}


def load() -> Any:
    time.sleep(config.get("load", 0))
    if config.get("load_fails"):
        raise EngineFailed("no weights")
    return run


if __name__ == "__main__":
    config = json.loads(sys.argv.pop(1))
    sys.exit(
        run_worker(
            Settings(outbox_dir=config.get("outbox", "")),
            load,
            environ=os.environ,
            checks=[volume_check(Path(config["volume"]))] if "volume" in config else [Check("nothing", lambda: None)],
            times=LoopTimes(**config.get("times", {})),
        )
    )
