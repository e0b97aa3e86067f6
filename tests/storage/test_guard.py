"""Addresses that must not be fetched, by kind; names that change their answer; redirects."""

from __future__ import annotations

import ipaddress
import itertools
import os
import socket
import struct
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from f5_serverless.errors import (
    FetchFailed,
    SourceRefused,
)
from f5_serverless.storage.fetch import Fetcher
from f5_serverless.storage.guard import Guard, literal, refusal
from f5_serverless.storage.http_get import Limits
from tests.storage.web import QUICK, SOUND, Web, fetch, never_asked, open_to

NAMES = {  # what a hostile or careless name server answers
    "rebind.example": ["93.184.216.34", "127.0.0.1"],
    "private.example": ["10.1.2.3"],
    "meta.example": ["169.254.169.254"],
    "v6.example": ["::1"],
    "mapped.example": ["::ffff:192.168.1.1"],
    "nat64.example": ["64:ff9b::7f00:1"],
    "scoped.example": ["fe80::1%eth0"],
    "mixed6.example": ["2606:2800:220:1:248:1893:25c8:1946", "fd00::1"],
    "zero.example": ["0.0.0.0"],
    "cgnat.example": ["100.100.100.200"],
}

REFUSED: dict[str, list[str]] = {
    "loopback": [
        "http://127.0.0.1/", "http://127.0.0.1:8000/x", "http://127.255.255.254/", "https://[::1]/",
        "http://[0:0::1]/",
    ],
    "this network": ["http://0.0.0.0/", "http://0/", "http://0.1.2.3/", "http://[::]/"],
    "IPv4 spellings": [
        "http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/", "http://0x7f.0.0.1/",
        "http://017700000001/", "http://0177.0.0.1/", "http://0x7f.1/", "http://127.0.0.1./",
        "http://00000177.0.0.0x1/",
        "http://3232235777/", "http://0xA9FEA9FE/", "http://0251.0376.0251.0376/", "http://10.1/",
    ],
    "Unicode spellings": ["http://１２７.0.0.1/", "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://ｌocalhost/"],
    "private": [
        "http://10.0.0.1/", "http://172.16.0.1/", "http://172.31.255.255/", "http://192.168.0.1/",
        "http://[fc00::1]/",
        "http://[fd12:3456::1]/",
    ],
    "link-local": ["http://169.254.1.1/", "http://[fe80::1]/", "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/"],
    "metadata": [
        "http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://metadata.google.internal/",
        "http://metadata/", "http://100.100.100.200/", "http://168.63.129.16/", "http://169.254.170.2/v2/credentials",
        "http://instance-data/latest",
    ],
    "carrier-grade NAT": ["http://100.64.0.1/", "http://100.127.255.255/"],
    "multicast and reserved": [
        "http://224.0.0.1/", "http://239.255.255.250/", "http://240.0.0.1/", "http://255.255.255.255/",
        "http://[ff02::1]/",
        "http://192.0.2.1/", "http://198.18.0.1/", "http://198.51.100.7/", "http://203.0.113.7/",
        "http://[2001:db8::1]/",
        "http://192.88.99.1/", "http://192.0.0.8/",
    ],
    "IPv6 carrying IPv4": [
        "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::ffff:169.254.169.254]/",
        "http://[::127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/", "http://[64:ff9b::10.0.0.1]/", "http://[64:ff9b:1::1]/",
        "http://[2002:7f00:1::]/",
        "http://[2002:0a00:0001::1]/", "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
        "http://[2606:4700::5efe:127.0.0.1]/", "http://[2606:4700::200:5efe:10.0.0.1]/",
    ],
    "names of private networks": [
        "http://localhost/", "http://LOCALHOST/", "http://localhost./", "http://a.localhost/", "http://nas.local/",
        "http://db.internal/", "http://router.lan/", "http://ip6-localhost/", "http://x.home.arpa/",
    ],
    "resolved names": [f"http://{name}/a.wav" for name in NAMES],
    "user and password": [
        "http://user:pw@93.184.216.34/", "http://93.184.216.34@127.0.0.1/", "https://@93.184.216.34/",
        "http://93.184.216.34%40127.0.0.1/",
    ],
    "parser confusion": [
        "http://93.184.216.34\\@127.0.0.1/", "http://127.0.0.1\t/", "http://93.184.216.34/ a",
        "http://93.184.216.34/\r\nX: y",
        "http://a\n.example/", " http://127.0.0.1/", "http:///a", "http://", "http:", "http://[::1/",
        "http://[127.0.0.1]/",
        "http://93.184.216.34:80:80/", "http://93.184.216.34:99999/", "http://93.184.216.34:-1/", "http://a..b/",
        "http://.a/",
        "http://%31%32%37.0.0.1/", "http://" + "a" * 300 + ".example/", "http://x.example/" + "a" * 9000,
        "http://1.2.3.4.5/",
        "http://0x100000000/", "http://256.1.1.1/", "http://08.1.1.1/", "http://a_b c/", "http://*/",
    ],
    "ports of other services": [
        f"http://93.184.216.34:{port}/" for port in (0, 22, 25, 53, 111, 445, 3306, 5432, 6379, 11211)
    ],
    "schemes": [
        "ftp://93.184.216.34/a", "gopher://93.184.216.34/", "file:///etc/passwd", "FILE:///etc/passwd",
        "file://localhost/etc/passwd",
        "dict://93.184.216.34:11211/", "jar:http://x!/", "javascript:1", "netdoc:///etc/passwd",
        "ws://93.184.216.34/", "unix:/run/x",
    ],
    "local paths from afar": [
        "/etc/passwd", "../../etc/passwd", "etc/passwd", "~/.ssh/id_rsa", "/dev/zero", "/proc/self/environ", "", ".",
        "\\\\host\\share",
        "//127.0.0.1/x", "C:\\boot.ini",
    ],
    "malformed data": [
        "data:", "data:audio/wav;base64", "data:audio/wav;base64,@@@@", "data:audio/wav;base64,AAAAA",
        "data:audio/wav,é",
        "data:" + "x" * 300 + ",", "data:audio/wav;base64,AA=A",
    ],
}  # fmt: skip
CASES = [(kind, address) for kind, addresses in REFUSED.items() for address in addresses]


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 150


