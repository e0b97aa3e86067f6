"""What workers read from the volume, and the only code that writes it.

The layout under the root::

    envs/KEY.json            the marker: names the artefact that is KEY's environment; written last
    envs/KEY-TOKEN/          an environment as files (mode "volume"), or in two parts (mode "split", see `split`), or
    envs/KEY-TOKEN.tar.zst   as one archive (mode "archive")
    building/KEY--TOKEN…     what is being written; nobody reads it
    leases/KEY.N             who builds (see `lease`)
    uses/ARTEFACT--TOKEN     who uses which artefact

An artefact's name is used once, ever. So a reader that has read a marker holds a name that means one thing; a repair is
a new artefact and a marker that points to it, and the old one stays for those who use it. Knows nothing of how an
environment is made.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from f5_serverless.errors import SetupError
from f5_serverless.runtime.disk import remove_tree
from f5_serverless.runtime.lease import create_exclusive, new_token, read_json, write_atomic

SPLIT = "split"
ARCHIVE = "archive"
VOLUME = "volume"
MODES = (SPLIT, ARCHIVE, VOLUME)
_SUFFIX = {SPLIT: "", ARCHIVE: ".tar.zst", VOLUME: ""}
_FORMAT = 1


@dataclass(frozen=True)
class Marker:
    """What is known of one published environment.

    ``digest``: sha256 of the archive, of the index (`split`), or the tree's (`disk.tree_digest`). ``size`` in bytes, of
    the artefact.
    """

    key: str
    mode: str
    artefact: str
    digest: str
    lock_sha256: str
    size: int
    files: int
    python: str


@dataclass(frozen=True)
class Volume:
    """The places under one root."""

    root: Path

    @property
    def envs(self) -> Path:
        return self.root / "envs"

    @property
    def building(self) -> Path:
        return self.root / "building"

    @property
    def leases(self) -> Path:
        return self.root / "leases"

    @property
    def uses(self) -> Path:
        return self.root / "uses"

    def prepare(self) -> None:
        for place in (self.envs, self.building, self.leases, self.uses):
            place.mkdir(parents=True, exist_ok=True)

    def marker_path(self, key: str, mode: str) -> Path:
        return self.envs / f"{key}.{mode}.json"

    def read_marker(self, key: str, mode: str) -> Marker | None:
        """The marker of ``key``, or None: nothing published, or a marker that is damaged or whose artefact is gone."""
        state = read_json(self.marker_path(key, mode))
        if not state or state.pop("format", None) != _FORMAT:
            return None
        try:
            marker = Marker(**state)
        except TypeError:
            return None
        fits = marker.key == key and marker.mode == mode and os.path.basename(marker.artefact) == marker.artefact
        return marker if fits and self.artefact(marker).exists() else None

    def artefact(self, marker: Marker) -> Path:
        return self.envs / marker.artefact

    def aside(self, key: str, token: str) -> Path:
        """A place to write a new artefact of ``key``. Its name tells the next builder that it may be removed."""
        return self.building / f"{key}--{token}"

    def publish(self, aside: Path, marker: Marker) -> Marker:
        """Moves ``aside`` to its final name and points the marker at it. Returns the marker that counts.

        Where a valid marker came first, that one counts and ``aside`` stays for the caller to remove.
        """
        winner = self.read_marker(marker.key, marker.mode)
        if winner is not None:
            return winner
        os.rename(aside, self.artefact(marker))  # fails on an existing directory; names are unique, so there is none
        data = _encode(marker)
        path = self.marker_path(marker.key, marker.mode)
        if create_exclusive(path, data):
            return marker
        winner = self.read_marker(marker.key, marker.mode)
        if winner is not None:
            remove_tree(self.artefact(marker))  # no marker ever named it
            return winner
        write_atomic(path, data)  # what stands there is damaged: repair it
        return marker

    def publish_again(self, marker: Marker) -> None:
        """Puts back a marker that was taken away too early. One that was published meanwhile counts instead."""
        create_exclusive(self.marker_path(marker.key, marker.mode), _encode(marker))

    def withdraw(self, marker: Marker) -> None:
        """Takes ``marker`` away if it is still the one that counts, so that the environment is built anew."""
        if self.read_marker(marker.key, marker.mode) == marker:
            self.marker_path(marker.key, marker.mode).unlink(missing_ok=True)


def _encode(marker: Marker) -> bytes:
    return json.dumps({"format": _FORMAT, **asdict(marker)}, indent=1).encode()


def home_name(marker: Marker) -> str:
    """The name of ``marker``'s environment where it is unpacked."""
    return marker.artefact.removesuffix(_SUFFIX[marker.mode])


