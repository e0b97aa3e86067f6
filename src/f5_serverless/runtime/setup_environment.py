"""Makes sure that the locked environment is there, and becomes its Python.

In: the volume's root, the lock, where to unpack. Out: an `Environment` that was verified, protected from collection by
a use lease; then `exec_into` replaces this process. Runs on the container's thin Python. It does not know what the
environment is for, and downloads no models itself: callers pass that as ``meanwhile``, and it runs at the same time.

Many workers come at once, any of them may be killed at any byte, and none may see half an environment::

    published? ──yes──▶ register use ▶ still the same? ▶ (unpack aside, check sha256, rename) ▶ ready
        │ no
    lease free? ──no──▶ wait, look again
        │ yes
    build aside on local disk ▶ verify ▶ write to the volume aside ▶ lease still mine? ▶ rename ▶ marker ▶ ready

Everything that can be wrong with the volume ends in a repaired environment or a `SetupError`.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

from f5_serverless.errors import SetupError
from f5_serverless.runtime import archive, disk, split
from f5_serverless.runtime.build import Recipe, Sizes, build
from f5_serverless.runtime.lease import Clock, Lease, LeaseLost, LeaseSeat, Use, new_token
from f5_serverless.runtime.publish import (
    ARCHIVE,
    MODES,
    SPLIT,
    VOLUME,
    Interpreter,
    Marker,
    Volume,
    artefact_name,
    describe_python,
    environment_key,
    home_name,
    lock_hash,
    point_at,
)
from f5_serverless.types import OnProgress, Progress, no_progress

_READY = "READY"
_REPAIRS = 3
_UNMEASURED_ROOM = 50_000_000


@dataclass(frozen=True)
class Environment:
    """An environment that may be used. ``use`` keeps it from being collected for as long as this process lives."""

    python: Path
    key: str
    mode: str
    use: Use | None = field(default=None, compare=False)


@dataclass
class _Setup:
    """Everything one call of `ensure_environment` knows."""

    volume: Volume
    key: str
    mode: str
    lock_sha256: str
    interpreter: Interpreter
    recipe: Recipe
    local: Path
    term: float
    progress: OnProgress
    clock: Clock
    sleep: Callable[[float], None]
    sizes: Sizes
    large_bytes: int
    read_only: bool = False

    @property
    def pause(self) -> float:
        """Seconds between two looks while another worker builds."""
        return min(2.0, max(0.02, self.term / 20))


def ensure_environment(
    root: Path,
    lock: Path,
    *,
    local_dir: Path,
    mode: str = SPLIT,
    python: Path | None = None,
    imports: Sequence[str] = (),
    first: Sequence[str] = (),
    uv_args: Sequence[str] = (),
    lease_seconds: float = 20.0,
    large_bytes: int = split.LARGE_BYTES,
    allow_local: bool = False,
    progress: OnProgress = no_progress,
    meanwhile: Sequence[Callable[[], object]] = (),
    clock: Clock = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Environment:
    """The environment that ``lock`` describes, built by this worker or another one.

    ``root``: on the shared volume; its parent must exist, since an unmounted volume must not appear by itself.
    ``mode``: ``split`` (small files unpacked under ``local_dir``, those of ``large_bytes`` and more used where they
    stand), ``archive`` (one file on the volume, unpacked under ``local_dir``) or ``volume`` (used where it stands).
    ``imports`` must succeed in a new environment before anybody sees it; ``first``: what every start imports, for which
    is read ahead (`split`). ``allow_local``: with no usable volume, build
    under ``local_dir``. ``meanwhile``: run in threads at the same time (models); their errors are raised at the end.
    Raises `SetupError` and its kinds; what was half done is cleaned up.
    """
    if mode not in MODES:
        raise SetupError(f"There is no environment mode {mode!r}.", hint=f"F5_ENV_MODE: {' or '.join(MODES)}.")
    if lease_seconds <= 0:
        raise SetupError("F5_LEASE_SECONDS must be more than 0.", retryable=False)
    python = python or Path(sys.executable)
    sha256 = lock_hash(lock)
    interpreter = describe_python(python)
    setup = _Setup(
        volume=Volume(root),
        key=environment_key(sha256, interpreter.tag, interpreter.identity(mode)),
        mode=mode,
        lock_sha256=sha256,
        interpreter=interpreter,
        recipe=Recipe(lock, python, tuple(imports), tuple(first), tuple(uv_args)),
        local=local_dir,
        term=lease_seconds,
        progress=progress,
        clock=clock,
        sleep=sleep,
        sizes=Sizes.of(lock),
        large_bytes=large_bytes,
    )
    with ThreadPoolExecutor(max(1, len(meanwhile)), thread_name_prefix="f5-meanwhile") as pool:
        others = [pool.submit(task) for task in meanwhile]
        environment = _ensure(_open_volume(setup, allow_local))
        for other in others:
            other.result()
    return environment


def exec_into(environment: Environment, argv: Sequence[str], environ: dict[str, str]) -> NoReturn:
    """Replaces this process by ``environment``'s Python with ``argv`` (a script and its arguments, or ``-m module``).

    The use lease goes on as ``F5_USE_LEASE`` in the new process's variables, for `Use.resume`. This package itself
    is found there through ``PYTHONPATH``, which must name a directory that holds nothing else. Does not return.
    """
    home = Path(__file__).resolve().parents[2]
    if home.name == "site-packages":
        raise SetupError(
            "This package lies among other packages, which must not mix with the environment's.",
            hint="Put the package into a directory of its own and name that in PYTHONPATH.",
            retryable=False,
        )
    variables = {**environ, "PYTHONPATH": str(home), "PYTHONUNBUFFERED": "1"}
    if environment.use is not None:
        environment.use.pause()
        variables["F5_USE_LEASE"] = str(environment.use.path)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(environment.python, [str(environment.python), *argv], variables)


def _open_volume(setup: _Setup, allow_local: bool) -> _Setup:
    """``setup`` on a volume that can be used, on the local disk where that is allowed, or `VolumeUnusable`."""
    try:
        disk.require_writable(setup.volume.root)
        setup.volume.prepare()
    except (disk.VolumeUnusable, disk.DiskFull) as error:
        if setup.volume.root.is_dir() and setup.volume.read_marker(setup.key, setup.mode) is not None:
            return replace(setup, read_only=True)  # nothing has to be written to use what is there
        if not allow_local:
            raise
        setup.progress(Progress("local", 0, 1, error.message))
        local = Volume(setup.local / "volume")
        local.prepare()
        return replace(setup, volume=local, mode=VOLUME)
    except OSError as error:
        raise _told(error, setup.volume.root) from error
    return setup


def _told(error: OSError, path: Path) -> SetupError:
    """``error`` as a person needs it."""
    if disk.is_full(error):
        return disk.full_disk(error, path)
    return disk.VolumeUnusable(f"{path} failed while the environment was set up: {error.strerror}.", retryable=True)


def _ensure(setup: _Setup) -> Environment:
    """Uses what is published, or builds, or waits, until there is an environment or nothing more can be done."""
    seat = LeaseSeat(setup.volume.leases, f"{setup.key}.{setup.mode}", setup.term, setup.clock)
    damaged = 0
    waited = False
    while True:
        try:
            marker = setup.volume.read_marker(setup.key, setup.mode)
            if marker is not None:
                environment = _adopt(setup, marker)
                if environment is not None:
                    return environment
                continue
            lease = seat.try_acquire()
            if lease is None:
                if not waited:
                    setup.progress(Progress("wait", 0, 1, "another worker builds the environment"))
                waited = True
                setup.sleep(setup.pause)
                continue
            with lease:
                if setup.volume.read_marker(setup.key, setup.mode) is None:
                    _build_and_publish(setup, lease)
        except LeaseLost:
            continue  # the worker that took over builds or has built
        except archive.ArchiveDamaged as error:
            damaged += 1
            if damaged >= _REPAIRS or setup.read_only:
                raise
            setup.progress(Progress("repair", damaged, _REPAIRS, error.message))
        except OSError as error:
            raise _told(error, setup.volume.root) from error


# ------------------------------------------------------------------------------------------------- using what is there


def _adopt(setup: _Setup, marker: Marker) -> Environment | None:
    """``marker``'s environment, ready to use and protected; None when it was withdrawn meanwhile: look again."""
    use = None if setup.read_only else Use.register(setup.volume.uses, marker.artefact, setup.term)
    try:
        if setup.volume.read_marker(setup.key, setup.mode) != marker:  # only now is the use sure to be seen
            home = None
        elif marker.mode == VOLUME:
            home = setup.volume.artefact(marker)
        else:
            home = _unpacked(setup, marker)
        if home is not None and not os.access(home / "bin" / "python", os.X_OK):
            if not setup.read_only:
                setup.volume.withdraw(marker)
            raise archive.ArchiveDamaged("The environment on the volume has no working Python.")
    except BaseException:
        if use is not None:
            use.release()
        raise
    if home is None:
        if use is not None:
            use.release()
        return None
    setup.progress(Progress("ready", 1, 1, marker.key))
    return Environment(home / "bin" / "python", marker.key, marker.mode, use)


