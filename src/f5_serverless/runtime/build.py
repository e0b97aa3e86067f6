"""Makes one environment aside, on local disk: create, install from the lock by hash, compile, verify.

In: a lock file with hashes, a Python, an empty place. Out: a relocatable environment that imported what it must import,
or a `SetupError` in words a person can act on. Knows no volume, no lease and no other worker. uv does the installing:
ten times as fast as pip, mostly because it downloads and unpacks many packages at once.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from f5_serverless.errors import SetupError
from f5_serverless.runtime.disk import DiskFull, remove_tree
from f5_serverless.runtime.publish import ARCHIVE, SPLIT, VOLUME
from f5_serverless.runtime.split import Spans
from f5_serverless.types import OnProgress, Progress

ATTEMPTS = 3
_URL = re.compile(r"[a-z][a-z0-9+.-]*://\S+")
_PACKAGE = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", re.MULTILINE)
_WORDS: tuple[tuple[str, type[SetupError], str], ...] = (
    ("No space left on device", DiskFull, "The local disk ran full while packages were installed."),
    ("Disk quota exceeded", DiskFull, "The local disk's quota was used up while packages were installed."),
    ("Hash mismatch", SetupError, "A downloaded package does not have the hash that the lock names"),
    ("Failed to extract", SetupError, "A downloaded package is damaged"),
    ("Failed to read metadata", SetupError, "A downloaded package is damaged"),
)

_NEVER_OPENED = (".h", ".hpp", ".hh", ".cuh", ".a", ".pyi", ".pyx", ".pxd")
_NEVER_OPENED_FOLDERS = ("tests",)
_MARK = "touched:"
_TOUCHED = """
import json, struct

def spans(blocks):
    found = []
    for block in sorted(blocks):
        if found and sum(found[-1]) == block:
            found[-1][1] += 1
        else:
            found.append([block, 1])
    return [[first << 17, count << 17] for first, count in found]

