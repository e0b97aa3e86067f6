"""Which engines count as at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from f5_serverless.config import Settings
from f5_serverless.engines.registry import Engines


def engines(tmp_path: Path, whisper_model: str) -> Engines:
    return Engines(Settings(models_dir=str(tmp_path / "models"), whisper_model=whisper_model, device="cpu"))


@pytest.mark.parametrize(
    ("name", "folder", "found"),
    [
        ("large-v3-turbo", "models--owner--faster-whisper-large-v3-turbo", True),
        ("owner/own-whisper", "models--owner--own-whisper", True),
        ("large-v3-turbo", "models--owner--faster-whisper-large-v3", False),
    ],
)
def test_a_recogniser_on_the_volume_reads_back_without_being_asked_for(
    tmp_path: Path, name: str, folder: str, found: bool
) -> None:
    pytest.importorskip("faster_whisper")
    snapshot = tmp_path / "models" / "whisper" / folder / "snapshots" / "0a1b"
    snapshot.mkdir(parents=True)
    assert engines(tmp_path, name).transcriber_at_hand() is None, "a download that never ended is not at hand"
    (snapshot / "model.bin").touch()
    at_hand = engines(tmp_path, name).transcriber_at_hand()
    assert (at_hand is not None) is found
    assert at_hand is None or at_hand.model == name


def test_a_directory_of_one_s_own_is_at_hand(tmp_path: Path) -> None:
    pytest.importorskip("faster_whisper")
    assert engines(tmp_path, str(tmp_path)).transcriber_at_hand() is not None
    assert engines(tmp_path, str(tmp_path / "absent")).transcriber_at_hand() is None
