"""Whole jobs with a real S3 server at both ends: inputs by s3://, results behind signed addresses."""

from __future__ import annotations

import contextlib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from f5_serverless.audio import codec
from f5_serverless.config import Settings
from f5_serverless.errors import F5Error, SourceNotFound, StoreCredentials
from f5_serverless.pipeline import Services, open_services, run_job
from f5_serverless.storage.stores import open_store
from tests.storage import servers

TEXT = "A job with a bucket at both ends."


@pytest.fixture(scope="module", params=["rclone", "seaweed"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    start = {"rclone": servers.rclone, "seaweed": servers.seaweed}[request.param]
    with start(tmp_path_factory.mktemp(request.param)) as running:
        yield running


def settings_for(server: servers.Server, tmp_path: Path, **changes: Any) -> Settings:
    environ = {
        "S3_BUCKET": "talks",
        "S3_PREFIX": "made",
        "AWS_ENDPOINT_URL": server.endpoint,
        "AWS_ACCESS_KEY_ID": servers.KEY,
        "AWS_SECRET_ACCESS_KEY": servers.SECRET,
        "S3_TIMEOUT": "20",
        "F5_CACHE_DIR": "store",
        "F5_ALIGNER": "pocketsphinx",
        "F5_OUTPUT_DIR": str(tmp_path / "nothing"),
    }
    return Settings.from_env(environ | changes)


@pytest.fixture
def remote(server: servers.Server, tmp_path: Path) -> Services:
    settings = settings_for(server, tmp_path)
    from f5_serverless.storage.s3_store import S3Store

    with contextlib.suppress(ClientError):  # it is there already
        S3Store.of(settings).client._client.create_bucket(Bucket="talks")
    return open_services(settings, allow_local=False)


def download(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=20) as response:
        content: bytes = response.read()
    return content


def test_a_job_from_bucket_to_bucket(remote: Services, tmp_path: Path) -> None:
    spoken = run_job({"text": TEXT, "options": {"seed": 1, "subtitle_format": ["srt", "ass"]}}, remote)
    sound = download(spoken["audio_url"])
    decoded = codec.decode(sound, max_seconds=60, max_bytes=1 << 24)
    assert decoded.duration == pytest.approx(spoken["duration"], abs=0.001)
    assert TEXT in download(spoken["subtitle_urls"]["srt"]).decode()
    assert servers.SECRET not in str(spoken)

    remote.store.put("input/talk.wav", sound)
    answer = run_job({"audio_url": "s3://talks/made/input/talk.wav", "text": TEXT}, remote)
    assert [word["text"] for word in answer["words"]] == TEXT.split()
    assert b"Dialogue:" in download(answer["subtitle_urls"]["ass"])

    again = run_job({"text": TEXT, "options": {"seed": 1, "subtitle_format": ["srt", "ass"]}}, remote)
    assert again["reused"] is True
    assert download(again["audio_url"]) == sound
    assert not (tmp_path / "nothing").exists()


def test_a_missing_input_is_named(remote: Services) -> None:
    with pytest.raises(SourceNotFound) as caught:
        run_job({"audio_url": "s3://talks/made/input/none.wav", "text": TEXT}, remote)
    assert caught.value.field == "audio_url"


def test_a_wrong_secret_is_rejected(server: servers.Server, tmp_path: Path) -> None:
    wrong = settings_for(server, tmp_path, AWS_SECRET_ACCESS_KEY="not-the-secret")
    with pytest.raises(F5Error) as caught:
        open_store(wrong).put("x/y.txt", b"z")
    assert isinstance(caught.value, StoreCredentials)
    assert "not-the-secret" not in str(caught.value.to_dict())
