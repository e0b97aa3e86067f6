"""Cold starts: imports and loading against the official way, and where the environment had better live.

Four tables. (1) Import and load, official against ours. (2) The environment on the volume as files against one archive
that is unpacked to local disk, on a disk with the latency of a network volume (FUSE: 0, 0.5 and 2 ms per operation,
300 MB/s). (3) The first job on an empty volume, phase by phase, with its arithmetic for a 10 Gbit/s network. (4) A warm
volume.
The full run builds the real lock once (4 GB to download, 25 GB of disk, kept in the cache directory for the next run);
``--quick`` uses a small environment made of installed packages and no network.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import _slow_disk
from benchmarks.harness import Report, main
from f5_serverless.runtime import archive, disk
from f5_serverless.runtime.build import Sizes
from f5_serverless.runtime.enter import IMPORTS
from f5_serverless.runtime.setup_environment import ensure_environment
from f5_serverless.types import Progress

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
LOCK = ROOT / "runtime_requirements.txt"
OFFICIAL = ROOT / ".venv-official" / "bin" / "python"
CACHE = Path(os.path.expanduser("~/.cache/f5-serverless/cold-start"))
LATENCIES = (0.0, 0.0005, 0.002)
DISK_SPEED = 300e6
NETWORK = 10e9 / 8
WORKER_CORES = 8
WEIGHTS_BYTES = 1.35e9 + 0.054e9
"""F5TTS_v1_Base in fp32 and its vocoder."""
QUICK_PACKAGES = ("numpy", "numpy.libs", "pydantic", "pydantic_core", "typing_extensions.py", "annotated_types")
QUICK_PACKAGES += ("typing_inspection", "rich", "pygments", "markdown_it", "mdurl", "pysubs2")
QUICK_IMPORTS = ("numpy", "pydantic", "rich.console", "rich.table", "pysubs2")
QUICK_LATENCIES = (0.0005, 0.002)
TIMED = "import sys, time, importlib; t = time.perf_counter()\nfor n in sys.argv[1:]: importlib.import_module(n)\n"
TIMED += "print(time.perf_counter() - t)"


def timed_import(python: Path, names: Sequence[str], path: Path | None = None) -> float:
    """Seconds that a new process needs to import ``names``, its start left out."""
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(path) if path else ""}
    command = [str(python), *(["-S"] if path else []), "-c", TIMED, *names]
    done = subprocess.run(command, capture_output=True, text=True, env=variables, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return float(done.stdout)


# ----------------------------------------------------------------------------------------------- 1: import and load

OFFICIAL_LOAD = """
import sys, time, torch
from f5_tts.model import DiT
from safetensors.torch import load_file
t = time.perf_counter()
arch = dict(dim=1024, depth=22, heads=16, ff_mult=2, text_dim=512, conv_layers=4)
model = DiT(**arch, text_num_embeds=2545, mel_dim=100)
state = {k.removeprefix("ema_model.transformer."): v for k, v in load_file(sys.argv[1]).items()}
model.load_state_dict(state, strict=False)
print(time.perf_counter() - t)
"""
OURS_LOAD = """
import sys, time, torch
from pathlib import Path
from f5_serverless.f5.checkpoint import load_model
from f5_serverless.f5.config import CONFIGS
t = time.perf_counter()
load_model(Path(sys.argv[1]), CONFIGS["F5TTS_v1_Base"], 2545, device=torch.device("cpu"), dtype=torch.float32)
print(time.perf_counter() - t)
"""
MAKE_WEIGHTS = """
import sys, torch
from pathlib import Path
from f5_serverless.f5.checkpoint import save_model
from f5_serverless.f5.config import CONFIGS
from f5_serverless.f5.dit import DiT
with torch.device("meta"):
    model = DiT(CONFIGS["F5TTS_v1_Base"], 2545)
