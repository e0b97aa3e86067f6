"""The checks before the first job, on directories that are good and bad."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

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


class Matrix:
    """Stands in for a 64 by 64 tensor of ones; ``result`` is what the product sums up to."""

    def __init__(self, result: float) -> None:
        self.result = result

    def __matmul__(self, _: Matrix) -> Matrix:
        return self

    def sum(self) -> float:
        return self.result


def torch_with(available: bool, result: float = 64.0**3) -> SimpleNamespace:
    cuda = SimpleNamespace(is_available=lambda: available)
    return SimpleNamespace(cuda=cuda, ones=lambda *_, device: Matrix(result))


@pytest.mark.parametrize(
    ("torch", "required", "passes"),
    [
        (None, True, False),
        (None, False, True),
        (torch_with(False), True, False),
        (torch_with(False), False, True),
        (torch_with(True), True, True),
        (torch_with(True, result=0.0), False, False),
    ],
)
def test_a_gpu_must_be_there_where_it_is_needed_and_compute_where_it_is(
    monkeypatch: pytest.MonkeyPatch, torch: object, required: bool, passes: bool
) -> None:
    monkeypatch.setitem(sys.modules, "torch", torch)
    with nullcontext() if passes else pytest.raises(EngineUnavailable):
        gpu_check(required).run()
