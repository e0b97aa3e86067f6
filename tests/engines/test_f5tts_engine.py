"""The F5 engine on a small random checkpoint: bytes, batches, durations, memory, errors."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from f5_serverless.engines.base import SynthesisItem
from f5_serverless.engines.f5tts_check import check
from f5_serverless.engines.f5tts_engine import F5TTSEngine
from f5_serverless.errors import (
    Cancelled,
    EngineFailed,
    EngineUnavailable,
    InputError,
    LimitExceeded,
    ModelError,
    OutOfMemory,
)
from f5_serverless.types import Audio, Progress, Speech, SynthesisSettings, Voice, no_progress
from tests.f5 import tiny

SETTINGS = SynthesisSettings(seed=1, nfe_step=3)
TEXTS = [
    "Yes!",
    "A longer sentence, with a clause.",
    "ni hao",
    "Hi.",
    "(So) be it.",
    "The quick fox.",
    "One two",
    "Eight.",
]


def make_voice(seconds: float = 0.6, level: float = 0.2, name: str = "voice") -> Voice:
    noise = np.random.default_rng(3).standard_normal(int(seconds * 24_000)).astype(np.float32)
    return Voice(Audio(noise * level, 24_000), "Some words", hash=f"{name}-{seconds}-{level}")


def make_items(texts: Sequence[str] = TEXTS) -> list[SynthesisItem]:
    return [SynthesisItem(text, seed=100 + index) for index, text in enumerate(texts)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> tiny.Checkpoint:
    return tiny.make_checkpoint(tmp_path_factory.mktemp("f5"))


def load(checkpoint: tiny.Checkpoint, **options: Any) -> F5TTSEngine:
    return F5TTSEngine.load(checkpoint.model, checkpoint.vocab, checkpoint.vocoder, device="cpu", threads=1, **options)


@pytest.fixture(scope="module")
def engine(checkpoint: tiny.Checkpoint) -> F5TTSEngine:
    return load(checkpoint)


def bytes_of(speeches: Sequence[Speech]) -> list[bytes]:
    return [speech.audio.samples.tobytes() for speech in speeches]


def test_speaks(engine: F5TTSEngine) -> None:
    speeches = engine.synthesize(make_voice(), make_items(), SETTINGS, no_progress)
    assert [speech.seed for speech in speeches] == [100 + index for index in range(8)]
    for speech, text in zip(speeches, TEXTS, strict=True):
        samples = speech.audio.samples
        assert samples.dtype == np.float32
        assert samples.ndim == 1
        assert np.isfinite(samples).all()
        assert 0 < np.abs(samples).max() <= 1
        estimate = engine.estimate_seconds(make_voice(), text, SETTINGS)
        assert estimate <= speech.audio.duration <= estimate + 256 / 24_000


def test_same_bytes_whatever_the_batch(engine: F5TTSEngine, checkpoint: tiny.Checkpoint) -> None:
    items = make_items()
    together = bytes_of(engine.synthesize(make_voice(), items, SETTINGS, no_progress))
    again = bytes_of(engine.synthesize(make_voice(), items, SETTINGS, no_progress))
    alone = [bytes_of(engine.synthesize(make_voice(), [item], SETTINGS, no_progress))[0] for item in items]
    backwards = bytes_of(engine.synthesize(make_voice(), items[::-1], SETTINGS, no_progress))[::-1]
    pairs = bytes_of(load(checkpoint, max_batch_frames=300).synthesize(make_voice(), items, SETTINGS, no_progress))
    assert together == again
    assert together == alone
    assert together == backwards
    assert together == pairs
    assert len(set(together)) == len(items)


def test_same_bytes_in_a_new_process(checkpoint: tiny.Checkpoint, engine: F5TTSEngine) -> None:
    program = """
import hashlib, sys
from pathlib import Path
from tests.engines.test_f5tts_engine import SETTINGS, make_items, make_voice
from f5_serverless.engines.f5tts_engine import F5TTSEngine
from f5_serverless.types import no_progress
model, vocab, vocoder = map(Path, sys.argv[1:4])
engine = F5TTSEngine.load(model, vocab, vocoder, device="cpu", threads=1)
for speech in engine.synthesize(make_voice(), make_items()[3:5], SETTINGS, no_progress):
    print(hashlib.sha256(speech.audio.samples.tobytes()).hexdigest())
