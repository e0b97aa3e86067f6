"""What comes through a fetch, what is limited, what it says, and that nothing is left behind when it fails."""

from __future__ import annotations

import base64
import logging
import os
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import trustme

from f5_serverless.errors import (
    AudioTooLarge,
    Cancelled,
    F5Error,
    FetchFailed,
    NotAudio,
    NotAvailable,
    SourceForbidden,
    SourceNotFound,
    SourceRefused,
    SourceUnreadable,
)
from f5_serverless.storage.addresses import shown
from f5_serverless.storage.fetch import Fetcher
from f5_serverless.storage.http_get import Limits
from tests.storage.web import QUICK, SOUND, Handler, Web, fetch, open_to


def test_a_file_comes_through(web: Web, folder: Path) -> None:
    web.routes["/a%20b.wav"] = lambda h: h.give(SOUND)
    path = fetch(open_to(web), web.url("/a%20b.wav?sig=1&x=%2F"), folder)
    assert path.read_bytes() == SOUND
    assert path.parent == folder
    assert path.stat().st_mode & 0o077 == 0
    (asked, headers) = web.seen[0]
    assert asked == "/a%20b.wav?sig=1&x=%2F"
    assert headers["host"] == f"127.0.0.1:{web.server_port}"
    assert not {"cookie", "authorization", "referer"} & set(headers)


def test_large_chunked_and_unlabelled_bodies(web: Web, folder: Path) -> None:
    def chunked(h: Handler) -> None:
        h.send_response(200)
        h.send_header("Transfer-Encoding", "chunked")
        h.end_headers()
        for start in range(0, len(SOUND), 50_000):
            block = SOUND[start : start + 50_000]
            h.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        h.wfile.write(b"0\r\n\r\n")

    def until_closed(h: Handler) -> None:
        h.send_response(200)
        h.end_headers()
        h.wfile.write(SOUND)
        h.close_connection = True

    web.routes |= {"/chunked": chunked, "/closed": until_closed}
    assert fetch(open_to(web), web.url("/chunked"), folder).read_bytes() == SOUND
    assert fetch(open_to(web), web.url("/closed"), folder).read_bytes() == SOUND


def test_environment_proxies_are_not_used(web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    web.routes["/a.wav"] = lambda h: h.give(SOUND)
    assert fetch(open_to(web), web.url(), folder).read_bytes() == SOUND


@pytest.mark.parametrize("entry", ["127.0.0.1:{}", "127.0.0.1", "files.example", "FILES.example:{}"])
def test_allowed_hosts(web: Web, folder: Path, entry: str) -> None:
    web.routes["/a.wav"] = lambda h: h.give(b"x")
    fetcher = Fetcher(allow_hosts=[entry.format(web.server_port)], resolver=lambda *_: ["127.0.0.1"], limits=QUICK)
    host = "127.0.0.1" if entry.startswith("127") else "files.example"
    assert fetch(fetcher, web.url(host=host), folder).read_bytes() == b"x"
    with pytest.raises(SourceRefused):
        fetch(fetcher, web.url(host="other.example"), folder)
    if "{}" in entry:
        with pytest.raises(SourceRefused):
            fetch(fetcher, f"http://{host}:{web.server_port + 1}/", folder)


def test_tls_checks_the_name_and_not_the_address(folder: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("files.example").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    server = Web()
    names: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)  # type: ignore[assignment]
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.routes["/a.wav"] = lambda h: h.give(SOUND)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        fetcher = Fetcher(
            allow_hosts=["files.example", "other.example"],
            resolver=lambda *_: ["127.0.0.1"],
            tls=trusting,
            limits=QUICK,
        )
        url = f"https://files.example:{server.server_port}/a.wav"
        assert fetch(fetcher, url, folder).read_bytes() == SOUND
        assert names == ["files.example"]
        with pytest.raises(FetchFailed, match="certificate") as caught:
            fetch(fetcher, url.replace("files.", "other."), folder)
        assert not caught.value.retryable
        fetcher.tls = None
        with pytest.raises(FetchFailed, match="certificate"):
            fetch(fetcher, url, folder)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("url", "data"),
    [
        ("data:audio/wav;base64," + base64.b64encode(b"\0\1\2sound").decode(), b"\0\1\2sound"),
        ("data:audio/x-wav;codecs=1;base64,c291bmQ", b"sound"),
        ("data:;base64,c291bmQ=", b"sound"),
        ("DATA:audio/flac;BASE64,c291bmQ%3D", b"sound"),
        ("data:audio/wav,%00so%20und", b"\0so und"),
        ("data:,", b""),
    ],
)
def test_data_urls(url: str, data: bytes, folder: Path) -> None:
    assert fetch(Fetcher(), url, folder).read_bytes() == data


