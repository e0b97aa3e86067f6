"""Every fault a volume can have ends in a repaired environment or a clear error, with nothing half done left behind."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from f5_serverless.errors import SetupError
from f5_serverless.runtime import archive
from f5_serverless.runtime.build import trim, verify
from f5_serverless.runtime.collect import Collector
from f5_serverless.runtime.disk import DiskFull, VolumeUnusable, remove_tree
from f5_serverless.runtime.lease import LeaseSeat, create_exclusive
from f5_serverless.runtime.publish import ARCHIVE, MODES, SPLIT, VOLUME, Volume, describe_python
from f5_serverless.runtime.setup_environment import Environment, ensure_environment
from f5_serverless.types import Progress
from tests.runtime.racing import expected_files, missing_files
from tests.runtime.wheelhouse import Wheelhouse, make

TERM = 5.0
LARGE = 8_000  # bytes; some files of these small packages have more
Setup = Callable[..., Environment]


@pytest.fixture
def lock(tmp_path: Path, wheels: Wheelhouse) -> Path:
    return wheels.lock(tmp_path / "lock.txt")


@pytest.fixture
def setup(tmp_path: Path, volume: Path, lock: Path, wheels: Wheelhouse) -> Iterator[Setup]:
    """`ensure_environment` with what all tests share; ends the uses afterwards."""
    made: list[Environment] = []

    def call(host: str = "host0", **changes: Any) -> Environment:
        arguments: dict[str, Any] = {
            "root": volume,
            "lock": lock,
            "local_dir": tmp_path / host,
            "imports": ("six", "idna", "packaging"),
            "uv_args": wheels.uv_args,
            "lease_seconds": TERM,
            "large_bytes": LARGE,
        } | changes
        environment = ensure_environment(arguments.pop("root"), arguments.pop("lock"), **arguments)
        made.append(environment)
        return environment

    yield call
    for environment in made:
        if environment.use is not None:
            environment.use.release()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str, str], Path]]:
    """Mounts real file systems of a chosen size; skips where that is not allowed."""
    mounted: list[Path] = []

    def mount(name: str, options: str) -> Path:
        place = tmp_path / name
        place.mkdir()
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", str(place)], capture_output=True)
        if done.returncode != 0:
            pytest.skip("mounting a small disk needs root")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def artefacts(volume: Path) -> list[Path]:
    return sorted(path for path in (volume / "envs").iterdir() if not path.name.endswith(".json"))


def litter(volume: Path, *hosts: Path) -> list[Path]:
    """What is only there while somebody works."""
    found = [*(volume / "building").iterdir(), *volume.glob(".*"), *volume.glob("*/.*")]
    for host in hosts:
        found += [
            path for name in ("building", "unpacking") if (host / name).is_dir() for path in (host / name).iterdir()
        ]
    return found


def assert_whole(environment: Environment, wheels: Wheelhouse) -> None:
    assert missing_files(environment.python, expected_files(wheels)) == []
    done = subprocess.run(
        [environment.python, "-I", "-c", "import six, idna, sys; print(sys.prefix)"], capture_output=True, text=True
    )
    assert done.stdout.strip() == str(environment.python.parent.parent), done.stderr


# ------------------------------------------------------------------------------------------------------ the usual way


@pytest.mark.parametrize("mode", MODES)
def test_first_worker_builds_and_others_take_it(
    mode: str, setup: Setup, volume: Path, tmp_path: Path, wheels: Wheelhouse
) -> None:
    first = setup(mode=mode)
    assert_whole(first, wheels)
    stages: list[str] = []
    second = setup("host1", mode=mode, uv_args=("--offline", "--no-index"), progress=lambda p: stages.append(p.stage))
    assert_whole(second, wheels)
    assert "install" not in stages
    assert len(artefacts(volume)) == 1
    assert litter(volume, tmp_path / "host0", tmp_path / "host1") == []
    assert (second.python.is_relative_to(volume)) == (mode == VOLUME)


def test_environment_is_compiled(setup: Setup) -> None:
    """The bytecode must be valid for the files as they were unpacked: Python with `-v` says which it takes."""
    setup()
    other = setup("host1")
    done = subprocess.run([other.python, "-I", "-v", "-c", "import six"], capture_output=True, text=True)
    assert "six.cpython" in done.stderr
    assert "matches" in next(line for line in done.stderr.splitlines() if "six.cpython" in line)


@pytest.mark.parametrize("mode", MODES)
def test_changed_lock_builds_beside_the_old_one(
    mode: str, setup: Setup, tmp_path: Path, wheels: Wheelhouse, volume: Path
) -> None:
    old = setup(mode=mode)
    worker = subprocess.Popen(
        [old.python, "-I", "-c", "import sys; sys.stdin.readline(); import six, idna; print('still whole')"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    new = setup(mode=mode, lock=wheels.lock(tmp_path / "new.txt", "six"), imports=("six",))
    assert new.key != old.key
    assert len(artefacts(volume)) == 2
    assert worker.communicate("\n")[0] == "still whole\n"
    assert_whole(setup(mode=mode), wheels)


def test_meanwhile_runs_at_the_same_time(setup: Setup) -> None:
    installing, downloaded = threading.Event(), threading.Event()

    def models() -> None:
        assert installing.wait(30)
        downloaded.set()

    def progress(step: Progress) -> None:
        if step.stage == "verify" and step.done == 0:
            installing.set()
            assert downloaded.wait(30), "models wait for the environment"

    setup(meanwhile=[models], progress=progress)
    assert downloaded.is_set()


def test_error_of_meanwhile_is_raised(setup: Setup) -> None:
    def models() -> None:
        raise SetupError("no such model")

    with pytest.raises(SetupError, match="no such model"):
        setup(meanwhile=[models])


def test_exec_into_replaces_the_process(tmp_path: Path, volume: Path, lock: Path, wheels: Wheelhouse) -> None:
    program = tmp_path / "entry.py"
    program.write_text(
        "import os, sys\n"
        "if os.environ.get('F5_USE_LEASE'):\n"
        "    import f5_serverless, six\n"
        "    print(os.getpid(), sys.executable, os.path.exists(os.environ['F5_USE_LEASE']), sep='|')\n"
        "    sys.exit()\n"
        "from pathlib import Path\n"
        "from f5_serverless.runtime.setup_environment import ensure_environment, exec_into\n"
        "root, lock, local, *uv = sys.argv[1:]\n"
        "made = ensure_environment(Path(root), Path(lock), local_dir=Path(local), uv_args=uv)\n"
        "print(os.getpid(), made.python, sep='|')\n"
        "exec_into(made, [__file__], dict(os.environ))\n"
    )
    source = str(Path(archive.__file__).parents[2])
    arguments = [str(program), str(volume), str(lock), str(tmp_path / "host"), *wheels.uv_args]
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": source}
    )
    before, after = (line.split("|") for line in done.stdout.splitlines())
    assert after == [*before, "True"], done.stderr


# ----------------------------------------------------------------------------------------------------- damaged volumes


def damage_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def only_archive(artefact: Path) -> Path:
    return artefact


def index(artefact: Path) -> Path:
    return artefact / "INDEX.json"


def last_small_archive(artefact: Path) -> Path:
    return sorted(artefact.glob("small-*.tar.zst"))[-1]


def largest_file(artefact: Path) -> Path:
    return max(
        (path for path in (artefact / "large").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )


DAMAGED = {
    (ARCHIVE, only_archive): (damage_byte, truncate, empty, Path.unlink),
    (SPLIT, index): (damage_byte, Path.unlink),
    (SPLIT, last_small_archive): (damage_byte, truncate, Path.unlink),
    # A changed byte in a large file is what `volume` has too: nobody reads gigabytes at every start to find it.
    (SPLIT, largest_file): (truncate, Path.unlink),
}


@pytest.mark.parametrize(
    ("mode", "part", "damage"), [(*part, damage) for part, damages in DAMAGED.items() for damage in damages]
)
def test_damaged_artefact_is_built_again(
    mode: str,
    part: Callable[[Path], Path],
    damage: Callable[[Path], None],
    setup: Setup,
    volume: Path,
    tmp_path: Path,
    wheels: Wheelhouse,
) -> None:
    setup(mode=mode)
    (broken,) = artefacts(volume)
    damage(part(broken))
    assert_whole(setup("host1", mode=mode), wheels)
    marker = next((volume / "envs").glob("*.json"))
    assert json.loads(marker.read_text())["artefact"] != broken.name
    assert_whole(setup("host2", mode=mode, uv_args=("--offline", "--no-index")), wheels)
    assert litter(volume, *(tmp_path / f"host{n}" for n in range(3))) == []


@pytest.mark.parametrize("damage", [truncate, Path.unlink])
def test_large_file_that_is_lost_after_a_host_unpacked_is_found_there(
    damage: Callable[[Path], None], setup: Setup, volume: Path, wheels: Wheelhouse
) -> None:
    setup("host0")
    before = setup("host1")
    (broken,) = artefacts(volume)
    damage(largest_file(broken))
    after = setup("host1")
    assert after.python != before.python
    assert_whole(after, wheels)


def test_large_files_stay_on_the_volume_and_find_their_neighbours(setup: Setup, volume: Path) -> None:
    setup()
    taken = setup("host1")
    home = taken.python.parent.parent
    (artefact,) = artefacts(volume)
    links = [path for path in home.rglob("*") if path.is_symlink() and path.resolve().is_relative_to(artefact)]
    assert links
    assert all(path.stat().st_size >= LARGE for path in links)
    plain = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]
    assert all(path.stat().st_size < LARGE for path in plain)
    name = next(path.stem for path in links if path.parent.name == "idna" and path.suffix == ".py")
    code = f"import idna.{name} as found; print(found.__file__)"
    done = subprocess.run([taken.python, "-I", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip().startswith(str(home)), "a link's own directory counts, not its target's"


def test_volume_that_is_mounted_elsewhere(setup: Setup, volume: Path, tmp_path: Path, wheels: Wheelhouse) -> None:
    """Serverless and Pods mount the same volume at different places, and a local disk may outlive either."""
    setup()
    setup("host1")
    volume.parent.rename(tmp_path / "workspace")
    moved = setup("host1", root=tmp_path / "workspace" / "f5tts", uv_args=("--offline", "--no-index"))
    assert_whole(moved, wheels)


def test_what_an_import_touches_of_a_library_is_known() -> None:
    touched = verify(Path(sys.executable), ["json"], ["numpy"])
    (library,) = (Path(name) for name in touched if "_multiarray_umath" in name)
    read = sum(length for _, length in touched[str(library)])
    assert 0 < read <= library.stat().st_size + (128 << 10)


def test_headers_and_tests_are_left_out(tmp_path: Path) -> None:
    kept = ["lib/a.py", "lib/contest.py", "lib/data.html"]
    dropped = ["lib/a.h", "lib/x.pyi", "lib/y.a", "lib/a/tests/test_a.py"]
    for name in [*kept, *dropped]:
        (tmp_path / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "tree" / name).write_text("")
    trim(tmp_path / "tree")
    left = [str(path.relative_to(tmp_path / "tree")) for path in (tmp_path / "tree").rglob("*") if path.is_file()]
    assert sorted(left) == kept


def test_damaged_marker_is_written_again(setup: Setup, volume: Path, wheels: Wheelhouse) -> None:
    setup()
    marker = next((volume / "envs").glob("*.json"))
    for content in (b"", b"{", b"[1]", b'{"format": 1}', b'{"format": 1, "artefact": "../../x"}'):
        marker.write_bytes(content)
        assert_whole(setup("host1"), wheels)
        assert_whole(setup("host2", uv_args=("--offline", "--no-index")), wheels)


def test_environment_without_its_python_is_built_again(setup: Setup, volume: Path, wheels: Wheelhouse) -> None:
    (setup(mode=VOLUME).python).unlink()
    assert_whole(setup(mode=VOLUME), wheels)
    assert len(artefacts(volume)) == 2


def test_leftovers_of_dead_builders_are_removed(setup: Setup, volume: Path, tmp_path: Path) -> None:
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    key = setup().key
    next((volume / "envs").glob("*.json")).unlink()
    left = [volume / "building" / f"{key}--x", tmp_path / "host1" / "building" / f"{key}--{dead.stdout.strip()}-abc"]
    for path in left:
        path.mkdir(parents=True)
        (path / "half").write_text("a file")
    setup("host1")
    assert not any(path.exists() for path in left)


# ------------------------------------------------------------------------------------------------------ damaged wheels


def test_truncated_wheel_is_a_clear_error_and_repaired_later(
    setup: Setup, volume: Path, tmp_path: Path, wheels: Wheelhouse
) -> None:
    other = make(tmp_path / "other")
    wheel = next(other.directory.glob("idna-*.whl"))
    whole = wheel.read_bytes()
    truncate(wheel)
    with pytest.raises(SetupError) as caught:
        setup(uv_args=other.uv_args)
    assert "idna" in caught.value.message
    assert artefacts(volume) == []
    assert litter(volume, tmp_path / "host0") == []
    wheel.write_bytes(whole)
    assert_whole(setup(uv_args=other.uv_args), wheels)


def test_wheel_with_another_hash_is_refused(setup: Setup, tmp_path: Path, volume: Path) -> None:
    wrong = tmp_path / "wrong.txt"
    wrong.write_text(f"six==1.17.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(SetupError, match="hash"):
        setup(lock=wrong)
    assert artefacts(volume) == []


def test_package_that_does_not_import_is_never_published(setup: Setup, volume: Path, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no_such_module"):
        setup(imports=("six", "no_such_module"))
    assert artefacts(volume) == []
    assert litter(volume, tmp_path / "host0") == []


def test_errors_quote_no_address(setup: Setup) -> None:
    with pytest.raises(SetupError) as caught:
        setup(uv_args=("--offline", "--index-url", "http://user:secret@127.0.0.1:9/simple"))
    assert "secret" not in caught.value.message


# ----------------------------------------------------------------------------------------------------------- the disks


@pytest.mark.parametrize(
    ("mode", "what"), [(SPLIT, "large_bytes"), (SPLIT, "small_archive_bytes"), (ARCHIVE, "archive_bytes")]
)
def test_full_disk_is_found_before_anything_is_done(
    mode: str, what: str, setup: Setup, lock: Path, volume: Path
) -> None:
    names = ("download_bytes", "unpacked_bytes", "archive_bytes", "large_bytes", "small_archive_bytes")
    lock.with_suffix(".json").write_text(json.dumps(dict.fromkeys(names, 0) | {what: 10**15}))
    with pytest.raises(DiskFull, match=r"1000000\.[01] GB"):
        setup(mode=mode)
    assert artefacts(volume) == []


@pytest.mark.parametrize("mode", MODES)
def test_volume_that_runs_full(
    mode: str, setup: Setup, small_disk: Callable[[str, str], Path], tmp_path: Path, wheels: Wheelhouse
) -> None:
    place = small_disk("small", "size=6m")
    filler = place / "filler"

    def fill(step: Progress) -> None:
        if step.stage == "verify" and step.done == 1:
            free = os.statvfs(place)
            filler.write_bytes(b"x" * (free.f_bavail * free.f_frsize - 200_000))

    root = place / "f5tts"
    with pytest.raises(DiskFull):
        setup(root=root, mode=mode, progress=fill)
    assert artefacts(root) == []
    assert litter(root, tmp_path / "host0") == []
    filler.unlink()
    assert_whole(setup(root=root, mode=mode), wheels)


@pytest.mark.parametrize("mode", [SPLIT, ARCHIVE])
@pytest.mark.parametrize("files", ["size=200k", "nr_inodes=60"])
def test_local_disk_that_runs_full(
    files: str,
    mode: str,
    setup: Setup,
    small_disk: Callable[[str, str], Path],
    volume: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("f5_serverless.runtime.setup_environment._UNMEASURED_ROOM", 0)
    local = small_disk("little", files) / "local"
    with pytest.raises(DiskFull):
        setup(mode=mode, local_dir=local)
    assert artefacts(volume) == []
    setup("host1", mode=mode)
    with pytest.raises(DiskFull):
        setup(mode=mode, local_dir=local)  # now it is the unpacking that finds no room
    assert litter(volume, local) == []
    assert len(artefacts(volume)) == 1, "a full local disk is no reason to withdraw what others use"


def test_absent_volume_is_said_and_not_created(setup: Setup, tmp_path: Path) -> None:
    with pytest.raises(VolumeUnusable, match="no volume") as caught:
        setup(root=tmp_path / "nowhere" / "f5tts")
    assert "F5_ALLOW_LOCAL_ENV" in caught.value.hint
    assert not (tmp_path / "nowhere").exists()


def test_absent_volume_with_local_environment_allowed(setup: Setup, tmp_path: Path, wheels: Wheelhouse) -> None:
    environment = setup(root=tmp_path / "nowhere" / "f5tts", allow_local=True)
    assert environment.python.is_relative_to(tmp_path / "host0")
    assert_whole(environment, wheels)
    assert not (tmp_path / "nowhere").exists()


def test_read_only_volume(setup: Setup, small_disk: Callable[[str, str], Path], wheels: Wheelhouse) -> None:
    place = small_disk("ro", "size=20m")
    root = place / "f5tts"
    setup(root=root)
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
    assert_whole(setup("host1", root=root), wheels)  # what is there can be used
    next_lock = wheels.lock(place.parent / "next.txt", "six")
    with pytest.raises(VolumeUnusable, match="cannot be written"):
        setup(root=root, lock=next_lock, imports=("six",))
    local = setup(root=root, lock=next_lock, imports=("six",), allow_local=True)
    assert not local.python.is_relative_to(root)


def test_unknown_mode_and_missing_lock(setup: Setup, tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="mode"):
        setup(mode="floppy")
    with pytest.raises(SetupError, match=r"gone\.txt"):
        setup(lock=tmp_path / "gone.txt")


# ---------------------------------------------------------------------------------------------------------- lost leases


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("moment", ["verify", "publish"])
def test_builder_that_lost_its_lease_publishes_nothing_of_that_build(
    moment: str, mode: str, setup: Setup, volume: Path, wheels: Wheelhouse
) -> None:
    """As if it had been paused right then while another took over, and gave up again without a result."""
    builds: list[str] = []

    def progress(step: Progress) -> None:
        if step.stage == moment and step.done == 0 and step.total == 1:
            builds.append(moment)
            if len(builds) == 1:
                (current,) = (path for path in (volume / "leases").iterdir() if not path.name.startswith("."))
                name, _, generation = current.name.rpartition(".")
                released = b'{"token": "other", "counter": 0, "term": 5, "released": true}'
                assert create_exclusive(current.with_name(f"{name}.{int(generation) + 1}"), released)

    environment = setup(mode=mode, progress=progress)
    assert len(builds) == 2
    assert len(artefacts(volume)) == 1
    assert_whole(environment, wheels)


def test_waits_for_a_live_builder_and_takes_over_a_dead_one(
    setup: Setup, volume: Path, tmp_path: Path, wheels: Wheelhouse
) -> None:
    key = setup().key
    next((volume / "envs").glob("*.json")).unlink()
    for path in artefacts(volume):
        remove_tree(path)
    now = [0.0]
    seat = LeaseSeat(volume / "leases", f"{key}.{SPLIT}", TERM)
    dead = seat.try_acquire()
    assert dead is not None
    dead._heartbeat.stop()
    waits = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    environment = setup("host1", clock=lambda: now[0], sleep=sleep)
    assert_whole(environment, wheels)
    assert TERM <= sum(waits) <= TERM + 2 * max(waits), "a dead lease blocked for longer than its term"


# ----------------------------------------------------------------------------------------------------------- collecting


def test_old_environment_in_use_stays_and_unused_goes(
    setup: Setup, volume: Path, tmp_path: Path, wheels: Wheelhouse
) -> None:
    old = setup()
    new = setup(lock=wheels.lock(tmp_path / "new.txt", "six"), imports=("six",))
    assert old.use is not None
    live, counter = old.use, [0]

    def sleep(_: float) -> None:
        counter[0] += 1
        live._write()  # the old worker lives: its heartbeat moves while the collector watches

    collector = Collector(volume, frozenset({new.key}), TERM, clock=lambda: counter[0] * TERM, sleep=sleep)
    assert collector.run() == []
    assert Volume(volume).read_marker(old.key, SPLIT) is not None

    old.use.release()
    collector = Collector(volume, frozenset({new.key}), TERM, clock=lambda: counter[0] * TERM, sleep=lambda _: None)
    (removed,) = collector.run()
    assert removed.startswith(old.key)
    assert Volume(volume).read_marker(old.key, SPLIT) is None
    assert Volume(volume).read_marker(new.key, SPLIT) is not None


def test_use_by_a_dead_worker_protects_nothing(setup: Setup, volume: Path, tmp_path: Path, wheels: Wheelhouse) -> None:
    old = setup()
    new = setup(lock=wheels.lock(tmp_path / "new.txt", "six"), imports=("six",))
    assert old.use is not None
    old.use.pause()  # as after kill -9: the file stays, nothing moves it
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    (removed,) = Collector(volume, frozenset({new.key}), TERM, clock=lambda: now[0], sleep=sleep).run()
    assert removed.startswith(old.key)
    assert not old.use.path.exists()


def test_worker_that_comes_while_the_collector_works_keeps_its_environment(
    setup: Setup, volume: Path, tmp_path: Path, wheels: Wheelhouse
) -> None:
    """It registered after the first look at the uses and before the marker went: the marker comes back."""
    old = setup()
    new = setup(lock=wheels.lock(tmp_path / "new.txt", "six"), imports=("six",))
    assert old.use is not None
    artefact = old.use.artefact_of(old.use.path)
    old.use.release()
    steps = iter(["watch", "withdrawn"])
    late: list[Any] = []

    def sleep(_: float) -> None:
        if next(steps) == "withdrawn":
            late.append(type(old.use).register(volume / "uses", artefact, TERM))

    assert Collector(volume, frozenset({new.key}), TERM, clock=lambda: 0.0, sleep=sleep).run() == []
    assert Volume(volume).read_marker(old.key, SPLIT) is not None
    late[0].release()


def test_collector_removes_orphans_and_litter_but_nothing_under_construction(
    setup: Setup, volume: Path, tmp_path: Path
) -> None:
    key = setup().key
    other = "cp311-x86_64-" + "0" * 16
    orphan, built = volume / "envs" / f"{key}-1-aaa", volume / "envs" / f"{other}-2-bbb"
    orphan.mkdir()
    built.mkdir()
    (volume / "envs" / ".x.json.1-abc").write_text("half")
    builder = LeaseSeat(volume / "leases", f"{other}.{VOLUME}", TERM).try_acquire()
    assert builder is not None
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds
        builder._beat()

    assert Collector(volume, frozenset({key}), TERM, clock=lambda: now[0], sleep=sleep).run() == [orphan.name]
    assert built.is_dir()
    assert not (volume / "envs" / ".x.json.1-abc").exists()
    builder.release()


@pytest.mark.parametrize("mode", [SPLIT, ARCHIVE])
def test_environment_is_pointed_at_the_interpreter_of_the_host_that_unpacks_it(
    mode: str, setup: Setup, tmp_path: Path, wheels: Wheelhouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An image with another patch release, or another prefix, takes the same archive; files on the volume it cannot."""
    here = describe_python(Path(sys.executable))
    elsewhere = tmp_path / "elsewhere" / "python3"
    elsewhere.parent.mkdir()
    elsewhere.symlink_to(here.executable)
    other = dataclasses.replace(here, version="3.11.99", prefix="/elsewhere", executable=str(elsewhere))
    built = setup(mode=mode)
    monkeypatch.setattr("f5_serverless.runtime.setup_environment.describe_python", lambda _: other)
    taken = setup("host1", mode=mode, uv_args=("--offline", "--no-index"))
    assert taken.key == built.key
    assert Path(os.readlink(taken.python)) == elsewhere
    assert f"home = {elsewhere.parent}\n" in (taken.python.parent.parent / "pyvenv.cfg").read_text()
    assert_whole(taken, wheels)
    assert other.identity(VOLUME) != here.identity(VOLUME)
