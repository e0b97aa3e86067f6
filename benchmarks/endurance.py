"""Three worker processes on a queue that misbehaves: is any job lost, done twice, or answered with wrong bytes?

Real workers (`handler.py`: SDK, pipeline, preview engine) take jobs from the queue in a box and store in a real S3
server, while workers are killed with SIGKILL, the queue answers 500, breaks connections, forgets results and delivers
jobs twice, and the way to S3 refuses, resets, cuts and stalls connections. Afterwards every stored file is compared
with what the same request gives in this process, undisturbed. Before that, one undisturbed warm worker with a local
store says what a job costs beside its engine's time, from the queue to the answer.

`lost`: jobs that did not end COMPLETED with the right bytes. `doubled`: jobs with more than one result that counted.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from benchmarks.harness import Report, main, percentile
from benchmarks.overhead import ENGINE_STAGES, NOUNS
from f5_serverless.config import Settings
from f5_serverless.pipeline import open_services, run_job
from f5_serverless.serve import dev_queue
from f5_serverless.serve.queue_http import DevQueue
from f5_serverless.serve.queue_state import FINAL, QueueJob, QueueRules
from tests.storage.proxy import Fault, Proxy
from tests.storage.servers import KEY, SECRET, rclone

ROOT = Path(__file__).parents[1]
WORKERS = 3
PING_SECONDS = 0.5
# Probability per request that a worker makes.
QUEUE_FAULTS = {
    "take_500": 0.10,
    "take_429": 0.02,
    "take_lost": 0.01,
    "take_twice": 0.04,
    "done_500": 0.20,
    "done_reset": 0.08,
    "done_lost_reply": 0.08,
    "stream_500": 0.20,
    "ping_500": 0.05,
    "delay": 0.03,
}
# What ends a connection to the store, and after how many bytes on average: a job moves about 200 KB.
STORE_FAULTS = ("reset", "cut", "refuse", "busy")
STORE_FAULT_BYTES = 600_000
PLAIN = {"F5_ENGINE": "preview", "F5_ALIGNER": "pocketsphinx", "F5_LOG_LEVEL": "INFO", "OMP_NUM_THREADS": "1"}


def request(number: int) -> dict[str, Any]:
    """The input of job ``number``: a short sentence, its own seed."""
    text = f"The {NOUNS[number % 10]} is close to the {NOUNS[number // 10 % 10]}."
    return {"text": text, "options": {"seed": number}}


@dataclass
class Yard:
    """The worker processes of one phase."""

    queue: dev_queue.Running
    directory: Path
    environment: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    started: int = 0

    def start(self) -> None:
        """One more worker, in a session of its own: the group dies as one."""
        name = f"worker-{self.started}"
        self.started += 1
        environment = {**os.environ, **PLAIN, **self.environment, **self.queue.worker_environment(name, PING_SECONDS)}
        with (self.directory / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, str(ROOT / "handler.py")],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def dead(self) -> list[str]:
        """The workers that ended by themselves, as one does whose start fails. Too many: RuntimeError with a log."""
        names = [name for name, process in self.processes.items() if process.poll() is not None]
        if self.started > 20 and self.started > 4 * len(self.queue.call(lambda queue: set(queue.state.workers))):
            raise RuntimeError("\n".join((self.directory / f"{name}.log").read_text()[-2000:] for name in names))
        return names

    def close(self) -> None:
        for name in list(self.processes):
            self.kill(name)

    def ready(self) -> list[str]:
        """The workers that have asked for a job."""
        known = self.queue.call(lambda queue: set(queue.state.workers))
        return [name for name in self.processes if name in known]


@contextlib.contextmanager
def yard(queue: dev_queue.Running, directory: Path, environment: dict[str, str], count: int) -> Iterator[Yard]:
    place = Yard(queue, directory, environment)
    try:
        for _ in range(count):
            place.start()
        yield place
    finally:
        place.close()


class Fate(threading.Thread):
    """Kills a random worker in the middle of a job after every so many results; starts another for each that ended."""

    def __init__(self, place: Yard, seed: int, every: int) -> None:
        super().__init__(daemon=True)
        self.kills = 0
        self.ended = 0
        self._place, self._dice, self._every = place, random.Random(seed), every
        self._over = threading.Event()

    def run(self) -> None:
        due = self._every
        while not self._over.wait(0.02):
            for name in self._place.dead():
                self._place.kill(name)
                self._place.start()
                self.ended += 1
            done, busy = self._place.queue.call(_done_and_busy)
            ready = self._place.ready()
            victims = [name for name in ready if name in busy]
            if done >= due and victims and len(ready) > 1:
                self._place.kill(self._dice.choice(victims))
                self._place.start()
                self.kills += 1
                due = done + self._every

    def stop(self) -> None:
        self._over.set()
        self.join()


def _done_and_busy(queue: DevQueue) -> tuple[int, set[str | None]]:
    """How many jobs have ended, and which workers have one."""
    jobs = queue.state.jobs.values()
    return sum(job.final for job in jobs), {job.worker for job in jobs if job.status == "IN_PROGRESS"}


def await_workers(place: Yard, count: int) -> None:
    """Until ``count`` workers have asked for a job; one that ends before is started again."""
    while len(place.ready()) < count:
        for name in place.dead():
            place.kill(name)
            place.start()
        time.sleep(0.05)


# ------------------------------------------------------------------------------------------------------ undisturbed


def overhead(count: int, place: Yard) -> list[tuple[float, float, float]]:
    """``count`` jobs in turn, in ms: from queue to answer less the engine's stages; the store's stage; the rest."""
    found = []
    for number in range(count + 3):
        (job,) = ended([submit(place.queue, request(number))], 300.0, place)
        whole, timings = (job.finished or 0.0) - job.created, job.output["timings"]
        engine = sum(timings.get(stage, 0.0) for stage in ENGINE_STAGES)
        found.append(((whole - engine) * 1e3, timings["store"] * 1e3, (whole - sum(timings.values())) * 1e3))
    return found[3:]


def submit(queue: dev_queue.Running, job_input: dict[str, Any]) -> str:
    """A new job; its id."""
    return str(queue.call(lambda queue: queue.state.submit(job_input).id))


def ended(job_ids: list[str], seconds: float, place: Yard) -> list[QueueJob]:
    """The jobs, once all have ended, or as they are after ``seconds``."""
    until = time.monotonic() + seconds
    jobs: list[QueueJob] = place.queue.call(lambda queue: [queue.state.jobs[job_id] for job_id in job_ids])
    while time.monotonic() < until and not all(job.final for job in jobs):
        time.sleep(0.005 if len(jobs) == 1 else 0.1)
    return jobs


# -------------------------------------------------------------------------------------------------------- disturbed


@dataclass
class Outcome:
    """What became of the disturbed jobs."""

    jobs: list[QueueJob]
    kills: int
    queue_faults: Counter[str]
    store_faults: Counter[str]
    counts: Counter[str]
    seconds: float
    wrong: list[str]


class BadRoad:
    """The proxy's plan: every connection to the store ends badly, sooner or later."""

    def __init__(self, seed: int) -> None:
        self.struck: Counter[str] = Counter()
        self._dice = random.Random(seed)

    def __call__(self, _: int) -> Fault:
        kind = self._dice.choices(STORE_FAULTS, (4, 4, 1, 1))[0]
        self.struck[kind] += 1
        return Fault(kind, int(self._dice.expovariate(1 / STORE_FAULT_BYTES)), upwards=self._dice.random() < 0.7)


