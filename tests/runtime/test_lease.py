from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from f5_serverless.runtime import lease as lease_module
from f5_serverless.runtime.lease import LeaseLost, LeaseSeat, Use, Watch, create_exclusive, read_json, write_atomic

TERM = 100.0  # of an injected clock; heartbeats of real threads (every 20 s) never come within a test


class Clock:
    """One host's monotonic clock. Hosts start at different times, so their clocks never agree."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def seat(directory: Path, clock: Clock) -> LeaseSeat:
    return LeaseSeat(directory, "env", TERM, clock)


def test_only_one_of_many_gets_a_free_lease(tmp_path: Path) -> None:
    barrier = threading.Barrier(16)
    won: list[object] = []

    def contend() -> None:
        mine = LeaseSeat(tmp_path / "leases", "env", TERM)
        barrier.wait()
        lease = mine.try_acquire()
        if lease is not None:
            won.append(lease)

    threads = [threading.Thread(target=contend) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


def test_released_lease_is_free_at_once(tmp_path: Path) -> None:
    first = seat(tmp_path, Clock(0)).try_acquire()
    assert first is not None
    other = seat(tmp_path, Clock(1e6))
    assert other.try_acquire() is None
    first.release()
    assert other.try_acquire() is not None


def test_dead_lease_is_taken_over_after_one_term_of_the_observers_own_clock(tmp_path: Path) -> None:
    assert seat(tmp_path, Clock(0)).try_acquire() is not None  # and never beats again
    clock = Clock(5e8)
    observer = seat(tmp_path, clock)
    assert observer.try_acquire() is None
    clock.now += TERM - 0.001
    assert observer.try_acquire() is None
    clock.now += 0.001
    assert observer.try_acquire() is not None


def test_dead_lease_is_taken_over_by_exactly_one(tmp_path: Path) -> None:
    assert seat(tmp_path, Clock(0)).try_acquire() is not None
    clocks = [Clock(1000.0 * index) for index in range(8)]
    seats = [seat(tmp_path, clock) for clock in clocks]
    assert [one.try_acquire() for one in seats] == [None] * 8
    for clock in clocks:
        clock.now += TERM
    taken = [one.try_acquire() for one in seats]
    assert sum(lease is not None for lease in taken) == 1


def test_clock_skew_and_file_times_do_not_matter(tmp_path: Path) -> None:
    """A holder that beats keeps its lease although its host lives in another decade."""
    holder_clock, clock = Clock(-3e8), Clock(9e8)
    holder = seat(tmp_path, holder_clock).try_acquire()
    assert holder is not None
    observer = seat(tmp_path, clock)
    for year in (1971, 2099, 1999, 2038):
        for path in tmp_path.iterdir():
            os.utime(path, ((year - 1970) * 31_556_952,) * 2)
        assert observer.try_acquire() is None
        clock.now += TERM * 0.9
        holder_clock.now += TERM * 0.1
        holder.check()


def test_paused_holder_learns_that_it_has_lost(tmp_path: Path) -> None:
    paused_clock, clock = Clock(0), Clock(50)
    paused = seat(tmp_path, paused_clock).try_acquire()
    assert paused is not None
    observer = seat(tmp_path, clock)
    assert observer.try_acquire() is None
    clock.now += TERM
    successor = observer.try_acquire()
    assert successor is not None
    paused_clock.now += 1
    with pytest.raises(LeaseLost):
        paused.check()
    paused.release()  # must not end the successor's lease
    successor.check()
    assert seat(tmp_path, Clock(0)).try_acquire() is None


def test_holder_that_cannot_beat_gives_up_after_a_term(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(0)
    holder = seat(tmp_path, clock).try_acquire()
    assert holder is not None

    def gone(*_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(lease_module, "write_atomic", gone)
    clock.now = TERM - 1
    holder.check()
    clock.now = TERM
    with pytest.raises(LeaseLost):
        holder.check()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"term": NaN}', b'{"term": 1e300}', b'{"term": "x"}', b"\xff"])
def test_damaged_lease_file_blocks_for_a_bounded_time(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "env.1").write_bytes(content)
    clock = Clock(0)
    observer = seat(tmp_path, clock)
    assert observer.try_acquire() is None
    clock.now += lease_module.LONGEST_TERM
    assert observer.try_acquire() is not None


def test_late_observer_does_not_revive_an_old_generation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that slept between looking and creating finds that others came and went."""
    for _ in range(4):
        lease = seat(tmp_path, Clock(0)).try_acquire()
        assert lease is not None
        lease.release()
    sleeper = seat(tmp_path, Clock(0))
    highest = sleeper.highest
    looks = iter([1])
    monkeypatch.setattr(sleeper, "highest", lambda: next(looks, None) or highest())
    monkeypatch.setattr(sleeper, "_is_over", lambda _: True)
    assert sleeper.try_acquire() is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["env.3", "env.4"]


def test_without_hard_links_creation_is_still_exclusive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", link)
    assert create_exclusive(tmp_path / "a", b"1")
    assert not create_exclusive(tmp_path / "a", b"2")
    assert (tmp_path / "a").read_bytes() == b"1"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_write_atomic_leaves_the_old_content_and_no_litter_when_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomic(tmp_path / "a", b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="No space"):
        write_atomic(tmp_path / "a", b"new")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"old")]


def test_use_survives_the_change_of_process(tmp_path: Path) -> None:
    use = Use.register(tmp_path, "cp311-x86_64-abc-1-f.tar.zst", TERM)
    before = read_json(use.path)
    use.pause()
    again = Use.resume(use.path, TERM)
    watch = Watch(Clock(0))
    assert Use.artefact_of(again.path) == "cp311-x86_64-abc-1-f.tar.zst"
    assert before is not None
    assert read_json(use.path) != before
    assert watch.unchanged_for("x", json.dumps(before)) == 0
    again.release()
    assert list(tmp_path.iterdir()) == []
