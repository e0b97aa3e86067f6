"""An environment in two parts: small files in archives for the local disk, large files as they are on the volume.

In: a directory, or a published artefact. Out: the artefact's directory, or a local tree in which large files are links
to the volume. The tens of thousands of small files cost a round trip each on a network volume, so they travel in a few
archives that are unpacked at the same time; the few large libraries are gigabytes of which an import reads a fraction,
so they stay and only the pages that are touched are read. The artefact::

    INDEX.json          names, sizes and sha256 of everything below; its own sha256 is the artefact's digest
    small-N.tar.zst     the small files
    large/PATH          the large ones

The dynamic loader's ``$ORIGIN`` is the directory of the link, so that a linked library finds its neighbours in the
local tree. Nothing here is atomic: callers write under a name of their own and rename.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath

from f5_serverless.errors import SetupError
from f5_serverless.runtime import archive
from f5_serverless.runtime.archive import ArchiveDamaged, Packed

LARGE_BYTES = 1 << 20
"""Files from this size on stay on the volume (`benchmarks.cold_start` measures it)."""
SHARDS = 4
_INDEX = "INDEX.json"
_LARGE = "large"
_FILE_COST = 32_768
"""Creating a file takes as long as writing this many bytes: so that archives take equally long to unpack."""
_AT_ONCE = 16  # a network file system answers each file late; many files at once hide that
_READ_AHEAD = 128 << 10  # the kernel cuts longer requests for reading ahead down to this, its default

Spans = Mapping[str, Sequence[tuple[int, int]]]
"""Path in the environment → ``(offset, length)`` in bytes."""


@dataclass(frozen=True)
class Part:
    """One file of the artefact."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Index:
    """What an artefact holds.

    ``shared``: directories that more than one archive fills. They are made before the unpacking: two programs that
    make the same one at the same time take each other for an error. ``touched``: what an import reads of large files.
    """

    small: Mapping[str, Part]
    large: Mapping[str, Part]
    shared: Sequence[str]
    touched: Spans

    def encode(self) -> bytes:
        return json.dumps(asdict(self), indent=1, sort_keys=True).encode()

    @classmethod
    def decode(cls, data: bytes) -> Index:
        raw = json.loads(data)
        small, large = ({name: Part(**part) for name, part in raw[kind].items()} for kind in ("small", "large"))
        touched = {name: [(first, size) for first, size in spans] for name, spans in raw["touched"].items()}
        return cls(small, large, raw["shared"], touched)


# ------------------------------------------------------------------------------------------------------------- writing


def pack(
    source: Path,
    target: Path,
    progress: Callable[[int], None],
    *,
    large_bytes: int = LARGE_BYTES,
    touched: Spans | None = None,
) -> Packed:
    """Writes all of ``source`` into the new directory ``target``. ``progress`` gets bytes written so far.

    Large files are read back and compared. Raises `OSError` when the disk of ``target`` is full, `SetupError` when a
    program fails or the volume does not hold what was written to it.
    """
    target.mkdir()
    shards, large = _divide(source, large_bytes)
    written = _Total(progress)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="f5-publish") as pool:
        copies = {name: pool.submit(_copy, source / name, target / _LARGE / name, written) for name in large}
        small = {}
        for number, names in enumerate(shards):
            name = f"small-{number}.tar.zst"
            packed = archive.pack(source, target / name, written.of(name), names)
            small[name] = Part(packed.size, packed.sha256)
        index = Index(
            small,
            {name: copy.result() for name, copy in copies.items()},
            _shared(shards),
            {name: spans for name, spans in (touched or {}).items() if name in large},
        )
    data = index.encode()
    with (target / _INDEX).open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    size = sum(part.size for parts in (index.small, index.large) for part in parts.values())
    return Packed(hashlib.sha256(data).hexdigest(), size + len(data))