def touched():
    blocks = {}
    with open("/proc/self/maps") as maps, open("/proc/self/pagemap", "rb", 0) as pages:
        for line in maps:
            span, _, offset, _, inode, *name = line.split(maxsplit=5)
            if inode == "0" or not name or not name[0].startswith("/"):
                continue
            first, last = (int(part, 16) // 4096 for part in span.split("-"))
            pages.seek(first * 8)
            entries = struct.unpack(f"{last - first}Q", pages.read((last - first) * 8))
            here = {(int(offset, 16) // 4096 + page) // 32 for page, entry in enumerate(entries) if entry >> 62}
            blocks.setdefault(name[0].rstrip(), set()).update(here)
    return blocks

try:
    print("\\ntouched:" + json.dumps({name: spans(blocks) for name, blocks in touched().items()}))
except OSError:  # a system that does not tell
    print("\\ntouched:{}")
"""
"""Prints what the process has in memory of the files that it maps, in blocks of 128 kB: ``{path: [[offset, length]]}``.
An entry of `/proc/self/pagemap` has its two highest bits for "in memory" and "swapped"."""


@dataclass(frozen=True)
class Sizes:
    """What the lock costs, measured when it was made. Zeros when nobody measured: then nothing can be checked ahead.

    ``unpacked_bytes`` of a whole environment; of these ``large_bytes`` in large files. ``archive_bytes`` of all of it
    in one archive, ``small_archive_bytes`` of its small files alone (`split`).
    """

    packages: int = 0
    download_bytes: int = 0
    unpacked_bytes: int = 0
    archive_bytes: int = 0
    large_bytes: int = 0
    small_archive_bytes: int = 0

    def on_volume(self, mode: str) -> int:
        """Bytes that an environment takes on the volume."""
        split = self.large_bytes + self.small_archive_bytes
        return {SPLIT: split, ARCHIVE: self.archive_bytes, VOLUME: self.unpacked_bytes}[mode]

    def on_host(self, mode: str) -> int:
        """Bytes that a worker unpacks to its local disk."""
        return {SPLIT: self.unpacked_bytes - self.large_bytes, ARCHIVE: self.unpacked_bytes, VOLUME: 0}[mode]

    @classmethod
    def of(cls, lock: Path) -> Sizes:
        """The sizes beside ``lock`` (``X.txt`` has ``X.json``). Packages are counted in the lock itself."""
        counted = len(_PACKAGE.findall(lock.read_text()))
        beside = lock.with_suffix(".json")
        if not beside.is_file():
            return cls(packages=counted)
        try:
            known = json.loads(beside.read_text())
            return cls(counted, *(int(known[part.name]) for part in fields(cls)[1:]))
        except (ValueError, KeyError, TypeError) as error:
            raise SetupError(f"{beside.name} is damaged: {error}.", hint="Run `make lock`.", retryable=False) from error


@dataclass(frozen=True)
class Recipe:
    """How to build. ``imports`` are tried in the finished environment, of which ``first`` are what every start imports.

    ``uv_args`` go to ``uv pip sync``.
    """

    lock: Path
    python: Path
    imports: Sequence[str] = ()
    first: Sequence[str] = ()
    uv_args: Sequence[str] = ()
    compile: bool = True


def find_uv() -> str:
    """The uv program: beside this Python, in the path, or in the `uv` package."""
    found = shutil.which("uv", path=os.path.dirname(sys.executable)) or shutil.which("uv")
    if found is None:
        raise SetupError("uv is not installed.", hint="`pip install uv`.", retryable=False)
    return found


def build(recipe: Recipe, target: Path, cache: Path, sizes: Sizes, progress: OnProgress) -> Spans:
    """Builds ``target`` (must not exist) and removes ``cache``. Raises `SetupError`, `DiskFull`.

    Returns what the imports touched of the files in ``target``. Stages reported: ``install`` (packages; bytes and
    minutes left in the detail), ``verify``.
    """
    uv = find_uv()
    try:
        _run([uv, "venv", "--quiet", "--relocatable", "--no-project", "--python", str(recipe.python), str(target)])
        command = [uv, "pip", "sync", "--require-hashes", "--only-binary", ":all:", "--link-mode", "hardlink"]
        command += ["--cache-dir", str(cache), "--python", str(target / "bin" / "python")]
        command += ["--compile-bytecode"] if recipe.compile else []
        command += [*recipe.uv_args, str(recipe.lock)]
        with _InstallMeter(target, sizes, progress):
            _install(command)
    finally:
        remove_tree(cache)
    trim(target)
    progress(Progress("verify", 0, 1, "importing " + ", ".join(recipe.imports)))
    touched = verify(target / "bin" / "python", recipe.imports, recipe.first)
    progress(Progress("verify", 1, 1))
    return {os.path.relpath(name, target): spans for name, spans in touched.items() if name.startswith(f"{target}/")}


def trim(target: Path) -> None:
    """Removes what running programs never open: headers, static libraries, type stubs, packages' own tests.

    Of a real environment that is a third of the files. Whether it is too much is seen by the imports that follow.
    """
    for folder, names, entries in os.walk(target):
        for name in [name for name in names if name in _NEVER_OPENED_FOLDERS]:
            names.remove(name)
            shutil.rmtree(os.path.join(folder, name))
        for name in entries:
            if name.endswith(_NEVER_OPENED):
                os.unlink(os.path.join(folder, name))


def verify(python: Path, imports: Sequence[str], first: Sequence[str] = ()) -> Spans:
    """Imports ``imports`` in a process of its own, isolated from this one's paths. Raises `SetupError`.

    Returns what the imports of ``first`` touched of the files that they mapped into memory, by absolute path.
    """
    code = "import importlib, sys\nfor name in sys.argv[1].split(): importlib.import_module(name)\n"
    code += f"{_TOUCHED}\nfor name in sys.argv[2:]: importlib.import_module(name)"
    command = [str(python), "-I", "-B", "-c", code, " ".join(first), *imports]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SetupError(f"The environment's Python does not run: {type(error).__name__}.") from error
    if result.returncode != 0:
        raise SetupError(f"The environment does not work: {_last_words(result.stderr)}")
    said = next(line for line in result.stdout.splitlines() if line.startswith(_MARK))
    touched: Spans = json.loads(said.removeprefix(_MARK))
    return touched


def _install(command: Sequence[str]) -> None:
    """Runs the installation, again after a fault that may be the network's."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _run(command)
        except DiskFull:
            raise
        except SetupError as error:
            if attempt == ATTEMPTS or not error.retryable or "--offline" in command:
                raise
            time.sleep(2.0**attempt)
    return None


def _run(command: Sequence[str]) -> None:
    result = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    if result.returncode == 0:
        return
    said = result.stderr
    for words, kind, message in _WORDS:
        if words in said:
            raise kind(message if kind is DiskFull else f"{message}: {_last_words(said)}")
    raise SetupError(f"uv could not install the environment: {_last_words(said)}")


def _last_words(said: str) -> str:
    """The last lines of a program's errors, without addresses: those may carry passwords or signatures."""
    lines = [line.strip() for line in _URL.sub("(address)", said).splitlines() if line.strip()]
    return " / ".join(lines[-6:])[-600:] or "no message"


class _InstallMeter:
    """Reports the installation once a second from what it leaves on disk, since uv's own output is for terminals.

    Packages are counted by their metadata directories; bytes are what the disk lost, which other programs blur.
    """

    def __init__(self, target: Path, sizes: Sizes, progress: OnProgress) -> None:
        self._target, self._sizes, self._progress = target, sizes, progress
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="f5-install-meter", daemon=True)

    def __enter__(self) -> None:
        self._free = shutil.disk_usage(self._target).free
        self._start = time.monotonic()
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(1.0):
            self._progress(self.reading())

    def reading(self) -> Progress:
        """Packages installed so far, with bytes written and seconds left as far as they can be known."""
        done = len(list(self._target.glob("lib/python*/site-packages/*.dist-info")))
        written = max(0, self._free - shutil.disk_usage(self._target).free)
        return Progress("install", done, self._sizes.packages, self._detail(written))

    def _detail(self, written: int) -> str:
        whole = self._sizes.unpacked_bytes
        if not whole:
            return f"{written / 1e6:.0f} MB"
        share = min(1.0, written / whole)
        seconds = time.monotonic() - self._start
        left = f", {seconds * (1 / share - 1) / 60:.1f} min left" if share > 0.02 else ""
        return f"{written / 1e9:.1f} of {whole / 1e9:.1f} GB{left}"