# ------------------------------------------------------------------------------------------------ limits


def test_size_limits(web: Web, folder: Path) -> None:
    def endless(h: Handler) -> None:
        h.send_response(200)
        h.end_headers()
        try:
            while True:
                h.wfile.write(bytes(1 << 16))
        except OSError:
            h.close_connection = True

    web.routes |= {"/a.wav": lambda h: h.give(SOUND), "/endless": endless}
    web.routes["/liar"] = lambda h: h.give(SOUND, content_length="10")
    for address in (web.url(), web.url("/endless"), "data:," + "x" * 2000, "data:;base64," + "QUFB" * 500):
        with pytest.raises(AudioTooLarge) as caught:
            fetch(open_to(web), address, folder, max_bytes=1000)
        assert caught.value.field == "audio_url"
        assert os.listdir(folder) == []
    assert len(fetch(open_to(web), web.url("/liar"), folder, max_bytes=1000).read_bytes()) == 10
    assert len(fetch(open_to(web), web.url(), folder, max_bytes=len(SOUND)).read_bytes()) == len(SOUND)


@pytest.mark.parametrize(
    "kind", ["text/html; charset=utf-8", "application/json", "image/png", "text/plain", "application/zip"]
)
def test_types_that_are_no_recording(web: Web, folder: Path, kind: str) -> None:
    web.routes["/a.wav"] = lambda h: h.give(b"<html>", content_type=kind)
    with pytest.raises(NotAudio) as caught:
        fetch(open_to(web), web.url(), folder)
    assert "labelled" in caught.value.message
    with pytest.raises(NotAudio):
        fetch(Fetcher(), f"data:{kind},x", folder)


@pytest.mark.parametrize(
    "kind", ["", "audio/mpeg", "VIDEO/MP4", "application/octet-stream", "binary/octet-stream", "application/ogg"]
)
def test_types_that_may_be_one(web: Web, folder: Path, kind: str) -> None:
    web.routes["/a.wav"] = lambda h: h.give(b"x", content_type=kind)
    assert fetch(open_to(web), web.url(), folder).read_bytes() == b"x"


@pytest.mark.parametrize(
    ("status", "error", "again"),
    [
        (404, SourceNotFound, False),
        (410, SourceNotFound, False),
        (401, SourceForbidden, False),
        (403, SourceForbidden, False),
        (400, FetchFailed, False),
        (204, FetchFailed, False),
        (300, FetchFailed, False),
        (429, FetchFailed, True),
        (500, FetchFailed, True),
        (503, FetchFailed, True),
    ],
)
def test_statuses(web: Web, folder: Path, status: int, error: type[F5Error], again: bool) -> None:
    web.routes["/a.wav"] = lambda h: h.give(b"", status)
    with pytest.raises(error) as caught:
        fetch(open_to(web), web.url("/a.wav?X-Amz-Signature=topsecret"), folder)
    assert caught.value.retryable is again
    assert "topsecret" not in str(caught.value.to_dict())
    assert len(web.seen) == (2 if again else 1)