def _unpacked(setup: _Setup, marker: Marker) -> Path:
    """The local directory of an environment that is unpacked. Processes on one host unpack it once."""
    home = setup.local / "envs" / home_name(marker)
    seat = LeaseSeat(setup.local / "leases", marker.artefact, setup.term, setup.clock)
    while not _is_ready(setup, home, marker):
        lease = seat.try_acquire()
        if lease is None:
            setup.sleep(setup.pause)
            continue
        with lease:
            if not _is_ready(setup, home, marker):
                _unpack(setup, marker, home, lease)
    if marker.mode == SPLIT:
        with _withdrawing(setup, marker):
            split.check(home, setup.volume.artefact(marker), marker.digest)
    return home


def _is_ready(setup: _Setup, home: Path, marker: Marker) -> bool:
    try:
        return (home / _READY).read_text() == _ready_text(setup, marker)
    except OSError:
        return False


def _ready_text(setup: _Setup, marker: Marker) -> str:
    """What says that a local directory is ``marker``'s environment, with links to where the volume is mounted now."""
    return f"{marker.digest} {setup.volume.artefact(marker)}"


def _unpack(setup: _Setup, marker: Marker, home: Path, lease: Lease) -> None:
    """Unpacks aside, checks, and renames. A damaged artefact is withdrawn, for the next builder to replace."""
    disk.require_room(setup.local, setup.sizes.on_host(setup.mode), "Unpacking the environment")
    source = setup.volume.artefact(marker)
    aside = setup.local / "unpacking" / f"{marker.key}--{lease.token}"
    disk.remove_leftovers(aside.parent)
    fill = {SPLIT: split.unpack, ARCHIVE: archive.unpack}[marker.mode]
    try:
        with _withdrawing(setup, marker):
            whole = marker.size if marker.mode == ARCHIVE else split.small_bytes(source, marker.digest)
            fill(source, aside, marker.digest, lambda done: setup.progress(Progress("unpack", done, whole, "bytes")))
        point_at(aside, setup.interpreter)
        (aside / _READY).write_text(_ready_text(setup, marker))
        lease.check()
        home.parent.mkdir(parents=True, exist_ok=True)
        disk.remove_tree(home)
        os.rename(aside, home)
    except FileNotFoundError:
        if source.exists():
            raise
        raise LeaseLost("The environment was collected while it was unpacked.") from None
    finally:
        if aside.exists():
            disk.remove_tree(aside)


