"""The queue in a box as clients see it, and as the SDK's own worker does, which proves that it speaks the protocol."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
import requests

from f5_serverless.serve import dev_queue
from f5_serverless.serve.queue_faults import FAULTS
from tests.serve.conftest import Box

KEY = {"Authorization": "Bearer anything"}


def post(box: Box, path: str, **arguments: Any) -> requests.Response:
    return requests.post(f"{box.running.base}/dev/{path}", timeout=10, headers=KEY, **arguments)


def get(box: Box, path: str) -> requests.Response:
    return requests.get(f"{box.running.base}/dev/{path}", timeout=10, headers=KEY)


@pytest.mark.parametrize("body", [b"", b"no json", b"[]", b"{}", b'{"input": "text"}'])
def test_a_submission_needs_an_input_object(box: Box, body: bytes) -> None:
    assert post(box, "run", data=body).status_code == 400


def test_payload_limits_are_ten_and_twenty_megabytes(box: Box) -> None:
    body = json.dumps({"input": {"text": "x" * 10_500_000}}).encode()
    assert post(box, "run", data=body).status_code == 400
    assert post(box, "runsync?wait=1", data=body).json()["status"] == "IN_QUEUE"
    assert post(box, "runsync?wait=1", data=body * 2).status_code == 400


def test_a_client_needs_a_key(box: Box) -> None:
    assert requests.get(f"{box.running.base}/dev/health", timeout=10).status_code == 401


def test_an_unknown_job_is_404(box: Box) -> None:
    assert get(box, "status/unknown").status_code == 404


def test_purging_cancels_what_waits(box: Box) -> None:
    job_id = post(box, "run", json={"input": {"n": 1}}).json()["id"]
    assert post(box, "purge-queue").json() == {"removed": 1, "status": "completed"}
    assert get(box, f"status/{job_id}").json() == {"id": job_id, "status": "CANCELLED"}


def test_the_policy_sets_a_jobs_own_timeout(box: Box) -> None:
    job_id = post(box, "run", json={"input": {"n": 1}, "policy": {"executionTimeout": 10}}).json()["id"]
    box.running.call(lambda queue: queue.state.take("nobody"))
    assert box.finished(job_id).status == "TIMED_OUT"


def test_faults_are_set_and_counted_over_http(box: Box) -> None:
    admin = f"{box.running.url}/admin"
    assert requests.put(f"{admin}/faults", json={"take_429": {"times": 1}}, timeout=10).status_code == 200
    assert requests.put(f"{admin}/faults", json={"nonsense": {}}, timeout=10).status_code == 400
    take = f"{box.running.base}/dev/job-take/w?gpu=none&job_in_progress=0"
    assert requests.get(take, timeout=10).status_code == 429
    assert requests.get(admin, timeout=10).json()["faults"] == {"take_429": 1}


def test_a_worker_that_hangs_up_while_it_waits_gets_no_job(box: Box) -> None:
    take = f"{box.running.base}/dev/job-take/w?gpu=none&job_in_progress=0"
    with pytest.raises(requests.Timeout):
        requests.get(take, timeout=0.2)
    box.until(lambda: "w" in box.running.call(lambda queue: queue.state.workers))
    job_id = box.submit()
    assert requests.get(take, timeout=10).json()["id"] == job_id


def test_a_broken_hand_over_goes_back_to_the_queue(box: Box) -> None:
    box.fault("take_lost", times=1)
    job_id = box.submit()
    take = f"{box.running.base}/dev/job-take/w?gpu=none&job_in_progress=0"
    with pytest.raises(requests.ConnectionError):
        requests.get(take, timeout=10)
    box.until(lambda: box.job(job_id).status == "IN_QUEUE")


def test_the_sdks_own_worker_is_served(box: Box) -> None:
    """Neither our loop nor our patches: runpod.serverless.start with a generator, as its documentation shows it."""
    code = """
        import asyncio, runpod
        async def handler(job):
            for n in range(job["input"]["n"]):
                yield {"n": n}
                await asyncio.sleep(job["input"].get("pause", 0))
        runpod.serverless.start({"handler": handler, "return_aggregate_stream": True})
    """
    box.run("theirs", [sys.executable, "-c", textwrap.dedent(code)])
    done = box.submit(n=2)
    assert box.finished(done).output == [{"n": 0}, {"n": 1}]
    assert get(box, f"stream/{done}").json()["stream"] == [{"output": {"n": 0}}, {"output": {"n": 1}}]
    stopped = box.submit(n=1000, pause=0.05)
    box.until(lambda: len(box.job(stopped).stream) > 1)
    post(box, f"cancel/{stopped}")
    seen = len(box.job(stopped).stream)
    after = box.submit(n=1)
    assert box.finished(after).output == [{"n": 0}]
    assert len(box.job(stopped).stream) < seen + 100


def test_the_command_prints_what_a_worker_needs_and_serves(tmp_path: Any) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "f5_serverless.serve.dev_queue", "--port", "0", "--fault", "done_500=0.5"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = []
    while not lines or "RUNPOD_ENDPOINT_BASE_URL" not in lines[-1]:
        lines.append(process.stdout.readline())
    base = lines[-1].split("'")[1]
    assert requests.get(f"{base}/dev/health", timeout=10, headers=KEY).json()["jobs"]["inQueue"] == 0
    assert any("RUNPOD_WEBHOOK_GET_JOB" in line for line in lines)
    process.terminate()
    process.wait(10)
    process.stdout.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_documented(fault: str) -> None:
    assert f"`{fault}`" in (Path(__file__).parents[2] / "docs" / "worker.md").read_text()


@pytest.mark.parametrize("fault", ["nonsense=1", "done_500", "done_500=x", "done_500=2"])
def test_the_command_refuses_bad_faults(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        dev_queue.main(["--fault", fault])
    assert caught.value.code == 2
    assert "--fault" in capsys.readouterr().err
