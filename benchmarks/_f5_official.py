"""The official model as its own `utils_infer` builds, loads and runs it, out of `.oracle` (see `tests/f5/oracle.py`).

`utils_infer` itself cannot be imported without the whole package; the three functions follow it line by line in what
they call, so that the comparison is with the official way and not with a straw man.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from f5_serverless.f5.config import ModelConfig
from tests.f5 import oracle


def build(config: ModelConfig, vocab_size: int) -> Any:
    """A `CFM` with official initialisation."""
    official = oracle.official()
    values = {k: v for k, v in dataclasses.asdict(config).items() if k not in ("name", "conv_mult")}
    transformer = official.dit.DiT(**values, text_num_embeds=vocab_size)
    return official.cfm.CFM(transformer=transformer, mel_spec_kwargs={}, vocab_char_map={})


oracle.official()


def load(config: ModelConfig, vocab_size: int, path: Path) -> Any:
    """What `load_model` and `load_checkpoint` do with a safetensors file on a CPU."""
    model = build(config, vocab_size).to("cpu").to(torch.float32)
    checkpoint = {"ema_model_state_dict": load_file(path, device="cpu")}
    state = {k.replace("ema_model.", ""): v for k, v in checkpoint["ema_model_state_dict"].items()}
    state.setdefault("transformer.rotary_embed.inv_freq", model.transformer.rotary_embed.inv_freq)
    model.load_state_dict(state)
    del checkpoint
    return model.to("cpu").eval()


def sample(model: Any, cond: Tensor, tokens: Tensor, frames: int, steps: int, seed: int | None) -> Tensor:
    """One utterance: (frames, mel)."""
    with torch.inference_mode():
        out, _ = model.sample(
            cond=cond[None],
            text=tokens[None],
            duration=frames,
            steps=steps,
            cfg_strength=2.0,
            sway_sampling_coef=-1.0,
            seed=seed,
        )
    return out[0]  # type: ignore[no-any-return]


def thread_pool(model: Any, cond: Tensor, chunks: Sequence[tuple[Tensor, int]], steps: int) -> list[Tensor]:
    """Several chunks as `infer_batch_process` runs them: one thread each."""
    with ThreadPoolExecutor() as executor:
        futures = [executor.submit(sample, model, cond, tokens, frames, steps, None) for tokens, frames in chunks]
        return [future.result() for future in futures]