@contextlib.contextmanager
def _withdrawing(setup: _Setup, marker: Marker) -> Iterator[None]:
    """Withdraws an artefact that is found damaged, unless it was just a bad read on the way."""
    try:
        yield
    except archive.ArchiveDamaged:
        source = setup.volume.artefact(marker)
        is_damaged = {SPLIT: split.is_damaged, ARCHIVE: archive.is_damaged}[marker.mode]
        if not setup.read_only and is_damaged(source, marker.digest):
            setup.volume.withdraw(marker)
        raise


# ------------------------------------------------------------------------------------------------------------ building


def _build_and_publish(setup: _Setup, lease: Lease) -> None:
    """Builds aside, publishes if the lease is still held. Raises `LeaseLost`, `SetupError`, `OSError`."""
    work = setup.local / "building" / f"{setup.key}--{lease.token}"
    aside = setup.volume.aside(setup.key, lease.token)
    disk.remove_leftovers(work.parent)
    for left in setup.volume.building.glob(f"{setup.key}--*"):  # of builders that are dead or have lost the lease
        disk.remove_tree(left)
    sizes = setup.sizes
    disk.require_room(
        setup.local, sizes.download_bytes + sizes.unpacked_bytes + _UNMEASURED_ROOM, "Building the environment"
    )
    on_volume = sizes.on_volume(setup.mode)
    disk.require_room(setup.volume.root, on_volume + _UNMEASURED_ROOM // 10, "The environment")
    try:
        work.mkdir(parents=True)
        built = work / "env"
        touched = build(setup.recipe, built, work / "cache", sizes, setup.progress)
        lease.check()
        _ship(setup, lease, built, aside, touched)
    except SetupError:
        raise
    except OSError:
        lease.check()  # a successor removes what this builder had aside: then the fault is that, not the disk
        raise
    finally:
        disk.remove_tree(work)
        if aside.exists():
            disk.remove_tree(aside)


def _ship(setup: _Setup, lease: Lease, built: Path, aside: Path, touched: split.Spans) -> None:
    """Writes ``built`` to the volume as the mode wants it, publishes it, and keeps it for this worker's own use."""
    digest, files, size = disk.tree_digest(built)
    artefact = artefact_name(setup.key, setup.mode)

    def packing(done: int) -> None:
        setup.progress(Progress("pack", done, 0, "bytes"))

    if setup.mode == VOLUME:
        written = itertools.count(1)
        disk.copy_tree(built, aside, lambda _: setup.progress(Progress("publish", next(written), 0, "files")))
        if disk.tree_digest(aside)[0] != digest:
            raise SetupError("The volume does not hold what was written to it.")
    else:
        if setup.mode == SPLIT:
            packed = split.pack(built, aside, packing, large_bytes=setup.large_bytes, touched=touched)
        else:
            packed = archive.pack(built, aside, packing)
        digest, size = packed.sha256, packed.size
    marker = Marker(setup.key, setup.mode, artefact, digest, setup.lock_sha256, size, files, setup.interpreter.version)
    setup.progress(Progress("publish", 0, 1, setup.key))
    lease.check()
    counts = setup.volume.publish(aside, marker)
    if setup.mode != VOLUME and counts == marker:
        home = setup.local / "envs" / home_name(marker)
        home.parent.mkdir(parents=True, exist_ok=True)
        (built / _READY).write_text(_ready_text(setup, marker))
        with contextlib.suppress(OSError):  # then it is unpacked like everywhere else
            os.rename(built, home)


__all__ = ["Environment", "ensure_environment", "exec_into", "new_token"]
