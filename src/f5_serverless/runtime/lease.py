"""Leases on a shared directory: who builds, and who uses what.

In: a directory on a network file system that offers atomic exclusive creation and atomic rename, and nothing else (no
advisory locks, no common clock). Out: `Lease`, held by at most one live process at a time, and `Use`, held by many.
Both carry a counter that their holder's heartbeat moves. A holder counts as dead when an observer has seen the same
counter for one whole term **on the observer's own monotonic clock**: no two clocks are ever compared, so skew between
machines does not matter.

A lease has generations: files ``NAME.1``, ``NAME.2``, … of which the highest counts. To take over a dead one is to
create the next generation exclusively, which exactly one observer can do; nothing has to be deleted first, so nobody
can delete a successor by mistake. A holder that was paused finds the higher generation and knows that it has lost.

This module does not protect what is done under a lease: whoever holds one calls `Lease.check` before publishing, and
publishing is atomic anyway.
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from f5_serverless.errors import SetupError

Clock = Callable[[], float]
LONGEST_TERM = 600.0
"""Seconds. No lease file can claim more, so a damaged one cannot block for ever."""
_BEATS_PER_TERM = 5
_NO_HARD_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)


class LeaseLost(SetupError):
    """Another worker took this worker's lease over. What was built under it must not be published."""

    code = "lease_lost"
    hint = "Nothing to do: the other worker finishes the job. If it happens often, raise F5_LEASE_SECONDS."


def new_token() -> str:
    """A name that no other process has, on any host."""
    return f"{os.getpid()}-{uuid.uuid4().hex[:12]}"


def write_atomic(path: Path, data: bytes) -> None:
    """Replaces ``path`` by ``data`` so that a reader sees the old bytes or the new ones, never a part."""
    aside = path.with_name(f".{path.name}.{new_token()}")
    try:
        _write_durably(aside, data)
        os.replace(aside, path)
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


def create_exclusive(path: Path, data: bytes) -> bool:
    """Creates ``path`` holding ``data``, whole or not at all. False when it exists already.

    Uses a hard link, which is atomic on NFS too. A lost reply there can report failure for a link that was made, so the
    link count decides. Where hard links do not exist, exclusive creation stands in: the name is still won by one
    writer, and readers treat a file that does not parse as held.
    """
    aside = path.with_name(f".{path.name}.{new_token()}")
    try:
        _write_durably(aside, data)
        try:
            os.link(aside, path)
        except FileExistsError:
            return os.stat(aside).st_nlink == 2
        except OSError as error:
            if error.errno not in _NO_HARD_LINKS:
                raise
            return _create_without_links(path, data)
        return True
    finally:
        aside.unlink(missing_ok=True)


def _write_durably(path: Path, data: bytes) -> None:
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _create_without_links(path: Path, data: bytes) -> bool:
    try:
        _write_durably(path, data)
    except FileExistsError:
        return False
    return True


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in ``path``, ``{}`` when the file does not hold one (yet), None when there is no such file."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ESTALE:  # NFS: replaced between open and read; the next look will see the new one
            return {}
        raise
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


@dataclass
class Watch:
    """Observes other processes' counters. One instance per observer, kept for as long as it observes."""

    clock: Clock = time.monotonic
    _seen: dict[str, tuple[Any, float]] = field(default_factory=dict)

    def unchanged_for(self, name: str, value: object) -> float:
        """Seconds for which ``name`` has had ``value``, as far as this observer knows: 0 on the first look."""
        now = self.clock()
        last = self._seen.get(name)
        if last is None or last[0] != value:
            self._seen[name] = (value, now)
            return 0.0
        return now - last[1]


