"""RunPod's entry as RunPod's own tools start it: ``--test_input`` and ``--rp_serve_api``, in real processes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("F5_", "S3_", "AWS_", "RUNPOD_"))}
    return kept | {
        "F5_ENGINE": "preview",
        "F5_ALIGNER": "pocketsphinx",
        "F5_OUTPUT_DIR": str(tmp_path / "out"),
        "F5_CACHE_DIR": str(tmp_path / "cache"),
    }


def test_test_input_runs_one_job(tmp_path: Path) -> None:
    job = {"input": {"text": "Secret words of the caller.", "options": {"seed": 1, "create_subtitles": False}}}
    done = subprocess.run(
        [sys.executable, str(ROOT / "handler.py"), "--test_input", json.dumps(job)],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").rglob("speech.wav"))) == 1
    # The SDK itself prints the result of a local test; nothing else may print what was asked.
    others = [line for line in (done.stdout + done.stderr).splitlines() if "Job result" not in line]
    assert not any("Secret words" in line for line in others)


def ask(url: str, payload: dict[str, Any]) -> dict[str, Any]:
    request = urllib.request.Request(url, json.dumps(payload).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        answer: dict[str, Any] = json.load(response)
    return answer


@pytest.fixture
def api(tmp_path: Path) -> Any:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, str(ROOT / "handler.py"), "--rp_serve_api", "--rp_api_port", str(port)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment(tmp_path), stdout=log, stderr=log, start_new_session=True
        )
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        assert process.poll() is None, (tmp_path / "log").read_text()
        time.sleep(0.2)
    yield f"http://127.0.0.1:{port}"
    process.kill()
    process.wait()


def test_the_local_api_answers(api: str) -> None:
    good = ask(f"{api}/runsync", {"input": {"text": "Hello there.", "options": {"return": "inline"}}})
    assert good["status"] == "COMPLETED"
    assert good["output"]["words"][0]["text"] == "Hello"
    bad = ask(f"{api}/runsync", {"input": {"text": "Hello there.", "options": {"speed": 9}}})
    assert bad["status"] == "FAILED"
    error = json.loads(bad["error"])
    assert (error["code"], error["field"], error["retryable"]) == ("invalid_request", "options.speed", False)
    local = ask(f"{api}/runsync", {"input": {"text": "Hi.", "audio_url": "/etc/passwd"}})
    assert json.loads(local["error"])["code"] == "source_refused"
