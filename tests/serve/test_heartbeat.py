"""The pinging process: names the running jobs, and never outlives its worker."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

from f5_serverless.serve.heartbeat import Heartbeat, PingTarget
from tests.serve.conftest import Box


def target(box: Box, worker: str = "w") -> PingTarget:
    return PingTarget(f"{box.running.base}/dev/ping/{worker}", "key", 0.05, "1.0")


def test_it_names_the_running_jobs_and_is_started_again_when_killed(box: Box) -> None:
    job_id = box.submit()
    job = box.running.call(lambda queue: queue.state.take("w")[0])
    heartbeat = Heartbeat(target(box))
    try:
        for _ in range(2):
            heartbeat.set(f"other,{job_id}")
            taken = box.running.call(lambda queue: queue.state.clock())
            box.until(lambda taken=taken: job.named > taken, 10)
            heartbeat._process.kill()
            heartbeat._process.wait()
            heartbeat.ensure()
    finally:
        heartbeat.stop()
    assert heartbeat._process.returncode == 0


def test_a_failing_queue_does_not_end_it(box: Box) -> None:
    box.fault("ping_500", times=3)
    heartbeat = Heartbeat(target(box))
    box.until(lambda: "w" in box.running.call(lambda queue: queue.state.workers), 10)
    heartbeat.stop()


def test_it_ends_when_its_worker_is_killed(box: Box) -> None:
    code = f"""
        import time
        from f5_serverless.serve.heartbeat import Heartbeat, PingTarget
        heartbeat = Heartbeat({target(box)!r})
        print(heartbeat._process.pid, flush=True)
        time.sleep(60)
    """
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    box.until(lambda: not _alive(pid), 10)


def _alive(pid: int) -> bool:
    """Whether the process runs; one that waits to be collected does not."""
    try:
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
