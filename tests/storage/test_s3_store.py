"""The bucket as a store, against real servers: rclone, SeaweedFS, moto."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import botocore.auth
import pytest
from botocore.exceptions import BotoCoreError, ClientError

from f5_serverless.errors import AudioTooLarge, F5Error, SourceNotFound, SourceRefused, StorageError, StoreMissing
from f5_serverless.storage.fetch import Fetcher
from f5_serverless.storage.outputs import LocalStore, Store
from f5_serverless.storage.s3_client import S3Client
from f5_serverless.storage.s3_store import S3Store
from f5_serverless.storage.s3_transport import S3Options
from f5_serverless.storage.voices import VoiceRegistry
from tests.storage import servers
from tests.storage.web import Web

START = {"rclone": servers.rclone, "seaweed": servers.seaweed, "moto": servers.moto}
PART = 5 << 20  # the smallest that S3 allows


def options_of(server: servers.Server, **more: object) -> S3Options:
    known = S3Options(endpoint=server.endpoint, access_key=servers.KEY, secret_key=servers.SECRET, total_seconds=60.0)
    return dataclasses.replace(known, part_bytes=PART, backoff_seconds=0.02, **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=list(START))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Server]:
    with START[request.param](tmp_path_factory.mktemp(request.param)) as running:
        client = S3Client(options_of(running))
        for _ in range(100):  # SeaweedFS listens before it serves
            try:
                client._client.create_bucket(Bucket="talks")
                S3Store(client, "talks").put("ready", b"")
                break
            except (ClientError, BotoCoreError, StorageError) as error:
                if "BucketAlready" in str(error):
                    break
                time.sleep(0.3)
        yield running


@pytest.fixture
def store(server: servers.Server) -> S3Store:
    return S3Store(S3Client(options_of(server)), "talks", f"t-{os.urandom(4).hex()}")


def test_it_keeps_the_contract_of_a_store(store: S3Store, tmp_path: Path) -> None:
    _: Store = store
    store.check()
    big = os.urandom(2 * PART + 12_345)
    (tmp_path / "big").write_bytes(big)
    store.put("a/empty.txt", b"")
    store.put("a/b c/ü%+.wav", b"sound", metadata={"Seed": "7", "consent": "Ja – 100% gern"})
    store.put("big.flac", tmp_path / "big", metadata={"seed": "8"})
    store.put("big2.flac", big)
    info = store.head("a/b c/ü%+.wav")
    assert info
    assert (info.key, info.size, info.content_type) == ("a/b c/ü%+.wav", 5, "audio/wav")
    assert {"seed": "7", "consent": "Ja – 100% gern"}.items() <= info.metadata.items()
    assert abs(info.modified - time.time()) < 3600
    assert store.read("a/b c/ü%+.wav") == b"sound"
    assert store.read("a/empty.txt") == b""
    for key in ("big.flac", "big2.flac"):
        found = store.get(key, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == big
        assert (found.size, found.content_type) == (len(big), "audio/flac")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["back", "big"]
    with pytest.raises(StorageError, match="larger"):
        store.read("big.flac", 100)
    store.put("a/empty.txt", b"now full")
    assert store.read("a/empty.txt") == b"now full"
    store.delete("a/empty.txt")
    store.delete("a/empty.txt")
    assert not store.exists("a/empty.txt")


def test_what_is_not_there(store: S3Store, tmp_path: Path) -> None:
    assert store.head("none") is None
    assert store.read("none") is None
    assert store.list("none/").items == ()
    with pytest.raises(SourceNotFound):
        store.get("none", tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_listing_pages(store: S3Store) -> None:
    names = [f"p/{i:02}.json" for i in range(11)]
    for name in names:
        store.put(name, b"{}")
    seen: list[str] = []
    token = None
    while True:
        page = store.list("p/", token=token, limit=4)
        assert len(page.items) <= 4
        seen += [item.key for item in page.items]
        token = page.next
        if token is None:
            break
    assert seen == names


def test_a_signed_address_opens_with_a_plain_client(store: S3Store, server: servers.Server) -> None:
    store.put("a b.wav", b"sound")
    url = store.url("a b.wav", 60)
    with urllib.request.urlopen(url) as answer:
        assert answer.read() == b"sound"
        assert answer.headers["Content-Type"] == "audio/wav"
    if "moto" in str(server.process.args):
        return  # believes every signature
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(url[:-4] + ("0000" if url[-4:] != "0000" else "1111"))
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(url.partition("?")[0])


def test_errors_say_what_is_wrong(store: S3Store, server: servers.Server, tmp_path: Path) -> None:
    known = store.client.options
    if "moto" not in str(server.process.args):
        for wrong in ({"secret_key": "wrong"}, {"access_key": "AKIDUNKNOWN"}):
            other = S3Store(S3Client(dataclasses.replace(known, **wrong)), "talks")  # type: ignore[arg-type]
            for call in (
                lambda o=other: o.put("k", b""),
                lambda o=other: o.head("k"),
                lambda o=other: o.read("k"),
                other.check,
            ):
                with pytest.raises(StorageError) as caught:
                    call()
                assert (caught.value.code, caught.value.retryable) == ("storage_credentials", False)
                assert servers.SECRET not in caught.value.message
    if server.root or "moto" in str(server.process.args):  # SeaweedFS answers for buckets that are not there
        missing = S3Store(store.client, "no-such-bucket")
        for call in (lambda: missing.put("k", b""), lambda: missing.head("k"), missing.check):
            with pytest.raises(StoreMissing) as bucket:
                call()
            assert not bucket.value.retryable
        with pytest.raises(SourceNotFound) as source:
            store.client.download("no-such-bucket", "k", tmp_path / "x", field="audio_url")
        assert source.value.field == "audio_url"
    down = S3Store(
        S3Client(dataclasses.replace(known, endpoint=f"http://127.0.0.1:{servers.free_port()}", attempts=2)), "talks"
    )
    with pytest.raises(StorageError) as unreachable:
        down.put("k", b"")
    assert (unreachable.value.code, unreachable.value.retryable) == ("storage_unreachable", True)


def test_inputs_come_from_the_store_by_every_spelling(store: S3Store, server: servers.Server, tmp_path: Path) -> None:
    store.put("in/a b.wav", b"sound")
    fetcher = Fetcher(s3=store.client)
    key = f"{store.prefix}in/a b.wav"
    for address in (f"s3://talks/{key}", f"{server.endpoint}/talks/{key.replace(' ', '%20')}"):
        path = fetcher.fetch(address, field="audio_url", directory=tmp_path, max_bytes=100)
        assert path.read_bytes() == b"sound"
        path.unlink()
    with pytest.raises(AudioTooLarge):
        fetcher.fetch(f"s3://talks/{key}", field="audio_url", directory=tmp_path, max_bytes=4)
    with pytest.raises(SourceNotFound):
        fetcher.fetch("s3://talks/none", field="audio_url", directory=tmp_path, max_bytes=4)
    with pytest.raises(SourceRefused):  # signed: an ordinary address on loopback, which strangers must not reach
        fetcher.fetch(store.url("in/a b.wav"), field="audio_url", directory=tmp_path, max_bytes=100)
    assert list(tmp_path.iterdir()) == []


def test_identical_puts_beside_each_other(store: S3Store) -> None:
    """Four workers store the same output; one that reads meanwhile sees it whole or not at all."""
    data = os.urandom(PART + 100_000)
    failures: list[object] = []
    done = threading.Event()

    def write() -> None:
        try:
            store.put("same.wav", data)
        except F5Error as error:
            failures.append(error)

    def read() -> None:
        while not done.is_set():
            found = store.read("same.wav", len(data))
            if found is not None and found != data:
                failures.append(len(found))

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write) for _ in range(4)]
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    done.set()
    reader.join()
    assert failures == []
    assert store.read("same.wav", len(data)) == data


def test_voices_live_in_a_bucket_too(store: S3Store, tmp_path: Path) -> None:
    registry = VoiceRegistry(store)
    registry.add("anna", b"one", ref_text="Eins.", hash="1")
    registry.add("anna", b"two", ref_text="Zwei.", hash="2", force=True)
    registry.add("bert", b"b", ref_text="B.", hash="3")
    assert registry.fetch("anna", tmp_path / "a").ref_text == "Zwei."
    assert (tmp_path / "a").read_bytes() == b"two"
    assert [voice.name for voice in registry.list().voices] == ["anna", "bert"]
    registry.remove("anna")
    assert [item.key.split("/")[1] for item in store.list("voices/").items] == ["audio", "records"]


def test_nothing_secret_in_any_log(store: S3Store, caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level(logging.DEBUG):
        store.put("k.wav", b"x")
        store.get("k.wav", tmp_path / "x")
        url = store.url("k.wav")
        down = dataclasses.replace(store.client.options, endpoint=f"http://127.0.0.1:{servers.free_port()}", attempts=2)
        with pytest.raises(F5Error) as caught:
            S3Store(S3Client(dataclasses.replace(down, session_token="SESSIONTOKEN")), "talks").read("k.wav")
    said = caplog.text + str(caught.value.to_dict())
    for secret in (
        servers.SECRET,
        servers.KEY,
        "SESSIONTOKEN",
        "X-Amz-Signature",
        "Signature=",
        url.rpartition("=")[2],
    ):
        assert secret not in said
    assert "attempt 1" in caplog.text


MEASURE = """
import os, sys
from pathlib import Path
from f5_serverless.storage.s3_client import S3Client
from f5_serverless.storage.s3_store import S3Store
from f5_serverless.storage.s3_transport import S3Options
endpoint, key, secret, folder = sys.argv[1:]
store = S3Store(S3Client(S3Options(endpoint=endpoint, access_key=key, secret_key=secret)), "talks")
store.put("warm", b"up"); store.read("warm")
def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
source = Path(folder) / "source"
block = os.urandom(1 << 20)
with source.open("wb") as file:
    for number in range(200):
        file.write(number.to_bytes(4, "big") + block[4:])
before = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
store.put("big.bin", source)
up = status("VmHWM") - before
Path("/proc/self/clear_refs").write_text("5")
store.get("big.bin", Path(folder) / "back")
down = status("VmHWM") - before
import filecmp
assert filecmp.cmp(source, Path(folder) / "back", shallow=False)
print(up // 1024, down // 1024)
"""


def test_200_megabytes_both_ways_in_little_memory(tmp_path: Path) -> None:
    with servers.rclone(tmp_path) as server:
        arguments = [server.endpoint, servers.KEY, servers.SECRET, str(tmp_path)]
        out = subprocess.run([sys.executable, "-c", MEASURE, *arguments], capture_output=True, text=True, timeout=110)
        assert out.returncode == 0, out.stderr[-2000:]
        up, down = map(int, out.stdout.split())
        assert 0 < up <= 64
        assert 0 <= down <= 64
        leftovers = [p for p in (server.root or tmp_path).rglob("*") if p.is_file()]
        assert sorted(p.name for p in leftovers) == ["big.bin", "warm"]


@pytest.mark.parametrize("hours", [-1, 1, 30])
def test_a_wrong_clock_is_named(
    store: S3Store, server: servers.Server, hours: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "moto" in str(server.process.args):
        pytest.skip("moto believes every clock")
    right, now = botocore.auth.get_current_datetime, time.time
    wrong = datetime.timedelta(hours=hours)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *a, **k: right(*a, **k) + wrong)
    monkeypatch.setattr("f5_serverless.storage.s3_errors.now", lambda: now() + wrong.total_seconds())
    for call in (lambda: store.put("k", b""), lambda: store.read("k"), lambda: store.head("k"), store.check):
        with pytest.raises(StorageError) as caught:
            call()
        assert (caught.value.code, caught.value.retryable) == ("storage_clock_skew", False)
        assert "clock" in caught.value.hint


def test_only_headers_that_every_store_knows(web: Web) -> None:
    """No checksum headers of AWS's own: Backblaze B2 and others refuse requests that carry them."""
    import http.server

    heads: list[dict[str, str]] = []

    def put(handler: http.server.BaseHTTPRequestHandler) -> None:
        heads.append({k.lower(): v for k, v in handler.headers.items()})
        handler.rfile.read(int(handler.headers["Content-Length"]))
        handler.send_response(200)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    web.RequestHandlerClass = type("Putting", (web.RequestHandlerClass,), {"do_PUT": put})  # type: ignore[assignment]
    options = S3Options(endpoint=f"http://127.0.0.1:{web.server_port}", access_key="k", secret_key="s")
    S3Store(S3Client(options), "talks").put("k", b"x")
    assert "content-md5" in heads[0]
    assert not [name for name in heads[0] if name.startswith(("x-amz-checksum", "x-amz-sdk-checksum", "x-amz-trailer"))]
    assert "aws-chunked" not in heads[0].get("content-encoding", "")


def test_the_local_store_keeps_the_same_contract(tmp_path: Path) -> None:
    store: Store = LocalStore(tmp_path / "out")
    store.check()
    assert not (tmp_path / "out").exists()