def test_a_cut_body_is_resumed(web: Web, folder: Path) -> None:
    def cut(h: Handler) -> None:
        asked = h.headers.get("Range")
        if asked is None:
            h.send_response(200)
            h.send_header("ETag", '"v1"')
            h.send_header("Content-Length", str(len(SOUND)))
            h.end_headers()
            h.wfile.write(SOUND[:300_000])
            h.close_connection = True
            return
        assert h.headers["If-Range"] == '"v1"'
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        assert start == 300_000
        h.give(SOUND[start:], 206, content_range=f"bytes {start}-{len(SOUND) - 1}/{len(SOUND)}", etag='"v1"')

    web.routes["/a.wav"] = cut
    assert fetch(open_to(web), web.url(), folder).read_bytes() == SOUND
    assert len(web.seen) == 2


def test_a_file_that_changes_meanwhile_is_read_anew(web: Web, folder: Path) -> None:
    def changing(h: Handler) -> None:
        if h.headers.get("Range"):
            h.give(b"new" * 1000, etag='"v2"')
            return
        h.send_response(200)
        h.send_header("ETag", '"v1"')
        h.send_header("Content-Length", "9000")
        h.end_headers()
        h.wfile.write(b"old" * 1000)
        h.close_connection = True

    web.routes["/a.wav"] = changing
    assert fetch(open_to(web), web.url(), folder).read_bytes() == b"new" * 1000


def hang(h: Handler) -> None:
    time.sleep(5)


def drip(h: Handler) -> None:
    """One byte now and then: no single wait is long, the whole never ends."""
    h.send_response(200)
    h.send_header("Content-Length", "1000")
    h.end_headers()
    drip_bytes(h, b"x")


def drip_head(h: Handler) -> None:
    h.wfile.write(b"HTTP/1.1 200 OK\r\n")
    drip_bytes(h, b"a")


def drip_bytes(h: Handler, byte: bytes) -> None:
    try:
        for _ in range(100):
            h.wfile.write(byte)
            time.sleep(0.1)
    except OSError:
        h.close_connection = True


def reset(h: Handler) -> None:
    h.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    h.connection.close()
    h.close_connection = True


def nonsense(h: Handler) -> None:
    h.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    h.close_connection = True


@pytest.mark.parametrize("fault", [hang, drip, drip_head, reset, nonsense])
def test_faults_end_in_time(web: Web, folder: Path, fault: Callable[[Handler], None]) -> None:
    web.routes["/a.wav"] = fault
    limits = Limits(connect=1, read=0.4, total=1.2, attempts=2)
    start = time.monotonic()
    with pytest.raises(FetchFailed) as caught:
        fetch(open_to(web, limits), web.url(), folder)
    assert time.monotonic() - start < 10  # far from its five or ten seconds for ever; wide, for busy machines
    assert caught.value.retryable is (fault is not nonsense)
    assert os.listdir(folder) == []


