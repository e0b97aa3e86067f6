"""The GPU's part of `benchmarks.f5`: absolute times where there is one, a roofline estimate where there is none."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

import torch

from benchmarks.harness import Report
from f5_serverless.f5.batching import plan_batches
from f5_serverless.f5.config import CONFIGS, ModelConfig
from f5_serverless.f5.graphs import GraphedVelocity, record_cuda
from f5_serverless.f5.layout import bucket_of
from f5_serverless.f5.sampler import Plan, Sampler, Utterance
from tests.f5 import tiny

STEPS, REFERENCE_SECONDS, FRAMES_PER_SECOND = 7, 5.0, 24_000 / 256
H100_FLOPS, H100_BYTES = 989e12, 3.35e12
"""Dense fp16 and memory bandwidth of an H100 SXM, by its data sheet."""

REACHED = 0.4
"""Share of the peak that products of this size usually reach."""

LAUNCHES, LAUNCH_SECONDS = 1_250, 4e-6
GOALS = {5.0: 0.15, 30.0: 0.9}
"""Seconds of speech, and the seconds that it may take on an H100."""


def step_flops(config: ModelConfig, frames: int) -> float:
    """Floating-point operations of one step with guidance: linear layers, attention, position convolutions, input."""
    rows, dim = 2 * frames, config.dim
    linears = 2 * rows * dim * dim * (4 + 2 * config.ff_mult) * config.depth
    attention = 4 * rows * frames * dim * config.depth
    convolutions = 2 * 2 * rows * dim * (dim / 16) * 31
    ends = 2 * rows * 100 * dim + 2 * frames * 100 * dim
    return linears + attention + convolutions + ends


def measure(report: Report, quick: bool) -> None:
    """Adds rows to ``report``."""
    if torch.cuda.is_available():
        _measured(report, quick)
    else:
        _estimated(report)


def _estimated(report: Report) -> None:
    config = CONFIGS["F5TTS_v1_Base"]
    for seconds in GOALS:
        frames = round((seconds + REFERENCE_SECONDS) * FRAMES_PER_SECOND)
        compute = step_flops(config, frames) / (H100_FLOPS * REACHED)
        memory = 2 * 199e6 / H100_BYTES
        graphs = STEPS * max(compute, memory)
        eager = STEPS * max(compute, memory, LAUNCHES * LAUNCH_SECONDS)
        report.rows.append(
            (f"ESTIMATE, H100, {seconds:.0f} s of speech", "", f"{graphs:.3f} s", f"without graphs {eager:.3f} s")
        )
    report.notes.append(
        f"ESTIMATE: no GPU here, nothing was measured on one. Roofline of an H100, fp16, {REACHED:.0%} of peak, "
        f"{STEPS} steps, {REFERENCE_SECONDS:.0f} s reference, {LAUNCHES} launches of {LAUNCH_SECONDS * 1e6:.0f} µs."
    )


def _measured(report: Report, quick: bool) -> None:
    device = torch.device("cuda")
    model = tiny.make_model(CONFIGS["F5TTS_v1_Base"], 2545)
    for name, part in model.named_children():
        if name != "modulation":
            part.to(device, torch.float16)
    torch.cuda.reset_peak_memory_stats()
    for label, sampler in (
        ("eager", Sampler(model)),
        ("graphs", Sampler(model, GraphedVelocity(model, record_cuda))),
    ):
        for seconds, goal in GOALS.items():
            one = [_utterance(seconds, 1)]
            taken = _timed(lambda s=sampler, u=one: _one_by_one(s, u), quick)
            rate = f"RTF {taken / seconds:.4f}"
            report.rows.append((f"GPU, {label}, {seconds:.0f} s of speech", f"goal {goal} s", f"{taken:.3f} s", rate))
            report.figures[f"gpu_{label}_{seconds:.0f}s"] = round(taken, 4)
        ten = [_utterance(2.0 + index % 5, index) for index in range(10)]
        together = _timed(lambda s=sampler, u=ten: _batched(s, u), quick)
        alone = _timed(lambda s=sampler, u=ten: _one_by_one(s, u), quick)
        ratio = f"{alone / together:.1f} × one by one (goal 4 ×)"
        report.rows.append((f"GPU, {label}, ten chunks", f"{alone:.3f} s one by one", f"{together:.3f} s", ratio))
        report.figures[f"gpu_{label}_batching"] = round(alone / together, 2)
    peak = torch.cuda.max_memory_allocated() / 1e9
    report.rows.append((f"GPU memory ({torch.cuda.get_device_name()})", "", f"{peak:.2f} GB", ""))
    report.figures["gpu_memory_gb"] = round(peak, 2)


def _utterance(seconds: float, seed: int) -> Utterance:
    """``seconds`` of new speech behind a reference."""
    generator = torch.Generator().manual_seed(seed)
    cond = torch.randn(round(REFERENCE_SECONDS * FRAMES_PER_SECOND), 100, generator=generator) - 4
    frames = len(cond) + round(seconds * FRAMES_PER_SECOND)
    return Utterance(cond, torch.randint(0, 2545, (frames // 6,), generator=generator), frames, seed)


def _one_by_one(sampler: Sampler, utterances: Sequence[Utterance]) -> None:
    for one in utterances:
        sampler.sample([one], Plan(steps=STEPS), padded_to=bucket_of(one.frames))


def _batched(sampler: Sampler, utterances: Sequence[Utterance]) -> None:
    for batch in plan_batches([one.frames for one in utterances], 16_384, padded=True):
        sampler.sample([utterances[i] for i in batch.indices], Plan(steps=STEPS), padded_to=batch.padded_to)


def _timed(work: Callable[[], object], quick: bool) -> float:
    """Median seconds after two runs that are not counted."""
    times = []
    for index in range(5 if quick else 9):
        torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        torch.cuda.synchronize()
        if index >= 2:
            times.append(time.perf_counter() - start)
    return statistics.median(times)
