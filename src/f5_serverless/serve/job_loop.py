"""The worker's loop between queue and work: takes jobs, runs them in threads, hands in each result, ends in good order.

In: the SDK's parts (`sdk_patches.Sdk`), a `JobRunner`, an `Outbox` and times. It keeps these promises:

- a finished result is in the outbox before it is posted, and stays until the queue has taken it;
- no progress event is under way when the final result is posted;
- a queue that fails is asked again with growing pauses;
- a job that is cancelled, overdue or given back stops at its next progress call; one that makes none costs the worker;
- after SIGTERM nothing is taken; running jobs may finish for ``drain_seconds`` and are then given back, which at RunPod
  means: not answered, no longer named in pings, and so delivered to another worker.

It knows no models and no audio.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from f5_serverless.errors import F5Error, LimitExceeded
from f5_serverless.serve.heartbeat import Heartbeat
from f5_serverless.serve.job import Attempt, JobContext, JobControl, JobRunner, attempt, failure, overdue, wants_stream
from f5_serverless.serve.outbox import Outbox, Record, digest_of
from f5_serverless.serve.queue_client import Backoff, Outcome, QueueClient, result_limit
from f5_serverless.serve.sdk_patches import Sdk

log = logging.getLogger("f5_serverless.worker")
T = TypeVar("T")

_POLL_SECONDS = 90.0
_BODY_OVERHEAD = 1024
_PASSES_PER_CLEANING = 20


@dataclass(frozen=True)
class LoopTimes:
    """What the loop waits for, in seconds; ``concurrency`` is how many jobs run at once."""

    concurrency: int = 1
    job_seconds: float = 540.0
    drain_seconds: float = 20.0
    progress_seconds: float = 1.0
    stop_seconds: float = 10.0
    """How long a stopped or overdue job may take until it makes a progress call."""
    result_seconds: float = 120.0
    """How long a result is offered before the worker leaves it to the outbox and takes the next job."""
    resend_seconds: float = 30.0
    longest_pause: float = 30.0


@dataclass
class Running:
    """One job in progress. ``stop`` is set when it is to end without an answer; ``given_back`` says why."""

    id: str
    control: JobControl
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    given_back: bool = False
    task: asyncio.Task[None] | None = None


class JobLoop:
    """See the module. ``abandoned`` tells the caller that a thread is still busy and the process must be ended hard."""

    def __init__(
        self, sdk: Sdk, runner: JobRunner, outbox: Outbox | None, times: LoopTimes, heartbeat: Heartbeat | None = None
    ) -> None:
        self._sdk = sdk
        self._runner = runner
        self._outbox = outbox
        self._times = times
        self._heartbeat = heartbeat
        self._jobs: dict[str, Running] = {}
        self._threads = ThreadPoolExecutor(times.concurrency, thread_name_prefix="job")
        self.exit_code = 0
        self.abandoned = False

    def start(self) -> int:
        """Runs until SIGTERM, SIGINT or a broken device. Exit code 0, or 1 where this worker must not be used again."""
        asyncio.run(self._run())
        self._threads.shutdown(wait=not self.abandoned, cancel_futures=True)
        return self.exit_code

    def drain(self, reason: str) -> None:
        """Takes no more jobs and ends when the running ones have."""
        if not self._draining.is_set():
            log.info("Draining: %s", reason)
        self._draining.set()

    async def _run(self) -> None:
        self._draining = asyncio.Event()
        self._room = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.drain, signal.Signals(number).name)
        async with self._sdk.session() as session:
            self._client = QueueClient(session, self._sdk.done_url, self._sdk.stream_url)
            taking = asyncio.create_task(self._take(session))
            others = [asyncio.create_task(self._listen(session)), asyncio.create_task(self._resend())]
            draining = asyncio.create_task(self._draining.wait())
            await asyncio.wait([taking, draining, *others], return_when=asyncio.FIRST_COMPLETED)
            await _end(taking, draining)
            await self._finish()
            await _end(*others)

    async def _finish(self) -> None:
        """Lets running jobs end within the grace, then gives them back."""
        tasks = {running.task for running in self._jobs.values() if running.task is not None}
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=self._times.drain_seconds)
        for job_id, running in self._jobs.items():
            log.warning("Given back: not finished within the grace", extra={"job_id": job_id})
            running.given_back = True
            self._stop(running)
        if late:
            await asyncio.wait(late, timeout=self._times.stop_seconds + 5)

    def _retire(self, reason: str) -> None:
        """This process must not take another job."""
        log.error("The worker ends: %s", reason)
        self.exit_code = 1
        self.drain(reason)

    # ------------------------------------------------------------------------------------------------ from the queue

    async def _take(self, session: Any) -> None:
        """Asks for jobs whenever there is room."""
        backoff = Backoff(longest=self._times.longest_pause)
        while True:
            while len(self._jobs) >= self._times.concurrency:
                self._room.clear()
                await self._room.wait()
            asked = time.monotonic()
            pause = 0.0
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    jobs = await self._sdk.get_job(session, self._times.concurrency - len(self._jobs))
                for job in jobs or ():
                    self._begin(str(job["id"]), job.get("input"))
                if jobs:
                    backoff.reset()
                elif time.monotonic() - asked < 0.2:  # a queue that does not hold the request open
                    pause = 0.5
            except TimeoutError:
                continue
            except self._sdk.too_many_requests:
                pause = backoff.next(at_least=1.0)
            except Exception as error:  # noqa: BLE001  the SDK raises bare ones; whatever it is, the queue is asked again
                pause = backoff.next()
                log.warning("The queue gave no job (%s); next try in %.1f s", _kind(error), pause)
            await asyncio.sleep(pause)

    async def _listen(self, session: Any) -> None:
        """Stops the jobs that the queue wants stopped."""
        backoff = Backoff(longest=self._times.longest_pause)
        while True:
            asked = time.monotonic()
            try:
                async with asyncio.timeout(_POLL_SECONDS):
                    stops = await self._sdk.get_stop_signals(session)
                backoff.reset()
                for job_id in stops:
                    if running := self._jobs.get(job_id):
                        log.info("Stopped by the queue", extra={"job_id": job_id})
                        self._stop(running)
                pause = 0.0 if stops or time.monotonic() - asked > 0.5 else 1.0
            except TimeoutError:
                continue
            except Exception as error:  # noqa: BLE001  as in _take
                pause = backoff.next()
                log.warning("The queue's stop channel failed (%s)", _kind(error))
            await asyncio.sleep(pause)

    def _begin(self, job_id: str, job_input: Any) -> None:
        if job_id in self._jobs:
            log.info("Delivered again while it runs", extra={"job_id": job_id})
            return
        running = Running(job_id, JobControl(self._times.job_seconds))
        self._jobs[job_id] = running
        self._sdk.running_jobs.add(job_id)
        running.task = asyncio.create_task(self._handle(job_id, job_input, running))
        running.task.add_done_callback(partial(self._ended, job_id))

    def _ended(self, job_id: str, task: asyncio.Task[None]) -> None:
        del self._jobs[job_id]
        self._sdk.running_jobs.remove(job_id)
        self._room.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("The loop failed on a job", extra={"job_id": job_id}, exc_info=error)

    def _stop(self, running: Running) -> None:
        running.control.cancelled.set()
        running.stop.set()

    # ---------------------------------------------------------------------------------------------------- one job

    async def _handle(self, job_id: str, job_input: Any, running: Running) -> None:
        """One job from delivery to result."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        stream = wants_stream(job_input)

        def emit(piece: dict[str, Any]) -> None:
            if stream:
                loop.call_soon_threadsafe(pieces.put_nowait, piece)

        context = JobContext(job_id, job_input, running.control.progress, stream, emit)
        over = asyncio.Event()
        posting = [asyncio.create_task(self._report(job_id, running.control, over))]
        if stream:
            posting.append(asyncio.create_task(self._send_pieces(job_id, pieces)))
        record = await self._watch(loop.run_in_executor(self._threads, self._work, context, running.control), running)
        over.set()
        if record is not None and not record.failed:
            pieces.put_nowait({"final": record.body["output"]})
        pieces.put_nowait(None)
        await asyncio.gather(*posting)  # nothing of this job is under way any more when its result is posted
        if record is not None:
            await self._deliver(record, running)

    def _work(self, context: JobContext, control: JobControl) -> Record | None:
        """The thread's part: the kept answer or a new one, in the outbox. None: stopped, nobody waits for an answer."""
        digest = digest_of(context.input)
        kept = self._from_outbox(lambda outbox: outbox.find(context.id, digest))
        if kept is not None:
            log.info("Answered from the outbox", extra={"job_id": context.id})
            return kept
        log.info("Started", extra={"job_id": context.id})
        control.started = time.monotonic()
        result = attempt(self._runner, context)
        if control.cancelled.is_set() and "output" not in result.body:
            return None  # the queue has ended it already, or will deliver it to another worker
        log.info("Finished after %.2f s", time.monotonic() - control.started, extra={"job_id": context.id})
        body = _fitting(context.id, result)
        if result.broken:
            body["stopPod"] = True
        record = Record(context.id, digest, body, context.streaming, self._sdk.worker_id)
        self._from_outbox(lambda outbox: outbox.put(record))
        return record

    async def _watch(self, work: asyncio.Future[Record | None], running: Running) -> Record | None:
        """Waits for the thread; gives up on one that does not stop when it must, and on a broken device."""
        stop = asyncio.create_task(running.stop.wait())
        either: set[asyncio.Future[Any]] = {work, stop}
        limit = self._times.job_seconds + self._times.stop_seconds
        await asyncio.wait(either, timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        await _end(stop)
        if not work.done() and running.stop.is_set():
            await asyncio.wait({work}, timeout=self._times.stop_seconds)
        if work.done():
            record = work.result()
            if record is not None and record.body.get("stopPod"):
                self._retire("the device is unusable after an error")
            return record
        self.abandoned = True
        self._retire("a job does not react to being stopped")
        if running.stop.is_set():
            return None
        running.control.cancelled.set()
        body = failure(overdue(self._times.job_seconds))
        return Record(running.id, "", body, False, self._sdk.worker_id)

    async def _report(self, job_id: str, control: JobControl, over: asyncio.Event) -> None:
        """Posts the latest progress now and then, until the job is over. A lost event is not repeated."""
        shown = None
        while not await _within(over, self._times.progress_seconds):
            latest = control.latest
            if latest is not shown and latest is not None:
                shown = latest
                await self._client.progress(job_id, asdict(latest))

    async def _send_pieces(self, job_id: str, pieces: asyncio.Queue[dict[str, Any] | None]) -> None:
        """Posts stream pieces in order. One that the queue does not take is told; the whole answer follows anyway."""
        while (piece := await pieces.get()) is not None:
            backoff = Backoff()
            for _ in range(4):
                outcome = await self._client.piece(job_id, piece)
                if outcome is not Outcome.AGAIN:
                    break
                await asyncio.sleep(backoff.next())
            if outcome is not Outcome.TAKEN:
                log.warning("A stream piece was not taken (%s)", outcome.value, extra={"job_id": job_id})

    # --------------------------------------------------------------------------------------------------- the result

    async def _deliver(self, record: Record, running: Running) -> None:
        """Offers the result until the queue takes it, does not want it, or the outbox has to do."""
        backoff = Backoff(longest=self._times.longest_pause)
        until = time.monotonic() + self._times.result_seconds
        while not await self._offer(record):
            if running.stop.is_set() and not running.given_back:
                await self._outboxed(lambda outbox: outbox.forget(record.job_id))
                return
            if running.stop.is_set() or (self._outbox is not None and time.monotonic() > until):
                log.error("The result waits in the outbox: the queue does not take it", extra={"job_id": record.job_id})
                return
            await _within(running.stop, backoff.next())

    async def _offer(self, record: Record) -> bool:
        """One try to hand in a result; whether that is settled."""
        outcome = await self._client.result(record.job_id, record.body, stream=record.stream)
        if outcome is Outcome.REFUSED and not record.failed:
            log.error("The queue refused the result", extra={"job_id": record.job_id})
            return await self._offer(replace(record, body=failure(_too_large(record.job_id, None))))
        if outcome is Outcome.TAKEN:
            await self._outboxed(lambda outbox: outbox.delivered(record))
        elif outcome is not Outcome.AGAIN:
            log.warning("The queue does not want the result (%s)", outcome.value, extra={"job_id": record.job_id})
            await self._outboxed(lambda outbox: outbox.forget(record.job_id))
        return outcome is not Outcome.AGAIN

    async def _resend(self) -> None:
        """Offers what earlier jobs, or killed workers, left in the outbox. Also keeps the heartbeat alive."""
        others_after = 2 * self._times.result_seconds
        for passes in itertools.count():
            if self._heartbeat is not None:
                self._heartbeat.ensure()
            waiting = await self._outboxed(lambda outbox: list(outbox.pending(self._sdk.worker_id, others_after)))
            for record in waiting or ():
                if record.job_id not in self._jobs and not await self._offer(record):
                    break
            if passes % _PASSES_PER_CLEANING == 0:  # looks at every file, which is slow on a volume
                await self._outboxed(lambda outbox: outbox.clean())
            await asyncio.sleep(self._times.resend_seconds)

    async def _outboxed(self, use: Callable[[Outbox], T]) -> T | None:
        """`_from_outbox` off the loop."""
        return await asyncio.to_thread(self._from_outbox, use)

    def _from_outbox(self, use: Callable[[Outbox], T]) -> T | None:
        """``use(outbox)``; None where there is no outbox or its disk fails, which is logged."""
        if self._outbox is None:
            return None
        try:
            return use(self._outbox)
        except OSError as error:
            log.error("The outbox cannot be used: %s", error.strerror or _kind(error))
            return None


def _fitting(job_id: str, result: Attempt) -> dict[str, Any]:
    """The body to post: the result's, or an error where the queue would refuse its size."""
    if result.size + _BODY_OVERHEAD <= result_limit(job_id):
        return result.body
    return failure(_too_large(job_id, result.size))


def _too_large(job_id: str, size: int | None) -> F5Error:
    amount = "is too large" if size is None else f"has {size / 1e6:.1f} MB"
    return LimitExceeded(
        f"The answer {amount}; the queue takes {result_limit(job_id) / 1e6:.0f} MB.",
        field="options.return",
        hint="Ask for `return: url`, so that the answer holds addresses in place of the audio.",
    )


def _kind(error: BaseException) -> str:
    """What an error is, without its text: that quotes URLs with credentials."""
    status = getattr(error, "status", None)
    return f"{type(error).__name__} {status}" if status else type(error).__name__


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Whether ``event`` is set within ``seconds``."""
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False


async def _end(*tasks: asyncio.Task[Any]) -> None:
    """Cancels tasks and waits until they are gone. Raises what one of them failed with."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
