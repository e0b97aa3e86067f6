"""At which times the flow is evaluated.

`times(steps)` gives steps + 1 rising numbers from 0 to 1. For some counts they are the empirically pruned ones (EPSS,
arXiv 2505.19931), which put more steps early, where the flow bends; sway sampling (arXiv 2410.06885, 3.3) then shifts
all of them towards 0.
"""

from __future__ import annotations

import torch
from torch import Tensor

DEFAULT_STEPS = 7
DEFAULT_SWAY = -1.0
MAX_STEPS = 128

EPSS = {
    5: (0, 2, 4, 8, 16, 32),
    6: (0, 2, 4, 6, 8, 16, 32),
    7: (0, 2, 4, 6, 8, 16, 24, 32),
    10: (0, 2, 4, 6, 8, 12, 16, 20, 24, 28, 32),
    12: (0, 2, 4, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32),
    16: (0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32),
}
"""Steps to times, in 32nds, as published with the paper."""


def times(steps: int, *, sway: float | None = DEFAULT_SWAY, epss: bool = True) -> Tensor:
    """(steps + 1,) float32 on the CPU. ``sway`` None: evenly spaced (or pruned) times as they are."""
    if epss and steps in EPSS:
        t = torch.tensor(EPSS[steps], dtype=torch.float32) / 32
    else:
        t = torch.linspace(0, 1, steps + 1)
    if sway is not None:
        t = t + sway * (torch.cos(torch.pi / 2 * t) - 1 + t)
    return t
