"""One measurement of `benchmarks.f5` in a process of its own: ``python -m benchmarks._f5_child WHAT SIDE [FILES]``.

``import``: seconds to import what synthesis needs. ``load``: seconds to build the model and load a checkpoint, seconds
until every weight was touched once, and the peak resident memory of the process in bytes. SIDE is ours or official. The
last line of standard output is one JSON object.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from pathlib import Path

OURS = ("torch", "f5_serverless.engines.f5tts_engine", "f5_serverless.f5.checkpoint", "f5_serverless.f5.sampler")
OURS += ("f5_serverless.f5.mel", "f5_serverless.f5.tokenizer", "f5_serverless.f5.quantise", "safetensors.torch")


def import_ours() -> dict[str, float]:
    start = time.perf_counter()
    for name in OURS:
        importlib.import_module(name)
    return {"seconds": time.perf_counter() - start}


def load(side: str, path: Path, config_name: str) -> dict[str, float]:
    """Builds and loads the model of ``side``; imports are not counted in the time, and are in the memory."""
    import torch

    from f5_serverless.f5.checkpoint import load_model
    from f5_serverless.f5.config import load_config

    config = load_config(Path(config_name))
    load_official = None
    if side == "official":
        from benchmarks._f5_official import load as load_official
    start = time.perf_counter()
    if load_official is not None:
        model = load_official(config, 2545, path)
    else:
        model = load_model(path, config, 2545, device=torch.device("cpu"), dtype=torch.float32)
    seconds = time.perf_counter() - start
    with torch.inference_mode():
        for parameter in model.parameters():
            parameter.view(-1)[::1024].sum()
    touched = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "touched": touched, "peak": peak}


if __name__ == "__main__":
    what, side, *rest = sys.argv[1:]
    result = import_ours() if what == "import" else load(side, Path(rest[0]), rest[1])
    print(json.dumps(result))