def artefact_name(key: str, mode: str) -> str:
    """A new artefact's name; it is used once."""
    return f"{key}-{new_token()}{_SUFFIX[mode]}"


def lock_hash(lock: Path) -> str:
    """sha256 of the lock file, in hex."""
    try:
        return hashlib.sha256(lock.read_bytes()).hexdigest()
    except OSError as error:
        raise SetupError(
            f"The lock {lock.name} cannot be read: {error.strerror}.",
            hint="The image must hold runtime_requirements.txt; set F5_RUNTIME_LOCK if it lies elsewhere.",
            retryable=False,
        ) from error


@dataclass(frozen=True)
class Interpreter:
    """What an environment depends on. ``executable`` is the base Python, not that of a virtual environment."""

    tag: str
    version: str
    machine: str
    libc: str
    prefix: str
    executable: str

    def identity(self, mode: str) -> str:
        """What the environment's key must tell apart.

        What is unpacked is pointed at the local interpreter then, so any of the same minor version will do. Files on
        the volume name one interpreter for all workers. Modes do not share keys, so that images with different ones
        can build at the same time.
        """
        loose = (self.machine, self.libc)
        kinds = {SPLIT: (*loose, SPLIT), ARCHIVE: loose, VOLUME: (*loose, self.version, self.prefix)}
        return "|".join(kinds[mode])


def describe_python(python: Path) -> Interpreter:
    """The interpreter behind ``python``. Raises `SetupError` when it does not run."""
    if python == Path(sys.executable):  # the usual case, without a process
        return Interpreter(*_identity())
    code = f"import sys, platform\n{inspect.getsource(_identity)}\nprint('|'.join(_identity()))"
    call = [str(python), "-I", "-c", code]
    try:
        result = subprocess.run(call, capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        raise SetupError(f"{python} does not run: {type(error).__name__}.", retryable=False) from error
    return Interpreter(*result.stdout.strip().split("|"))


def _identity() -> tuple[str, ...]:
    """The fields of `Interpreter`. Its source also runs in other Pythons."""
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    base = getattr(sys, "_base_executable", sys.executable)
    return tag, platform.python_version(), platform.machine(), platform.libc_ver()[0], sys.base_prefix, base


def point_at(home: Path, interpreter: Interpreter) -> None:
    """Makes the unpacked environment ``home`` use this machine's ``interpreter``."""
    link = home / "bin" / "python"
    link.unlink(missing_ok=True)
    link.symlink_to(interpreter.executable)
    settings = home / "pyvenv.cfg"
    lines = [line for line in settings.read_text().splitlines() if line.partition("=")[0].strip() != "home"]
    settings.write_text("\n".join([f"home = {Path(interpreter.executable).parent}", *lines]) + "\n")


def environment_key(lock_sha256: str, tag: str, identity: str) -> str:
    """The name of the environment that is a function of (Python, platform, lock): ``cp311-x86_64-0123456789abcdef``.

    >>> environment_key("ab" * 32, "cp311", "x86_64|glibc").split("-")[0]
    'cp311'
    """
    digest = hashlib.sha256(f"{lock_sha256}\0{tag}\0{identity}".encode()).hexdigest()
    return f"{tag}-{platform.machine()}-{digest[:16]}"
