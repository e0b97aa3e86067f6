"""Eight processes on one empty volume, killed at random moments: one whole environment, and nobody is blocked."""

from __future__ import annotations

from pathlib import Path

import pytest

from f5_serverless.runtime.publish import MODES, Volume
from f5_serverless.runtime.setup_environment import ensure_environment
from tests.runtime import racing
from tests.runtime.wheelhouse import Wheelhouse

ROUNDS = 12  # `python -m benchmarks.races` runs fifty and more


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_race_with_kills(seed: int, tmp_path: Path, wheels: Wheelhouse) -> None:
    mode = MODES[seed % len(MODES)]
    lock = wheels.lock(tmp_path / "lock.txt")
    race = racing.Race(tmp_path / "race", lock, wheels, mode, racing.expected_files(wheels))
    outcome = race.run(seed)

    assert [report.get("error") for report in outcome.reports if "error" in report] == []
    assert all(report["missing"] == [] for report in outcome.reports), "a worker used half an environment"
    assert len({report["artefact"] for report in outcome.reports}) <= 1, "two environments were used for one lock"

    # Whoever comes later finds it whole: this one could not build, since it has no wheels.
    if outcome.reports:
        late = ensure_environment(
            race.root, lock, local_dir=tmp_path / "late", mode=mode, uv_args=("--offline", "--no-index")
        )
        assert racing.missing_files(late.python, race.expected) == []
        markers = [Volume(race.root).read_marker(late.key, mode)]
        assert markers[0] is not None
        assert {str(report["artefact"]) for report in outcome.reports} == {markers[0].artefact}
        assert late.use is not None
        late.use.release()
