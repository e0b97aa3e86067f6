"""Checkpoints of the model and of the vocoder: names, mapping, and building a model around the weights.

`load_model` builds the model on the meta device (no memory, no initialisation) and assigns the file's tensors to it.
Official names map to ours and back (`to_ours`, `to_official`); the only structural difference is that query, key and
value are one fused projection here. Weights on a CPU stay float32 views of the file where nothing has to be converted.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from f5_serverless.errors import ModelError
from f5_serverless.f5.config import ModelConfig
from f5_serverless.f5.dit import DiT
from f5_serverless.f5.vocoder import Vocos
from f5_serverless.f5.weights import WeightsIO, read_tensors

BOOKKEEPING = frozenset({"initted", "step", "update"})
"""Keys of an exponential moving average that are no weights."""

_CONTAINERS = ("ema_model_state_dict", "model_state_dict", "state_dict")
"""Where a training checkpoint keeps its weights; the averaged ones are preferred, as by the official loader."""

_PREFIXES = ("ema_model.", "module.", "_orig_mod.", "transformer.")

_RENAMED = (
    (re.compile(r"^time_embed\.time_mlp\."), "modulation.time_mlp."),
    (re.compile(r"^transformer_blocks\.(\d+)\.attn_norm\.linear\."), r"modulation.blocks.\1."),
    (re.compile(r"^norm_out\.linear\."), "modulation.final."),
)
_RENAMED_BACK = (
    (re.compile(r"^modulation\.time_mlp\."), "time_embed.time_mlp."),
    (re.compile(r"^modulation\.blocks\.(\d+)\."), r"transformer_blocks.\1.attn_norm.linear."),
    (re.compile(r"^modulation\.final\."), "norm_out.linear."),
)
_QKV = re.compile(r"^(transformer_blocks\.\d+\.attn\.)to_([qkv])\.(weight|bias)$")
_FUSED = re.compile(r"^(transformer_blocks\.\d+\.attn\.)to_qkv\.(weight|bias)$")
_DERIVED = re.compile(r"^(rotary_embed\.inv_freq|mel_spec\..*)$")
"""Official buffers that follow from the configuration and are computed here."""


def official_weights(loaded: Mapping[str, object]) -> dict[str, Tensor]:
    """The transformer's weights, by official names without prefixes, out of any official or community checkpoint."""
    for container in _CONTAINERS:
        if isinstance(inner := loaded.get(container), Mapping):
            loaded = inner
            break
    weights: dict[str, Tensor] = {}
    for key, value in loaded.items():
        if not isinstance(value, Tensor) or key in BOOKKEEPING:
            continue
        for prefix in _PREFIXES:
            key = key.removeprefix(prefix)
        if not _DERIVED.match(key):
            weights[key] = value
    return weights


def to_ours(official: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official names to ours; q, k and v are joined. Unknown names pass unchanged, to be reported by the caller."""
    ours: dict[str, Tensor] = {}
    for key, value in official.items():
        if found := _QKV.match(key):
            if found[2] == "q":
                names = [f"{found[1]}to_{part}.{found[3]}" for part in "qkv"]
                if all(name in official for name in names):
                    ours[f"{found[1]}to_qkv.{found[3]}"] = torch.cat([official[name] for name in names])
        else:
            ours[_rename(key, _RENAMED)] = value
    return ours


def to_official(ours: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `to_ours`."""
    official: dict[str, Tensor] = {}
    for key, value in ours.items():
        if found := _FUSED.match(key):
            for part, piece in zip("qkv", value.chunk(3), strict=True):
                official[f"{found[1]}to_{part}.{found[2]}"] = piece
        else:
            official[_rename(key, _RENAMED_BACK)] = value
    return official


def _rename(key: str, table: tuple[tuple[re.Pattern[str], str], ...]) -> str:
    for pattern, replacement in table:
        key = pattern.sub(replacement, key)
    return key


def check_fits(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], what: str) -> None:
    """Raises `ModelError` that names missing, surplus and differently shaped keys (official names, eight of each)."""
    shapes = sorted(
        f"{key} is {tuple(found[key].shape)}, not {tuple(expected[key].shape)}"
        for key in expected.keys() & found.keys()
        if found[key].shape != expected[key].shape
    )
    problems = {
        "missing": sorted(expected.keys() - found.keys()),
        "not in the configuration": sorted(found.keys() - expected.keys()),
        "of another shape": shapes,
    }
    if any(problems.values()):
        parts = [
            f"{label}: {', '.join(keys[:8])}" + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")
            for label, keys in problems.items()
            if keys
        ]
        raise ModelError(
            f"The checkpoint does not fit {what}. " + "; ".join(parts) + ".",
            hint="Name the right configuration, or put model.toml and the right vocab.txt beside the checkpoint.",
        )


