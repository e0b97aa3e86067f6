"""`doctor` and the other commands that look after an installation: what is missing, and the command that gets it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from f5_serverless import cli, doctor
from f5_serverless.config import Settings
from tests.f5.tiny import make_checkpoint


def settings(tmp_path: Path, model: str) -> Settings:
    return Settings(output_dir=tmp_path / "out", model=model, models_dir=str(tmp_path / "models"), device="cpu")


def check_named(checks: list[doctor.Check], name: str) -> doctor.Check:
    return next(check for check in checks if check.name == name)


def test_without_weights_it_names_the_command(tmp_path: Path) -> None:
    checks = doctor.examine(settings(tmp_path, "F5TTS_v1_Base"))
    f5 = check_named(checks, "engine f5")
    assert not f5.ok
    assert "f5-serverless models pull F5TTS_v1_Base" in (f5.fix or "")
    assert doctor.can_work(checks), "the preview engine is enough to make speech"


def test_an_unreadable_checkpoint_is_told(tmp_path: Path) -> None:
    made = make_checkpoint(tmp_path / "tiny")
    good = check_named(doctor.examine(settings(tmp_path, str(tmp_path / "tiny"))), "engine f5")
    assert good.ok, good.detail
    made.model.write_bytes(made.model.read_bytes()[:100])
    bad = check_named(doctor.examine(settings(tmp_path, str(tmp_path / "tiny"))), "engine f5")
    assert not bad.ok
    assert "damaged" in bad.detail


def test_without_torch_it_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    hidden = {"torch", "safetensors"}

    def without(name: str, package: str | None = None) -> Any:
        return None if name in hidden else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    monkeypatch.setattr("f5_serverless.engines.f5tts_check.find_spec", without)
    checks = doctor.examine(settings(tmp_path, "F5TTS_v1_Base"))
    assert "pip install 'f5-serverless[f5]'" in (check_named(checks, "engine f5").fix or "")
    assert not check_named(checks, "torch").ok


def test_without_a_gpu_it_says_what_that_means(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert "minute" in check_named(doctor.examine(settings(tmp_path, "F5TTS_v1_Base")), "no_gpu").detail


def test_an_output_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file, not a directory")
    checks = doctor.examine(settings(tmp_path, "F5TTS_v1_Base"))
    assert not check_named(checks, "output directory").ok
    assert not doctor.can_work(checks)
    assert "cannot make speech" in doctor.to_text(checks)


def test_the_commands_answer_in_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("F5_OUTPUT_DIR", str(tmp_path / "out"))
    assert cli.main(["doctor", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["can_work"] is True
    assert cli.main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "F5-TTS Serverless request"
    assert cli.main(["models", "list", "--root", str(tmp_path)]) == 0
    assert "CC-BY-NC" in capsys.readouterr().out
    assert cli.main(["models", "verify", "F5TTS_v1_Base", "--root", str(tmp_path)]) == 1
    assert "models pull F5TTS_v1_Base" in capsys.readouterr().err
    assert cli.main(["models", "pull", "NoSuchModel", "--root", str(tmp_path)]) == 1
    assert "no model named" in capsys.readouterr().err


def test_voices_from_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("F5_OUTPUT_DIR", str(tmp_path / "out"))
    monkeypatch.setenv("F5_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("F5_ALIGNER", "pocketsphinx")
    text = "A short recording of a voice, for reference."
    assert cli.main(["say", text, "--json"]) == 0
    wav = json.loads(capsys.readouterr().out)["audio_url"].removeprefix("file://")
    assert cli.main(["voices", "list"]) == 0
    assert "no voices" in capsys.readouterr().out
    add = ["voices", "add", "anna", wav, "--ref-text", text, "--consent", "Anna, for our videos"]
    assert cli.main(add) == 0
    assert "anna" in capsys.readouterr().out
    assert cli.main(add) == 2
    assert "--force" in capsys.readouterr().err
    assert cli.main([*add, "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["voice"]["consent"] == "Anna, for our videos"
    assert cli.main(["voices", "add", "../etc", wav, "--ref-text", text]) == 2
    assert cli.main(["voices", "show", "nobody"]) == 2
    capsys.readouterr()
    assert cli.main(["voices", "list", "--json"]) == 0
    assert [voice["name"] for voice in json.loads(capsys.readouterr().out)["voices"]] == ["anna"]
    assert cli.main(["voices", "remove", "anna"]) == 0
    assert cli.main(["voices", "remove", "anna"]) == 2