"""
    arguments = [checkpoint.model, checkpoint.vocab, checkpoint.vocoder]
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path.cwd(),
    )
    here = bytes_of(engine.synthesize(make_voice(), make_items()[3:5], SETTINGS, no_progress))
    assert done.stdout.split() == [hashlib.sha256(one).hexdigest() for one in here]


def test_batch_of_eight_equals_one_by_one_in_both_layouts(engine: F5TTSEngine) -> None:
    from f5_serverless.f5.layout import bucket_of

    voice = make_voice()
    reference = engine._reference(voice)
    utterances = [engine._utterance(reference, item, voice, SETTINGS) for item in make_items()]
    plan = engine._plan(SETTINGS)
    packed = engine.sampler.sample(utterances, plan)
    padded = engine.sampler.sample(utterances, plan, padded_to=bucket_of(max(u.frames for u in utterances)))
    for index, utterance in enumerate(utterances):
        (alone,) = engine.sampler.sample([utterance], plan)
        assert torch.equal(packed[index], alone)
        assert float((padded[index] - alone).norm() / alone.norm()) <= 1e-4


def test_seed_decides(engine: F5TTSEngine) -> None:
    first, second = engine.synthesize(
        make_voice(), [SynthesisItem("Hello.", 1), SynthesisItem("Hello.", 2)], SETTINGS, no_progress
    )
    assert not np.array_equal(first.audio.samples, second.audio.samples)


@pytest.mark.parametrize("seconds", [0.8, 1.0, 2.345])
def test_fixed_duration_is_honoured_to_the_sample(engine: F5TTSEngine, seconds: float) -> None:
    (speech,) = engine.synthesize(
        make_voice(), [SynthesisItem("Fit into this.", 1, duration=seconds)], SETTINGS, no_progress
    )
    assert len(speech.audio.samples) == round(seconds * 24_000)


def test_speed_scales_the_duration(engine: F5TTSEngine) -> None:
    slow = engine.estimate_seconds(make_voice(), TEXTS[1], SynthesisSettings(seed=1, speed=0.5))
    assert slow == pytest.approx(2 * engine.estimate_seconds(make_voice(), TEXTS[1], SETTINGS))


def test_quiet_reference_gives_quiet_speech(engine: F5TTSEngine) -> None:
    item = [SynthesisItem("Hello.", 1)]
    (loud,) = engine.synthesize(make_voice(level=0.1), item, SETTINGS, no_progress)
    (quiet,) = engine.synthesize(make_voice(level=0.01), item, SETTINGS, no_progress)
    assert np.abs(quiet.audio.samples).max() < 0.2 * np.abs(loud.audio.samples).max()


def test_steps_and_guidance_come_from_the_request(engine: F5TTSEngine) -> None:
    results = {
        bytes_of(engine.synthesize(make_voice(), [SynthesisItem("Hello.", 1)], settings, no_progress))[0]
        for settings in (
            SETTINGS,
            SynthesisSettings(seed=1, nfe_step=4),
            SynthesisSettings(seed=1, nfe_step=3, cfg_strength=0.0),
            SynthesisSettings(seed=1),
        )
    }
    assert len(results) == 4
    with pytest.raises(InputError, match="nfe_step"):
        engine.synthesize(make_voice(), make_items(), SynthesisSettings(seed=1, nfe_step=0), no_progress)


def test_progress_counts_up_and_can_cancel(engine: F5TTSEngine) -> None:
    seen: list[Progress] = []
    engine.synthesize(make_voice(), make_items(), SETTINGS, seen.append)
    assert [p.done for p in seen] == sorted(p.done for p in seen)
    assert seen[-1].done == seen[-1].total == 8 * 3

    def cancel(progress: Progress) -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        engine.synthesize(make_voice(), make_items(), SETTINGS, cancel)
    assert engine.synthesize(make_voice(), make_items()[:1], SETTINGS, no_progress)


def test_out_of_memory_halves_the_batch(checkpoint: tiny.Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = load(checkpoint, max_batch_frames=4096)
    expected = bytes_of(engine.synthesize(make_voice(), make_items(), SETTINGS, no_progress))
    sample, sizes = engine.sampler.sample, []

    def short_of_memory(utterances: Sequence[Any], *arguments: Any, **options: Any) -> Any:
        sizes.append(len(utterances))
        if len(utterances) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return sample(utterances, *arguments, **options)

    monkeypatch.setattr(engine.sampler, "sample", short_of_memory)
    assert bytes_of(engine.synthesize(make_voice(), make_items(), SETTINGS, no_progress)) == expected
    assert max(sizes) > 2
    assert sizes.count(2) == 4


def test_out_of_memory_for_one_is_a_clear_error(engine: F5TTSEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*arguments: Any, **options: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(engine.sampler, "sample", no_memory)
    with pytest.raises(OutOfMemory) as caught:
        engine.synthesize(make_voice(), make_items(), SETTINGS, no_progress)
    assert caught.value.retryable


def test_other_faults_are_not_taken_for_memory(engine: F5TTSEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any, **options: Any) -> Any:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(engine.sampler, "sample", broken)
    with pytest.raises(EngineFailed, match="RuntimeError") as caught:
        engine.synthesize(make_voice(), make_items(), SETTINGS, no_progress)
    assert not isinstance(caught.value, OutOfMemory)


def test_broken_numbers_are_an_error(checkpoint: tiny.Checkpoint) -> None:
    engine = load(checkpoint)
    engine.sampler.model.proj_out.bias = torch.nn.Parameter(torch.full((100,), float("nan")), requires_grad=False)
    with pytest.raises(EngineFailed, match="numbers"):
        engine.synthesize(make_voice(), make_items(), SETTINGS, no_progress)


def test_what_cannot_fit_is_refused(engine: F5TTSEngine) -> None:
    with pytest.raises(LimitExceeded, match="cannot be said"):
        engine.synthesize(make_voice(), [SynthesisItem("a" * 900, 1, duration=0.5)], SETTINGS, no_progress)
    with pytest.raises(LimitExceeded, match="longer than"):
        engine.synthesize(make_voice(), [SynthesisItem("Hello.", 1, duration=120)], SETTINGS, no_progress)
    with pytest.raises(InputError, match="voice"):
        engine.synthesize(None, make_items(), SETTINGS, no_progress)
    assert engine.synthesize(make_voice(), [], SETTINGS, no_progress) == []


def test_a_row_of_marks_gets_the_frames_it_needs(engine: F5TTSEngine) -> None:
    (speech,) = engine.synthesize(make_voice(), [SynthesisItem("!" * 200, 1)], SETTINGS, no_progress)
    assert speech.audio.duration > 0.35


def test_int8_does_not_depend_on_neighbours(checkpoint: tiny.Checkpoint, engine: F5TTSEngine) -> None:
    int8 = load(checkpoint, int8=True)
    items = make_items()[:3]
    together = int8.synthesize(make_voice(), items, SETTINGS, no_progress)
    alone = [bytes_of(int8.synthesize(make_voice(), [item], SETTINGS, no_progress))[0] for item in items]
    assert bytes_of(together) == alone
    assert int8.model != engine.model
    assert int8.int8


def test_model_names_the_weights(checkpoint: tiny.Checkpoint, engine: F5TTSEngine, tmp_path: Path) -> None:
    assert load(checkpoint, weights_io="read").model == engine.model
    other = tiny.make_checkpoint(tmp_path, seed=1)
    assert load(other).model != engine.model


def test_voices_and_schedules_are_bounded(engine: F5TTSEngine) -> None:
    for index in range(30):
        settings = SynthesisSettings(seed=1, nfe_step=1 + index % 10)
        engine.synthesize(make_voice(0.1, name=f"v{index}"), [SynthesisItem("Hi.", 1, 0.1)], settings, no_progress)
    assert len(engine._references) <= 16
    assert len(engine._tempos) <= 16
    assert len(engine.sampler._schedules) <= 8


def test_known_voice_is_not_encoded_again(engine: F5TTSEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    voice = make_voice(name="known")
    engine.synthesize(voice, make_items()[:1], SETTINGS, no_progress)
    monkeypatch.setattr("f5_serverless.f5.mel.log_mel", None)
    engine.synthesize(voice, make_items()[1:2], SETTINGS, no_progress)


def test_warm_up_leaves_nothing_behind(checkpoint: tiny.Checkpoint) -> None:
    engine = load(checkpoint)
    engine.warm_up(0.8)
    assert not engine._references


def test_loading_faults_are_named(checkpoint: tiny.Checkpoint, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="does not exist"):
        F5TTSEngine.load(tmp_path / "x.safetensors", checkpoint.vocab, checkpoint.vocoder, config="F5TTS_Base")
    with pytest.raises(ModelError, match=r"does not fit F5TTS_Base.*missing: text_embed\.text_blocks\.2"):
        load(checkpoint, config="F5TTS_Base")
    with pytest.raises(EngineUnavailable, match="no device"):
        F5TTSEngine.load(checkpoint.model, checkpoint.vocab, checkpoint.vocoder, device="tpu")
    with pytest.raises(EngineUnavailable, match="number type"):
        load(checkpoint, dtype="float8")
    with pytest.raises(ModelError, match="no way to read"):
        load(checkpoint, weights_io="fast")


def test_check_says_what_is_missing(checkpoint: tiny.Checkpoint, tmp_path: Path) -> None:
    paths = (checkpoint.model, checkpoint.vocab, checkpoint.vocoder)
    assert [finding.severity for finding in check(*paths) if finding.severity == "error"] == []
    gone = check(tmp_path / "none.safetensors", checkpoint.vocab, checkpoint.vocoder, probe_device=False)
    assert [finding.code for finding in gone] == ["no_weights"]
    assert "models pull" in gone[0].advice
    short = tmp_path / "short.safetensors"
    short.write_bytes(checkpoint.model.read_bytes()[:100])
    cut = check(short, checkpoint.vocab, checkpoint.vocoder, probe_device=False)
    assert [finding.code for finding in cut] == ["unreadable_checkpoint"]


def test_check_without_torch(checkpoint: tiny.Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("f5_serverless.engines.f5tts_check.find_spec", lambda name: None)
    findings = check(checkpoint.model, checkpoint.vocab, checkpoint.vocoder)
    assert [finding.code for finding in findings] == ["no_torch"]
    assert "pip install" in findings[0].advice


def test_importing_the_engine_does_not_import_torch() -> None:
    program = (
        "import sys, f5_serverless.engines.f5tts_engine, f5_serverless.engines.f5tts_check;"
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
