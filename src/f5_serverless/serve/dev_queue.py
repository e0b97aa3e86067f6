"""The queue in a box: RunPod's job protocol and client API, served on loopback.

Workers (the RunPod SDK, or ours) take jobs from it and post results to it; RunPod's client library submits to it and
asks for status, stream, cancel and health. It stands in for the real queue in tests and on a laptop, with faults on
demand (`queue_faults`). It keeps everything in memory and must not be reachable from other machines.

    python -m f5_serverless.serve.dev_queue --port 8099

prints the environment for a worker and for a client, and serves until it is interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from aiohttp import web

from f5_serverless.serve.queue_faults import FAULTS, FaultPlan
from f5_serverless.serve.queue_http import DevQueue
from f5_serverless.serve.queue_state import QueueRules


def worker_environment(url: str, endpoint: str, worker: str, ping_seconds: float = 10.0) -> dict[str, str]:
    """The variables with which RunPod would start ``worker``, for a queue at ``url`` (``http://127.0.0.1:8099``)."""
    root = f"{url}/v2/{endpoint}"
    return {
        "RUNPOD_WEBHOOK_GET_JOB": f"{root}/job-take/$ID?gpu=none",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{root}/job-done/$RUNPOD_POD_ID/$ID?gpu=none",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{root}/job-stream/$RUNPOD_POD_ID/$ID?gpu=none",
        "RUNPOD_WEBHOOK_PING": f"{root}/ping/$RUNPOD_POD_ID",
        "RUNPOD_PING_INTERVAL": str(round(ping_seconds * 1000)),
        "RUNPOD_POD_ID": worker,
        "RUNPOD_ENDPOINT_ID": endpoint,
        "RUNPOD_AI_API_KEY": "dev",
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
    }


async def _serve(queue: DevQueue, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Starts serving; the runner to clean up, and the port (a free one for 0)."""
    # A worker that hangs up while it waits must not be handed a job: its handler is cancelled.
    runner = web.AppRunner(queue.app(), handler_cancellation=True, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    return runner, runner.addresses[0][1]


@contextlib.contextmanager
def running(rules: QueueRules | None = None, seed: int = 0, endpoint: str = "dev", port: int = 0) -> Iterator[Running]:
    """A queue on a loop in a thread of this process, for tests and benchmarks; gone when the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="dev-queue", daemon=True)
    thread.start()

    async def start() -> tuple[DevQueue, web.AppRunner, int]:
        queue = DevQueue(rules, seed, endpoint)
        return queue, *(await _serve(queue, "127.0.0.1", port))

    queue, runner, bound = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield Running(queue, f"http://127.0.0.1:{bound}", loop)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@dataclasses.dataclass(frozen=True)
class Running:
    """A queue that is being served: where, and a way to touch it from another thread."""

    queue: DevQueue
    url: str
    loop: asyncio.AbstractEventLoop

    @property
    def base(self) -> str:
        """For ``runpod.endpoint_url_base``."""
        return f"{self.url}/v2"

    def call(self, function: Callable[[DevQueue], Any]) -> Any:
        """``function(queue)``, run on the queue's own loop."""

        async def run() -> Any:
            found = function(self.queue)
            await self.queue.notify()
            return found

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result()

    def worker_environment(self, worker: str, ping_seconds: float = 10.0) -> dict[str, str]:
        return worker_environment(self.url, self.queue.endpoint, worker, ping_seconds)


def main(argv: Sequence[str] | None = None) -> int:
    """Serves until interrupted. Exit code 0, or 2 for bad arguments."""
    parser = argparse.ArgumentParser(prog="f5-serverless dev-queue", description="RunPod's job queue on loopback.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8099, help="port; 0 for a free one (default: %(default)s)")
    parser.add_argument("--endpoint", default="dev", help="endpoint id in the URLs (default: %(default)s)")
    parser.add_argument("--execution-timeout", type=float, default=600.0, metavar="S", help="seconds a job may run")
    parser.add_argument("--lost-after", type=float, default=30.0, metavar="S", help="silence that gives a job back")
    parser.add_argument("--ping", type=float, default=10.0, metavar="S", help="seconds between a worker's pings")
    parser.add_argument("--seed", type=int, default=0, help="seed of the faults")
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME=P", help=f"probability of one of: {', '.join(FAULTS)}"
    )
    arguments = parser.parse_args(argv)
    rules = QueueRules(execution_timeout=arguments.execution_timeout, lost_after=arguments.lost_after)
    try:
        faults = {name: {"probability": float(value)} for name, value in (f.split("=", 1) for f in arguments.fault)}
        FaultPlan().update(faults)
    except ValueError as error:
        parser.error(f"--fault: {error}")
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_forever(arguments, rules, faults))
    return 0


async def _forever(arguments: argparse.Namespace, rules: QueueRules, faults: dict[str, dict[str, float]]) -> None:
    queue = DevQueue(rules, arguments.seed, arguments.endpoint)
    queue.faults.update(faults)
    runner, port = await _serve(queue, arguments.host, arguments.port)
    url = f"http://{arguments.host}:{port}"
    print("# for a worker: python handler.py")
    for name, value in worker_environment(url, arguments.endpoint, "worker-1", arguments.ping).items():
        print(f"export {name}='{value}'")
    print("# for a client")
    print(f"export RUNPOD_ENDPOINT_BASE_URL='{url}/v2' RUNPOD_API_KEY='dev'")
    sys.stdout.flush()
    try:
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    sys.exit(main())
