"""Sends one job through a queue on this machine to a worker that a given command starts, and checks the answer.

Usage: image_job.py -- COMMAND…  ; the argument ``@ENV@`` is replaced by ``--env NAME=VALUE`` for each variable that
the worker needs.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from typing import Any

from f5_serverless.serve.dev_queue import running

JOB = {"input": {"text": "The container has done its first job.", "options": {"engine": "preview", "seed": 7}}}
PATIENCE = 180.0


def call(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """One request to the queue's client API."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "Authorization": "Bearer dev"}
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


def inline_bytes(value: object) -> int:
    """The size of the largest base64 text anywhere in an answer."""
    if isinstance(value, dict):
        return max((inline_bytes(part) for part in value.values()), default=0)
    if isinstance(value, list):
        return max((inline_bytes(part) for part in value), default=0)
    if isinstance(value, str) and len(value) > 1000:
        return len(base64.b64decode(value, validate=False))
    return 0


def main() -> int:
    """Exit code 0 when the job completed with sound in it."""
    command = sys.argv[sys.argv.index("--") + 1 :]
    with running() as queue:
        variables = queue.worker_environment("image") | {"F5_ENGINE": "preview"}
        given = [part for name, value in variables.items() for part in ("--env", f"{name}={value}")]
        at = command.index("@ENV@")
        worker = subprocess.Popen([*command[:at], *given, *command[at + 1 :]], start_new_session=True)
        try:
            started = time.monotonic()
            endpoint = f"{queue.base}/{queue.queue.endpoint}"
            job = call(f"{endpoint}/run", JOB)["id"]
            state: dict[str, Any] = {}
            while time.monotonic() - started < PATIENCE and worker.poll() is None:
                state = call(f"{endpoint}/status/{job}")
                if state["status"] in ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"):
                    break
                time.sleep(0.2)
            seconds = time.monotonic() - started
        finally:
            os.killpg(worker.pid, signal.SIGTERM)
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(worker.pid, signal.SIGKILL)
    sound = inline_bytes(state.get("output"))
    if state.get("status") != "COMPLETED" or sound < 10_000:
        print(f"The job did not complete: {json.dumps(state)[:2000]}", file=sys.stderr)
        return 1
    print(f"job completed in {seconds:.1f} s from a cold container, {sound} bytes of sound")
    return 0


if __name__ == "__main__":
    sys.exit(main())
