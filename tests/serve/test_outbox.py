"""Finished results on disk: found again, moved when delivered, never torn."""

from __future__ import annotations

import dataclasses
import os
import time
from pathlib import Path

import pytest

from f5_serverless.serve.outbox import Outbox, Record, digest_of

RECORD = Record("job-1", digest_of({"text": "Hi."}), {"output": {"n": 1}}, stream=False, worker="a")


@pytest.fixture
def outbox(tmp_path: Path) -> Outbox:
    return Outbox(tmp_path / "outbox")


def test_a_record_is_found_before_and_after_it_is_delivered(outbox: Outbox) -> None:
    outbox.put(RECORD)
    assert outbox.find("job-1", RECORD.digest) == RECORD
    assert list(outbox.pending("a", 60)) == [RECORD]
    outbox.delivered(RECORD)
    assert outbox.find("job-1", RECORD.digest) == RECORD
    assert list(outbox.pending("a", 60)) == []


def test_the_same_id_with_another_input_is_another_job(outbox: Outbox) -> None:
    outbox.put(RECORD)
    assert outbox.find("job-1", digest_of({"text": "Ho."})) is None


def test_a_delivered_failure_is_not_kept(outbox: Outbox) -> None:
    failed = dataclasses.replace(RECORD, body={"error": "{}"})
    outbox.put(failed)
    assert outbox.find("job-1", RECORD.digest) == failed
    outbox.delivered(failed)
    assert outbox.find("job-1", RECORD.digest) is None


def test_other_workers_records_are_left_to_them_until_they_are_old(outbox: Outbox, tmp_path: Path) -> None:
    outbox.put(RECORD)
    assert list(outbox.pending("b", 60)) == []
    (file,) = (tmp_path / "outbox" / "pending").iterdir()
    os.utime(file, (time.time() - 100,) * 2)
    assert list(outbox.pending("b", 60)) == [RECORD]


def test_delivering_twice_and_forgetting_nothing_are_harmless(outbox: Outbox) -> None:
    outbox.put(RECORD)
    outbox.delivered(RECORD)
    outbox.delivered(RECORD)
    outbox.forget("unknown")


@pytest.mark.parametrize("torn", [b"", b'{"job_id": "job-1", "dig', b"\0" * 50, b"[]", b'{"job_id": "job-1"}', b"\xff"])
def test_a_torn_record_counts_as_absent(outbox: Outbox, tmp_path: Path, torn: bytes) -> None:
    outbox.put(RECORD)
    (file,) = (tmp_path / "outbox" / "pending").iterdir()
    file.write_bytes(torn)
    assert outbox.find("job-1", RECORD.digest) is None
    assert list(outbox.pending("a", 0)) == []


def test_cleaning_removes_what_is_old(outbox: Outbox, tmp_path: Path) -> None:
    outbox.put(RECORD)
    outbox.delivered(RECORD)
    pending = dataclasses.replace(RECORD, job_id="job-2")
    outbox.put(pending)
    (tmp_path / "outbox" / "pending" / ".left-behind").touch()
    assert outbox.clean() == 0
    for path in (tmp_path / "outbox").rglob("*"):
        os.utime(path, (time.time() - 7200,) * 2)
    assert outbox.clean() == 2
    assert outbox.find("job-1", RECORD.digest) is None
    assert outbox.find("job-2", RECORD.digest) == pending


@pytest.mark.parametrize("job_id", ["../../etc/passwd", "a/b", "\ud800", "x" * 5000, ""])
def test_any_job_id_is_a_file_in_its_place(outbox: Outbox, tmp_path: Path, job_id: str) -> None:
    record = dataclasses.replace(RECORD, job_id=job_id)
    outbox.put(record)
    assert outbox.find(job_id, RECORD.digest) == record
    assert len(list((tmp_path / "outbox" / "pending").iterdir())) == 1
