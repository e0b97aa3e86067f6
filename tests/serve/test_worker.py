"""Real worker processes on the queue in a box: every way a job can go, and every way a queue or worker can fail."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from f5_serverless.serve.job import read_error
from tests.serve.conftest import SCRIPT, Box

# ------------------------------------------------------------------------------ one undisturbed worker, RunPod's client


def test_runsync_answers(endpoint: Any) -> None:
    assert endpoint.run_sync({"input": {"echo": "hello"}}) == {"echo": "hello", "padding": ""}


def test_run_then_status_then_output(steady: Box, endpoint: Any) -> None:
    job = endpoint.run({"input": {"echo": 1}})
    assert steady.finished(job.job_id).status == "COMPLETED"
    assert job.status() == "COMPLETED"
    assert job.output()["echo"] == 1


def test_stream_yields_each_piece_then_the_whole(endpoint: Any) -> None:
    job = endpoint.run({"input": {"steps": 3, "options": {"stream": True}}})
    whole = {"echo": None, "padding": ""}
    assert list(job.stream()) == [{"chunk": 0}, {"chunk": 1}, {"chunk": 2}, {"final": whole}]
    assert job.output() == whole


def test_a_whole_too_large_for_the_stream_is_still_the_output(steady: Box) -> None:
    job = steady.finished(steady.submit(steps=1, size=2_000_000, options={"stream": True}))
    assert [piece["output"] for piece in job.stream] == [{"chunk": 0}, {"final": None}]
    assert len(job.output["padding"]) == 2_000_000


def test_health_counts(steady: Box, endpoint: Any) -> None:
    endpoint.run_sync({"input": {"echo": 1}})
    health = endpoint.health()
    assert health["jobs"]["completed"] >= 1
    assert health["workers"]["idle"] == 1


def test_progress_shows_the_stage_and_is_followed_by_the_answer(steady: Box) -> None:
    job_id = steady.submit(steps=8)
    steady.running_job(job_id)
    shown = steady.job(job_id).output
    assert shown["stage"] == "synthesise"
    assert shown["total"] == 8
    assert steady.finished(job_id).output == {"echo": None, "padding": ""}
    assert steady.count("late_progress") == 0


def test_cancel_stops_the_job_and_the_worker_goes_on(steady: Box, endpoint: Any) -> None:
    job = endpoint.run({"input": {"steps": 10_000}})
    steady.running_job(job.job_id)
    assert job.cancel()["status"] == "CANCELLED"
    assert endpoint.run_sync({"input": {"echo": "next"}})["echo"] == "next"
    assert steady.job(job.job_id).results == []


@pytest.mark.parametrize(
    ("job_input", "code", "field"),
    [
        ({"raise": "internal"}, "internal", None),
        ({"raise": "nan"}, "internal", None),
        ({"raise": "fetch"}, "fetch_failed", "audio_url"),
        ({"size": 10_000_000}, "limit_exceeded", "options.return"),
    ],
)
def test_a_failure_is_read_from_the_status(
    steady: Box, endpoint: Any, job_input: dict[str, Any], code: str, field: str | None
) -> None:
    job = endpoint.run({"input": job_input})
    steady.finished(job.job_id)
    status = job._fetch_job()
    assert status["status"] == "FAILED"
    error = read_error(status["error"])
    assert (error["code"], error["field"]) == (code, field)
    assert "Traceback" not in str(status)
    assert "s3cr3t" not in str(status)


def test_runsync_takes_twice_as_much(endpoint: Any) -> None:
    assert len(endpoint.run_sync({"input": {"size": 12_000_000}})["padding"]) == 12_000_000


def test_the_log_tells_the_course_of_a_job_and_no_text(steady: Box, endpoint: Any) -> None:
    endpoint.run_sync({"input": {"echo": "a private sentence"}})
    lines = [json.loads(line) for line in steady.workers[0].log().splitlines() if line.startswith("{")]
    assert {"INFO"} <= {line["level"] for line in lines} <= {"INFO", "WARN", "ERROR"}
    assert any(line["requestId"] and line["message"] == "Started" for line in lines)
    assert "private sentence" not in steady.workers[0].log()
    assert "job-take" not in steady.workers[0].log()


# ------------------------------------------------------------------------------------------------- workers that end


def test_a_killed_worker_loses_no_job_and_none_is_done_twice(box: Box) -> None:
    note = box.tmp / "note"
    first = box.start("first")
    job_id = box.submit(steps=20, note=str(note), echo=7)
    box.until(lambda: note.exists())
    box.start("second")
    first.kill()
    job = box.finished(job_id)
    assert job.output["echo"] == 7
    assert [(worker, counted) for worker, counted in job.results] == [("second", True)]
    assert len(note.read_text().split()) == 2


def test_sigterm_lets_the_running_job_finish_and_takes_no_other(box: Box) -> None:
    worker = box.start(times={"progress_seconds": 0.05})
    running, waiting = box.submit(steps=15, echo=1), box.submit(echo=2)
    box.running_job(running)
    os.kill(worker.process.pid, signal.SIGTERM)
    assert worker.process.wait(20) == 0
    assert box.job(running).output["echo"] == 1
    assert box.job(waiting).status == "IN_QUEUE"


def test_a_job_that_outlasts_the_grace_is_given_back(box: Box) -> None:
    worker = box.start(times={"progress_seconds": 0.05, "drain_seconds": 0.2})
    job_id = box.submit(steps=10_000)
    box.running_job(job_id)
    os.kill(worker.process.pid, signal.SIGTERM)
    assert worker.process.wait(20) == 0
    box.until(lambda: box.job(job_id).status == "IN_QUEUE")
    assert box.job(job_id).results == []


def test_a_broken_device_ends_the_worker_after_its_answer(box: Box) -> None:
    worker = box.start()
    job = box.finished(box.submit(**{"raise": "cuda"}))
    assert worker.process.wait(20) == 1
    assert read_error(job.error)["retryable"]
    assert box.count("unhealthy") == 1


def test_a_job_past_its_deadline_says_so_and_a_deaf_one_costs_the_worker(box: Box) -> None:
    worker = box.start(times={"job_seconds": 0.3, "stop_seconds": 0.5, "drain_seconds": 1})
    overdue = box.finished(box.submit(steps=10_000))
    assert read_error(overdue.error)["code"] == "deadline_exceeded"
    after = box.finished(box.submit(echo=1))
    assert after.status == "COMPLETED"
    deaf = box.finished(box.submit(deaf=60))
    assert read_error(deaf.error)["code"] == "deadline_exceeded"
    assert worker.process.wait(20) == 1


@pytest.mark.parametrize("config", [{"load_fails": True}, {"volume": "/absent"}])
def test_a_worker_that_is_not_fit_takes_no_job(box: Box, config: dict[str, Any]) -> None:
    worker = box.start(**config)
    job_id = box.submit(echo=1)
    assert worker.process.wait(40) == 1
    assert box.job(job_id).deliveries == 0
    assert box.count("unhealthy") == 1


# ------------------------------------------------------------------------------------------------- queues that fail


def test_a_failing_queue_is_asked_with_growing_pauses(steady: Box) -> None:
    steady.finished(steady.submit(echo=1))
    before = steady.struck("take_500")
    steady.fault("take_500", probability=1)
    job_id = steady.submit(echo=2)  # ends a request that is held open
    steady.until(lambda: steady.struck("take_500") > before)
    time.sleep(2)
    assert steady.struck("take_500") - before <= 12  # the SDK alone asks some hundred times
    steady.running.call(lambda queue: queue.faults.clear())
    assert steady.finished(job_id).status == "COMPLETED"


@pytest.mark.parametrize("fault", ["done_500", "done_reset"])
def test_a_result_arrives_although_posting_it_fails_at_first(steady: Box, tmp_path: Path, fault: str) -> None:
    note = tmp_path / "note"
    steady.fault(fault, times=4)
    assert steady.finished(steady.submit(echo=1, note=str(note))).output["echo"] == 1
    assert len(note.read_text().split()) == 1


def test_a_result_that_the_queue_refuses_becomes_an_error_that_it_takes(steady: Box) -> None:
    rules = steady.running.queue.state.rules
    limit, rules.max_async_bytes = rules.max_async_bytes, 1000
    try:
        job = steady.finished(steady.submit(size=5000))
    finally:
        rules.max_async_bytes = limit
    assert read_error(job.error)["code"] == "limit_exceeded"


def test_a_result_outlives_the_worker_that_made_it(box: Box) -> None:
    note = box.tmp / "note"
    box.fault("done_500", probability=1)
    first = box.start("first")
    job_id = box.submit(echo=1, note=str(note))
    pending = box.tmp / "outbox" / "pending"
    box.until(lambda: pending.exists() and list(pending.glob("*.json")))
    first.kill()
    box.running.call(lambda queue: queue.faults.clear())
    box.start("second")
    assert box.finished(job_id).output["echo"] == 1
    assert len(note.read_text().split()) == 1
    box.until(lambda: not list(pending.glob("*.json")))


def test_a_job_that_is_delivered_again_gets_the_same_answer_without_another_run(steady: Box, tmp_path: Path) -> None:
    note = tmp_path / "note"
    steady.fault("take_twice", times=1)
    job_id = steady.submit(echo=1, note=str(note), steps=2)
    steady.until(lambda: len(steady.job(job_id).results) == 2)
    assert [counted for _, counted in steady.job(job_id).results] == [True, False]
    assert len(note.read_text().split()) == 1


def test_a_result_that_was_taken_behind_an_error_is_not_run_again(steady: Box, tmp_path: Path) -> None:
    note = tmp_path / "note"
    steady.fault("done_lost_reply", times=1)
    job_id = steady.submit(echo=1, note=str(note))
    steady.until(lambda: len(steady.job(job_id).results) == 2)
    assert steady.job(job_id).status == "COMPLETED"
    assert len(note.read_text().split()) == 1


def test_two_jobs_at_once_where_that_is_asked_for(box: Box) -> None:
    box.start(times={"concurrency": 2, "progress_seconds": 0.05})
    both = [box.submit(steps=10_000) for _ in range(2)]
    for job_id in both:
        box.running_job(job_id)
    assert [box.job(job_id).status for job_id in both] == ["IN_PROGRESS", "IN_PROGRESS"]


# ---------------------------------------------------------------------------------------------- without any queue


def local(tmp_path: Path, *arguments: str) -> Any:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RUNPOD_")}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), "{}", *arguments],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("job_input", "code", "shown"),
    [({"echo": "hello"}, 0, "'echo': 'hello'"), ({"raise": "fetch"}, 1, '"code": "fetch_failed"')],
)
def test_test_input_runs_one_job(tmp_path: Path, job_input: dict[str, Any], code: int, shown: str) -> None:
    process = local(tmp_path, "--test_input", json.dumps({"input": job_input}))
    output, _ = process.communicate(timeout=60)
    assert process.returncode == code
    assert shown in output


def test_the_sdks_own_server_runs_jobs(tmp_path: Path, unused_port: int) -> None:
    process = local(tmp_path, "--rp_serve_api", "--rp_api_host", "127.0.0.1", "--rp_api_port", str(unused_port))
    url = f"http://127.0.0.1:{unused_port}"
    try:
        for _ in range(600):
            try:
                answer = requests.post(f"{url}/runsync", json={"input": {"echo": 1}}, timeout=10)
                break
            except requests.ConnectionError:
                time.sleep(0.1)
        assert answer.json()["output"] == {"echo": 1, "padding": ""}
        failed = requests.post(f"{url}/runsync", json={"input": {"raise": "fetch"}}, timeout=10).json()
        assert read_error(failed["error"])["code"] == "fetch_failed"
        started = requests.post(f"{url}/run", json={"input": {"echo": 2}}, timeout=10).json()
        assert requests.post(f"{url}/status/{started['id']}", timeout=10).json()["output"]["echo"] == 2
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
