"""What is read ahead is really read, and trouble with it is nobody's trouble."""

from __future__ import annotations

from pathlib import Path

import pytest

from f5_serverless.config import Settings
from f5_serverless.runtime.read_ahead import read_ahead
from f5_serverless.serve.entry import _weights

SIZE = 9 << 20  # more than two blocks


def bytes_read() -> int:
    """What this process has asked the system for so far."""
    return int(Path("/proc/self/io").read_text().split("rchar:")[1].split()[0])


def test_files_and_directories_are_read_whole(tmp_path: Path) -> None:
    inner = tmp_path / "vocos" / "inner"
    inner.mkdir(parents=True)
    for path in (tmp_path / "model.safetensors", tmp_path / "vocos" / "a.bin", inner / "b.bin"):
        path.write_bytes(bytes(SIZE))
    before = bytes_read()
    read_ahead([tmp_path / "model.safetensors", tmp_path / "vocos"]).join(30)
    assert bytes_read() - before >= 3 * SIZE


def test_what_is_not_there_is_left_to_who_needs_it(tmp_path: Path) -> None:
    thread = read_ahead([tmp_path / "absent", tmp_path])
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.parametrize(("engine", "count"), [("preview", 0), ("f5", 2), ("auto", 2)])
def test_a_worker_reads_ahead_what_its_engine_will_load(tmp_path: Path, engine: str, count: int) -> None:
    found = _weights(Settings(engine=engine, models_dir=str(tmp_path)))
    assert len(found) == count


def test_a_model_of_one_s_own_is_read_ahead_too(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    found = _weights(Settings(engine="f5", model=str(tmp_path)))
    assert found == [tmp_path / "model.safetensors", tmp_path / "vocos"]
