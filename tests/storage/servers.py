"""Real stores on loopback, each with its own port and directory: rclone, SeaweedFS, moto."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

KEY, SECRET = "AKIDTESTKEY", "secret/of+the-tests"


@dataclass(frozen=True)
class Server:
    """A running store. ``root``: where its buckets are directories, if they are."""

    endpoint: str
    port: int
    root: Path | None
    process: subprocess.Popen[bytes]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def program(name: str) -> str:
    """The path of a program that a package put beside this Python."""
    found = shutil.which(name, path=os.path.dirname(sys.executable)) or shutil.which(name)
    assert found, f"{name} is missing: pip install 'f5-serverless[dev]'"
    return found


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(1200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()[-3000:]
            time.sleep(0.05)
    raise AssertionError(log.read_text()[-3000:])


@contextmanager
def _running(command: list[str], port: int, root: Path | None, log: Path) -> Iterator[Server]:
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True)
    try:
        _wait(port, process, log)
        yield Server(f"http://127.0.0.1:{port}", port, root, process)
    finally:
        process.kill()  # nothing of it is needed again; asked politely, one of them takes ten seconds
        process.wait()


@contextmanager
def rclone(directory: Path, port: int | None = None) -> Iterator[Server]:
    """``rclone serve s3``: buckets are directories; wrong secrets are refused."""
    port = port or free_port()
    root = directory / "buckets"
    (root / "talks").mkdir(parents=True, exist_ok=True)
    command = [program("rclone"), "serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}"]
    command += ["--config", str(directory / "none.conf"), "--vfs-cache-mode", "off", str(root)]
    with _running(command, port, root, directory / "rclone.log") as server:
        yield server


@contextmanager
def seaweed(directory: Path) -> Iterator[Server]:
    """SeaweedFS in one process: master, volume, filer and S3."""
    import json

    config = directory / "s3.json"
    identity = {
        "name": "t",
        "credentials": [{"accessKey": KEY, "secretKey": SECRET}],
        "actions": ["Admin", "Read", "Write"],
    }
    config.write_text(json.dumps({"identities": [identity]}))
    data = directory / "data"
    data.mkdir()
    ports = {name: free_port() for name in ("master", "volume", "filer", "s3")}
    grpc = {name: free_port() for name in ports}
    command = [
        program("weed"),
        "-logtostderr",
        "server",
        "-s3",
        f"-dir={data}",
        "-ip=127.0.0.1",
        f"-s3.config={config}",
    ]
    command += ["-ip.bind=127.0.0.1", "-volume.max=4", "-master.volumeSizeLimitMB=256", "-s3.port.iceberg=0"]
    for name, port in ports.items():
        command += [f"-{name}.port={port}", f"-{name}.port.grpc={grpc[name]}"]
    with _running(command, ports["s3"], None, directory / "weed.log") as server:
        yield server


@contextmanager
def moto(directory: Path) -> Iterator[Server]:
    """moto's server: the whole API, but it believes any key."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _running(command, port, None, directory / "moto.log") as server:
        yield server
