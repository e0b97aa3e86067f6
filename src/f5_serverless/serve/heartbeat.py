"""Tells RunPod that this worker lives, and on which jobs it works: one GET every few seconds from a small process.

Why not the SDK's own pinger: it forks a process that already runs threads (models load while the SDK starts), and it
survives a killed worker and keeps its job "alive". This one is a fresh interpreter that imports the standard library
only, reads job ids from its standard input, and ends the moment that pipe closes, however its worker died.

`Heartbeat` is the worker's side; `main` is the process (this file, run by its path). Addresses and keys travel
through the pipe, not the command line.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class PingTarget:
    """Where to ping: ``url`` for this worker, the bare ``key``, ``seconds`` between pings, the SDK's ``version``."""

    url: str
    key: str
    seconds: float
    version: str


class Heartbeat:
    """Owns the pinging process. ``set`` is what the SDK's job tracker calls with each change of the running jobs."""

    def __init__(self, target: PingTarget) -> None:
        self._target = target
        self._jobs = ""
        self._process = self._start()

    def set(self, job_ids: str | None) -> None:
        """``job_ids``: comma-separated, or None for none."""
        self._jobs = job_ids or ""
        self._send(self._jobs)

    def ensure(self) -> None:
        """Starts the process again if something killed it."""
        if self._process.poll() is not None:
            self._process = self._start()
            self._send(self._jobs)

    def stop(self) -> None:
        """Ends the pinging."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=5)

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-S", os.path.abspath(__file__)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0)
        assert process.stdin is not None
        process.stdin.write(json.dumps(asdict(self._target)).encode() + b"\n")
        os.set_blocking(process.stdin.fileno(), False)
        return process

    def _send(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            self.ensure()


def _ping(target: PingTarget, jobs: str) -> None:
    """One GET. A failed ping is only told: the next one follows."""
    query = {"job_id": jobs, "runpod_version": target.version} if jobs else {"runpod_version": target.version}
    separator = "&" if "?" in target.url else "?"
    url = target.url + separator + urllib.parse.urlencode(query)
    request = urllib.request.Request(url, headers={"Authorization": target.key})
    try:
        with urllib.request.urlopen(request, timeout=max(2.0, target.seconds * 2)) as response:
            response.read()
    except OSError as error:  # URLError, time-outs, resets; the text of an HTTPError holds no URL
        print(f"heartbeat: ping failed: {type(error).__name__}", file=sys.stderr, flush=True)


def main() -> None:
    """Reads the target, then lines of job ids; pings until the pipe closes."""
    target: PingTarget | None = None
    jobs, buffer, due = "", b"", 0.0
    while True:
        wait = None if target is None else max(0.0, due - time.monotonic())
        ready, _, _ = select.select([0], [], [], wait)
        if ready:
            data = os.read(0, 65536)
            if not data:
                return
            *lines, buffer = (buffer + data).split(b"\n")
            if lines and target is None:
                target = PingTarget(**json.loads(lines.pop(0)))
            if lines:
                jobs = lines[-1].decode()
        elif target is not None:
            _ping(target, jobs)
            due = time.monotonic() + target.seconds


if __name__ == "__main__":
    main()