@pytest.mark.parametrize(("kind", "address"), CASES, ids=[f"{kind}-{i}" for i, (kind, _) in enumerate(CASES)])
def test_refused(kind: str, address: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def connected(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    def resolver(host: str, port: int) -> Sequence[str]:
        return NAMES[host] if kind == "resolved names" else never_asked(host, port)

    monkeypatch.setattr(socket, "create_connection", connected)
    with pytest.raises(SourceRefused) as caught:
        fetch(Fetcher(resolver=resolver, limits=QUICK), address, folder)
    assert caught.value.field == "audio_url"
    assert not caught.value.retryable
    assert "pw" not in caught.value.message
    assert os.listdir(folder) == []


@pytest.mark.parametrize(
    "ip", ["93.184.216.34", "1.1.1.1", "2606:4700::1111", "64:ff9b::101:101", "::ffff:8.8.8.8", "172.32.0.1"]
)
def test_public_addresses_pass(ip: str) -> None:
    assert refusal(ipaddress.ip_address(ip)) is None


def test_random_ipv4_literals_read_as_the_c_library_reads_them() -> None:
    parts = ["0", "1", "10", "127", "255", "0x7f", "0177", "65535", "0xffff", "16777215", "4294967295", "010"]
    count = 0
    for length in (1, 2, 3):
        for combination in itertools.product(parts, repeat=length):
            host = ".".join(combination)
            try:
                expected = socket.inet_aton(host)
            except OSError:
                with pytest.raises(ValueError):
                    literal(host)
                continue
            found = literal(host)
            assert found is not None
            assert found.packed == expected, host
            count += 1
    assert count > 500


# ------------------------------------------------------------------------------------------------ names that change


class NameServer(threading.Thread):
    """A DNS server on loopback that answers each question for an A record with the next of ``answers``."""

    def __init__(self, answers: list[str]) -> None:
        super().__init__(daemon=True)
        self.answers = answers
        self.asked = 0
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind(("127.0.0.1", 0))
        self.address = self.sock.getsockname()
        self.start()

    def run(self) -> None:
        while True:
            try:
                query, client = self.sock.recvfrom(512)
            except OSError:
                return
            ip = self.answers[min(self.asked, len(self.answers) - 1)]
            self.asked += 1
            head = query[:2] + b"\x81\x80" + b"\0\1\0\1\0\0\0\0"
            answer = b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 0, 4) + socket.inet_aton(ip)  # TTL 0: ask again
            self.sock.sendto(head + query[12:] + answer, client)

    def resolve(self, host: str, port: int) -> Sequence[str]:
        """What a stub resolver without a cache does."""
        labels = b"".join(bytes([len(part)]) + part.encode() for part in host.split(".")) + b"\0"
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.settimeout(2)
            sock.sendto(b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\1\0\1", self.address)
            return [socket.inet_ntoa(sock.recv(512)[-4:])]


def test_dns_rebinding(web: Web, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is public when it is checked and loopback ever after. The connection must go to what was checked."""
    names = NameServer(["93.184.216.34", "127.0.0.1"])
    web.routes["/a.wav"] = lambda h: h.give(b"secret of the inner network")
    tried: list[str] = []
    connect = socket.create_connection

    def spy(address: tuple[str, int], *more: object, **named: object) -> socket.socket:
        tried.append(address[0])
        if address[0] != "127.0.0.1":
            raise ConnectionRefusedError  # nothing outside is reachable from here
        return connect(address, *more, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "create_connection", spy)
    limits = Limits(connect=1, read=1, total=3, attempts=1)
    url = web.url(host="rebind.test-zone.example")
    with pytest.raises(FetchFailed):
        fetch(Fetcher(resolver=names.resolve, limits=limits), url, folder)
    assert (tried, names.asked) == (["93.184.216.34"], 1)
    with pytest.raises(SourceRefused):  # the second answer is checked like the first
        fetch(Fetcher(resolver=names.resolve, limits=limits), url, folder)
    assert tried == ["93.184.216.34"]
    assert web.seen == []
    names.sock.close()


def test_rebinding_between_attempts_and_redirects(web: Web, folder: Path) -> None:
    """Every attempt and every hop resolves and checks anew."""
    answers = iter([["127.0.0.1"], ["127.0.0.1"], ["10.0.0.1"]])
    fetcher = Fetcher(resolver=lambda *_: next(answers), limits=QUICK)
    fetcher.guard = Guard(frozenset({f"good.example:{web.server_port}"}), fetcher.guard.resolver)
    web.routes["/start"] = lambda h: h.give(b"", 302, location=f"http://good.example:{web.server_port}/next")
    web.routes["/next"] = lambda h: h.give(b"", 302, location=f"http://evil.example:{web.server_port}/a.wav")
    web.routes["/a.wav"] = lambda h: h.give(SOUND)
    with pytest.raises(SourceRefused):
        fetch(fetcher, web.url("/start", "good.example"), folder)
    assert [path for path, _ in web.seen] == ["/start", "/next"]
    assert os.listdir(folder) == []


# ------------------------------------------------------------------------------------------------ redirects


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:1/",
        "http://169.254.169.254/",
        "file:///etc/passwd",
        "data:audio/wav,x",
        "s3://bucket/key",
        "ftp://x/",
        "http://localhost/",
        "//[::1]/x",
        "http://user:pw@93.184.216.34/",
        "http://0x7f.1/",
        "\\\\x",
    ],
)
def test_redirects_are_checked(web: Web, folder: Path, target: str) -> None:
    web.routes["/r"] = lambda h: h.give(b"", 302, location=target)
    with pytest.raises(SourceRefused):
        fetch(open_to(web, resolver=never_asked), web.url("/r"), folder)
    assert os.listdir(folder) == []


def test_redirects_within_bounds(web: Web, folder: Path) -> None:
    web.routes["/a.wav"] = lambda h: h.give(SOUND)
    for hop in range(9):
        after = "a.wav" if hop == 8 else f"r{hop + 1}"
        web.routes[f"/r{hop}"] = lambda h, after=after: h.give(b"", 307, location=after)  # type: ignore[misc]
    assert fetch(open_to(web), web.url("/r4"), folder).read_bytes() == SOUND
    with pytest.raises(FetchFailed, match="more than 5") as caught:
        fetch(open_to(web), web.url("/r3"), folder)
    assert not caught.value.retryable
    web.routes["/loop"] = lambda h: h.give(b"", 301, location="/loop")
    web.routes["/none"] = lambda h: h.give(b"", 301)
    for path in ("/loop", "/none"):
        with pytest.raises(FetchFailed):
            fetch(open_to(web), web.url(path), folder)
