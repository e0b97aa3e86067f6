from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime import wheelhouse


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> wheelhouse.Wheelhouse:
    return wheelhouse.make(tmp_path_factory.mktemp("wheels") / "house")


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """The root on an empty volume that is mounted."""
    (tmp_path / "mount").mkdir()
    return tmp_path / "mount" / "f5tts"
