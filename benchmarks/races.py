"""Many processes bootstrap one empty volume at once while some are killed: is there ever half an environment?

In: nothing. Out: rounds, processes, kills, and what went wrong (must be zero). The same rounds as in `tests/runtime`,
more of them. Needs no network: the wheels are packed from installed packages.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from benchmarks.harness import Report, main, percentile
from f5_serverless.runtime.publish import MODES
from tests.runtime import racing, wheelhouse

ROUNDS = 60
QUICK_ROUNDS = 6


def run(quick: bool) -> Report:
    """One row per mode. ``longest round`` bounds how long a dead lease can have blocked anybody."""
    report = Report(
        f"Bootstrap races: {racing.Race.workers} processes on one empty volume, kill -9 at random moments",
        (
            "mode",
            "rounds",
            "workers",
            "killed",
            "errors",
            "half used",
            "more than one",
            "blocked",
            "round p50",
            "round max",
        ),
    )
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with tempfile.TemporaryDirectory() as scratch:
        wheels = wheelhouse.make(Path(scratch) / "wheels")
        lock = wheels.lock(Path(scratch) / "lock.txt")
        expected = racing.expected_files(wheels)
        for mode in MODES:
            workers = kills = errors = half = double = blocked = 0
            seconds = []
            for seed in range(rounds // len(MODES)):
                started = time.monotonic()
                race = racing.Race(Path(scratch) / f"{mode}{seed}", lock, wheels, mode, expected)
                try:
                    outcome = race.run(seed)
                except AssertionError:
                    blocked += 1
                    continue
                seconds.append(time.monotonic() - started)
                workers += len(outcome.reports) + outcome.kills
                kills += outcome.kills
                errors += sum("error" in report for report in outcome.reports)
                half += sum(bool(report.get("missing")) for report in outcome.reports)
                double += len({str(report.get("artefact")) for report in outcome.reports}) > 1
            figures = {"workers": workers, "kills": kills, "errors": errors, "half": half, "double": double}
            report.figures |= {f"{mode}_{name}": value for name, value in (figures | {"blocked": blocked}).items()}
            counts = [str(count) for count in (rounds // len(MODES), *figures.values(), blocked)]
            report.rows.append((mode, *counts, f"{percentile(seconds, 0.5):.2f} s", f"{max(seconds):.2f} s"))
    report.notes.append(f"Lease term {racing.TERM} s; up to 7 kills a round, 70 % of the killed come back.")
    return report


if __name__ == "__main__":
    main(run)
