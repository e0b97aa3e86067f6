"""Which device and number type the model runs on, and with how many threads."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from f5_serverless.errors import EngineUnavailable

_DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
_TENSOR_CORES = 7
"""Compute capability from which half precision is fast, as in the official loader."""


def choose_device(name: str) -> torch.device:
    """auto, cpu, cuda or cuda:N to a device. Raises `EngineUnavailable` where it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind = name.split(":")[0]
    if kind not in ("cpu", "cuda"):
        raise EngineUnavailable(f"{name!r} is no device.", hint="Use auto, cpu, cuda or cuda:N.")
    if kind == "cuda" and not torch.cuda.is_available():
        raise EngineUnavailable("torch finds no CUDA GPU.", hint="Use device auto or cpu, or check driver and build.")
    return torch.device(name)


def choose_dtype(name: str, device: torch.device) -> torch.dtype:
    """auto, float32, float16 or bfloat16 to a type. A CPU always computes in float32."""
    if name != "auto" and name not in _DTYPES:
        raise EngineUnavailable(f"{name!r} is no number type.", hint=f"Use auto, {', '.join(_DTYPES)}.")
    if device.type == "cpu":
        if name not in ("auto", "float32"):
            raise EngineUnavailable(f"{name} does not pay on a CPU.", hint="Use float32, or 8-bit layers.")
        return torch.float32
    if name == "auto":
        fast = torch.cuda.get_device_capability(device)[0] >= _TENSOR_CORES
        return torch.float16 if fast else torch.float32
    return _DTYPES[name]


def use_threads(count: int | None) -> None:
    """Lets torch use ``count`` threads; None: as many as it wants, and no more than this process may use."""
    torch.set_num_threads(count or max(1, min(torch.get_num_threads(), usable_cores())))


def usable_cores(quota: Path = Path("/sys/fs/cgroup/cpu.max")) -> int:
    """Cores by affinity and by the container's quota."""
    cores = len(os.sched_getaffinity(0))
    if quota.is_file():
        limit, period = quota.read_text().split()
        if limit != "max":
            cores = min(cores, max(1, round(int(limit) / int(period))))
    return cores
