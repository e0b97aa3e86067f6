"""A whole small checkpoint made of random numbers: model, vocabulary, configuration and vocoder.

It drives every path of the engine in milliseconds; what comes out is noise. `make_checkpoint(folder)` writes

    model.safetensors   official names, EMA prefix
    model.toml          its configuration
    vocab.txt           printable ASCII and some pinyin
    vocos/pytorch_model.bin

The weights are not zero anywhere (the official initialisation zeroes the modulation, which hides errors).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from f5_serverless.f5.checkpoint import save_model
from f5_serverless.f5.config import ModelConfig
from f5_serverless.f5.dit import DiT
from f5_serverless.f5.vocoder import Vocos

TINY = ModelConfig(name="tiny", dim=64, depth=2, heads=2, dim_head=32, ff_mult=2, text_dim=32, conv_layers=2)

VARIANTS: dict[str, ModelConfig] = {
    "v1": TINY,
    "v0": dataclasses.replace(TINY, name="v0", text_mask_padding=False, pe_attn_head=1),
    "qk_norm": dataclasses.replace(TINY, name="qk_norm", qk_norm="rms_norm"),
    "upsampled": dataclasses.replace(TINY, name="upsampled", text_embedding_average_upsampling=True),
    "no_conv": dataclasses.replace(TINY, name="no_conv", conv_layers=0, text_mask_padding=False),
    "long_skip": dataclasses.replace(TINY, name="long_skip", long_skip_connection=True, ff_mult=4),
}
"""Every switch of the architecture at least once."""

VOCABULARY = [
    " ",
    *(chr(code) for code in range(33, 127)),
    *("ni3", "hao3", "shi4", "jie4", "zhong1", "guo2", "é", "ü", "ñ", "。", "，", "！"),
]


@dataclass(frozen=True)
class Checkpoint:
    """Paths as `F5TTSEngine.load` takes them."""

    model: Path
    config: Path
    vocab: Path
    vocoder: Path


def randomise(module: nn.Module, seed: int = 0) -> None:
    """Fills every parameter, biases and gains too, so that signals neither die nor explode."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, parameter in module.named_parameters():
        values = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() > 1 and "grn" not in name and "text_embed.weight" not in name:
            values *= (parameter[0].numel()) ** -0.5
        else:
            values *= 0.2
        if name.endswith(("norm.weight", "gamma")):
            values += 1.0
        state[name] = values
    module.load_state_dict(state, assign=True)


def make_model(config: ModelConfig = TINY, vocab_size: int = len(VOCABULARY), seed: int = 0) -> DiT:
    """A model with random weights."""
    with torch.device("meta"):
        model = DiT(config, vocab_size)
    randomise(model, seed)
    return model.eval().requires_grad_(False)


def make_vocoder(seed: int = 0, dim: int = 32) -> Vocos:
    """A vocoder with random weights, quiet enough not to clip."""
    with torch.device("meta"):
        model = Vocos(mel_dim=100, dim=dim, inner=2 * dim, layers=2, n_fft=1024)
    randomise(model, seed)
    model.head.out.bias.data[:513] -= 1.0  # type: ignore[union-attr,index,operator]
    return model.eval().requires_grad_(False)


def vocoder_state(vocoder: Vocos) -> dict[str, Tensor]:
    """The weights as the official file has them, with its derived buffers."""
    window = torch.hann_window(1024)
    return dict(vocoder.state_dict()) | {
        "feature_extractor.mel_spec.spectrogram.window": window,
        "feature_extractor.mel_spec.mel_scale.fb": torch.zeros(513, 100),
        "head.istft.window": window.clone(),
    }


def write_config(config: ModelConfig, path: Path) -> None:
    """Writes ``config`` as TOML."""
    lines = []
    for key, value in dataclasses.asdict(config).items():
        if value is not None:
            text = str(value).lower() if isinstance(value, bool) else repr(value).replace("'", '"')
            lines.append(f"{key} = {text}\n")
    path.write_text("".join(lines), encoding="utf-8")


def make_checkpoint(folder: Path, config: ModelConfig = TINY, seed: int = 0) -> Checkpoint:
    """Writes the four files into ``folder`` (made if it is not there). See the module's docstring."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocos").mkdir(exist_ok=True)
    paths = Checkpoint(folder / "model.safetensors", folder / "model.toml", folder / "vocab.txt", folder / "vocos")
    save_model(make_model(config, seed=seed), paths.model)
    write_config(config, paths.config)
    paths.vocab.write_text("".join(f"{token}\n" for token in VOCABULARY), encoding="utf-8")
    torch.save(vocoder_state(make_vocoder(seed)), paths.vocoder / "pytorch_model.bin")
    return paths
