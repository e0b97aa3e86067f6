"""Cold starts: imports and loading against the official way, and where the environment had better live.

Four tables. (1) Import and load, official against ours. (2) The environment on the volume as files, in one archive that
is unpacked to local disk, and split into small files in archives and large files in place, on a disk with the latency
of a network volume (FUSE: 0, 0.5 and 2 ms per operation, 300 MB/s). (3) The first job on an empty volume, phase by
phase, with its arithmetic for a 10 Gbit/s network. (4) A warm volume: a worker's real way from its process's start, on
a new host, to where all is imported and the weights are loaded.
The full run builds the real lock once (4 GB to download, 35 GB of disk, 20 of them kept for the next run);
``--quick`` uses a small environment made of installed packages and no network.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from benchmarks import _slow_disk
from benchmarks._cold_forms import (
    DISK_SPEED,
    SOURCE,
    TIMED,
    Candidate,
    new_directory,
    small_environment,
    timed_import,
    view,
    where_it_lives,
)
from benchmarks.harness import Report, main
from f5_serverless.runtime import archive, disk, split
from f5_serverless.runtime.build import Sizes
from f5_serverless.runtime.enter import FIRST, IMPORTS
from f5_serverless.runtime.publish import SPLIT, Volume
from f5_serverless.runtime.setup_environment import ensure_environment
from f5_serverless.types import Progress

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "runtime_requirements.txt"
OFFICIAL = ROOT / ".venv-official" / "bin" / "python"
CACHE = Path(os.path.expanduser("~/.cache/f5-serverless/cold-start"))
LATENCIES = (0.0, 0.0005, 0.002)
NETWORK = 10e9 / 8
WORKER_CORES = 8
GOAL = 5.0
MEMORY = Path("/dev/shm")
WEIGHTS_BYTES = 1.35e9 + 0.054e9
"""F5TTS_v1_Base in fp32 and its vocoder."""
QUICK_IMPORTS = ("numpy", "pydantic", "rich.console", "rich.table", "pysubs2")
QUICK_LATENCIES = (0.0005, 0.002)
F5_IMPORTS = ("torch", *(f"f5_serverless.{name}" for name in ("engines.f5tts_engine", "f5.checkpoint", "f5.sampler")))
READY = (
    *(
        *F5_IMPORTS,
        "f5_serverless.f5.graphs",
        "f5_serverless.f5.quantise",
        "f5_serverless.engines.whisperx_engine:_package",
    ),
    *("f5_serverless.pipeline", "f5_serverless.storage.s3_client", "boto3", "f5_serverless.serve.sdk_patches:load_sdk"),
)
"""What a worker imports before it is ready; after a colon, the function that does it."""


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
            [str(python), "-c", TIMED, *F5_IMPORTS],
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


def real_environment() -> tuple[Candidate, dict[str, dict[str, float]]]:
    """(the real environment in all its forms, phases of its build); built once and kept in the cache.

    The volume is ``CACHE/mount``, the builder's local disk ``CACHE/local``.
    """
    root = CACHE / "mount" / "f5tts"
    kept = CACHE / "phases.json"
    root.parent.mkdir(parents=True, exist_ok=True)
    phases = Phases()
    environment = ensure_environment(
        root, LOCK, local_dir=CACHE / "local", imports=IMPORTS, first=FIRST, progress=phases
    )
    if environment.use is not None:
        environment.use.release()
    marker = Volume(root).read_marker(environment.key, environment.mode)
    assert marker is not None
    parts = Volume(root).artefact(marker)
    home = environment.python.parents[1]
    whole = CACHE / "whole" / f"{marker.artefact}.tar.zst"
    if not whole.exists():
        whole.parent.mkdir(exist_ok=True)
        archive.pack(home, whole, lambda _: None)
    if "install" in phases.wall:
        kept.write_text(json.dumps({"wall": phases.wall, "cpu": phases.cpu}))
        _keep_sizes(home, whole, split.read_index(parts, marker.digest))
    candidate = Candidate(
        tree=home,
        archive=whole,
        archive_sha256=archive.file_sha256(whole),
        parts=parts,
        parts_digest=marker.digest,
        imports=READY,
        packages=str(next(home.glob("lib/python*/site-packages")).relative_to(home)),
    )
    return candidate, json.loads(kept.read_text())


def _keep_sizes(home: Path, whole: Path, index: split.Index) -> None:
    """Writes what was measured where the bootstrap looks."""
    sizes = Sizes(
        packages=Sizes.of(LOCK).packages,
        download_bytes=Sizes.of(LOCK).download_bytes,
        unpacked_bytes=disk.tree_digest(home)[2],
        archive_bytes=whole.stat().st_size,
        large_bytes=sum(part.size for part in index.large.values()),
        small_archive_bytes=sum(part.size for part in index.small.values()),
    )
    LOCK.with_suffix(".json").write_text(json.dumps(asdict(sizes), indent=2) + "\n")


def empty_volume(phases: dict[str, dict[str, float]], sizes: Sizes) -> Report:
    """The first job's wait, as measured here and as it follows for a worker with a fast network and more cores."""
    report = Report(
        f"3. First job, empty volume: {sizes.packages} packages, {disk.gigabytes(sizes.download_bytes)} to download, "
        f"{disk.gigabytes(sizes.unpacked_bytes)} unpacked, {disk.gigabytes(sizes.on_volume(SPLIT))} on the volume",
        ("phase", "here", "processor", f"{WORKER_CORES} cores, 10 Gbit/s", "arithmetic"),
    )
    cpu = phases["cpu"]
    network = sizes.download_bytes / NETWORK
    written = sizes.on_volume(SPLIT) / DISK_SPEED
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
    report.notes.append("`pack`: sixteen files at once; each is read back while others are written.")
    return report