@dataclass(frozen=True)
class Plan:
    """How long and how hard.

    ``kill_every``: results between two kills. ``feed_seconds``: no new jobs after that; the submitted ones are waited
    for.
    """

    calm: int
    jobs: int
    kill_every: int
    feed_seconds: float
    end_seconds: float


def disturbed(plan: Plan, place: Yard) -> tuple[list[QueueJob], Fate, float]:
    """The jobs, what was done to the workers, and the seconds it took."""
    for name, probability in QUEUE_FAULTS.items():
        place.queue.queue.faults.set(name, probability=probability)
    start = time.monotonic()
    fate = Fate(place, seed=5, every=plan.kill_every)
    fate.start()
    job_ids: list[str] = []
    while len(job_ids) < plan.jobs and time.monotonic() - start < plan.feed_seconds:
        if place.queue.call(lambda queue: len(queue.state.waiting)) < 2 * WORKERS:
            job_ids.append(submit(place.queue, request(len(job_ids))))
        else:
            time.sleep(0.05)
    jobs = ended(job_ids, plan.end_seconds, place)
    fate.stop()
    return jobs, fate, time.monotonic() - start


def _store_environment(proxy: Proxy, directory: Path) -> dict[str, str]:
    return {
        "S3_BUCKET": "talks",
        "S3_PREFIX": "e/",
        "AWS_ENDPOINT_URL": proxy.endpoint,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "F5_OUTBOX_DIR": str(directory / "outbox"),
        "F5_PROGRESS_SECONDS": "0.2",
    }


