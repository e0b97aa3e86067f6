"""F5-TTS inference, official against ours: import, load, memory, one step, 8 bits, ten chunks, growth, parity.

Both sides run in turn, with the same random weights (no zeros) and noise, and report medians. The official model code
comes from `.oracle` (`tests/f5/requirements-oracle.txt`) and so runs on the same torch as ours. Only the import is
measured on the whole official package as shipped, with all it depends on (its torch is a CUDA build); that needs an
environment of its own, 7 GB on disk:

    uv venv .venv-official && uv pip install --python .venv-official/bin/python f5-tts==1.1.22

Without it the import row says so. ``--quick`` uses 2 of 22 blocks, 188 of 938 frames and single rounds; its ratios
stand for the full ones only roughly. With a GPU absolute times are added; without one, a roofline estimate, named so.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
# Threads that wait sleep. Spinning ones take each other's cores where anything else runs, and then a step takes five
# times as long on one side or the other by chance. Both sides and all child processes get it; it must precede torch.

import ctypes
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import _f5_gpu as gpu
from benchmarks.harness import Pair, Report, interleaved, main, pair_of
from f5_serverless.f5.checkpoint import official_weights, save_model, to_ours
from f5_serverless.f5.config import CONFIGS, ModelConfig
from f5_serverless.f5.device import use_threads
from f5_serverless.f5.dit import DiT
from f5_serverless.f5.layout import Packed
from f5_serverless.f5.quantise import quantise_linears
from f5_serverless.f5.sampler import Plan, Sampler, Utterance
from tests.f5 import tiny

ROOT = Path(__file__).parents[1]
OFFICIAL_PYTHON = ROOT / ".venv-official" / "bin" / "python"
OFFICIAL_IMPORT = (
    "import time, json; t = time.perf_counter();"
    "from f5_tts.infer.utils_infer import infer_process, load_model, load_vocoder; from f5_tts.model import DiT;"
    "print(json.dumps({'seconds': time.perf_counter() - t}))"
)
VOCAB = 2545
QUICK_SECONDS = 40.0
"""After so long ``--quick`` gives the official import up."""


@dataclass(frozen=True)
class Size:
    """How much is measured. ``chunk_frames``: lengths of the ten chunks, reference of ``reference`` frames included."""

    config: ModelConfig
    frames: int
    reference: int
    rounds: int
    steps: int
    chunk_frames: tuple[int, ...]
    chunk_rounds: int
    growth: tuple[int, ...]


FULL = Size(
    config=CONFIGS["F5TTS_v1_Base"],
    frames=938,
    reference=400,
    rounds=5,
    steps=7,
    chunk_frames=(150, 340, 200, 260, 180, 300, 220, 160, 280, 240),
    chunk_rounds=3,
    growth=(469, 938, 1876),
)
QUICK = Size(
    config=dataclasses.replace(CONFIGS["F5TTS_v1_Base"], name="F5TTS_v1_Base, 2 of 22 blocks", depth=2),
    frames=188,
    reference=60,
    rounds=3,
    steps=2,
    chunk_frames=(60, 80, 64, 90, 70),
    chunk_rounds=1,
    growth=(188, 376),
)


def child(
    *arguments: str, python: Path | None = None, code: str | None = None, limit: float | None = None
) -> dict[str, float] | None:
    """What a measuring process prints; None where it fails or takes longer than ``limit`` seconds."""
    command = [str(python or sys.executable), "-W", "ignore"]
    command += ["-c", code] if code else ["-m", "benchmarks._f5_child", *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return None
    if done.returncode:
        print(done.stderr[-600:], file=sys.stderr)
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])  # type: ignore[no-any-return]


def measure_imports(report: Report, rounds: int, limit: float | None) -> None:
    """The whole official package against what our engine imports, each in new processes, within ``limit`` seconds."""
    if not OFFICIAL_PYTHON.is_file():
        report.rows.append(("import", "not installed", "", "see the docstring: .venv-official"))
        report.figures["import_speedup"] = None
        return
    theirs, ours = [], []
    for _ in range(rounds):
        b, a = child("import", "ours"), child(python=OFFICIAL_PYTHON, code=OFFICIAL_IMPORT, limit=limit)
        if b is None:
            raise SystemExit("The import failed; see above.")
        if a is None:
            report.rows.append(("import (new process)", "failed or not in time", f"{b['seconds']:.3f} s", ""))
            report.figures["import_speedup"] = None
            return
        theirs.append(a["seconds"])
        ours.append(b["seconds"])
    add(report, "import (new process)", "import_speedup", pair_of(theirs, ours))


def measure_loading(report: Report, path: Path, config: Path, rounds: int) -> None:
    """Build and load, and peak memory, each in new processes."""
    runs: dict[str, list[dict[str, float]]] = {"official": [], "ours": []}
    for _ in range(rounds):
        for side, results in runs.items():
            if (result := child("load", side, str(path), str(config))) is None:
                raise SystemExit("Loading failed; see above.")
            results.append(result)
    columns = {key: [[r[key] for r in runs[side]] for side in runs] for key in ("seconds", "touched", "peak")}
    add(report, "build and load", "load_speedup", pair_of(*columns["seconds"]))
    add(report, "… and every page touched", "load_touched_speedup", pair_of(*columns["touched"]))
    theirs, ours = (statistics.median(values) for values in columns["peak"])
    report.rows.append(("peak memory", f"{theirs / 1e6:.0f} MB", f"{ours / 1e6:.0f} MB", f"{ours / theirs:.2f} ×"))
    report.figures["peak_memory_ratio"] = round(ours / theirs, 3)


def add(report: Report, label: str, figure: str, pair: Pair) -> None:
    report.rows.append((label, f"{pair.a:.3f} s", f"{pair.b:.3f} s", f"{pair} faster"))
    report.figures[figure] = round(pair.ratio, 3)


def one_step(model: DiT, cond: Tensor, tokens: Tensor, frames: int) -> Callable[[], Tensor]:
    """One evaluation with guidance, everything that is computed once already computed."""
    with torch.inference_mode():
        layout = Packed([frames])
        fixed = torch.cat(model.condition(cond, tokens, frames))
        rotary = model.rotary_for(layout.twice())
        (step,) = model.modulation(torch.tensor([0.3]))
        x = torch.randn(frames, 100, generator=torch.Generator().manual_seed(1))

    def run() -> Tensor:
        with torch.inference_mode():
            return model.velocity(x, fixed, step, layout, rotary)

    return run


def official_step(model: Any, cond: Tensor, tokens: Tensor, frames: int) -> Callable[[], Tensor]:
    """The same, officially: text embeddings cached, condition and uncondition in a batch of two."""
    x = torch.randn(frames, 100, generator=torch.Generator().manual_seed(1))[None]
    padded = torch.nn.functional.pad(cond, (0, 0, 0, frames - len(cond)))[None]
    model.transformer.clear_cache()

    def run() -> Tensor:
        with torch.inference_mode():
            time_ = torch.tensor(0.3)
            return model.transformer(  # type: ignore[no-any-return]
                x=x, cond=padded, text=tokens[None], time=time_, cfg_infer=True, cache=True
            )

    return run


def matmul_seconds(config: ModelConfig, frames: int) -> float:
    """Seconds for one step's floating-point work at the speed of bare fp32 products of the step's own shapes."""
    rows, dim, inner = 2 * frames, config.dim, int(config.dim * config.ff_mult)
    shapes = [(dim, 3 * dim), (dim, dim), (dim, inner), (inner, dim)]
    operands = [(torch.randn(rows, k), torch.randn(k, n)) for k, n in shapes]
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for a, b in operands:
            torch.mm(a, b)
        best = min(best, time.perf_counter() - start)
    flops = sum(2 * rows * k * n for k, n in shapes)
    return gpu.step_flops(config, frames) * best / flops


def measure_steps(report: Report, size: Size, ours: DiT, theirs: Any) -> None:
    """One fp32 step, the matmul bound, and 8 bits."""
    generator = torch.Generator().manual_seed(2)
    cond = torch.randn(size.reference, 100, generator=generator) - 4
    tokens = torch.randint(0, VOCAB, (size.frames // 5,), generator=generator)
    mine, official = one_step(ours, cond, tokens, size.frames), official_step(theirs, cond, tokens, size.frames)
    error = relative(mine().view(2, size.frames, 100), official())
    pair = interleaved(official, mine, rounds=size.rounds)
    add(report, f"one fp32 step, {size.frames} frames, CFG", "step_speedup", pair)
    report.figures["step_rel_error"] = float(f"{error:.2e}")
    bound = matmul_seconds(size.config, size.frames)
    share = bound / pair.b
    report.rows.append(("share of the fp32 matmul bound", f"{bound / pair.a:.0%}", f"{share:.0%}", ""))
    report.figures["matmul_bound_share"] = round(share, 3)
    eight = quantise_linears(ours_of(theirs, size.config))
    add(
        report,
        "one step with 8-bit layers",
        "int8_speedup",
        interleaved(official, one_step(eight, cond, tokens, size.frames), rounds=size.rounds),
    )
    utterance = Utterance(cond, tokens, size.frames, seed=5)
    from benchmarks import _f5_official

    theirs_mel = _f5_official.sample(theirs, cond, tokens, size.frames, size.steps, seed=5)
    plan = Plan(steps=size.steps)
    new = slice(size.reference, None)
    parity = relative(Sampler(ours).sample([utterance], plan)[0][new], theirs_mel[new])
    int8 = relative(Sampler(eight).sample([utterance], plan)[0][new], theirs_mel[new])
    report.rows.append((f"whole mel, {size.steps} steps: relative error", "fp32", f"{parity:.1e}", "≤ 1e-5"))
    report.rows.append(("… with 8-bit layers", "int8", f"{int8:.1e}", "random weights; check again with real ones"))
    report.figures |= {"parity_rel_error": float(f"{parity:.2e}"), "int8_rel_error": float(f"{int8:.2e}")}


def measure_chunks(report: Report, size: Size, ours: DiT, theirs: Any) -> None:
    """A request of several chunks: the official thread pool against one packed batch."""
    from benchmarks import _f5_official

    generator = torch.Generator().manual_seed(3)
    reference = min(size.chunk_frames) // 2
    cond = torch.randn(reference, 100, generator=generator) - 4
    chunks = [(torch.randint(0, VOCAB, (n // 5,), generator=generator), n) for n in size.chunk_frames]
    utterances = [Utterance(cond, tokens, n, seed=index) for index, (tokens, n) in enumerate(chunks)]
    steps, sampler = 1, Sampler(ours)
    pair = interleaved(
        lambda: _f5_official.thread_pool(theirs, cond, chunks, steps),
        lambda: sampler.sample(utterances, Plan(steps=steps)),
        rounds=size.chunk_rounds,
    )
    lengths = f"{min(size.chunk_frames)}–{max(size.chunk_frames)}"
    add(report, f"{len(chunks)} chunks of {lengths} frames, one step", "chunks_speedup", pair)


def measure_growth(report: Report, size: Size, ours: DiT) -> None:
    """Time and additional memory of one of our steps at growing length."""
    for frames in size.growth:
        run = one_step(ours, torch.randn(50, 100), torch.zeros(40, dtype=torch.long), frames)
        run()
        ctypes.CDLL("libc.so.6").malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
        before = resident("VmRSS")
        start = time.perf_counter()
        run()
        seconds, grown = time.perf_counter() - start, resident("VmHWM") - before
        label = f"our step at {frames} frames ({frames * 256 / 24000:.0f} s)"
        report.rows.append((label, "", f"{seconds:.2f} s", f"+ {grown / 1e6:.0f} MB at its peak"))
        report.figures[f"step_s_{frames}"] = round(seconds, 3)


def resident(field: str) -> int:
    """A memory field of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1]) * 1024
    raise KeyError(field)