def _divide(source: Path, large_bytes: int) -> tuple[list[list[str]], list[str]]:
    """(names of small files, links and empty directories in `SHARDS` portions of equal work, names of large files)."""
    small: list[tuple[str, int]] = []
    large: list[str] = []
    for folder, names, entries in os.walk(source):
        names.sort()
        links = [name for name in names if os.path.islink(os.path.join(folder, name))]
        for name in sorted([*entries, *links]):
            path = os.path.join(folder, name)
            relative = os.path.relpath(path, source)
            size = os.lstat(path).st_size
            if size >= large_bytes and not os.path.islink(path):
                large.append(relative)
            else:
                small.append((relative, size + _FILE_COST))
        if not names and not entries:
            small.append((os.path.relpath(folder, source), 0))
    whole = sum(cost for _, cost in small)
    shards: list[list[str]] = [[] for _ in range(SHARDS)]
    done = 0
    for name, cost in small:  # neighbours stay together: two programs do not fill one directory
        shards[min(SHARDS - 1, done * SHARDS // max(1, whole))].append(name)
        done += cost
    return [shard for shard in shards if shard], large


def _shared(shards: Sequence[Sequence[str]]) -> list[str]:
    """The directories that names of more than one of ``shards`` lie in."""
    found = Counter[str]()
    for shard in shards:
        found.update({str(folder) for name in shard for folder in PurePath(name).parents})
    return sorted(folder for folder, count in found.items() if count > 1)


def _copy(source: Path, target: Path, written: _Total) -> Part:
    """Copies one file durably, with its time (bytecode depends on it), and reads it back."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file, target.open("xb") as copy:
        shutil.copyfileobj(file, copy, 4 << 20)
        copy.flush()
        os.fsync(copy.fileno())
    shutil.copystat(source, target)
    part = Part(source.stat().st_size, archive.file_sha256(source))
    if target.stat().st_size != part.size or archive.file_sha256(target) != part.sha256:
        raise SetupError("The volume does not hold what was written to it.")
    written.of(str(target))(part.size)
    return part


class _Total:
    """Adds up what several threads have done, and tells ``progress`` the sum, one call at a time."""

    def __init__(self, progress: Callable[[int], None]) -> None:
        self._progress = progress
        self._lock = threading.Lock()
        self._done: dict[str, int] = {}

    def of(self, name: str) -> Callable[[int], None]:
        """A progress function for the part ``name``."""

        def tell(done: int) -> None:
            with self._lock:
                self._done[name] = done
                self._progress(sum(self._done.values()))

        return tell


# ------------------------------------------------------------------------------------------------------------- reading


def read_index(artefact: Path, digest: str) -> Index:
    """The artefact's index. Raises `ArchiveDamaged` when it is not the one with the sha256 ``digest``."""
    with _whole(artefact):
        data = (artefact / _INDEX).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise ArchiveDamaged("The environment's index on the volume is damaged: its sha256 does not match.")
    return Index.decode(data)


def small_bytes(artefact: Path, digest: str) -> int:
    """How many bytes of archives `unpack` will read. Raises `ArchiveDamaged`."""
    return sum(part.size for part in read_index(artefact, digest).small.values())


def unpack(artefact: Path, target: Path, digest: str, progress: Callable[[int], None]) -> None:
    """Fills the new directory ``target``: small files unpacked, large ones as links. ``progress`` gets bytes read.

    While the archives are read, so are the parts of the large files that an import will need.
    Raises `ArchiveDamaged` (``target`` then holds rubbish), `DiskFull`, `OSError`; `FileNotFoundError` only when the
    whole artefact is gone.
    """
    index = read_index(artefact, digest)
    for folder in ["", *index.shared]:
        (target / folder).mkdir(parents=True, exist_ok=True)
    read = _Total(progress)
    with ThreadPoolExecutor(len(index.small) + 1, thread_name_prefix="f5-unpack") as pool, _whole(artefact):
        ahead = pool.submit(prefetch, artefact, index)
        jobs = [
            pool.submit(archive.unpack, artefact / name, target, part.sha256, read.of(name))
            for name, part in index.small.items()
        ]
        for job in jobs:
            job.result()
        ahead.result()
    for name in index.large:
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(artefact / _LARGE / name)


def prefetch(artefact: Path, index: Index) -> None:
    """Asks the system to read what an import will touch of the large files. Returns before it has been read.

    The reading goes on after `os.execv`. A file that is missing is `check`'s business.
    """

    def ask(name: str) -> None:
        with contextlib.suppress(FileNotFoundError), (artefact / _LARGE / name).open("rb") as file:
            for offset, length in index.touched[name]:
                for start in range(offset, offset + length, _READ_AHEAD):
                    os.posix_fadvise(file.fileno(), start, _READ_AHEAD, os.POSIX_FADV_WILLNEED)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="f5-prefetch") as pool:
        list(pool.map(ask, index.touched))


def check(home: Path, artefact: Path, digest: str) -> None:
    """Looks at every large file in the local tree ``home``: there, and of the right size? Nothing is read.

    Raises `ArchiveDamaged`.
    """
    large = read_index(artefact, digest).large

    def looks_whole(name: str) -> bool:
        try:
            return os.stat(home / name).st_size == large[name].size
        except FileNotFoundError:
            return False

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="f5-check") as pool:
        wrong = [name for name, good in zip(large, pool.map(looks_whole, large), strict=True) if not good]
    if wrong:
        raise ArchiveDamaged(f"On the volume {len(wrong)} large files are missing or too short, such as {wrong[0]}.")


def is_damaged(artefact: Path, digest: str) -> bool:
    """Whether ``artefact`` really is not what was published: reads all of it."""
    try:
        index = read_index(artefact, digest)
        parts = {artefact / name: part for name, part in index.small.items()}
        parts |= {artefact / _LARGE / name: part for name, part in index.large.items()}
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="f5-check") as pool:
            found = pool.map(archive.file_sha256, parts)
            return any(sha256 != part.sha256 for sha256, part in zip(found, parts.values(), strict=True))
    except (ArchiveDamaged, FileNotFoundError):
        return True


@contextlib.contextmanager
def _whole(artefact: Path) -> Iterator[None]:
    """A file that is missing in an artefact that is there is damage."""
    try:
        yield
    except FileNotFoundError as error:
        if not artefact.is_dir():
            raise
        name = os.path.basename(str(error.filename))
        raise ArchiveDamaged(f"The environment on the volume has lost a file: {name}.") from error
