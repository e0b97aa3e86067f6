"""Sends one job through a queue on this machine to a worker that a given command starts, and checks the answer.

Usage: image_job.py -- COMMAND…  ; the argument ``@ENV@`` is replaced by ``--env NAME=VALUE`` for each variable that
the worker needs.
"""

from __future__ import annotations

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


def main() -> int:
    """Exit code 0 when the job completed with sound and timed words."""
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
    output = state.get("output") or {}
    if state.get("status") != "COMPLETED" or not output.get("audio_url") or not output.get("words"):
        print(f"The job did not complete: {json.dumps(state)[:2000]}", file=sys.stderr)
        return 1
    print(f"job completed in {seconds:.1f} s from a cold container: {len(output['words'])} timed words")
    return 0


if __name__ == "__main__":
    sys.exit(main())