def relative(a: Tensor, b: Tensor) -> float:
    return float((a.double() - b.double()).norm() / b.double().norm())


def ours_of(theirs: Any, config: ModelConfig) -> DiT:
    """Our model around the official one's tensors."""
    with torch.device("meta"):
        model = DiT(config, VOCAB)
    model.load_state_dict(to_ours(official_weights(dict(theirs.state_dict()))), assign=True)
    return model.eval().requires_grad_(False)


def run(quick: bool) -> Report:
    start, size = time.perf_counter(), QUICK if quick else FULL
    use_threads(None)
    title = f"F5-TTS, {size.config.name}, {torch.get_num_threads()} threads: official against ours"
    report = Report(title, ("what", "official", "ours", "ratio: median (smallest–largest)"))
    from benchmarks import _f5_official

    with tempfile.TemporaryDirectory() as folder:
        path, config = Path(folder) / "model.safetensors", Path(folder) / "model.toml"
        save_model(tiny.make_model(size.config, VOCAB), path)
        tiny.write_config(size.config, config)
        measure_loading(report, path, config, rounds=1 if quick else 3)
        theirs = _f5_official.load(size.config, VOCAB, path)
        ours = ours_of(theirs, size.config)
        measure_steps(report, size, ours, theirs)
        measure_chunks(report, size, ours, theirs)
        measure_growth(report, size, ours)
    left = max(1.0, QUICK_SECONDS - (time.perf_counter() - start)) if quick else None
    measure_imports(report, 1 if quick else 3, left)
    gpu.measure(report, quick)
    if quick:
        report.notes.append("Quick: 2 of 22 blocks and short lengths. The goals are for the full run.")
    report.notes.append("Random weights, the same on both sides; the page cache is warm when loading is measured.")
    return report


if __name__ == "__main__":
    main(run)
