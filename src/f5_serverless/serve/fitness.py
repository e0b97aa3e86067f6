"""Checks before the first job: what must be true of a machine that takes work. Each is a callable that raises an error.

The worker hands them to the SDK, which runs them in order before the first job, tells RunPod which one failed, and
ends the process. Ours exist because the SDK's own skip CUDA where torch is not importable from its Python, and know
nothing of our volume, models and store.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from f5_serverless.errors import EngineUnavailable, SetupError


@dataclass(frozen=True)
class Check:
    """One named condition."""

    name: str
    run: Callable[[], object]


def gpu_check(required: bool = True) -> Check:
    """A CUDA device exists and computes. Where it is not ``required``, a machine without one passes."""

    def run() -> None:
        try:
            import torch
        except ImportError:
            if required:
                raise EngineUnavailable("torch cannot be imported, so there is no GPU to use.") from None
            return
        if not torch.cuda.is_available():
            if required:
                raise EngineUnavailable("No CUDA device can be used.", hint="Choose a GPU for the endpoint.")
            return
        ones = torch.ones(64, 64, device="cuda")
        if float((ones @ ones).sum()) != 64.0**3:
            raise EngineUnavailable(
                "The GPU computes wrong results.", hint="Let the worker be replaced.", retryable=True
            )

    return Check("gpu", run)


def volume_check(root: Path, min_free_bytes: int = 100_000_000) -> Check:
    """``root`` is a directory that can be written, with some room left."""

    def run() -> None:
        if not root.is_dir():
            raise SetupError(f"The volume's directory {root} does not exist.", hint="Attach the network volume.")
        probe = root / f".probe-{uuid.uuid4().hex}"
        try:
            probe.write_bytes(b"probe")
            if probe.read_bytes() != b"probe":
                raise SetupError(f"{root} does not give back what was written.")
        except OSError as error:
            raise SetupError(f"{root} cannot be written: {os.strerror(error.errno or 0)}.") from None
        finally:
            with contextlib.suppress(OSError):
                probe.unlink(missing_ok=True)
        free = shutil.disk_usage(root).free
        if free < min_free_bytes:
            raise SetupError(f"{root} has {free / 1e6:.0f} MB left; {min_free_bytes / 1e6:.0f} MB are needed.")

    return Check("volume", run)
