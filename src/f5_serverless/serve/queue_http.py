"""RunPod's two HTTP interfaces over one `QueueState`: what clients call, and what workers call.

HTTP only: the rules are in `queue_state`, the faults in `queue_faults`, starting and stopping in `dev_queue`. No
credentials are checked beyond "there is one".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from f5_serverless.serve.queue_faults import FaultPlan
from f5_serverless.serve.queue_state import QueueJob, QueueRules, QueueState

_TICK_SECONDS = 0.05
_BODY_LIMIT = 64 * 1024 * 1024  # aiohttp's own limit; the queue's, much lower, answers 400 as RunPod does
_SYNC_WAIT_SECONDS = 90.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class DevQueue:
    """One endpoint. Its methods are HTTP handlers; `state` and `faults` may be read and set from tests on its loop."""

    def __init__(self, rules: QueueRules | None = None, seed: int = 0, endpoint: str = "dev") -> None:
        self.state = QueueState(rules)
        self.faults = FaultPlan(seed)
        self.endpoint = endpoint
        self._changed = asyncio.Condition()

    def app(self) -> web.Application:
        """The aiohttp application with all routes."""
        app = web.Application(client_max_size=_BODY_LIMIT, middlewares=[_no_reply_when_gone])
        root = f"/v2/{self.endpoint}"
        clients: dict[str, tuple[str, Handler]] = {
            "/run": ("POST", self.run),
            "/runsync": ("POST", self.runsync),
            "/status/{job}": ("*", self.status),
            "/stream/{job}": ("*", self.stream),
            "/cancel/{job}": ("POST", self.cancel),
            "/retry/{job}": ("POST", self.retry),
            "/purge-queue": ("POST", self.purge),
            "/health": ("GET", self.health),
        }
        workers: dict[str, tuple[str, Handler]] = {
            "/job-take/{worker}": ("GET", self.job_take),
            "/job-take-batch/{worker}": ("GET", self.job_take),
            "/job-stop/{worker}": ("GET", self.job_stop),
            "/job-done/{worker}/{job}": ("POST", self.job_done),
            "/job-stream/{worker}/{job}": ("POST", self.job_stream),
            "/ping/{worker}": ("GET", self.ping),
        }
        for path, (method, handler) in clients.items():
            app.router.add_route(method, root + path, _authorised(handler))
        for path, (method, handler) in workers.items():
            app.router.add_route(method, root + path, self._delayed(handler))
        app.router.add_get("/admin", self.admin)
        app.router.add_put("/admin/faults", self.set_faults)
        app.cleanup_ctx.append(self._clockwork)
        return app

    async def _clockwork(self, _: web.Application) -> Any:
        """Lets time pass in the state while the application runs."""

        async def tick() -> None:
            while True:
                self.state.tick()
                await self.notify()
                await asyncio.sleep(_TICK_SECONDS)

        task = asyncio.create_task(tick())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async def notify(self) -> None:
        """Wakes the requests that are held open: something in the state has changed."""
        async with self._changed:
            self._changed.notify_all()

    async def _until(self, ready: Callable[[], Any], seconds: float) -> Any:
        """What ``ready`` returns, as soon as that is true, or its last answer after ``seconds``."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds), self._changed:
                return await self._changed.wait_for(ready)
        return ready()

    def _delayed(self, handler: Handler) -> Handler:
        async def delayed(request: web.Request) -> web.StreamResponse:
            if self.faults.strikes("delay"):
                await asyncio.sleep(self.faults.delay_seconds)
            return await handler(request)

        return delayed

    def _job(self, request: web.Request) -> QueueJob:
        job = self.state.jobs.get(request.match_info["job"])
        if job is None:
            raise web.HTTPNotFound(text=json.dumps({"error": "job not found"}), content_type="application/json")
        return job

    # ------------------------------------------------------------------------------------------ the client's side

    async def _submit(self, request: web.Request, sync: bool) -> QueueJob:
        rules = self.state.rules
        body = await request.read()
        if len(body) > (rules.max_sync_bytes if sync else rules.max_async_bytes):
            raise _refused(400, "request body is too large")
        try:
            payload = json.loads(body)
        except ValueError:
            raise _refused(400, "request body is not JSON") from None
        if not isinstance(payload, dict) or not isinstance(payload.get("input"), dict):
            raise _refused(400, "request body needs an object under `input`")
        policy = payload.get("policy") or {}
        timeout = policy.get("executionTimeout")
        job = self.state.submit(payload["input"], sync=sync, timeout=timeout / 1000 if timeout else None)
        await self.notify()
        return job

    async def run(self, request: web.Request) -> web.StreamResponse:
        job = await self._submit(request, sync=False)
        return web.json_response({"id": job.id, "status": job.status})

    async def runsync(self, request: web.Request) -> web.StreamResponse:
        job = await self._submit(request, sync=True)
        wait = float(request.query.get("wait", _SYNC_WAIT_SECONDS * 1000)) / 1000
        await self._until(lambda: job.final, wait)
        return web.json_response(job.view())

    async def status(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self._job(request).view())

    async def stream(self, request: web.Request) -> web.StreamResponse:
        job = self._job(request)
        return web.json_response({"status": job.status, "stream": self.state.drain_stream(job)})

    async def cancel(self, request: web.Request) -> web.StreamResponse:
        job = self._job(request)
        self.state.cancel(job)
        await self.notify()
        return web.json_response({"id": job.id, "status": job.status})

    async def retry(self, request: web.Request) -> web.StreamResponse:
        job = self._job(request)
        if not self.state.retry(job):
            raise _refused(400, "only a failed or timed-out job can be retried")
        await self.notify()
        return web.json_response({"id": job.id, "status": job.status})

    async def purge(self, _: web.Request) -> web.StreamResponse:
        removed = self.state.purge()
        await self.notify()
        return web.json_response({"removed": removed, "status": "completed"})

    async def health(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(self.state.health())

    # ------------------------------------------------------------------------------------------ the worker's side

    async def job_take(self, request: web.Request) -> web.StreamResponse:
        self.state.requests["take"] += 1
        for fault, code in (("take_500", 500), ("take_429", 429)):
            if self.faults.strikes(fault):
                raise _refused(code, "fault on demand")
        worker, batch = request.match_info["worker"], "job-take-batch" in request.path
        self.state.heard(worker)
        await self._until(lambda: self.state.waiting, self.state.rules.poll_seconds)
        jobs = self.state.take(worker, int(request.query.get("batch_size", 1)) if batch else 1)
        if not jobs:
            return web.Response(status=204)
        for job in jobs:
            if self.faults.strikes("take_twice"):
                self.state.deliver_again(job)
        await self.notify()
        if self.faults.strikes("take_lost"):
            return _reset(request)
        shown = [{"id": job.id, "input": job.input} for job in jobs]
        return web.json_response(shown if batch else shown[0])

    async def job_stop(self, request: web.Request) -> web.StreamResponse:
        self.state.requests["stop"] += 1
        worker = request.match_info["worker"]
        await self._until(lambda: self.state.stops.get(worker), self.state.rules.poll_seconds)
        stops = self.state.take_stops(worker)
        return web.json_response({"jobsToStop": stops}) if stops else web.Response(status=204)

    async def job_done(self, request: web.Request) -> web.StreamResponse:
        self.state.requests["done"] += 1
        body = await _posted(request)
        job = self._job(request)
        if body.get("status") == "IN_PROGRESS":
            return await self._progress(job, body)
        if len(await request.read()) > (
            self.state.rules.max_sync_bytes if job.sync else self.state.rules.max_async_bytes
        ):
            raise _refused(400, "result is too large")
        if self.faults.strikes("done_500"):
            raise _refused(500, "fault on demand")
        if self.faults.strikes("done_reset"):
            return _reset(request)
        worker = request.match_info["worker"]
        self.state.heard(worker)
        self.state.counts["unhealthy"] += bool(body.get("stopPod"))
        self.state.result(job, worker, body)
        await self.notify()
        if self.faults.strikes("done_lost_reply"):
            raise _refused(500, "fault on demand")
        return web.json_response({})

    async def _progress(self, job: QueueJob, body: dict[str, Any]) -> web.StreamResponse:
        if self.faults.strikes("stream_500"):
            raise _refused(500, "fault on demand")
        self.state.progress(job, body.get("output"))
        return web.json_response({})

    async def job_stream(self, request: web.Request) -> web.StreamResponse:
        self.state.requests["stream"] += 1
        body = await _posted(request)
        if len(await request.read()) > self.state.rules.max_piece_bytes:
            raise _refused(400, "stream piece is too large")
        if self.faults.strikes("stream_500"):
            raise _refused(500, "fault on demand")
        self.state.piece(self._job(request), body.get("output"))
        return web.json_response({})

    async def ping(self, request: web.Request) -> web.StreamResponse:
        self.state.requests["ping"] += 1
        if self.faults.strikes("ping_500"):
            raise _refused(500, "fault on demand")
        self.state.counts["unhealthy"] += request.query.get("status") == "unhealthy"
        job_ids = request.query.get("job_id", "")
        self.state.ping(request.match_info["worker"], job_ids.split(",") if job_ids else [])
        return web.json_response({})

    # -------------------------------------------------------------------------------------------------- the operator

    async def admin(self, _: web.Request) -> web.StreamResponse:
        """Everything that can be counted, for tests and benchmarks that drive real processes."""
        state = self.state
        return web.json_response(
            {
                "counts": state.counts,
                "requests": state.requests,
                "faults": self.faults.struck,
                "jobs": {
                    job.id: {
                        "status": job.status,
                        "deliveries": job.deliveries,
                        "results": job.results,
                        "progress": job.progress,
                        "seconds": None if job.finished is None else job.finished - job.created,
                        "worker": job.worker,
                    }
                    for job in state.jobs.values()
                },
                "workers": {name: state.clock() - heard for name, heard in state.workers.items()},
            }
        )

    async def set_faults(self, request: web.Request) -> web.StreamResponse:
        """``{"clear": true}`` or ``{"done_500": {"probability": 0.1}, …}``."""
        plan = await request.json()
        if plan.pop("clear", False):
            self.faults.clear()
        try:
            self.faults.update(plan)
        except (ValueError, AttributeError) as error:
            raise _refused(400, str(error)) from None
        return web.json_response({})


def _refused(code: int, reason: str) -> web.HTTPException:
    """An HTTP error with a JSON body, to be raised."""
    kinds: dict[int, type[web.HTTPException]] = {
        400: web.HTTPBadRequest,
        401: web.HTTPUnauthorized,
        429: web.HTTPTooManyRequests,
        500: web.HTTPInternalServerError,
    }
    return kinds[code](text=json.dumps({"error": reason}), content_type="application/json")


def _authorised(handler: Handler) -> Handler:
    async def checked(request: web.Request) -> web.StreamResponse:
        if not request.headers.get("Authorization", "").removeprefix("Bearer").strip():
            raise _refused(401, "no API key")
        return await handler(request)

    return checked


@web.middleware
async def _no_reply_when_gone(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A handler that broke the connection on purpose returns a response that nobody can receive."""
    try:
        return await handler(request)
    except ConnectionResetError:
        return web.Response(status=500)


async def _posted(request: web.Request) -> dict[str, Any]:
    """The JSON object a worker posts; the SDK labels it form-urlencoded."""
    try:
        body = json.loads(await request.text())
    except ValueError:
        raise _refused(400, "body is not JSON") from None
    if not isinstance(body, dict):
        raise _refused(400, "body is not an object")
    return body


def _reset(request: web.Request) -> web.StreamResponse:
    """Breaks the connection without an answer."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
