"""What the two layers' files promise: locks without addresses, an image that gets only what it needs, a real entry."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from f5_serverless.config import Settings
from f5_serverless.runtime import health
from f5_serverless.runtime.build import Sizes
from f5_serverless.runtime.enter import stays_here

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.txt", "runtime_requirements.txt")


@pytest.mark.parametrize("name", LOCKS)
def test_lock_has_a_hash_for_everything_and_names_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    packages = re.split(r"\n(?=[a-z0-9])", text.partition("\n    make lock")[0] + text)[1:]
    pinned = [entry for entry in packages if "==" in entry.split("\n")[0]]
    assert len(pinned) > 100
    assert [entry.split("==")[0] for entry in pinned if "--hash=sha256:" not in entry] == []
    assert "://" not in text
    assert "--index-url" not in text


def test_layer_one_has_no_torch_and_layer_two_has_whisperx_and_its_torch_but_no_pyannote() -> None:
    names = {name: set(re.findall(r"^([a-z0-9-]+)==", (ROOT / name).read_text(), re.MULTILINE)) for name in LOCKS}
    assert names["requirements.txt"].isdisjoint({"torch", "torchaudio", "transformers", "whisperx", "pandas"})
    assert names["requirements.txt"] >= {"runpod", "boto3", "uv", "av"}
    assert names["runtime_requirements.txt"] >= {"torch", "torchaudio", "whisperx", "faster-whisper", "runpod"}
    unwanted = {"pyannote-audio", "gradio", "wandb", "torchvision", "torchcodec", "accelerate", "f5-tts"}
    assert names["runtime_requirements.txt"].isdisjoint(unwanted)


@pytest.mark.parametrize("name", LOCKS)
def test_lock_holds_all_that_the_package_needs(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = project["dependencies"] + extras["serve"] + extras["preview"]
    wanted += extras["f5"] + extras["whisperx"] if name.startswith("runtime") else []
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / name).read_text(), re.MULTILINE))
    assert {re.split(r"[<>=\[;]", entry)[0].strip().lower() for entry in wanted} <= locked


def test_sizes_of_the_real_lock_are_known() -> None:
    sizes = Sizes.of(ROOT / "runtime_requirements.txt")
    assert sizes.packages == json.loads((ROOT / "runtime_requirements.json").read_text())["packages"]
    assert 1e9 < sizes.archive_bytes < sizes.unpacked_bytes < 20e9
    assert 1e9 < sizes.download_bytes < 10e9


def test_every_file_that_the_image_copies_exists_and_gets_past_dockerignore() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source
                assert source in allowed, source


def settings(**values: str) -> Settings:
    return Settings.from_env(values)


def test_worker_stays_in_this_python_only_for_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    mounted = {"F5_VOLUME_ROOT": str(tmp_path / "f5tts")}
    absent = {"F5_VOLUME_ROOT": str(tmp_path / "no" / "f5tts")}
    assert stays_here(settings(F5_ENGINE="f5", **mounted)) is None
    assert stays_here(settings(F5_ENGINE="auto", **mounted)) is None
    assert stays_here(settings(F5_ENGINE="f5", **absent)) is None  # then it is an error, never the preview engine
    assert "no volume" in str(stays_here(settings(F5_ENGINE="auto", **absent)))
    assert stays_here(settings(F5_ENGINE="auto", F5_ALLOW_LOCAL_ENV="1", **absent)) is None
    assert "preview" in str(stays_here(settings(F5_ENGINE="preview", **mounted)))
    assert stays_here(settings(F5_ENGINE="f5", F5_USE_LEASE="/x", **mounted)) is not None


def test_bootstrap_imports_nothing_but_the_standard_library() -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import f5_serverless.runtime.enter; "
        "known = sys.stdlib_module_names | {'f5_serverless', '__main__'}; "
        "print([name for name in sys.modules if name.split('.')[0] not in known])"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(ROOT / "src")], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_health_sees_a_worker_and_its_absence(tmp_path: Path) -> None:
    program = tmp_path / "handler.py"
    program.write_text("import time; print('up', flush=True); time.sleep(60)")
    worker = subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    worker.stdout.readline()
    assert worker.pid in health.worker_pids()
    worker.kill()
    deadline = time.monotonic() + 10
    while worker.pid in health.worker_pids() and time.monotonic() < deadline:
        time.sleep(0.01)  # a zombie counts as gone
    assert worker.pid not in health.worker_pids()
    worker.wait()
    worker.stdout.close()
    assert health.worker_pids(tmp_path) == []


def test_hub_manifest_names_real_settings() -> None:
    known = {field.metadata["env"] for field in Settings.__dataclass_fields__.values()}
    hub = json.loads((ROOT / ".runpod" / "hub.json").read_text())
    keys = {entry["key"] for entry in hub["config"]["env"]}
    assert keys - known == {"RUNPOD_INIT_TIMEOUT"}
    tests = json.loads((ROOT / ".runpod" / "tests.json").read_text())
    assert tests["tests"][0]["input"]["options"]["engine"] == "preview"


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").glob("*.sh")), ids=lambda path: path.name)
def test_scripts_parse_and_can_be_run(path: Path) -> None:
    shell = "bash" if "bash" in path.read_text().splitlines()[0] else "sh"
    subprocess.run([shell, "-n", str(path)], check=True)
    assert os.access(path, os.X_OK)