def wrong_bytes(jobs: list[QueueJob], buckets: Path, directory: Path) -> list[str]:
    """What is wrong with each job that did not end as it should: its state, or the file that differs."""
    settings = Settings.from_env({**PLAIN, "F5_OUTPUT_DIR": str(directory / "expected")})
    services = open_services(settings, allow_local=False)
    wrong = []
    for number, job in enumerate(jobs):
        if job.status != "COMPLETED":
            wrong.append(f"job {number}: {job.status} {job.error or ''}")
            continue
        expected = run_job(request(number), services)
        for name, there, here in (
            ("audio", job.output["audio_url"], expected["audio_url"]),
            ("subtitles", job.output["subtitle_urls"]["ass"], expected["subtitle_urls"]["ass"]),
        ):
            stored = buckets / unquote(urlsplit(there).path).lstrip("/")
            if _digest(stored) != _digest(Path(unquote(urlsplit(here).path))):
                wrong.append(f"job {number}: {name} differ")
        if job.output["words"] != expected["words"]:
            there, here = job.output["words"], expected["words"]
            pair = next((pair for pair in zip(there, here, strict=False) if pair[0] != pair[1]), None)
            wrong.append(f"job {number}: words differ: {len(there)} and {len(here)}, {pair}")
    return wrong


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "absent"


# ------------------------------------------------------------------------------------------------------- the report

QUICK = Plan(calm=8, jobs=18, kill_every=10, feed_seconds=6.0, end_seconds=60.0)
FULL = Plan(calm=200, jobs=500, kill_every=15, feed_seconds=3600.0, end_seconds=600.0)


def run(quick: bool) -> list[Report]:
    plan = QUICK if quick else FULL
    rules = QueueRules(lost_after=8 * PING_SECONDS, poll_seconds=5, max_deliveries=50)
    road = BadRoad(seed=11)
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store = stack.enter_context(rclone(directory))
        proxy = stack.enter_context(Proxy(store.port, road))
        calm_queue = stack.enter_context(dev_queue.running())
        queue = stack.enter_context(dev_queue.running(rules, seed=7))
        (directory / "calm").mkdir()
        calm_environment = {"F5_OUTPUT_DIR": str(directory / "out"), "F5_OUTBOX_DIR": str(directory / "calm")}
        calm = stack.enter_context(yard(calm_queue, directory / "calm", calm_environment, 1))
        place = stack.enter_context(yard(queue, directory, _store_environment(proxy, directory), WORKERS))
        await_workers(calm, 1)
        await_workers(place, WORKERS)  # starting workers would disturb the measurement
        found = overhead(plan.calm, calm)
        calm.close()
        jobs, fate, seconds = disturbed(plan, place)
        place.close()
        assert store.root is not None
        wrong = wrong_bytes(jobs, store.root, directory)
    return [_calm_report(found), _report(jobs, fate, seconds, queue.queue, road, wrong)]


def _calm_report(found: list[tuple[float, float, float]]) -> Report:
    (p50, p99), stored, beside = (
        [percentile(part, share) for share in (0.5, 0.99)] for part in zip(*found, strict=True)
    )
    return Report(
        title=f"{len(found)} jobs on one undisturbed worker: queue to answer less the engine's time",
        columns=["", "p50", "p99", "goal p50", "goal p99"],
        rows=[
            ["overhead, ms", f"{p50:.1f}", f"{p99:.1f}", "≤ 60", "≤ 250"],
            ["of it making files durable in the local store, ms", f"{stored[0]:.1f}", f"{stored[1]:.1f}"],
            ["of it outside the pipeline's stages (queue, worker), ms", f"{beside[0]:.1f}", f"{beside[1]:.1f}"],
        ],
        figures={"overhead_p50_ms": round(p50, 1), "overhead_p99_ms": round(p99, 1)},
    )


def _report(
    jobs: list[QueueJob], fate: Fate, seconds: float, queue: DevQueue, road: BadRoad, wrong: list[str]
) -> Report:
    doubled = sum(1 for job in jobs if sum(counted for _, counted in job.results) > 1)
    lost = len({text.split(":")[0] for text in wrong})
    statuses = Counter(job.status for job in jobs)
    told = {
        "jobs": len(jobs),
        **{name.lower(): statuses[name] for name in FINAL if statuses[name]},
        "workers killed": fate.kills,
        "workers that ended by themselves": fate.ended,
        **{f"queue: {name}": struck for name, struck in sorted(queue.faults.struck.items())},
        **{f"store: connection {name}": struck for name, struck in sorted(road.struck.items())},
        "jobs given to another worker": queue.state.counts["requeued"],
        "jobs delivered more than once": sum(1 for job in jobs if job.deliveries > 1),
        "repeated results, ignored": queue.state.counts["repeated_results"],
        "progress after the end": queue.state.counts["late_progress"],
        "lost": lost,
        "doubled": doubled,
    }
    return Report(
        title=f"{len(jobs)} jobs on {WORKERS} workers under faults, {seconds:.0f} s",
        columns=["what", "how often"],
        rows=[[name, str(value)] for name, value in told.items()],
        figures={
            "jobs": len(jobs),
            "faults": fate.kills + queue.faults.struck.total() + road.struck.total(),
            "lost": lost,
            "doubled": doubled,
        },
        notes=wrong[:10],
    )


if __name__ == "__main__":
    main(run)
