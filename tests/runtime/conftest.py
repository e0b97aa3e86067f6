from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.runtime import wheelhouse


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> wheelhouse.Wheelhouse:
    if shutil.which("zstd") is None:
        pytest.skip("zstd is not installed, and environments are packed with it: apt-get install zstd")
    return wheelhouse.make(tmp_path_factory.mktemp("wheels") / "house")


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """The root on an empty volume that is mounted."""
    (tmp_path / "mount").mkdir()
    return tmp_path / "mount" / "f5tts"