class _Heartbeat:
    """Calls ``beat`` every ``interval`` seconds in a thread until stopped. ``beat`` returns False to end it."""

    def __init__(self, beat: Callable[[], bool], interval: float) -> None:
        self._stop = threading.Event()
        self._beat = beat
        self._interval = interval
        self._thread = threading.Thread(target=self._run, name="f5-heartbeat", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            if not self._beat():
                return

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()


class Lease:
    """The right to build one thing, until released or for one term after the last heartbeat.

    Made by `LeaseSeat.try_acquire`. Use as a context manager: leaving it releases.
    """

    def __init__(self, seat: LeaseSeat, generation: int, token: str) -> None:
        self._seat = seat
        self._counter = 0
        self._lost = False
        self._last_beat = seat.clock()
        self._lock = threading.Lock()
        self.generation = generation
        self.token = token
        self._heartbeat = _Heartbeat(self._beat, seat.term / _BEATS_PER_TERM)

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def _path(self) -> Path:
        return self._seat.path(self.generation)

    def _beat(self) -> bool:
        """One heartbeat. A beat that fails is tried again at the next interval; `check` sees how old the last is."""
        started = self._seat.clock()
        with self._lock, contextlib.suppress(OSError):
            if self._seat.highest() > self.generation:
                self._lost = True
                return False
            self._counter += 1
            write_atomic(self._path(), self._seat.content(self.token, self._counter))
            self._last_beat = started
        return True

    def check(self) -> None:
        """Raises `LeaseLost` unless this process is the holder now.

        It is not the holder when a higher generation exists, or when it has not managed a heartbeat for a term (it was
        paused, or the volume was gone), since others may rightly take over then.
        """
        self._beat()
        silent = self._seat.clock() - self._last_beat
        if self._lost or silent >= self._seat.term:
            self._lost = True
            raise LeaseLost(f"The lease on {self._seat.name} was taken over by another worker.")

    def release(self) -> None:
        """Ends the lease so that the next worker need not wait for a term. Harmless when it was lost."""
        self._heartbeat.stop()
        if not self._lost:
            with contextlib.suppress(OSError):  # not released is only slower: it expires by itself
                write_atomic(self._path(), self._seat.content(self.token, self._counter, released=True))


@dataclass
class LeaseSeat:
    """One lease's name in ``directory``, as one process sees it. ``term`` in seconds."""

    directory: Path
    name: str
    term: float
    clock: Clock = time.monotonic

    def __post_init__(self) -> None:
        self._watch = Watch(self.clock)
        self._pattern = re.compile(re.escape(self.name) + r"\.(\d+)")

    def path(self, generation: int) -> Path:
        return self.directory / f"{self.name}.{generation}"

    def content(self, token: str, counter: int, released: bool = False) -> bytes:
        return json.dumps({"token": token, "counter": counter, "term": self.term, "released": released}).encode()

    def generations(self) -> list[int]:
        """All generations that exist, ascending."""
        names = (self._pattern.fullmatch(name) for name in os.listdir(self.directory))
        return sorted(int(match[1]) for match in names if match)

    def highest(self) -> int:
        """The generation that counts, 0 when nobody ever held this lease."""
        return max(self.generations(), default=0)

    def try_acquire(self) -> Lease | None:
        """The lease, when it is free, was released, or its holder is dead. None: held by a live one, look again later.

        A holder is dead after its counter stood still for its term, from this process's first look at it on.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        current = self.highest()
        if current and not self._is_over(current):
            return None
        token = new_token()
        if not create_exclusive(self.path(current + 1), self.content(token, 0)):
            return None
        if self.highest() > current + 1:  # this process slept while others came and went
            self.path(current + 1).unlink(missing_ok=True)
            return None
        lease = Lease(self, current + 1, token)
        for generation in self.generations():
            if generation < current:  # the highest two stay: a paused holder finds its successor either way
                self.path(generation).unlink(missing_ok=True)
        return lease

    def _is_over(self, generation: int) -> bool:
        state = read_json(self.path(generation))
        if state is None:
            return False  # cleaned up by a successor: look again
        if state.get("released"):
            return True
        claimed = state.get("term")
        term = self.term
        if isinstance(claimed, (int, float)) and math.isfinite(claimed):
            term = min(max(claimed, term), LONGEST_TERM)
        return self._watch.unchanged_for(str(generation), (state.get("token"), state.get("counter"))) >= term


class Use:
    """Says that a live process uses ``artefact``, so that `collect` leaves it alone.

    The file outlives `os.execv`: the thin Python makes it, the worker that replaces it goes on with `Use.resume`.
    """

    def __init__(self, path: Path, term: float) -> None:
        self.path = path
        self._counter = 0
        self._token = new_token()
        self._write()
        self._heartbeat = _Heartbeat(self._beat, term / _BEATS_PER_TERM)

    @classmethod
    def register(cls, directory: Path, artefact: str, term: float) -> Use:
        """A new use of ``artefact``. Look at the artefact's marker again afterwards: only then is it protected."""
        directory.mkdir(parents=True, exist_ok=True)
        return cls(directory / f"{artefact}--{new_token()}.json", term)

    @classmethod
    def resume(cls, path: Path, term: float) -> Use:
        """Goes on with a use that was registered before `os.execv`."""
        return cls(path, term)

    @staticmethod
    def artefact_of(path: Path) -> str:
        """The artefact that the use file ``path`` speaks of."""
        return path.name.rpartition("--")[0]

    def _write(self) -> None:
        self._counter += 1
        write_atomic(self.path, json.dumps({"token": self._token, "counter": self._counter}).encode())

    def _beat(self) -> bool:
        with contextlib.suppress(OSError):  # the next beat tries again; one missed beat of five costs nothing
            self._write()
        return True

    def pause(self) -> None:
        """Stops the heartbeat and leaves the file: what is done right before `os.execv`."""
        self._heartbeat.stop()

    def release(self) -> None:
        """Ends the use."""
        self._heartbeat.stop()
        self.path.unlink(missing_ok=True)