save_model(model.to_empty(device="cpu"), Path(sys.argv[1]))
"""


def run_code(python: Path, code: str, *arguments: str) -> str:
    """What ``code`` prints in ``python`` with this package at hand."""
    variables = {**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(python), "-c", code, *arguments], capture_output=True, text=True, env=variables, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1])
    return done.stdout


def imports_and_load(python: Path, rounds: int, scratch: Path, load: bool) -> Report:
    """Official against ours, in turn. Where the official package is not installed its column says so."""
    report = Report("1. Import and load, one process each", ("what", "official", "ours", "ratio"))
    official = OFFICIAL if load and next(OFFICIAL.parents[1].glob("lib/*/site-packages/f5_tts"), None) else None
    engine = ("torch", "f5_serverless.engines.f5tts_engine", "f5_serverless.f5.checkpoint", "f5_serverless.f5.sampler")
    weights = scratch / "model.safetensors"
    if load:
        run_code(python, MAKE_WEIGHTS, str(weights))
    times: dict[str, list[float]] = {"official_import": [], "ours_import": [], "official_load": [], "ours_load": []}
    for _ in range(rounds):
        if official:
            times["official_import"].append(timed_import(official, ["f5_tts.infer.utils_infer"]))
            if load:
                times["official_load"].append(float(run_code(official, OFFICIAL_LOAD, str(weights))))
        ours = subprocess.run(
            [str(python), "-c", TIMED, *engine],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            check=True,
        )
        times["ours_import"].append(float(ours.stdout))
        if load:
            times["ours_load"].append(float(run_code(python, OURS_LOAD, str(weights))))
    for what in ("import", "load") if load else ("import",):
        mine = statistics.median(times[f"ours_{what}"])
        theirs = statistics.median(times[f"official_{what}"]) if official else None
        ratio = f"{theirs / mine:.1f} ×" if theirs else ""
        report.rows.append((what, f"{theirs:.2f} s" if theirs else "not measured", f"{mine:.2f} s", ratio))
        report.figures |= {f"ours_{what}_s": mine, f"official_{what}_s": theirs}
    report.notes.append("Load: 337 M parameters, fp32, random weights, page cache warm, one thread.")
    if not official and load:
        report.notes.append(
            "The official package is looked for in .venv-official: `uv pip install f5-tts==1.1.22` there."
        )
    return report


# ------------------------------------------------------------------------------------------ 2: files against archive


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
    """An environment to try: its tree, its archive, how to import from it."""

    tree: Path
    archive: Path
    sha256: str
    imports: Sequence[str]
    packages: str
    python: Path


def on_volume(candidate: Candidate, latency: float | None, scratch: Path) -> float:
    """Seconds to import straight from the volume, nothing cached."""
    with _view(candidate.tree, latency, scratch) as place:
        return timed_import(candidate.python, candidate.imports, place / candidate.packages)


def unpacked(candidate: Candidate, latency: float | None, scratch: Path) -> tuple[float, float]:
    """(seconds to unpack the archive to local disk, seconds to import from there)."""
    local = scratch / "unpacked"
    with _view(candidate.archive.parent, latency, scratch) as place:
        started = time.perf_counter()
        archive.unpack(place / candidate.archive.name, local, candidate.sha256, lambda _: None)
        seconds = time.perf_counter() - started
    try:
        return seconds, timed_import(candidate.python, candidate.imports, local / candidate.packages)
    finally:
        shutil.rmtree(local)


@contextlib.contextmanager
def _view(source: Path, latency: float | None, scratch: Path) -> Iterator[Path]:
    """``source`` as it is (None), or through a slow disk of its own, so that nothing is cached."""
    if latency is None:
        yield source
        return
    with (
        tempfile.TemporaryDirectory(dir=scratch) as place,
        _slow_disk.mounted(source, Path(place) / "disk", latency, DISK_SPEED) as mount,
    ):
        yield mount


def volume_or_archive(candidate: Candidate, scratch: Path, latencies: Sequence[float]) -> Report:
    """Where the environment had better live."""
    size = candidate.archive.stat().st_size
    _, files, tree_bytes = disk.tree_digest(candidate.tree)
    report = Report(
        f"2. To import: {files:,} files, {disk.gigabytes(tree_bytes)}, or one archive of {disk.gigabytes(size)}",
        ("disk", "files on the volume", "archive: unpack + import", "read at full speed", "faster"),
    )
    missing = _slow_disk.available()
    places: list[tuple[str, float | None]] = [("local, cached", None)]
    if missing is None:
        places += [(f"{latency * 1000:g} ms, {DISK_SPEED / 1e6:.0f} MB/s", latency) for latency in latencies]
    for name, latency in places:
        files_s = on_volume(candidate, latency, scratch)
        archive_s = sum(unpacked(candidate, latency, scratch))
        better = "archive" if archive_s < files_s else "volume"
        factor = max(archive_s, files_s) / min(archive_s, files_s)
        floor = "" if latency is None else f"{size / DISK_SPEED:.1f} s"
        report.rows.append((name, f"{files_s:.2f} s", f"{archive_s:.2f} s", floor, f"{better}, {factor:.1f} ×"))
        key = "local" if latency is None else f"{latency * 1000:g}ms"
        report.figures |= {f"volume_{key}_s": files_s, f"archive_{key}_s": archive_s}
    if missing:
        report.notes.append(f"No disk with injected latency here: {missing}.")
    return report


# ------------------------------------------------------------------------------------- 3 and 4: empty and warm volume


class Phases:
    """An `OnProgress` that books wall-clock and processor seconds per stage."""

    def __init__(self) -> None:
        self.wall: dict[str, float] = {}
        self.cpu: dict[str, float] = {}
        self._stage = "prepare"
        self._since = self._now()

    @staticmethod
    def _now() -> tuple[float, float]:
        uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return time.monotonic(), sum(use.ru_utime + use.ru_stime for use in uses)

    def __call__(self, step: Progress) -> None:
        if step.stage == self._stage:
            return
        now = self._now()
        self.wall[self._stage] = self.wall.get(self._stage, 0.0) + now[0] - self._since[0]
        self.cpu[self._stage] = self.cpu.get(self._stage, 0.0) + now[1] - self._since[1]
        self._stage, self._since = step.stage, now


def real_environment() -> tuple[Path, dict[str, dict[str, float]]]:
    """(the volume's root with the real environment on it, phases of its build); built once and kept in the cache."""
    root = CACHE / "mount" / "f5tts"
    kept = CACHE / "phases.json"
    root.parent.mkdir(parents=True, exist_ok=True)
    phases = Phases()
    environment = ensure_environment(root, LOCK, local_dir=CACHE / "local", imports=IMPORTS, progress=phases)
    if environment.use is not None:
        environment.use.release()
    if "install" in phases.wall:
        kept.write_text(json.dumps({"wall": phases.wall, "cpu": phases.cpu}))
        sizes = {
            "download_bytes": Sizes.of(LOCK).download_bytes,
            "unpacked_bytes": disk.tree_digest(environment.python.parents[1])[2],
            "archive_bytes": next((root / "envs").glob("*.zst")).stat().st_size,
        }
        LOCK.with_suffix(".json").write_text(
            json.dumps({"packages": Sizes.of(LOCK).packages, **sizes}, indent=2) + "\n"
        )
    return root, json.loads(kept.read_text())


def empty_volume(phases: dict[str, dict[str, float]], sizes: Sizes) -> Report:
    """The first job's wait, as measured here and as it follows for a worker with a fast network and more cores."""
    report = Report(
        f"3. First job, empty volume: {sizes.packages} packages, {disk.gigabytes(sizes.download_bytes)} to download, "
        f"{disk.gigabytes(sizes.unpacked_bytes)} unpacked, {disk.gigabytes(sizes.archive_bytes)} as archive",
        ("phase", "here", "processor", f"{WORKER_CORES} cores, 10 Gbit/s", "arithmetic"),
    )
    cpu = phases["cpu"]
    network = sizes.download_bytes / NETWORK
    written = sizes.archive_bytes / DISK_SPEED
    rows = {
        "install": (max(network, cpu["install"] / WORKER_CORES), f"max({network:.1f} s download, processor / cores)"),
        "verify": (cpu["verify"], "one process"),
        "pack": (max(written, cpu["pack"] / WORKER_CORES), f"max({written:.1f} s at 300 MB/s, processor / cores)"),
    }
    for name, (seconds, why) in rows.items():
        report.rows.append((name, f"{phases['wall'][name]:.0f} s", f"{cpu[name]:.0f} s", f"{seconds:.1f} s", why))
        report.figures[f"empty_{name}_s"] = seconds
    models = WEIGHTS_BYTES / NETWORK
    total = sum(seconds for seconds, _ in rows.values())
    report.rows.append(("models", "", "", "0.0 s", f"{models:.1f} s, while the environment installs"))
    report.rows.append(("sum", f"{sum(phases['wall'].values()):.0f} s", "", f"{total:.1f} s", "goal: 60 s"))
    report.figures["empty_total_s"] = total
    report.notes.append("`install` holds download, unpacking and byte compilation, which uv does at the same time.")
    return report


def warm_volume(table: Report, sizes: Sizes) -> Report:
    """From the process's start to ready, on a volume that is filled and on a host that has it unpacked."""
    report = Report("4. Warm starts (image pull and weights not counted)", ("case", "seconds", "of which"))
    entry = timed_import(Path(sys.executable), ["f5_serverless.runtime.enter"])
    report.rows.append(
        ("layer 1 until it knows what to do", f"{entry:.2f} s", "imports: standard library and this package")
    )
    read = sizes.archive_bytes / DISK_SPEED
    for name in ("0ms", "0.5ms", "2ms"):
        if f"archive_{name}_s" in table.figures:
            seconds = float(table.figures[f"archive_{name}_s"] or 0) + entry
            report.rows.append((f"new host, warm volume, {name}", f"{seconds:.1f} s", "unpack and import"))
            report.figures[f"warm_volume_{name}_s"] = seconds
    warm = float(table.figures["volume_local_s"] or 0) + entry
    report.rows.append(("host that has it unpacked", f"{warm:.1f} s", "import"))
    report.figures |= {"warm_host_s": warm, "layer1_s": entry, "archive_read_s": read}
    weights = WEIGHTS_BYTES / DISK_SPEED
    report.notes.append(
        f"Weights: {disk.gigabytes(WEIGHTS_BYTES)}, {weights:.1f} s at 300 MB/s, read while the rest imports."
    )
    return report


def run(quick: bool) -> list[Report]:
    """All tables; the quick run leaves out what needs the real lock."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        if quick:
            tree = small_environment(scratch)
            (scratch / "archives").mkdir()
            packed = archive.pack(tree, scratch / "archives" / "small.tar.zst", lambda _: None)
            candidate = Candidate(
                tree,
                scratch / "archives" / "small.tar.zst",
                packed.sha256,
                QUICK_IMPORTS,
                "lib/packages",
                Path(sys.executable),
            )
            reports = []
            if importlib.util.find_spec("torch") is not None:
                reports.append(imports_and_load(Path(sys.executable), 1, scratch, load=False))
            table = volume_or_archive(candidate, scratch, QUICK_LATENCIES)
            table.notes.append(
                "A small environment favours files; the default follows from the real one (run without --quick)."
            )
            return [*reports, table]
        root, phases = real_environment()
        marker = json.loads(next((root / "envs").glob("*.archive.json")).read_text())
        home = CACHE / "local" / "envs" / marker["artefact"].removesuffix(".tar.zst")
        packages = next(home.glob("lib/python*/site-packages")).relative_to(home)
        candidate = Candidate(
            home,
            root / "envs" / marker["artefact"],
            marker["digest"],
            IMPORTS[:10],
            str(packages),
            Path(sys.executable),
        )
        sizes = Sizes.of(LOCK)
        table = volume_or_archive(candidate, scratch, LATENCIES)
        first = imports_and_load(home / "bin" / "python", 3, scratch, load=True)
        return [first, table, empty_volume(phases, sizes), warm_volume(table, sizes)]


if __name__ == "__main__":
    main(run)
