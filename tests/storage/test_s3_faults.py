"""The network on a bad day: 200 seeded rounds of put and get through a proxy that harms connections.

Every round ends in the right bytes or a clear error, and never does anybody see a part of an object.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from f5_serverless.errors import F5Error
from f5_serverless.storage.s3_client import S3Client
from f5_serverless.storage.s3_store import S3Store
from f5_serverless.storage.s3_transport import S3Options
from tests.storage import servers
from tests.storage.proxy import Fault, Proxy

ROUNDS, WORKERS = 208, 8
DEADLINE = 1.2
CODES = {"storage_unreachable", "storage_failed"}


class Worker:
    """One client behind its own proxy, and one beside it that sees what is really stored."""

    def __init__(self, server: servers.Server, folder: Path) -> None:
        self.folder = folder
        self.proxy = Proxy(server.port, lambda _: Fault("clean"))
        keys = {"access_key": servers.KEY, "secret_key": servers.SECRET, "part_bytes": 64 << 10}
        hurried = {"connect_seconds": 0.5, "wait_seconds": 0.25, "total_seconds": DEADLINE, "attempts": 4}
        self.harmed = S3Store(
            S3Client(S3Options(endpoint=self.proxy.endpoint, backoff_seconds=0.01, **keys, **hurried)),  # type: ignore[arg-type]
            "talks",
        )
        self.direct = S3Store(S3Client(S3Options(endpoint=server.endpoint, **keys)), "talks")  # type: ignore[arg-type]
        self.outcomes: Counter[str] = Counter()
        self.longest = 0.0

    def attempt(self, name: str, dice: random.Random, size: int, call: object) -> bool:
        """``call()`` on a network whose first connections are harmed; whether it succeeded."""
        bad = dice.choice([1, 1, 1, 2, 3, 99])
        faults = [Fault.drawn(dice, size + 600) for _ in range(bad)]
        self.proxy.begin(lambda number: faults[number] if number < bad else Fault("clean"))
        start = time.monotonic()
        try:
            call()  # type: ignore[operator]
        except F5Error as error:
            assert error.code in CODES, (error.code, error.message, faults[:4])
            assert error.retryable
            self.outcomes[f"{name} {error.code}"] += 1
            return False
        finally:
            self.longest = max(self.longest, time.monotonic() - start)
        self.outcomes[f"{name} ok"] += 1
        return True

    def look(self, key: str, whole: tuple[bytes | None, ...], seed: int) -> None:
        """The object is one of ``whole``. rclone removes the old file before it moves the new one to its place, and may
        still be at it when the client has given up: nothing is then seen for a moment, but never a part."""
        for _ in range(100):
            seen = self.direct.read(key)
            if seen in whole:
                return
            assert seen is None, (seed, len(seen))
            time.sleep(0.05)
        raise AssertionError((seed, "the object stays away"))

    def round(self, seed: int) -> None:
        dice = random.Random(seed)
        key = f"k/{seed}.bin"
        old = dice.randbytes(dice.randrange(1000)) if dice.random() < 0.5 else None
        new = dice.randbytes(int(250_000 * dice.random() ** 2))
        if old is not None:
            self.direct.put(key, old)
        stored = self.attempt("put", dice, len(new), lambda: self.harmed.put(key, new))
        self.look(key, (new,) if stored else (old, new), seed)
        self.direct.put(key, new)
        target = self.folder / f"got-{seed}"
        read = self.attempt("get", dice, len(new), lambda: self.harmed.get(key, target))
        assert target.exists() == read
        assert not read or target.read_bytes() == new, seed


@pytest.mark.timeout(300)
def test_every_round_ends_in_the_right_bytes_or_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "got").mkdir()
    with servers.rclone(tmp_path) as server:
        workers = [Worker(server, tmp_path / "got") for _ in range(WORKERS)]

        def run(index: int) -> None:
            for seed in range(index, ROUNDS, WORKERS):
                workers[index].round(seed)

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(run, range(WORKERS)))
        outcomes = sum((worker.outcomes for worker in workers), Counter[str]())
        for worker in workers:
            worker.proxy.__exit__()
    print(dict(outcomes), f"longest {max(worker.longest for worker in workers):.1f} s")
    assert sum(outcomes.values()) == 2 * ROUNDS
    assert outcomes["put ok"] > ROUNDS / 4  # most faults are survived
    assert outcomes["get ok"] > ROUNDS / 4
    assert outcomes["put ok"] < ROUNDS  # and some are not: the test harms enough
    assert max(worker.longest for worker in workers) < 10 * DEADLINE + 20  # wide: machines are busy
    parts = [p.name for p in (tmp_path / "got").iterdir() if p.name.endswith(".part")]
    assert parts == []


def test_a_dripping_store_is_left_at_the_deadline(tmp_path: Path) -> None:
    """One byte every 50 ms keeps each single wait short; only the deadline ends it."""
    with servers.rclone(tmp_path) as server, Proxy(server.port, lambda _: Fault("drip", 10)) as proxy:
        options = S3Options(
            endpoint=proxy.endpoint, access_key=servers.KEY, secret_key=servers.SECRET, total_seconds=1.0, attempts=99
        )
        store = S3Store(S3Client(options), "talks")
        for call in (lambda: store.put("k", b"x"), lambda: store.head("k"), lambda: store.list()):
            start = time.monotonic()
            with pytest.raises(F5Error) as caught:
                call()
            assert caught.value.code == "storage_unreachable"
            assert time.monotonic() - start < 15
