from __future__ import annotations

from pathlib import Path

import pytest

from f5_serverless.config import Settings
from f5_serverless.errors import StorageError
from f5_serverless.runtime.deploy_check import deploy_check

ROOT = Path(__file__).parents[2]


@pytest.fixture
def good() -> dict[str, str]:
    return {
        "RUNPOD_API_KEY": "k",
        "RUNPOD_INIT_TIMEOUT": "1200",
        "F5_ENGINE": "f5",
        "F5_RUNTIME_LOCK": str(ROOT / "runtime_requirements.txt"),
        "S3_BUCKET": "results",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret-value",
    }


def test_complete_deployment_leaves_only_what_is_good_to_know(good: dict[str, str]) -> None:
    asked: list[str] = []
    findings = deploy_check(good, lambda settings: asked.append(settings.s3_bucket))
    assert [(finding.code, finding.severity) for finding in findings] == [("sizes", "info")]
    assert asked == ["results"]


@pytest.mark.parametrize(
    ("change", "code", "severity"),
    [
        ({"RUNPOD_API_KEY": ""}, "no_api_key", "warning"),
        ({"RUNPOD_LOG_LEVEL": "debug"}, "debug_log", "warning"),
        ({"F5_ENGINE": "xtts"}, "unknown_engine", "error"),
        ({"F5_ENGINE": "preview"}, "preview_engine", "warning"),
        ({"F5_ENV_MODE": "floppy"}, "unknown_mode", "error"),
        ({"F5_VOLUME_ROOT": "/data/f5"}, "volume_elsewhere", "warning"),
        ({"F5_ALLOW_LOCAL_ENV": "1"}, "local_environment", "warning"),
        ({"F5_RUNTIME_LOCK": "/nowhere.txt"}, "no_lock", "error"),
        ({"S3_BUCKET": ""}, "no_bucket", "warning"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "half_a_key", "error"),
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no_store_key", "error"),
        ({"F5_JOB_SECONDS": "900"}, "job_time", "warning"),
        ({"RUNPOD_INIT_TIMEOUT": ""}, "init_timeout", "warning"),
        ({"F5_CONCURRENCY": "many"}, "bad_setting", "error"),
    ],
)
def test_each_gap_is_found_and_says_what_to_do(
    change: dict[str, str], code: str, severity: str, good: dict[str, str]
) -> None:
    findings = deploy_check(good | change)
    found = {finding.code: finding for finding in findings}
    assert found[code].severity == severity
    assert found[code].advice
    assert "secret-value" not in str(findings)


def test_unreachable_store_is_an_error_and_comes_first(good: dict[str, str]) -> None:
    def refuse(_: Settings) -> None:
        raise StorageError("The bucket does not exist.")

    first = deploy_check(good | {"RUNPOD_API_KEY": ""}, refuse)[0]
    assert (first.code, first.severity) == ("store_unreachable", "error")


def test_lock_without_hashes(good: dict[str, str], tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("six==1.17.0\n")
    assert deploy_check(good | {"F5_RUNTIME_LOCK": str(lock)})[0].code == "no_hashes"
