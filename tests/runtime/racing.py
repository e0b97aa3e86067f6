"""Rounds of a race: many processes bootstrap one empty volume at once while some of them are killed."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import time
import traceback
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

from f5_serverless.runtime.setup_environment import ensure_environment
from tests.runtime.wheelhouse import Wheelhouse

TERM = 0.3
DEADLINE = 60.0
LARGE = 8_000  # bytes; some files of these small packages have more


def expected_files(wheels: Wheelhouse) -> dict[str, str]:
    """sha256 of every module file that a whole environment holds, by its path in site-packages."""
    found = {}
    for wheel in wheels.directory.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(".py"):
                    found[name] = hashlib.sha256(archive.read(name)).hexdigest()
    return found


def missing_files(python: Path, expected: dict[str, str]) -> list[str]:
    """Files that are not there, or not whole, in the environment of ``python``."""
    (packages,) = python.parent.parent.glob("lib/python*/site-packages")
    wrong = []
    for name, sha256 in expected.items():
        path = packages / name
        if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            wrong.append(name)
    return wrong


@dataclass
class Worker:
    """One forked worker. ``local`` is its host's disk, ``report`` where it says how it ended."""

    pid: int
    local: Path
    report: Path


@dataclass
class Outcome:
    """What one round ended with."""

    kills: int = 0
    reports: list[dict[str, object]] = field(default_factory=list)


@dataclass
class Race:
    """One round on ``base`` (empty). ``expected``: from `expected_files`."""

    base: Path
    lock: Path
    wheels: Wheelhouse
    mode: str
    expected: dict[str, str]
    workers: int = 8

    @property
    def root(self) -> Path:
        return self.base / "mount" / "f5tts"

    def run(self, seed: int) -> Outcome:
        """Starts all workers, kills by ``seed``, restarts most of the killed, waits for all."""
        dice = random.Random(seed)
        (self.base / "mount").mkdir(parents=True)
        alive = [self._start(self.base / f"host{index // 2}") for index in range(self.workers)]  # two share a host
        outcome = Outcome()
        started = time.monotonic()
        kills = sorted(dice.uniform(0.0, 0.9) for _ in range(dice.randint(1, 7)))
        while alive:
            if time.monotonic() - started > DEADLINE:
                for worker in alive:
                    os.killpg(worker.pid, signal.SIGKILL)
                raise AssertionError(f"seed {seed}: {len(alive)} workers are blocked")
            if kills and time.monotonic() - started >= kills[0]:
                kills.pop(0)
                outcome.kills += 1
                victim = alive.pop(dice.randrange(len(alive)))
                # The whole group dies with a container; the process alone, when the kernel picks one: uv goes on then.
                (os.killpg if dice.random() < 0.5 else os.kill)(victim.pid, signal.SIGKILL)
                os.waitpid(victim.pid, 0)
                if dice.random() < 0.7:
                    alive.append(self._start(victim.local))
            for worker in list(alive):
                if os.waitpid(worker.pid, os.WNOHANG)[0]:
                    alive.remove(worker)
                    outcome.reports.append(json.loads(worker.report.read_text()))
            time.sleep(0.005)
        return outcome

    def _start(self, local: Path) -> Worker:
        report = self.base / f"report-{time.monotonic_ns()}.json"
        pid = os.fork()
        if pid == 0:
            try:
                os.setsid()
                report.write_text(json.dumps(self._work(local)))
            except BaseException:  # noqa: BLE001 - a forked child must not run the test framework's clean-up
                report.write_text(json.dumps({"error": traceback.format_exc()}))
            finally:
                os._exit(0)
        while os.getpgid(pid) != pid and not report.exists():  # until then, killing its group would kill us
            time.sleep(0.001)
        return Worker(pid, local, report)

    def _work(self, local: Path) -> dict[str, object]:
        environment = ensure_environment(
            self.root,
            self.lock,
            local_dir=local,
            mode=self.mode,
            imports=("six", "idna", "packaging"),
            uv_args=self.wheels.uv_args,
            lease_seconds=TERM,
            large_bytes=LARGE,
        )
        assert environment.use is not None
        return {
            "artefact": environment.use.artefact_of(environment.use.path),
            "missing": missing_files(environment.python, self.expected),
        }
