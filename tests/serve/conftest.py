"""A queue in a box, RunPod's own client on it, and real worker processes that are gone when the test is."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from f5_serverless.serve import dev_queue
from f5_serverless.serve.queue_state import QueueRules

SCRIPT = Path(__file__).with_name("fake_worker.py")


class Worker:
    """A worker process in a session of its own, its output in a file."""

    def __init__(self, command: list[str], environment: dict[str, str], output: Path) -> None:
        self.output = output
        with output.open("wb") as file:
            self.process = subprocess.Popen(
                command, env={**os.environ, **environment}, start_new_session=True, stdout=file, stderr=file
            )

    def log(self) -> str:
        return self.output.read_text()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Box:
    """A running queue, its client, and its workers."""

    def __init__(self, running: dev_queue.Running, tmp: Path) -> None:
        self.running = running
        self.tmp = tmp
        self.workers: list[Worker] = []

    def start(self, name: str = "w1", arguments: tuple[str, ...] = (), **config: Any) -> Worker:
        """Starts ``fake_worker.py`` with ``config``; all share one outbox."""
        config = {"outbox": str(self.tmp / "outbox"), **config}
        command = [sys.executable, str(SCRIPT), json.dumps(config), *arguments]
        return self.run(name, command)

    def run(self, name: str, command: list[str]) -> Worker:
        environment = self.running.worker_environment(name, ping_seconds=0.3)
        worker = Worker(command, environment, self.tmp / f"{name}-{len(self.workers)}.log")
        self.workers.append(worker)
        return worker

    def submit(self, **job_input: Any) -> str:
        return self.running.call(lambda queue: self._submit(queue, job_input))

    @staticmethod
    def _submit(queue: Any, job_input: dict[str, Any]) -> str:
        job = queue.state.submit(job_input)
        return str(job.id)

    def job(self, job_id: str) -> Any:
        return self.running.call(lambda queue: queue.state.jobs[job_id])

    def fault(self, name: str, **how: Any) -> None:
        self.running.call(lambda queue: queue.faults.set(name, **how))

    def struck(self, fault: str) -> int:
        return int(self.running.call(lambda queue: queue.faults.struck[fault]))

    def count(self, name: str) -> int:
        return int(self.running.call(lambda queue: queue.state.counts[name]))

    def until(self, ready: Callable[[], Any], seconds: float = 40.0) -> Any:
        """What ``ready`` returns once that is true; fails the test with the workers' logs after ``seconds``."""
        end = time.monotonic() + seconds
        while not (found := ready()):
            if time.monotonic() > end:
                logs = "\n".join(f"--- {worker.output.name}\n{worker.log()[-3000:]}" for worker in self.workers)
                pytest.fail(f"did not happen within {seconds} s\n{logs}")
            time.sleep(0.02)
        return found

    def finished(self, job_id: str) -> Any:
        """The job, once it has ended."""
        self.until(lambda: self.job(job_id).final)
        return self.job(job_id)

    def running_job(self, job_id: str) -> None:
        """Waits until a worker has made progress on the job."""
        self.until(lambda: self.job(job_id).progress > 0)

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()


@contextlib.contextmanager
def box_in(tmp: Path, rules: QueueRules | None = None) -> Iterator[Box]:
    with dev_queue.running(rules or QueueRules(lost_after=1.5, poll_seconds=5)) as running:
        box = Box(running, tmp)
        try:
            yield box
        finally:
            box.close()


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    """A queue of this test's own."""
    with box_in(tmp_path) as box:
        yield box


@pytest.fixture(scope="module")
def steady(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A queue with one undisturbed worker, shared by a module's tests."""
    with box_in(tmp_path_factory.mktemp("steady")) as box:
        box.start("steady", times={"progress_seconds": 0.05, "longest_pause": 2.0})
        yield box


@pytest.fixture
def endpoint(steady: Box, monkeypatch: pytest.MonkeyPatch) -> Any:
    """RunPod's client library, pointed at the steady queue."""
    import runpod

    monkeypatch.setattr(runpod, "endpoint_url_base", steady.running.base)
    return runpod.Endpoint("dev", api_key="anything")


@pytest.fixture
def unused_port() -> int:
    """A port that was free a moment ago, for servers that cannot choose one themselves."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
