"""A file system like a network volume's: a directory seen through FUSE with a delay per operation and a speed limit.

In: a directory, seconds per operation, bytes per second. Out: a mount point. Operations run in parallel as on a real
network file system; the kernel caches names and attributes for a second, keeps what it has read of a file for as long
as the file does not change (as NFS clients do), and reads ahead. Needs /dev/fuse, root or fusermount, and `mfusepy`;
`available` says what is missing.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def available() -> str | None:
    """Why such a file system cannot be had here, or None."""
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        return "/dev/fuse cannot be opened"
    if importlib.util.find_spec("mfusepy") is None:
        return "mfusepy is not installed"
    return None


@contextlib.contextmanager
def mounted(source: Path, at: Path, latency: float, bytes_per_second: float) -> Iterator[Path]:
    """``source`` at the new directory ``at``, slowed down; unmounted when the block ends."""
    at.mkdir(parents=True)
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks._slow_disk", str(source), str(at), str(latency), str(bytes_per_second)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for _ in range(200):
            if os.path.ismount(at):
                break
            if server.poll() is not None:
                raise RuntimeError(f"FUSE did not mount: {server.communicate()[1].strip()[-300:]}")
            time.sleep(0.05)
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=False, stderr=subprocess.DEVNULL)
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def serve(source: str, at: str, latency: float, bytes_per_second: float) -> None:
    """Serves until unmounted."""
    import mfusepy

    gate = threading.Lock()
    free_at = [0.0]

    def delay(size: int = 0) -> None:
        """One operation's latency, and this many bytes' share of the one line that all operations use."""
        due = time.monotonic() + latency
        if size:
            with gate:
                free_at[0] = max(free_at[0], time.monotonic()) + size / bytes_per_second
                due = max(due, free_at[0])
        time.sleep(max(0.0, due - time.monotonic()))

    class SlowDisk(mfusepy.Operations):  # type: ignore[misc]
        """Every operation on the same path below ``source``, after the delay."""

        use_ns = True

        def getattr(self, path: str, fh: int | None = None) -> dict[str, int]:
            delay()
            state = os.lstat(source + path)
            names = ("st_mode", "st_nlink", "st_size", "st_uid", "st_gid", "st_ino", "st_blocks")
            times = {f"st_{kind}time": getattr(state, f"st_{kind}time_ns") for kind in "amc"}
            return {name: getattr(state, name) for name in names} | times

        def readdir(self, path: str, fh: int) -> list[str]:
            delay()
            return [".", "..", *os.listdir(source + path)]

        def readlink(self, path: str) -> str:
            delay()
            return os.readlink(source + path)

        def open(self, path: str, flags: int) -> int:
            delay()
            return os.open(source + path, flags)

        def create(self, path: str, mode: int, fi: Any = None) -> int:
            delay()
            return os.open(source + path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, mode)

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            data = os.pread(fh, size, offset)
            delay(len(data))
            return data

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            delay(len(data))
            return os.pwrite(fh, data, offset)

        def release(self, path: str, fh: int) -> int:
            os.close(fh)
            return 0

        def rename(self, old: str, new: str, *_: Any) -> None:
            delay()
            os.rename(source + old, source + new)

        def truncate(self, path: str, length: int, fh: int | None = None) -> None:
            delay()
            os.truncate(source + path, length)

        def utimens(self, path: str, times: Any = None) -> None:
            delay()
            os.utime(source + path, ns=tuple(map(int, times)) if times else None, follow_symlinks=False)

        def symlink(self, new: str, target: str) -> None:
            delay()
            os.symlink(target, source + new)

        def link(self, new: str, old: str) -> None:
            delay()
            os.link(source + old, new)

        def statfs(self, path: str) -> dict[str, int]:
            state = os.statvfs(source + path)
            names = ("f_bavail", "f_bfree", "f_blocks", "f_bsize", "f_frsize", "f_namemax", "f_ffree", "f_files")
            return {name: getattr(state, name) for name in names}

    def passed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(_: Any, path: str, *arguments: Any) -> Any:
            delay()
            return function(source + path, *arguments)

        return call

    for name, function in {"mkdir": os.mkdir, "rmdir": os.rmdir, "unlink": os.unlink, "chmod": os.chmod}.items():
        setattr(SlowDisk, name, passed(function))
    options = {"fsname": "slow_disk", "big_writes": True, "max_read": 1 << 20, "auto_cache": True}
    mfusepy.FUSE(SlowDisk(), at, foreground=True, nothreads=False, **options)


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
