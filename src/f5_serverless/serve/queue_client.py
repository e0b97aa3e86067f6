"""Posts to the queue what a job has to say: progress, stream pieces, the final result.

The wire format is the SDK's (JSON text labelled form-urlencoded, ``isStream``, ``X-Request-ID``). In: one aiohttp
session. Out: an `Outcome`, never an exception for what a queue or network can do. Deciding what to do next is
`job_loop`'s business.
"""

from __future__ import annotations

import enum
import json
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import aiohttp

ASYNC_RESULT_BYTES = 10_000_000
SYNC_RESULT_BYTES = 20_000_000
PIECE_BYTES = 1_000_000
_POST_SECONDS = 60.0
_EVENT_SECONDS = 5.0


class Outcome(enum.Enum):
    """What came of a post."""

    TAKEN = "taken"
    REFUSED = "refused"
    """The queue will never take this body (too large, malformed)."""
    GONE = "gone"
    """The queue does not know the job (any more)."""
    AGAIN = "again"
    """Not now: 5xx, 429, no connection, bad credentials."""


_OUTCOMES = {400: Outcome.REFUSED, 413: Outcome.REFUSED, 422: Outcome.REFUSED, 404: Outcome.GONE, 410: Outcome.GONE}


class Backoff:
    """Waiting times that double from ``first`` to ``longest`` seconds, each drawn from its upper half."""

    def __init__(self, first: float = 0.25, longest: float = 30.0) -> None:
        self._first, self._longest = first, longest
        self._next = first

    def next(self, at_least: float = 0.0) -> float:
        """How long to wait now, in seconds."""
        wait = max(at_least, self._next * random.uniform(0.5, 1.0))
        self._next = min(self._longest, self._next * 2)
        return wait

    def reset(self) -> None:
        self._next = self._first


def result_limit(job_id: str) -> int:
    """How many bytes the queue takes as the result of this job. RunPod marks jobs of ``/runsync`` in their id."""
    return SYNC_RESULT_BYTES if job_id.startswith("sync-") else ASYNC_RESULT_BYTES


class QueueClient:
    """One worker's line to the queue's posting side."""

    def __init__(self, session: aiohttp.ClientSession, done_url: str, stream_url: str) -> None:
        self._session = session
        self._done_url = done_url
        self._stream_url = stream_url

    async def result(self, job_id: str, body: dict[str, Any], *, stream: bool) -> Outcome:
        """One try to hand in the final result."""
        return await self._post(self._done_url, job_id, body, stream, _POST_SECONDS)

    async def progress(self, job_id: str, output: dict[str, Any]) -> Outcome:
        """One try to tell how far the job is; quick, since the final result waits behind it."""
        body = {"status": "IN_PROGRESS", "output": output}
        return await self._post(self._done_url, job_id, body, False, _EVENT_SECONDS)

    async def piece(self, job_id: str, output: dict[str, Any]) -> Outcome:
        """One try to send one piece of a streamed answer; the queue takes up to `PIECE_BYTES`.

        A larger last piece goes as ``{"final": null}``: the whole answer is the job's output anyway.
        """
        if len(json.dumps(output, ensure_ascii=False).encode("utf-8", "replace")) > PIECE_BYTES - 100:
            if "final" not in output:
                return Outcome.REFUSED
            output = {"final": None}
        return await self._post(self._stream_url, job_id, {"output": output}, False, _POST_SECONDS)

    async def _post(self, url: str, job_id: str, body: dict[str, Any], stream: bool, seconds: float) -> Outcome:
        import aiohttp

        url = url.replace("$ID", job_id) + f"&isStream={'true' if stream else 'false'}"
        headers = {
            "charset": "utf-8",
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Request-ID": job_id,
        }
        data = json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
        try:
            async with self._session.post(
                url, data=data, headers=headers, timeout=aiohttp.ClientTimeout(seconds)
            ) as response:
                await response.read()
                return Outcome.TAKEN if response.status < 300 else _OUTCOMES.get(response.status, Outcome.AGAIN)
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Outcome.AGAIN
