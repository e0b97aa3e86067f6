"""The forms in which a volume can hold an environment, and how long an import takes from each.

In: an environment as a tree, as one archive and in two parts. Out: a table with a column per mode, a row per disk.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import _slow_disk
from benchmarks.harness import Report
from f5_serverless.runtime import archive, disk, split
from f5_serverless.runtime.publish import ARCHIVE, SPLIT, VOLUME

SOURCE = Path(__file__).parents[1] / "src"
DISK_SPEED = 300e6
QUICK_PACKAGES: tuple[str, ...] = (
    "numpy",
    "numpy.libs",
    "pydantic",
    "pydantic_core",
    "typing_extensions.py",
    "annotated_types",
)
QUICK_PACKAGES += ("typing_inspection", "rich", "pygments", "markdown_it", "mdurl", "pysubs2")
TIMED = """
import sys, time, importlib
t = time.perf_counter()
for name in sys.argv[1:]:
    module, _, function = name.partition(":")
    found = importlib.import_module(module)
    if function:
        getattr(found, function)()
print(time.perf_counter() - t)
"""

FORGETTING = 40.0
"""Seconds. For so long ext4 avoids the numbers of removed files, which makes the next unpacking many times as slow; a
new host has removed nothing."""


def timed_import(python: Path, names: Sequence[str], path: Path | None = None) -> float:
    """Seconds that a new process needs to import ``names``, its start left out."""
    paths = os.pathsep.join(str(place) for place in (path, SOURCE) if place is not None)
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": paths}
    command = [str(python), *(["-S"] if path else []), "-c", TIMED, *names]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return float(done.stdout)


def small_environment(scratch: Path) -> Path:
    """A site-packages of installed packages, compiled."""
    here = Path(sysconfig.get_paths()["purelib"])
    packages = scratch / "small" / "lib" / "packages"
    packages.mkdir(parents=True)
    for pattern in QUICK_PACKAGES:
        for found in here.glob(pattern):
            copy = shutil.copytree if found.is_dir() else shutil.copy2
            copy(found, packages / found.name)
    subprocess.run([sys.executable, "-m", "compileall", "-q", str(packages)], check=False, stdout=subprocess.DEVNULL)
    return scratch / "small"


@dataclass(frozen=True)
class Candidate:
    """An environment to try: its tree, its archive, its two parts, how to import from it."""

    tree: Path
    archive: Path
    archive_sha256: str
    parts: Path
    parts_digest: str
    imports: Sequence[str]
    packages: str

    @property
    def sent(self) -> int:
        """Bytes of the archives of small files and of what an import touches of the large ones."""
        index = split.read_index(self.parts, self.parts_digest)
        touched = sum(size for spans in index.touched.values() for _, size in spans)
        return sum(part.size for part in index.small.values()) + touched


def on_volume(candidate: Candidate, latency: float | None, scratch: Path) -> tuple[float, float]:
    """(0, seconds to import straight from the volume, nothing cached)."""
    with view(candidate.tree, latency, scratch) as place:
        return 0.0, timed_import(Path(sys.executable), candidate.imports, place / candidate.packages)


def unpacked(candidate: Candidate, latency: float | None, scratch: Path) -> tuple[float, float]:
    """(seconds to unpack the archive to local disk, seconds to import from there)."""
    local = new_directory(scratch)
    with view(candidate.archive.parent, latency, scratch) as place:
        started = time.perf_counter()
        archive.unpack(place / candidate.archive.name, local, candidate.archive_sha256, lambda _: None)
        seconds = time.perf_counter() - started
    loaded = timed_import(Path(sys.executable), candidate.imports, local / candidate.packages)
    if disk.tree_digest(local)[2] > 1e9:  # four of these would fill a disk
        shutil.rmtree(local)
        time.sleep(FORGETTING)
    return seconds, loaded


def in_two_parts(candidate: Candidate, latency: float | None, scratch: Path) -> tuple[float, float]:
    """(seconds to unpack the small files and link the large ones, seconds to import from there)."""
    local = new_directory(scratch)
    with view(candidate.parts, latency, scratch) as place:
        started = time.perf_counter()
        split.unpack(place, local, candidate.parts_digest, lambda _: None)
        seconds = time.perf_counter() - started
        return seconds, timed_import(Path(sys.executable), candidate.imports, local / candidate.packages)


WAYS: dict[str, Callable[[Candidate, float | None, Path], tuple[float, float]]] = {
    SPLIT: in_two_parts,
    VOLUME: on_volume,
    ARCHIVE: unpacked,
}


def new_directory(scratch: Path) -> Path:
    """A name for a directory. It stays until the end of the run: see `FORGETTING`."""
    return Path(tempfile.mkdtemp(dir=scratch)) / "env"


@contextlib.contextmanager
def view(source: Path, latency: float | None, scratch: Path) -> Iterator[Path]:
    """``source`` as it is (None), or through a slow disk of its own, so that nothing is cached."""
    if latency is None:
        yield source
        return
    with (
        tempfile.TemporaryDirectory(dir=scratch) as place,
        _slow_disk.mounted(source, Path(place) / "disk", latency, DISK_SPEED) as mount,
    ):
        yield mount


def where_it_lives(candidate: Candidate, scratch: Path, latencies: Sequence[float]) -> Report:
    """Where the environment had better live: one column per mode."""
    size = candidate.archive.stat().st_size
    _, files, tree_bytes = disk.tree_digest(candidate.tree)
    report = Report(
        f"2. To import: {files:,} files, {disk.gigabytes(tree_bytes)}; as archive {disk.gigabytes(size)}; split, "
        f"{disk.gigabytes(candidate.sent)} are read",
        ("disk", *(f"{name}: unpack + import" for name in WAYS), "best"),
    )
    missing = _slow_disk.available()
    places: list[tuple[str, float | None]] = [("local, cached", None)]
    if missing is None:
        places += [(f"{latency * 1000:g} ms, {DISK_SPEED / 1e6:.0f} MB/s", latency) for latency in latencies]
    times: dict[tuple[str, str], tuple[float, float]] = {}
    for mode, way in WAYS.items():  # the archive last: it writes and removes gigabytes
        for name, latency in places:
            unpack, load = times[mode, name] = way(candidate, latency, scratch)
            print(f"{mode} | {name} | {unpack:.2f} s unpack | {load:.2f} s import", file=sys.stderr)
    for name, latency in places:
        key = "local" if latency is None else f"{latency * 1000:g}ms"
        sums = {mode: sum(times[mode, name]) for mode in WAYS}
        best, second = sorted(sums, key=lambda mode: sums[mode])[:2]
        cells = [f"{times[mode, name][0]:.2f} + {times[mode, name][1]:.2f} = {sums[mode]:.2f} s" for mode in WAYS]
        report.rows.append((name, *cells, f"{best}, {sums[second] / sums[best]:.1f} ×"))
        report.figures |= {f"{mode}_{key}_s": seconds for mode, seconds in sums.items()}
    if missing:
        report.notes.append(f"No disk with injected latency here: {missing}.")
    report.notes.append(f"At {DISK_SPEED / 1e6:.0f} MB/s the archive alone reads in {size / DISK_SPEED:.1f} s.")
    return report
