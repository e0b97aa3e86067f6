"""Disks: is there room, can it be written, copying a tree with many files at once, removing one.

In: paths. Out: nothing, or a `SetupError` that says which disk and what to do. Knows nothing of environments.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from f5_serverless.errors import SetupError
from f5_serverless.runtime.lease import new_token

_COPIES_AT_ONCE = 16  # a network file system answers each file late; many files at once hide that
_FULL = (errno.ENOSPC, errno.EDQUOT)


class DiskFull(SetupError):
    """There is no room for what has to be written."""

    code = "disk_full"
    retryable = False
    hint = "Enlarge the volume or the container disk, or remove what is not needed (`f5-serverless setup --collect`)."


class VolumeUnusable(SetupError):
    """The volume is not there, or cannot be written."""

    code = "volume_unusable"
    retryable = False
    hint = (
        "Attach a network volume to the endpoint and check F5_VOLUME_ROOT; "
        "F5_ALLOW_LOCAL_ENV=1 builds on the container's own disk instead, at every cold start."
    )


def gigabytes(count: float) -> str:
    """``count`` bytes for people: "3.4 GB", "120 MB"."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def nearest_existing(path: Path) -> Path:
    """``path`` or its first ancestor that exists."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def require_room(path: Path, needed: int, what: str) -> None:
    """Raises `DiskFull` when the disk that holds ``path`` has less than ``needed`` bytes free for ``what``."""
    free = shutil.disk_usage(nearest_existing(path)).free
    if free < needed:
        raise DiskFull(f"{what} needs {gigabytes(needed)} at {path}, and {gigabytes(free)} are free there.")


def require_writable(directory: Path) -> None:
    """Creates ``directory`` (not its parents: a volume that is not mounted must not appear by itself) and writes to it.

    Raises `VolumeUnusable`, or `DiskFull`.
    """
    if not directory.parent.is_dir():
        raise VolumeUnusable(f"There is no volume at {directory.parent}.")
    probe = directory / f".probe.{new_token()}"
    try:
        directory.mkdir(exist_ok=True)
        probe.write_bytes(b"f5")
    except OSError as error:
        if error.errno in _FULL:
            raise full_disk(error, directory) from error
        raise VolumeUnusable(f"{directory} cannot be written: {error.strerror}.") from error
    finally:
        if os.path.lexists(probe):
            probe.unlink()


def is_full(error: OSError) -> bool:
    """True when ``error`` says that a disk or a quota is full."""
    return error.errno in _FULL


def full_disk(error: OSError, path: Path) -> DiskFull:
    """The `DiskFull` for an ``error`` that came while writing under ``path``."""
    return DiskFull(f"The disk that holds {path} ran full while it was written: {error.strerror}.")


def remove_tree(path: Path) -> None:
    """Removes a directory or file. What is gone already is fine; what cannot be removed is left for later."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_leftovers(directory: Path) -> None:
    """Removes what processes of this host left in ``directory`` when they were killed. Names end in ``--PID-…``.

    A number that now belongs to another process keeps its leftover; it only costs room. Creates the directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    for left in directory.glob("*--*-*"):
        pid = left.name.rpartition("--")[2].partition("-")[0]
        if pid.isdigit() and not _is_alive(int(pid)):
            remove_tree(left)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def copy_tree(source: Path, target: Path, progress: Callable[[int], None]) -> None:
    """Copies ``source`` to the new directory ``target``: links stay links, times stay (bytecode depends on them).

    ``progress`` gets the bytes of each finished file, in the calling thread. Raises `OSError`.
    """
    files: list[tuple[Path, Path]] = []
    for folder, names, entries in os.walk(source):
        into = target / Path(folder).relative_to(source)
        into.mkdir()
        for name in [*entries, *(n for n in names if (Path(folder) / n).is_symlink())]:
            files.append((Path(folder) / name, into / name))

    def copy(pair: tuple[Path, Path]) -> int:
        shutil.copy2(*pair, follow_symlinks=False)
        return pair[0].lstat().st_size

    with ThreadPoolExecutor(_COPIES_AT_ONCE) as pool:
        for done in [pool.submit(copy, pair) for pair in files]:
            progress(done.result())


def tree_digest(root: Path) -> tuple[str, int, int]:
    """(sha256 over names and sizes of all files, their count, their bytes). One `stat` per file, nothing is read.

    Symbolic links count with their target's text. Bytecode caches are left out: Python may rewrite those.
    """
    digest = hashlib.sha256()
    count = total = 0
    for folder, names, entries in os.walk(root):
        names[:] = sorted(name for name in names if name != "__pycache__")
        for name in sorted([*entries, *(n for n in names if os.path.islink(os.path.join(folder, n)))]):
            path = os.path.join(folder, name)
            if name.endswith(".pyc") or (folder == str(root) and name == "READY"):
                continue
            size = os.lstat(path).st_size
            digest.update(f"{os.path.relpath(path, root)}\0{size}\n".encode("utf-8", "surrogateescape"))
            count += 1
            total += size
    return digest.hexdigest(), count, total
