"""The same weights and noise give the official numbers: text embedding, one step, the whole mel, vocoder, mel."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor

from f5_serverless.f5.checkpoint import official_weights, to_official, to_ours
from f5_serverless.f5.config import CONFIGS, ModelConfig
from f5_serverless.f5.dit import DiT
from f5_serverless.f5.layout import Packed, Padded
from f5_serverless.f5.mel import log_mel
from f5_serverless.f5.sampler import Plan, Sampler, Utterance
from tests.f5 import oracle, tiny

TOLERANCE = 1e-5
FRAMES, REFERENCE = 75, 30


def error(ours: Tensor, theirs: Tensor) -> float:
    """Relative L2."""
    assert ours.shape == theirs.shape
    return float((ours.double() - theirs.double()).norm() / theirs.double().norm())


def official_dit(config: ModelConfig, vocab_size: int) -> Any:
    values = dataclasses.asdict(config)
    for key in ("name", "conv_mult"):
        values.pop(key)
    return oracle.official().dit.DiT(**values, text_num_embeds=vocab_size)


@pytest.fixture(params=list(tiny.VARIANTS))
def pair(request: pytest.FixtureRequest) -> tuple[DiT, Any]:
    ours = tiny.make_model(tiny.VARIANTS[request.param], seed=7)
    theirs = official_dit(ours.config, len(tiny.VOCABULARY)).eval()
    missing = theirs.load_state_dict(to_official(ours.state_dict()), strict=False)
    assert missing.missing_keys == ["rotary_embed.inv_freq"]
    assert missing.unexpected_keys == []
    return ours, theirs


@pytest.fixture
def inputs() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        "x": torch.randn(FRAMES, 100, generator=generator),
        "cond": torch.randn(REFERENCE, 100, generator=generator) - 4,
        "tokens": torch.randint(0, len(tiny.VOCABULARY), (41,), generator=generator),
    }


@pytest.mark.parametrize("drop", [False, True])
@pytest.mark.parametrize("count", [41, 75, 90])
def test_text_embedding(pair: tuple[DiT, Any], drop: bool, count: int) -> None:
    ours, theirs = pair
    tokens = torch.randint(0, len(tiny.VOCABULARY), (count,), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = theirs.text_embed(tokens[None], FRAMES, drop_text=drop)[0]
        assert error(ours.text_embed(tokens, FRAMES, drop=drop), expected) <= TOLERANCE


@pytest.mark.parametrize("padded", [False, True])
@torch.inference_mode()
def test_one_step(pair: tuple[DiT, Any], inputs: dict[str, Tensor], padded: bool) -> None:
    ours, theirs = pair
    time = torch.tensor(0.37)
    cond = torch.nn.functional.pad(inputs["cond"], (0, 0, 0, FRAMES - REFERENCE))
    expected = theirs(
        x=inputs["x"][None], cond=cond[None], text=inputs["tokens"][None], time=time, cfg_infer=True, cache=False
    )
    layout = Padded.of([FRAMES], 96, torch.device("cpu")) if padded else Packed([FRAMES])
    with_text, without = ours.condition(inputs["cond"], inputs["tokens"], FRAMES)
    fixed = torch.cat((layout.pack([with_text]), layout.pack([without])))
    (step,) = ours.modulation(time[None])
    out = ours.velocity(layout.pack([inputs["x"]]), fixed, step, layout, ours.rotary_for(layout.twice()))
    assert error(torch.stack(layout.twice().unpack(out)), expected) <= TOLERANCE


@pytest.mark.parametrize(("steps", "cfg", "sway"), [(7, 2.0, -1.0), (4, 0.0, None), (10, 3.5, -0.8)])
def test_sampled_mel(
    pair: tuple[DiT, Any], inputs: dict[str, Tensor], steps: int, cfg: float, sway: float | None
) -> None:
    ours, theirs = pair
    cfm = oracle.official().cfm.CFM(transformer=theirs, mel_spec_kwargs={}, vocab_char_map={})
    expected, _ = cfm.sample(
        cond=inputs["cond"][None],
        text=inputs["tokens"][None],
        duration=FRAMES,
        steps=steps,
        cfg_strength=cfg,
        sway_sampling_coef=sway,
        seed=11,
    )
    utterance = Utterance(inputs["cond"], inputs["tokens"], FRAMES, seed=11)
    (mel,) = Sampler(ours).sample([utterance], Plan(steps=steps, cfg_strength=cfg, sway=sway))
    assert error(mel, expected[0]) <= TOLERANCE


@pytest.mark.parametrize("samples", [5000, 24000, 100_001])
def test_mel(samples: int) -> None:
    sound = torch.randn(samples, generator=torch.Generator().manual_seed(5)) * 0.1
    expected = oracle.official().modules.get_vocos_mel_spectrogram(sound[None])[0].T
    assert error(log_mel(sound), expected) <= TOLERANCE


def test_vocoder_decode() -> None:
    vocos = oracle.official().vocos
    ours = tiny.make_vocoder(seed=2)
    extractor = vocos.feature_extractors.MelSpectrogramFeatures()
    backbone = vocos.models.VocosBackbone(input_channels=100, dim=32, intermediate_dim=64, num_layers=2)
    head = vocos.heads.ISTFTHead(dim=32, n_fft=1024, hop_length=256, padding="center")
    theirs = vocos.Vocos(extractor, backbone, head).eval()
    theirs.load_state_dict(tiny.vocoder_state(ours))
    mel = torch.randn(60, 100, generator=torch.Generator().manual_seed(4)) - 3
    expected = theirs.decode(mel.T[None])[0]
    sound = ours.decode(mel)
    assert sound.shape == (59 * 256,)
    assert error(sound, expected) <= TOLERANCE


@pytest.mark.parametrize("config", [*CONFIGS.values(), *tiny.VARIANTS.values()], ids=lambda config: config.name)
def test_every_key_maps_both_ways(config: ModelConfig) -> None:
    with torch.device("meta"):
        theirs = official_dit(config, 2545).state_dict()
        ours = DiT(config, 2545)
    theirs.pop("rotary_embed.inv_freq")
    exported = to_official(ours.state_dict())
    assert {key: value.shape for key, value in exported.items()} == {key: value.shape for key, value in theirs.items()}
    prefixed = {f"ema_model.transformer.{key}": value for key, value in theirs.items()}
    ours.load_state_dict(to_ours(official_weights(prefixed)), assign=True)
