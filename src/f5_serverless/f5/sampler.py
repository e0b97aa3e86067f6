"""From noise to mel: Euler steps along the flow, with classifier-free guidance, for many utterances at once.

In: utterances (reference mel, token ids, total frames, seed). Out: one mel (frames, mel) each, whose first frames are
the reference. Every utterance has its own generator on the CPU, so its noise is the same on every device and in any
company. Which utterances run together is the caller's choice (`batching`); vocoding and text are other modules.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from f5_serverless.f5.dit import DiT, StepModulation
from f5_serverless.f5.layout import Layout, Packed, Padded
from f5_serverless.f5.schedule import DEFAULT_STEPS, DEFAULT_SWAY, times

DEFAULT_CFG = 2.0
MAX_SCHEDULES = 8
"""Schedules whose modulation is kept; the least recently used one goes first (4 MB each at 7 steps, full size)."""

Velocity = Callable[[Tensor, Tensor, StepModulation, Layout, Tensor], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """One piece to sample. ``cond``: the reference's mel (n, mel) on any device; ``tokens``: ids (m,) of both texts.

    ``frames``: length of reference and new speech together, more than n.
    """

    cond: Tensor
    tokens: Tensor
    frames: int
    seed: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How to sample. ``cfg_interval``: guidance acts only at times within it; outside, one evaluation per step saves
    half of the work. ``epss`` and ``sway``: see `schedule`.
    """

    steps: int = DEFAULT_STEPS
    cfg_strength: float = DEFAULT_CFG
    sway: float | None = DEFAULT_SWAY
    epss: bool = True
    cfg_interval: tuple[float, float] = (0.0, 1.0)


class Sampler:
    """Samples with one model and caches schedules. ``velocity`` may replace the eager model call by a faster one."""

    def __init__(self, model: DiT, velocity: Velocity | None = None) -> None:
        self.model = model
        self.velocity = velocity or model.velocity
        self._schedules: OrderedDict[tuple[float, ...], list[StepModulation]] = OrderedDict()

    def schedule(self, t: Tensor) -> list[StepModulation]:
        """The modulation at each of the times ``t`` (steps + 1,) but the last, on the model's device and dtype."""
        key = tuple(t.tolist())
        if key in self._schedules:
            self._schedules.move_to_end(key)
            return self._schedules[key]
        model = self.model
        steps = [
            StepModulation(s.blocks.to(model.device, model.dtype), s.final.to(model.device, model.dtype))
            for s in model.modulation(t[:-1])
        ]
        self._schedules[key] = steps
        if len(self._schedules) > MAX_SCHEDULES:
            self._schedules.popitem(last=False)
        return steps

    @torch.inference_mode()
    def sample(
        self,
        utterances: Sequence[Utterance],
        plan: Plan,
        *,
        padded_to: int | None = None,
        on_step: Callable[[int], None] = lambda _: None,
    ) -> list[Tensor]:
        """Mels (frames, mel) in float32, in the order given.

        ``padded_to``: lay the utterances side by side in so many frames; None: end to end. ``on_step`` is called
        after each step with its number from 1; what it raises stops the work.
        """
        model = self.model
        device = model.device
        lengths = [u.frames for u in utterances]
        layout: Layout = Packed(lengths) if padded_to is None else Padded.of(lengths, padded_to, device)
        guided = plan.cfg_strength >= 1e-5
        t = times(plan.steps, sway=plan.sway, epss=plan.epss)
        conditions = [model.condition(u.cond.to(device), u.tokens.to(device), u.frames) for u in utterances]
        fixed = layout.pack([with_text for with_text, _ in conditions])
        fixed_both = torch.cat((fixed, layout.pack([without for _, without in conditions]))) if guided else fixed
        rotary, rotary_both = model.rotary_for(layout), model.rotary_for(layout.twice())
        x = layout.pack([noise(u.seed, u.frames, model.config.mel_dim).to(device) for u in utterances])
        for index, step in enumerate(self.schedule(t)):
            now = float(t[index])
            if guided and plan.cfg_interval[0] <= now <= plan.cfg_interval[1]:
                both = self.velocity(x.to(model.dtype), fixed_both, step, layout, rotary_both)
                pred, null = both.float().chunk(2)
                pred = pred + (pred - null) * plan.cfg_strength
            else:
                pred = self.velocity(x.to(model.dtype), fixed, step, layout, rotary).float()
            x = x + (t[index + 1] - t[index]) * pred
            on_step(index + 1)
        results = []
        for u, mel in zip(utterances, layout.unpack(x), strict=True):
            results.append(torch.cat((u.cond.to(device, torch.float32), mel[len(u.cond) :])))
        return results


def noise(seed: int, frames: int, mel_dim: int) -> Tensor:
    """Standard normal noise (frames, mel_dim), float32, made on the CPU by a generator of its own."""
    return torch.randn(frames, mel_dim, generator=torch.Generator("cpu").manual_seed(seed))
