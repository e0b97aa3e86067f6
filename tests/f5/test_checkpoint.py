"""Loading: every official container, both ways to read, what does not fit, the vocoder's conversion, configurations."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from f5_serverless.errors import ModelError
from f5_serverless.f5 import checkpoint, weights
from f5_serverless.f5.config import CONFIGS, find_config, load_config
from f5_serverless.f5.dit import DiT
from tests.f5 import tiny

CPU = torch.device("cpu")
SIZE = len(tiny.VOCABULARY)


@pytest.fixture(scope="module")
def official() -> dict[str, Tensor]:
    return checkpoint.to_official(tiny.make_model().state_dict())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tiny.Checkpoint:
    return tiny.make_checkpoint(tmp_path_factory.mktemp("f5"))


def load(path: Path, io: weights.WeightsIO = "auto") -> DiT:
    return checkpoint.load_model(path, tiny.TINY, SIZE, device=CPU, dtype=torch.float32, io=io)


def same(model: DiT, expected: dict[str, Tensor]) -> bool:
    found = checkpoint.to_official(model.state_dict())
    return found.keys() == expected.keys() and all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("io", ["mmap", "read", "auto"])
def test_safetensors_by_map_and_by_read(
    saved: tiny.Checkpoint, official: dict[str, Tensor], io: weights.WeightsIO
) -> None:
    assert same(load(saved.model, io), official)


@pytest.mark.parametrize("io", ["mmap", "read"])
@pytest.mark.parametrize("container", ["ema", "raw", "bare", "compiled"])
def test_pickles(tmp_path: Path, official: dict[str, Tensor], container: str, io: weights.WeightsIO) -> None:
    wrong = {key: torch.zeros_like(value) for key, value in official.items()}
    forms = {
        "ema": {
            "model_state_dict": {f"transformer.{key}": value for key, value in wrong.items()},
            "ema_model_state_dict": {f"ema_model.transformer.{key}": value for key, value in official.items()}
            | {"initted": torch.tensor(True), "step": torch.tensor(7), "ema_model.mel_spec.mel_stft.x": torch.ones(1)},
            "update": 7,
        },
        "raw": {"model_state_dict": {f"transformer.{key}": value for key, value in official.items()}},
        "bare": dict(official),
        "compiled": {f"_orig_mod.transformer.{key}": value for key, value in official.items()},
    }
    torch.save(forms[container], tmp_path / "model.pt")
    assert same(load(tmp_path / "model.pt", io), official)


def test_pickles_that_run_code_are_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "pwned"),)

    torch.save({"model_state_dict": Evil()}, tmp_path / "model.pt")
    with pytest.raises(ModelError, match="damaged or holds more"):
        load(tmp_path / "model.pt")
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("keep", [4, 60, -1000])
@pytest.mark.parametrize("io", ["mmap", "read"])
def test_cut_short(saved: tiny.Checkpoint, tmp_path: Path, keep: int, io: weights.WeightsIO) -> None:
    (tmp_path / "m.safetensors").write_bytes(saved.model.read_bytes()[:keep])
    with pytest.raises(ModelError, match=r"damaged|cut short"):
        load(tmp_path / "m.safetensors", io)


def test_what_does_not_fit_is_named(tmp_path: Path, official: dict[str, Tensor]) -> None:
    altered = dict(official)
    del altered["proj_out.bias"]
    altered["new.weight"] = torch.zeros(1)
    altered["text_embed.text_embed.weight"] = torch.zeros(5, 32)
    del altered["transformer_blocks.1.attn.to_k.weight"]
    torch.save(altered, tmp_path / "model.pt")
    with pytest.raises(ModelError) as caught:
        load(tmp_path / "model.pt")
    for part in (
        "missing: proj_out.bias, transformer_blocks.1.attn.to_k.weight",
        "not in the configuration: new.weight",
        "text_embed.text_embed.weight is (5, 32), not (108, 32)",
    ):
        assert part in caught.value.message


def test_how_to_read_is_measured(saved: tiny.Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights.choose_io(saved.model) == "mmap"
    clock = iter(range(1000))
    monkeypatch.setattr(weights.time, "perf_counter", lambda: next(clock) * 0.002)
    assert weights.choose_io(saved.model) == "read"


def test_read_weights_outlive_the_file(saved: tiny.Checkpoint, official: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    path.write_bytes(saved.model.read_bytes())
    model = load(path, "read")
    path.write_bytes(b"")
    assert same(model, official)


def test_vocoder_is_converted_once(tmp_path: Path) -> None:
    made = tiny.make_checkpoint(tmp_path)
    first = checkpoint.load_vocoder(made.vocoder, device=CPU)
    converted = made.vocoder / "pytorch_model.safetensors"
    assert converted.is_file()
    assert sorted(p.name for p in made.vocoder.iterdir()) == ["pytorch_model.bin", "pytorch_model.safetensors"]
    (made.vocoder / "pytorch_model.bin").unlink()
    second = checkpoint.load_vocoder(made.vocoder, device=CPU)
    mel = torch.randn(20, 100)
    assert torch.equal(first.decode(mel), second.decode(mel))


def test_failed_conversion_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = tiny.make_checkpoint(tmp_path)

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(ModelError, match="No space left"):
        checkpoint.load_vocoder(made.vocoder, device=CPU)
    assert [p.name for p in made.vocoder.iterdir()] == ["pytorch_model.bin"]


def test_other_models_are_no_vocoder(saved: tiny.Checkpoint) -> None:
    with pytest.raises(ModelError, match="no Vocos"):
        checkpoint.load_vocoder(saved.model, device=CPU)


def test_directory_with_one_checkpoint(saved: tiny.Checkpoint, tmp_path: Path) -> None:
    assert checkpoint.model_file(saved.model.parent) == saved.model
    with pytest.raises(ModelError, match="must hold one checkpoint; there is none"):
        checkpoint.model_file(tmp_path)


def test_sidecar_configuration(saved: tiny.Checkpoint, tmp_path: Path) -> None:
    assert find_config(saved.model) == tiny.TINY
    assert find_config(tmp_path / "model.pt") is None


def test_official_yaml_gives_the_published_configuration() -> None:
    from tests.f5 import oracle

    folder = oracle.package() / "configs"
    for name, config in CONFIGS.items():
        assert load_config(folder / f"{name}.yaml") == config
    with pytest.raises(ModelError, match="DiT"):
        load_config(folder / "E2TTS_Base.yaml")


def test_custom_configurations(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "F5TTS_v1_Base"\nqk_norm = "rms_norm"\n')
    config = load_config(path)
    assert (config.name, config.depth, config.qk_norm) == ("mine", 22, "rms_norm")
    for text, message in (
        ("dim = 64", "lacks depth, heads"),
        ("dim = 64\ndepth = 2\nheads = 2\ndepht = 3", "unknown keys: depht"),
        ('base = "F5TTS_Base"\nqk_norm = "layer"', "qk_norm"),
        ("dim = ", "no valid TOML"),
    ):
        path.write_text(text)
        with pytest.raises(ModelError, match=message):
            load_config(path)
    with pytest.raises(ModelError, match="neither a known"):
        load_config("F5TTS_v9")
