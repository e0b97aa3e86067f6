"""What the queue in a box knows: jobs, workers, and the rules between them. No HTTP in here.

The rules are RunPod's as its documentation and SDK show them: a job is IN_QUEUE, then IN_PROGRESS, then exactly one of
`FINAL`. It runs out of time after its execution timeout; it goes back to the queue when no ping of a worker has named
it for ``lost_after`` seconds (a dead worker, or a hand-over that was never read). The first final result wins: later
ones are counted and ignored. All times are seconds of ``clock``; what clients see is in milliseconds, as at RunPod.

Not thread-safe: everything runs on one event loop (`queue_http`), or in one test.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

FINAL = ("COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT")


@dataclass
class QueueRules:
    """What can be chosen about a queue. Times in seconds."""

    execution_timeout: float = 600.0
    lost_after: float = 30.0
    """A job in progress that no ping has named for so long goes back to the queue."""
    max_deliveries: int = 20
    """A job that was handed out so often and never answered fails."""
    keep_async: float = 1800.0
    keep_sync: float = 60.0
    max_async_bytes: int = 10_000_000
    max_sync_bytes: int = 20_000_000
    max_piece_bytes: int = 1_000_000
    poll_seconds: float = 20.0
    """How long an unanswered request for a job, or for stop signals, is held open."""


@dataclass
class QueueJob:
    """One job and all that happened to it."""

    id: str
    input: Any
    sync: bool
    created: float
    timeout: float
    status: str = "IN_QUEUE"
    worker: str | None = None
    started: float | None = None
    named: float = 0.0
    """When a ping, a progress event or a stream piece last named it."""
    finished: float | None = None
    output: Any = None
    error: Any = None
    progress: int = 0
    deliveries: int = 0
    results: list[tuple[str, bool]] = field(default_factory=list)
    """Every final result that arrived: (the worker, whether it was the one that counted)."""
    stream: deque[Any] = field(default_factory=deque)

    @property
    def final(self) -> bool:
        return self.status in FINAL

    def view(self) -> dict[str, Any]:
        """The job as ``/status`` shows it."""
        shown: dict[str, Any] = {"id": self.id, "status": self.status}
        if self.started is not None:
            shown["delayTime"] = round((self.started - self.created) * 1000)
        if self.started is not None and self.finished is not None:
            shown["executionTime"] = round((self.finished - self.started) * 1000)
        if self.output is not None:
            shown["output"] = self.output
        if self.error is not None:
            shown["error"] = self.error
        if self.worker is not None:
            shown["workerId"] = self.worker
        if self.deliveries > 1:
            shown["retries"] = self.deliveries - 1
        return shown


class QueueState:
    """All jobs of one endpoint. Methods named after what the two APIs do."""

    def __init__(self, rules: QueueRules | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.rules = rules or QueueRules()
        self.clock = clock
        self.jobs: dict[str, QueueJob] = {}
        self.waiting: deque[str] = deque()
        self.again: set[str] = set()
        """Jobs that will be delivered a second time."""
        self.stops: dict[str, set[str]] = {}
        self.workers: dict[str, float] = {}
        """When each worker was last heard of."""
        self.counts: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        """Requests of workers by kind, faulty ones included."""

    # ------------------------------------------------------------------------------------------- what clients do

    def submit(self, job_input: Any, *, sync: bool = False, timeout: float | None = None) -> QueueJob:
        """A new job at the end of the queue. Its id starts with ``sync-`` where a client waits for the answer."""
        job_id = ("sync-" if sync else "") + str(uuid.uuid4())
        job = QueueJob(job_id, job_input, sync, self.clock(), timeout or self.rules.execution_timeout)
        self.jobs[job_id] = job
        self.waiting.append(job_id)
        return job

    def cancel(self, job: QueueJob) -> None:
        """Ends a job that has not ended; a worker that runs it is told to stop."""
        if not job.final:
            self._stop(job)
            job.output = None
            self._end(job, "CANCELLED")

    def purge(self) -> int:
        """Cancels all jobs that nobody has taken; how many."""
        queued = [job for job in self.jobs.values() if job.status == "IN_QUEUE"]
        for job in queued:
            self.cancel(job)
        return len(queued)

    def retry(self, job: QueueJob) -> bool:
        """Queues a failed or timed-out job again; False where there is nothing to retry."""
        if job.status not in ("FAILED", "TIMED_OUT"):
            return False
        job.output = job.error = job.finished = None
        self._requeue(job, "retried")
        return True

    def drain_stream(self, job: QueueJob) -> list[Any]:
        """The stream pieces that came since this was last asked."""
        pieces = list(job.stream)
        job.stream.clear()
        return pieces

    def health(self) -> dict[str, dict[str, int]]:
        """Counts as ``/health`` shows them. A worker counts until it was silent for ``lost_after``."""
        status = Counter(job.status for job in self.jobs.values())
        alive = {name for name, heard in self.workers.items() if self.clock() - heard < self.rules.lost_after}
        running = {job.worker for job in self.jobs.values() if job.status == "IN_PROGRESS"} & alive
        return {
            "jobs": {
                "completed": status["COMPLETED"],
                "failed": status["FAILED"] + status["TIMED_OUT"],
                "inProgress": status["IN_PROGRESS"],
                "inQueue": status["IN_QUEUE"],
                "retried": self.counts["requeued"] + self.counts["retried"],
            },
            "workers": {
                "idle": len(alive) - len(running),
                "initializing": 0,
                "ready": len(alive) - len(running),
                "running": len(running),
                "throttled": 0,
                "unhealthy": self.counts["unhealthy"],
            },
        }

    # ------------------------------------------------------------------------------------------- what workers do

    def heard(self, worker: str) -> None:
        """A worker showed that it is there."""
        self.workers[worker] = self.clock()

    def take(self, worker: str, count: int = 1) -> list[QueueJob]:
        """Hands up to ``count`` jobs to ``worker``, oldest first."""
        taken: list[QueueJob] = []
        while self.waiting and len(taken) < count:
            job = self.jobs.get(self.waiting.popleft())
            if job is None or (job.status != "IN_QUEUE" and job.id not in self.again):
                continue
            self.again.discard(job.id)
            job.deliveries += 1
            if job.status == "IN_QUEUE":
                job.status, job.worker = "IN_PROGRESS", worker
                job.started = job.named = self.clock()
            taken.append(job)
        return taken

    def deliver_again(self, job: QueueJob) -> None:
        """Hands out a job that is being worked on, or has ended, once more (queues do that). Its state stays."""
        self.again.add(job.id)
        self.waiting.appendleft(job.id)
        self.counts["delivered_twice"] += 1

    def ping(self, worker: str, job_ids: list[str]) -> None:
        """A worker is alive and works on ``job_ids``."""
        self.heard(worker)
        for job_id in job_ids:
            job = self.jobs.get(job_id)
            if job is not None:
                job.named = self.clock()

    def progress(self, job: QueueJob, output: Any) -> None:
        """A progress event. One that comes after the end would overwrite the answer at RunPod: counted, not kept."""
        if job.final:
            self.counts["late_progress"] += 1
            return
        job.output, job.named = output, self.clock()
        job.progress += 1

    def piece(self, job: QueueJob, output: Any) -> None:
        """One piece of a streamed answer."""
        job.stream.append({"output": output})
        job.named = self.clock()

    def result(self, job: QueueJob, worker: str, body: dict[str, Any]) -> bool:
        """A final result ``{"output"}`` or ``{"error"}``. Whether it was the one that counts."""
        counts = not job.final
        job.results.append((worker, counts))
        if not counts:
            self.counts["repeated_results"] += 1
            return False
        if job.worker != worker:
            self.counts["late_results"] += 1
            self._stop(job)
        job.worker = worker
        job.output, job.error = body.get("output"), body.get("error")
        self._end(job, "FAILED" if job.error is not None else "COMPLETED")
        return True

    def take_stops(self, worker: str) -> list[str]:
        """The jobs that ``worker`` must stop, told once."""
        return sorted(self.stops.pop(worker, ()))

    # --------------------------------------------------------------------------------------------- what time does

    def tick(self) -> None:
        """Applies what time alone decides: timeouts, lost jobs, expired results."""
        now = self.clock()
        for job in list(self.jobs.values()):
            if job.status == "IN_PROGRESS" and job.started is not None:
                if now - job.started > job.timeout:
                    self._stop(job)
                    job.output, job.error = None, f"job timed out after {job.timeout:g} s"
                    self._end(job, "TIMED_OUT")
                elif now - job.named > self.rules.lost_after:
                    self._lose(job)
            elif job.finished is not None:
                keep = self.rules.keep_sync if job.sync else self.rules.keep_async
                if now - job.finished > keep:
                    del self.jobs[job.id]

    def _lose(self, job: QueueJob) -> None:
        if job.deliveries >= self.rules.max_deliveries:
            job.error = f"job was given to {job.deliveries} workers and never answered"
            self._end(job, "FAILED")
        else:
            self._requeue(job, "requeued")

    def _requeue(self, job: QueueJob, reason: str) -> None:
        job.status, job.worker = "IN_QUEUE", None
        job.stream.clear()
        self.waiting.appendleft(job.id)
        self.counts[reason] += 1

    def _end(self, job: QueueJob, status: str) -> None:
        job.status, job.finished = status, self.clock()
        self.counts[status] += 1

    def _stop(self, job: QueueJob) -> None:
        if job.status == "IN_PROGRESS" and job.worker is not None:
            self.stops.setdefault(job.worker, set()).add(job.id)
