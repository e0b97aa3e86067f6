"""An environment as one file: `tar` through `zstd`, hashed on the way.

In: a directory and an archive's path. Out: the archive's sha256 and size, or the unpacked directory. One archive
reads at a network volume's full speed, where its tens of thousands of files would each cost a round trip. The programs
`tar` and `zstd` do the work: twice as fast as Python's own `tarfile`. Nothing here is atomic: callers write under a
name of their own and rename.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from f5_serverless.errors import SetupError
from f5_serverless.runtime.disk import DiskFull

_BLOCK = 1 << 20
_AHEAD = 8
"""Blocks that are being read at once."""
_LEVEL = "-3"
_FULL_DISK_WORDS = "No space left on device"


class ArchiveDamaged(SetupError):
    """The archive's bytes are not those that were packed. Whoever finds this builds a new one."""

    code = "archive_damaged"
    hint = "The environment is built again by itself; if this repeats, check the volume."


@dataclass(frozen=True)
class Packed:
    """What `pack` wrote: sha256 in hex and size in bytes."""

    sha256: str
    size: int


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise SetupError(
            f"The program {name} is not installed.",
            hint=f"`apt-get install {name}`, or choose F5_ENV_MODE=volume.",
            retryable=False,
        )
    return found


def pack(source: Path, archive: Path, progress: Callable[[int], None], names: Sequence[str] | None = None) -> Packed:
    """Writes ``names`` in ``source`` (None: all of it) into the new file ``archive``.

    ``progress`` gets bytes written so far. Directories among ``names`` go without what is in them.
    Raises `OSError` when the disk of ``archive`` is full, `SetupError` when a program fails.
    """
    command = [_program("tar"), "--create", "--file=-", "--owner=0", "--group=0", "--directory", str(source)]
    with tempfile.TemporaryFile(dir=source.parent) as listed:
        if names is None:
            command.append(".")
        else:
            command += ["--null", "--no-recursion", "--verbatim-files-from", "--files-from=-"]
            listed.write(b"".join(os.fsencode(name) + b"\0" for name in names))
            listed.seek(0)
        tar = subprocess.Popen(command, stdin=listed, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    zstd = subprocess.Popen(
        [_program("zstd"), "--quiet", "--check", _LEVEL, "-T0", "--stdout"],
        stdin=tar.stdout,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert tar.stdout is not None
    assert zstd.stdout is not None
    tar.stdout.close()  # zstd holds the only reader now: if it dies, tar ends
    digest = hashlib.sha256()
    size = 0
    try:
        with archive.open("xb") as file:
            while block := zstd.stdout.read(_BLOCK):
                digest.update(block)
                file.write(block)
                size += len(block)
                progress(size)
            file.flush()
            os.fsync(file.fileno())
        _finish((tar, "tar"), (zstd, "zstd"))
    finally:
        _end(tar, zstd)
    return Packed(digest.hexdigest(), size)


def unpack(archive: Path, target: Path, sha256: str, progress: Callable[[int], None]) -> None:
    """Fills the directory ``target``, reading ``archive`` once. ``progress`` gets bytes read so far.

    Raises `ArchiveDamaged` when the bytes do not have ``sha256`` (``target`` then holds rubbish), `DiskFull`,
    `OSError`.
    """
    target.mkdir(parents=True, exist_ok=True)
    zstd = subprocess.Popen(
        [_program("zstd"), "--quiet", "--decompress", "--stdout"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    tar = subprocess.Popen(
        [_program("tar"), "--extract", "--file=-", "--no-same-owner", "--directory", str(target)],
        stdin=zstd.stdout,
        stderr=subprocess.PIPE,
    )
    assert zstd.stdin is not None
    assert zstd.stdout is not None
    zstd.stdout.close()
    try:
        with archive.open("rb") as file:
            found = _feed(file, zstd.stdin, progress)
        if found != sha256:
            raise ArchiveDamaged("The environment's archive on the volume is damaged: its sha256 does not match.")
        _finish((tar, "tar"), (zstd, "zstd"))
    finally:
        _end(zstd, tar)


def is_damaged(archive: Path, sha256: str) -> bool:
    """Whether ``archive`` really is not what was packed: reads all of it."""
    try:
        return file_sha256(archive) != sha256
    except FileNotFoundError:
        return True


def file_sha256(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _feed(file: IO[bytes], sink: IO[bytes], progress: Callable[[int], None]) -> str:
    """Copies ``file`` to ``sink`` and returns its sha256. A sink that closes early does not stop the hashing."""
    digest = hashlib.sha256()
    size = 0
    open_sink = True
    for block in _blocks(file):
        digest.update(block)
        if open_sink:
            try:
                sink.write(block)
            except BrokenPipeError:  # zstd met damaged data or tar a full disk: their exit says which
                open_sink = False
        size += len(block)
        progress(size)
    try:
        sink.close()
    except BrokenPipeError:
        open_sink = False
    return digest.hexdigest()


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    """The bytes of ``file``, several blocks being read at once: one at a time waits for the network after each."""
    starts = range(0, os.fstat(file.fileno()).st_size, _BLOCK)
    with ThreadPoolExecutor(_AHEAD, thread_name_prefix="f5-read") as pool:
        pending = deque(pool.submit(os.pread, file.fileno(), _BLOCK, start) for start in starts[:_AHEAD])
        for start in [*starts[_AHEAD:], *[None] * len(pending)]:
            block = pending.popleft().result()
            if start is not None:
                pending.append(pool.submit(os.pread, file.fileno(), _BLOCK, start))
            yield block


def _finish(*processes: tuple[subprocess.Popen[bytes], str]) -> None:
    """Waits for all; raises `DiskFull` or `SetupError` with the last words of the first that failed."""
    for process, name in processes:
        assert process.stderr is not None
        said = process.stderr.read().decode("utf-8", "replace").strip()
        if process.wait() != 0:
            if _FULL_DISK_WORDS in said:
                raise DiskFull("The disk ran full while the environment was unpacked.")
            last = said.splitlines()[-1] if said else "no message"
            raise SetupError(f"{name} ended with status {process.returncode}: {last}")


def _end(*processes: subprocess.Popen[bytes]) -> None:
    """Leaves no child and no open pipe behind, whatever happened."""
    for process in processes:
        if process.poll() is None:
            process.kill()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None and not pipe.closed:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue
        process.wait()
