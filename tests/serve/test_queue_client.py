"""Posting to the queue: what each answer, or none, means; how waiting times grow."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from f5_serverless.serve.queue_client import Backoff, Outcome, QueueClient, result_limit


def posted(status: int) -> tuple[Outcome, dict[str, Any]]:
    """The outcome of posting a result to a server that answers ``status``, and what that server saw."""
    seen: dict[str, Any] = {}

    async def answer(request: web.Request) -> web.Response:
        seen.update(path=request.path_qs, job=request.headers["X-Request-ID"], body=await request.text())
        return web.Response(status=status)

    async def run() -> Outcome:
        app = web.Application()
        app.router.add_post("/{tail:.*}", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}/done/$ID?gpu=x"
        async with aiohttp.ClientSession() as session:
            outcome = await QueueClient(session, url, url).result("job-1", {"output": "ü\ud800"}, stream=True)
        await runner.cleanup()
        return outcome

    return asyncio.run(run()), seen


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (200, Outcome.TAKEN),
        (204, Outcome.TAKEN),
        (400, Outcome.REFUSED),
        (413, Outcome.REFUSED),
        (404, Outcome.GONE),
        (401, Outcome.AGAIN),
        (429, Outcome.AGAIN),
        (500, Outcome.AGAIN),
        (503, Outcome.AGAIN),
    ],
)
def test_what_an_answer_means(status: int, outcome: Outcome) -> None:
    assert posted(status)[0] is outcome


def test_the_wire_format_is_the_sdks() -> None:
    _, seen = posted(200)
    assert seen == {"path": "/done/job-1?gpu=x&isStream=true", "job": "job-1", "body": '{"output": "ü?"}'}


def test_no_server_means_again() -> None:
    async def run() -> Outcome:
        async with aiohttp.ClientSession() as session:
            return await QueueClient(session, "http://127.0.0.1:9/$ID?", "").progress("job-1", {})

    assert asyncio.run(run()) is Outcome.AGAIN


def test_pauses_double_to_a_limit_and_start_again() -> None:
    backoff = Backoff(first=1, longest=8)
    pauses = [backoff.next() for _ in range(6)]
    assert all(full / 2 <= pause <= full for pause, full in zip(pauses, [1, 2, 4, 8, 8, 8], strict=True))
    assert backoff.next(at_least=20) == 20
    backoff.reset()
    assert backoff.next() <= 1


def test_waiting_callers_may_get_more() -> None:
    assert (result_limit("sync-1"), result_limit("1")) == (20_000_000, 10_000_000)