def model_file(path: Path) -> Path:
    """The weights in ``path``: itself, or the one file of weights in that directory. Raises `ModelError`."""
    if not path.is_dir():
        return path
    files = sorted(p for p in path.iterdir() if p.suffix in (".safetensors", ".pt"))
    if len(files) != 1:
        found = ", ".join(p.name for p in files) or "none"
        raise ModelError(
            f"The directory {path.name} must hold one checkpoint; there is {found}.", hint="Name the file."
        )
    return files[0]


def load_model(
    path: Path,
    config: ModelConfig,
    vocab_size: int,
    *,
    device: torch.device,
    dtype: torch.dtype,
    io: WeightsIO = "auto",
) -> DiT:
    """The model in ``path``, ready to sample on ``device``. Raises `ModelError` where file and shapes do not fit."""
    official = official_weights(read_tensors(path, io))
    with torch.device("meta"):
        model = DiT(config, vocab_size)
    check_fits(to_official(model.state_dict()), official, f"{config.name} with {vocab_size} characters")
    model.load_state_dict(to_ours(official), assign=True)
    del official
    model.eval().requires_grad_(False)
    for name, child in model.named_children():
        if name == "modulation":
            child.float()
        else:
            child.to(device, dtype)
    return model


def save_model(model: DiT, path: Path) -> None:
    """Writes ``model`` as an official EMA safetensors file."""
    from safetensors.torch import save_file

    state = to_official(model.state_dict())
    save_file({f"ema_model.transformer.{key}": value.contiguous() for key, value in state.items()}, path)


def load_vocoder(path: Path, *, device: torch.device, io: WeightsIO = "auto") -> Vocos:
    """The vocoder in ``path``: a file, or the directory of the official repository."""
    state = read_tensors(vocoder_file(path), io)
    return Vocos.from_state({k: v for k, v in state.items() if isinstance(v, Tensor)}).to(device)


def vocoder_file(path: Path) -> Path:
    """The safetensors file for ``path``; a pickle is converted to one beside it first, where that can be written."""
    if path.is_dir():
        candidates = [path / name for name in ("model.safetensors", "pytorch_model.safetensors", "pytorch_model.bin")]
        path = next((candidate for candidate in candidates if candidate.is_file()), candidates[-1])
    if path.suffix != ".safetensors" and path.is_file():
        converted = path.with_suffix(".safetensors")
        if converted.is_file():
            return converted
        if os.access(path.parent, os.W_OK):
            convert_vocoder(path, converted)
            return converted
    return path


def convert_vocoder(source: Path, target: Path) -> None:
    """Writes the pickle ``source`` as safetensors ``target``, aside first and then by one rename."""
    from safetensors.torch import save_file

    state = {k: v.contiguous() for k, v in read_tensors(source).items() if isinstance(v, Tensor)}
    handle, aside = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    os.close(handle)
    try:
        save_file(state, aside)
        os.replace(aside, target)
    except Exception as error:
        os.unlink(aside)
        raise ModelError(f"{target.name} could not be written: {error}", hint="Free some space.") from error
    except BaseException:
        os.unlink(aside)
        raise