START = """
import os, sys
from pathlib import Path
from f5_serverless.runtime import enter
from f5_serverless.runtime.setup_environment import ensure_environment, exec_into
root, lock, local, code, weights, *names = sys.argv[1:]
environment = ensure_environment(Path(root), Path(lock), local_dir=Path(local), imports=enter.IMPORTS)
print("unpacked", flush=True)
exec_into(environment, ["-c", code, weights, *names], dict(os.environ))
"""
GO_ON = """
import importlib, sys
from pathlib import Path
from f5_serverless.runtime.read_ahead import read_ahead
weights = Path(sys.argv[1])
read_ahead([weights])
for name in sys.argv[2:]:
    module, _, function = name.partition(":")
    found = importlib.import_module(module)
    if function:
        getattr(found, function)()
print("imported", flush=True)
import torch
from f5_serverless.f5.checkpoint import load_model
from f5_serverless.f5.config import CONFIGS
model = load_model(weights, CONFIGS["F5TTS_v1_Base"], 2545, device=torch.device("cpu"), dtype=torch.float32)
total = sum(float(values.detach().flatten()[::1024].sum()) for values in model.parameters())  # every page
print("ready", flush=True)
"""
"""What the environment's Python does: as `serve.entry` does it, with the model on the processor."""


def start_worker(root: Path, local: Path, weights: Path) -> tuple[float, ...]:
    """Seconds from the start of a worker's process until it knows its environment, has imported all, is ready."""
    variables = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-S", "-c", START, str(root), str(LOCK), str(local), GO_ON, str(weights), *READY]
    started = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=variables) as worker:
        assert worker.stdout is not None
        seconds = tuple(time.perf_counter() - started for line in worker.stdout if line.strip())
    if worker.returncode != 0 or len(seconds) != 3:
        raise RuntimeError("The worker did not start; what it said stands above.")
    return seconds


def warm_volume(python: Path, scratch: Path) -> Report:
    """From the process's start to ready, on a volume that is filled: on a new host, and on one that has unpacked."""
    weights = CACHE / "mount" / "model.safetensors"
    if not weights.exists():
        run_code(python, MAKE_WEIGHTS, str(weights))
    size = weights.stat().st_size
    goal = GOAL + size / DISK_SPEED
    report = Report(
        "4. Warm volume: from the process's start to ready, weights read from the volume",
        ("disk", "host", "until exec", "imports", "weights", "ready", f"goal {goal:.1f} s"),
    )
    entry = timed_import(Path(sys.executable), ["f5_serverless.runtime.enter"])
    missing = _slow_disk.available()
    for latency in LATENCIES if missing is None else [None]:
        local = new_directory(MEMORY if MEMORY.is_dir() else scratch)
        key = "local" if latency is None else f"{latency * 1000:g}ms"
        name = "local" if latency is None else f"{latency * 1000:g} ms, {DISK_SPEED / 1e6:.0f} MB/s"
        with contextlib.ExitStack() as stack:
            stack.callback(shutil.rmtree, local.parent)
            place = stack.enter_context(view(CACHE / "mount", latency, scratch))
            for host in ("new", "again"):  # … whose memory still holds what the first start read
                times = start_worker(place / "f5tts", local, place / weights.name)
                steps = [late - early for early, late in itertools.pairwise((0.0, *times))]
                ready = times[-1]
                told = [f"{seconds:.2f} s" for seconds in (*steps, ready)]
                report.rows.append((name, host, *told, "met" if ready <= goal else "not met"))
                print(*report.rows[-1], sep=" | ", file=sys.stderr)
                report.figures |= {f"warm_{host}_{key}_s": ready, f"warm_{host}_{key}_exec_s": times[0]}
    report.figures |= {"layer1_s": entry, "warm_goal_s": goal}
    report.notes.append(
        f"Goal: {GOAL:.0f} s and the time to read the weights, {disk.gigabytes(size)} at {DISK_SPEED / 1e6:.0f} MB/s. "
        "They are read while the rest is imported. Without a GPU: its start, the copy to it and the first kernels come "
        "on top."
    )
    report.notes.append(
        "The host's own disk is memory here: for a while after files were removed, which no new host has done, ext4 "
        "makes new ones many times more slowly."
    )
    report.notes.append(f"Layer 1's own imports are {entry:.2f} s of that. Measured on {os.cpu_count()} cores.")
    return report


def quick_candidate(scratch: Path) -> Candidate:
    """A small environment in all forms."""
    tree = small_environment(scratch)
    (scratch / "archives").mkdir()
    whole = scratch / "archives" / "small.tar.zst"
    packed = archive.pack(tree, whole, lambda _: None)
    parts = scratch / "parts"
    digest = split.pack(tree, parts, lambda _: None).sha256
    return Candidate(tree, whole, packed.sha256, parts, digest, QUICK_IMPORTS, "lib/packages")


def run(quick: bool) -> list[Report]:
    """All tables; the quick run leaves out what needs the real lock."""
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        if quick:
            reports = []
            if importlib.util.find_spec("torch") is not None:
                reports.append(imports_and_load(Path(sys.executable), 1, scratch, load=False))
            table = where_it_lives(quick_candidate(scratch), scratch, QUICK_LATENCIES)
            table.notes.append(
                "A small environment favours files; the default follows from the real one (run without --quick)."
            )
            return [*reports, table]
        candidate, phases = real_environment()
        first = imports_and_load(candidate.tree / "bin" / "python", 3, scratch, load=True)
        warm = warm_volume(candidate.tree / "bin" / "python", scratch)  # before gigabytes are written and removed again
        return [first, where_it_lives(candidate, scratch, LATENCIES), empty_volume(phases, Sizes.of(LOCK)), warm]


if __name__ == "__main__":
    main(run)
