"""The checks before the first job, on directories that are good and bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from f5_serverless.errors import EngineUnavailable, SetupError
from f5_serverless.serve.fitness import gpu_check, volume_check


def test_a_writable_volume_passes_and_is_left_as_it_was(tmp_path: Path) -> None:
    volume_check(tmp_path).run()
    assert list(tmp_path.iterdir()) == []


def test_an_absent_volume_is_told(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="does not exist"):
        volume_check(tmp_path / "absent").run()


def test_a_full_volume_is_told(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="MB left"):
        volume_check(tmp_path, min_free_bytes=1 << 60).run()


def test_a_volume_that_cannot_be_written_is_told() -> None:
    with pytest.raises(SetupError, match="cannot be written"):
        volume_check(Path("/proc/self")).run()


def test_a_machine_without_gpu_passes_only_where_none_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    gpu_check(required=False).run()
    with pytest.raises(EngineUnavailable):
        gpu_check().run()
