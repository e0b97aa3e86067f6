"""What decides how the model runs: batches, graphs (in structure), layouts, schedules, guidance, devices, soak."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from torch import Tensor

from f5_serverless.errors import EngineUnavailable
from f5_serverless.f5.batching import plan_batches
from f5_serverless.f5.device import choose_device, choose_dtype, usable_cores
from f5_serverless.f5.graphs import GraphedVelocity
from f5_serverless.f5.layout import BUCKET, Packed, Padded
from f5_serverless.f5.sampler import Plan, Sampler, Utterance
from f5_serverless.f5.schedule import EPSS, times
from tests.f5 import tiny


def utterance(frames: int, seed: int = 1) -> Utterance:
    generator = torch.Generator().manual_seed(frames)
    tokens = torch.randint(0, len(tiny.VOCABULARY), (frames // 3,), generator=generator)
    return Utterance(torch.randn(20, 100, generator=generator), tokens, frames, seed)


def test_batches_hold_every_item_once_and_keep_the_limit() -> None:
    frames = [120, 700, 64, 65, 300, 299, 5000]
    for padded in (False, True):
        for exact in (False, True):
            batches = plan_batches(frames, 1000, padded=padded, exact=exact)
            assert sorted(index for batch in batches for index in batch.indices) == list(range(7))
            assert batches[0].indices == (6,)
            for batch in batches[1:]:
                used = [batch.padded_to or frames[index] for index in batch.indices]
                assert sum(used) <= 1000
                assert all(batch.padded_to is None or frames[index] <= batch.padded_to for index in batch.indices)


def test_exact_batches_depend_on_each_item_alone() -> None:
    for others in ([], [64], [63, 60, 300], [65] * 20):
        for batch in plan_batches([60, *others], 1000, padded=True, exact=True):
            if 0 in batch.indices:
                assert (batch.padded_to, batch.fill) == (BUCKET, 1000 // BUCKET)
    first, second = plan_batches([60] * 5, 1000, padded=True, exact=True)[0].halves()
    assert first.indices + second.indices == (0, 1, 2, 3, 4)


def test_layouts_round_trip() -> None:
    parts = [torch.randn(length, 4) for length in (3, 7, 5)]
    for layout in (Packed([3, 7, 5]), Padded.of([3, 7, 5], 8, torch.device("cpu"))):
        for part, back in zip(parts, layout.unpack(layout.pack(parts)), strict=True):
            assert torch.equal(part, back)
        assert layout.twice().lengths == (3, 7, 5, 3, 7, 5)


def replayer(calls: list[str]) -> Callable[[Callable[[], Tensor]], tuple[Tensor, Callable[[], None]]]:
    """Records like a CUDA graph: the same memory in and out, nothing but the recorded work on replay."""

    def record(work: Callable[[], Tensor]) -> tuple[Tensor, Callable[[], None]]:
        calls.append("record")
        output = work().clone()

        def replay() -> None:
            calls.append("replay")
            output.copy_(work())

        return output, replay

    return record


def test_graphs_replay_one_recording_per_shape() -> None:
    model, calls = tiny.make_model(), list[str]()
    eager, graphed = Sampler(model), Sampler(model, GraphedVelocity(model, replayer(calls), limit=2))
    for frames in (60, 61, 100, 60):
        (expected,) = eager.sample([utterance(frames)], Plan(steps=3), padded_to=-(-frames // 64) * 64)
        (found,) = graphed.sample([utterance(frames)], Plan(steps=3), padded_to=-(-frames // 64) * 64)
        assert torch.equal(expected, found)
    assert calls.count("record") == 2
    assert calls.count("replay") == 12
    graphed.sample([utterance(60)], Plan(steps=3))
    assert len(calls) == 14


def test_graphs_are_bounded() -> None:
    model, calls = tiny.make_model(), list[str]()
    velocity = GraphedVelocity(model, replayer(calls), limit=2)
    for bucket in (64, 128, 192, 64):
        Sampler(model, velocity).sample([utterance(50)], Plan(steps=1), padded_to=bucket)
    assert len(velocity._recorded) == 2
    assert calls.count("record") == 4


def test_guidance_interval_saves_evaluations() -> None:
    model, rows = tiny.make_model(), list[int]()

    def counting(x: Tensor, fixed: Tensor, *rest: object) -> Tensor:
        rows.append(len(fixed) // len(x))
        return model.velocity(x, fixed, *rest)  # type: ignore[arg-type]

    whole = Sampler(model).sample([utterance(60)], Plan(steps=7))[0]
    part = Sampler(model, counting).sample([utterance(60)], Plan(steps=7, cfg_interval=(0.0, 0.3)))[0]
    assert rows[0] == 2
    assert rows[-1] == 1
    assert not torch.equal(whole, part)


@pytest.mark.parametrize("steps", [*EPSS, 1, 8, 32])
def test_times_rise_from_zero_to_one(steps: int) -> None:
    t = times(steps)
    assert len(t) == steps + 1
    assert bool((t.diff() > 0).all())
    assert t[0].abs() < 1e-6
    assert float(t[-1]) == pytest.approx(1.0, abs=1e-6)


def test_the_reference_is_kept_as_it_is() -> None:
    one = utterance(60)
    (mel,) = Sampler(tiny.make_model()).sample([one], Plan(steps=2))
    assert torch.equal(mel[:20], one.cond)


def test_devices_and_types(tmp_path: Path) -> None:
    assert choose_dtype("auto", torch.device("cpu")) == torch.float32
    with pytest.raises(EngineUnavailable, match="CPU"):
        choose_dtype("float16", torch.device("cpu"))
    if not torch.cuda.is_available():
        assert choose_device("auto").type == "cpu"
        with pytest.raises(EngineUnavailable, match="CUDA"):
            choose_device("cuda")
    quota = tmp_path / "cpu.max"
    quota.write_text("100000 100000\n")
    assert usable_cores(quota) == 1
    quota.write_text("max 100000\n")
    assert usable_cores(quota) == usable_cores(tmp_path / "none")


def test_half_precision_runs_and_is_close() -> None:
    """bfloat16 on the CPU stands in for a GPU: the code path, not the speed."""
    exact = Sampler(tiny.make_model()).sample([utterance(60)], Plan(steps=3))[0]
    half = tiny.make_model()
    for name, child in half.named_children():
        if name != "modulation":
            child.to(torch.bfloat16)
    (mel,) = Sampler(half).sample([utterance(60)], Plan(steps=3), padded_to=64)
    assert mel.dtype == torch.float32
    assert float((mel - exact).norm() / exact.norm()) < 0.05


@pytest.mark.timeout(300)
def test_memory_stays_flat_over_300_requests(tmp_path: Path) -> None:
    import numpy as np

    from f5_serverless.engines.base import SynthesisItem
    from f5_serverless.engines.f5tts_engine import F5TTSEngine
    from f5_serverless.types import Audio, SynthesisSettings, Voice, no_progress

    made = tiny.make_checkpoint(tmp_path)
    engine = F5TTSEngine.load(made.model, made.vocab, made.vocoder, device="cpu", threads=1)
    process, random_ = psutil.Process(), np.random.default_rng(0)
    resident: list[int] = []
    for index in range(300):
        sound = random_.standard_normal(int(24_000 * random_.uniform(0.1, 0.3))).astype(np.float32)
        voice = Voice(Audio(0.1 * sound, 24_000), "Word.", hash=str(index))
        items = [
            SynthesisItem("Hi " * int(n), int(n), float(n) / 20) for n in random_.integers(1, 20, size=1 + index % 2)
        ]
        settings = SynthesisSettings(seed=1, nfe_step=int(random_.integers(1, 3)))
        engine.synthesize(voice, items, settings, no_progress)
        if index % 30 == 29:
            gc.collect()
            resident.append(process.memory_info().rss)
    assert max(resident) <= 1.02 * resident[0], [round(one / 1e6) for one in resident]