def test_a_name_server_that_hangs(folder: Path) -> None:
    def slow(host: str, port: int) -> Sequence[str]:
        time.sleep(3)
        return []

    def unknown(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    def broken(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "again")

    limits = Limits(connect=0.2, read=0.2, total=0.5, attempts=1)
    for resolver, error in ((slow, FetchFailed), (unknown, SourceNotFound), (broken, FetchFailed)):
        with pytest.raises(error):
            fetch(Fetcher(resolver=resolver, limits=limits), "http://x.example/", folder)


def test_cancelling_stops_it_and_leaves_nothing(web: Web, folder: Path) -> None:
    web.routes["/a.wav"] = lambda h: h.give(SOUND)

    def stop() -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        open_to(web).fetch(web.url(), field="audio_url", directory=folder, max_bytes=1 << 20, alive=stop)
    assert os.listdir(folder) == []


# ------------------------------------------------------------------------------------------------ local files


def test_local_files_on_the_command_line(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "a b%20ü.wav"
    path.write_bytes(b"sound")
    fetcher = Fetcher(allow_local=True)
    assert fetch(fetcher, str(path), folder) == path
    assert fetch(fetcher, path.as_uri(), folder) == path
    (tmp_path / "link.wav").symlink_to(path)
    assert fetch(fetcher, str(tmp_path / "link.wav"), folder) == path
    assert os.listdir(folder) == []


def test_local_paths_that_are_no_recording(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(2000))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "to-zero").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(tmp_path / "sock"))
    cases: list[tuple[str, type[F5Error]]] = [
        (str(tmp_path), SourceUnreadable),
        ("/dev/zero", SourceUnreadable),
        ("/dev/stdin", SourceUnreadable),
        ("/proc/self/environ", SourceUnreadable),
        ("/proc/self/cmdline", SourceUnreadable),
        ("/sys/kernel/mm", SourceUnreadable),
        (str(tmp_path / "pipe"), SourceUnreadable),
        (str(tmp_path / "sock"), SourceUnreadable),
        (str(tmp_path / "loop"), SourceUnreadable),
        (str(tmp_path / "to-zero"), SourceUnreadable),
        (str(tmp_path / "none"), SourceNotFound),
        (str(tmp_path / "big" / "x"), SourceNotFound),
        ("x" * 5000, SourceUnreadable),
        (str(tmp_path / "big"), AudioTooLarge),
        ("a\0b", SourceRefused),
        ("file:///a%00b", SourceRefused),
        ("file://otherhost/a", SourceRefused),
        ("file:relative", SourceRefused),
        ("file:///a?x", SourceRefused),
        ("file:///%ff", SourceRefused),
        ("", SourceUnreadable),
    ]
    for address, error in cases:
        with pytest.raises(error) as caught:
            fetch(Fetcher(allow_local=True), address, folder, max_bytes=1000)
        assert caught.value.field == "audio_url", address
    if os.geteuid() != 0:
        (tmp_path / "big").chmod(0)
        with pytest.raises(SourceForbidden):
            fetch(Fetcher(allow_local=True), str(tmp_path / "big"), folder)


def test_s3_without_a_store(folder: Path) -> None:
    with pytest.raises(NotAvailable) as caught:
        fetch(Fetcher(), "s3://bucket/key", folder)
    assert "S3_BUCKET" in caught.value.hint


# ------------------------------------------------------------------------------------------------ what is said about it


def test_no_query_and_no_user_in_messages_or_logs(web: Web, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    web.routes["/a.wav"] = lambda h: h.give(b"", 503)
    web.routes["/r"] = lambda h: h.give(b"", 302, location="http://10.0.0.1/x?token=SECRET1")
    messages: list[str] = []
    with caplog.at_level(logging.DEBUG):
        for address in (
            web.url("/a.wav?X-Amz-Signature=SECRET1"),
            web.url("/r?SECRET1"),
            "http://me:SECRET1@93.184.216.34/",
            "data:audio/wav;base64,@SECRET1",
            "http://x.local/?SECRET1",
            "http://93.184.216.34:22/?SECRET1",
            "ftp://me:SECRET1@h/",
            "http://[x]/?SECRET1",
            "s3://me:SECRET1@b/?SECRET1",
        ):
            with pytest.raises(F5Error) as caught:
                fetch(open_to(web), address, folder)
            messages.append(str(caught.value.to_dict()))
    assert "SECRET1" not in caplog.text + "".join(messages)
    assert "attempt" in caplog.text


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("https://u:p@h.example/a/b.wav?sig=1#f", "https://h.example/a/b.wav"),
        ("s3://bucket/key", "s3://bucket/key"),
        ("data:audio/wav,secret", "a data: URL"),
        ("/home/a\x1b[31m.wav", "/home/a�[31m.wav"),
    ],
)
def test_shown(address: str, text: str) -> None:
    assert shown(address) == text
