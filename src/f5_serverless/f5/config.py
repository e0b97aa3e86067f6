"""The architecture of a checkpoint: named configurations, and custom ones from a small TOML or YAML file.

`load_config("F5TTS_v1_Base")` gives a published configuration; `load_config(path)` reads one written by hand, or
an official training YAML, whose `model.arch` section has the same names. Unknown keys are errors. This module knows
shapes only: it neither reads weights nor imports torch.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from f5_serverless.errors import ModelError

SIDECARS = ("model.toml", "model.yaml", "model.yml", "config.toml", "config.yaml", "config.yml")
"""File names under which a custom configuration is looked for beside a checkpoint, in this order."""

IGNORED_ARCH_KEYS = frozenset({"attn_backend", "attn_mask_enabled", "checkpoint_activations", "dropout"})
"""Keys of official YAML files that say how to train or which kernel to use, not what the weights are."""


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """Shapes and switches of one diffusion transformer. Names follow the official YAML files."""

    name: str
    dim: int
    depth: int
    heads: int
    ff_mult: float = 2
    text_dim: int = 512
    dim_head: int = 64
    mel_dim: int = 100
    conv_layers: int = 4
    conv_mult: int = 2
    text_mask_padding: bool = True
    """Padding after the text is zeroed in every text block (v1), or takes part (the first release)."""
    text_embedding_average_upsampling: bool = False
    """Each character's embedding is spread over the whole duration instead of standing at the front."""
    qk_norm: str | None = None
    """None, or "rms_norm": queries and keys are normalised per head."""
    pe_attn_head: int | None = None
    """How many heads are rotated by position; None: all of them."""
    long_skip_connection: bool = False

    def __post_init__(self) -> None:
        if self.qk_norm not in (None, "rms_norm"):
            raise ModelError(f"{self.name}: qk_norm must be absent or rms_norm, not {self.qk_norm!r}.")
        if self.text_embedding_average_upsampling and not self.text_mask_padding:
            raise ModelError(f"{self.name}: text_embedding_average_upsampling needs text_mask_padding.")
        if self.dim % 16 or self.dim_head % 2:
            raise ModelError(f"{self.name}: dim must be a multiple of 16 and dim_head even.")


_V1 = {"text_mask_padding": True, "pe_attn_head": None}
_V0 = {"text_mask_padding": False, "pe_attn_head": 1}
_BASE = {"dim": 1024, "depth": 22, "heads": 16}
_SMALL = {"dim": 768, "depth": 18, "heads": 12}

CONFIGS: Mapping[str, ModelConfig] = {
    name: ModelConfig(name=name, **size, **version)  # type: ignore[arg-type]
    for name, size, version in (
        ("F5TTS_v1_Base", _BASE, _V1),
        ("F5TTS_Base", _BASE, _V0),
        ("F5TTS_v1_Small", _SMALL, _V1),
        ("F5TTS_Small", _SMALL, _V0),
    )
}
"""The published configurations, as in the official YAML files."""

DEFAULT_CONFIG = "F5TTS_v1_Base"


def load_config(source: str | Path | ModelConfig) -> ModelConfig:
    """A named configuration, or the one in a TOML/YAML file. Raises `ModelError` naming what cannot be used."""
    if isinstance(source, ModelConfig):
        return source
    if isinstance(source, str) and source in CONFIGS:
        return CONFIGS[source]
    path = Path(source)
    if path.suffix.lower() not in _PARSERS:
        raise ModelError(
            f"{str(source)!r} is neither a known configuration nor a .toml/.yaml file.",
            hint=f"Use one of {', '.join(CONFIGS)}, or the path of a configuration file.",
        )
    if not path.is_file():
        raise ModelError(f"The configuration file {path.name} does not exist.", hint="Check the path.")
    return parse_config(_PARSERS[path.suffix.lower()](path), default_name=path.stem)


def find_config(checkpoint: Path) -> ModelConfig | None:
    """The configuration that lies beside ``checkpoint`` (a file, or the directory that holds it), or None."""
    folder = checkpoint if checkpoint.is_dir() else checkpoint.parent
    for name in SIDECARS:
        if (folder / name).is_file():
            return load_config(folder / name)
    return None


def parse_config(data: Mapping[str, Any], default_name: str = "custom") -> ModelConfig:
    """A configuration from a mapping: flat, or official with ``model.arch``. ``base`` names one to start from."""
    name = default_name
    if isinstance(data.get("model"), Mapping):
        model = data["model"]
        name = str(model.get("name", name))
        if model.get("backbone", "DiT") != "DiT":
            raise ModelError(f"{name}: only the DiT backbone is supported, not {model['backbone']!r}.")
        if (mel := model.get("mel_spec", {}).get("mel_spec_type", "vocos")) != "vocos":
            raise ModelError(f"{name}: only Vocos-type mel spectrograms are supported, not {mel!r}.")
        data = model.get("arch", {})
    values = {key: value for key, value in data.items() if key not in IGNORED_ARCH_KEYS}
    if "base" in values:
        base = load_config(str(values.pop("base")))
        values = dataclasses.asdict(base) | {"name": name} | values
    known = {field.name for field in dataclasses.fields(ModelConfig)}
    if unknown := sorted(set(values) - known):
        raise ModelError(
            f"The configuration {name} has unknown keys: {', '.join(unknown)}.",
            hint=f"Known keys: {', '.join(sorted(known))}, base.",
        )
    if missing := sorted({"dim", "depth", "heads"} - set(values)):
        raise ModelError(f"The configuration {name} lacks {', '.join(missing)}.", hint="Add them, or `base = ...`.")
    return ModelConfig(**{"name": name} | values)


def _read_toml(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path.name} is no valid TOML: {error}") from None


def _read_yaml(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"{path.name} is no valid YAML: {error}") from None
    if not isinstance(data, Mapping):
        raise ModelError(f"{path.name} must hold a mapping.")
    return data


_PARSERS = {".toml": _read_toml, ".yaml": _read_yaml, ".yml": _read_yaml}
