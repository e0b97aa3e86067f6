"""The watermark: same length, same bytes each time, found in marked sound only; a clear error without its packages."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from f5_serverless.audio import watermark
from f5_serverless.audio.samples import resample
from f5_serverless.engines.base import SynthesisItem
from f5_serverless.engines.preview_engine import PreviewSynthesizer
from f5_serverless.errors import EngineUnavailable
from f5_serverless.types import Audio, SynthesisSettings, no_progress


class Marker:
    """Stands in for Perth: shifts every sample, and finds the shift."""

    def apply_watermark(self, signal: np.ndarray, sample_rate: int) -> np.ndarray:
        assert sample_rate == 32_000
        return (signal + 0.25)[:-7]  # Perth, too, may give a few samples fewer

    def get_watermark(self, signal: np.ndarray, sample_rate: int, round: bool) -> np.ndarray:
        return np.array(signal.mean() > 0.2, dtype=np.float32)


@pytest.fixture
def fresh() -> Iterator[None]:
    watermark._loaded.cache_clear()
    yield
    watermark._loaded.cache_clear()


@pytest.mark.parametrize("seconds", [0.0, 0.001, 1.0, 19.9, 20.0, 20.1, 65.0])
@pytest.mark.parametrize("rate", [24_000, 32_000])
def test_blocks_cover_the_sound_and_keep_its_level(seconds: float, rate: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watermark, "_marker", Marker)
    audio = Audio(np.full(int(seconds * rate), 0.1, np.float32), rate)
    marked = watermark.embed(audio)
    assert (len(marked.samples), marked.sample_rate) == (len(audio.samples), rate)
    assert marked.samples.dtype == np.float32
    if seconds >= 1:
        inner = marked.samples[1000:-1000]
        np.testing.assert_allclose(inner, 0.35, atol=0.02)
        assert watermark.detect(marked) == 1.0
    assert watermark.detect(audio) == 0.0


@pytest.mark.parametrize("state", ["missing", "none"])
def test_without_its_packages_it_names_the_command(state: str, fresh: None, monkeypatch: pytest.MonkeyPatch) -> None:
    module = None if state == "missing" else type(sys)("perth")
    if module is not None:
        module.PerthImplicitWatermarker = None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "perth", module)
    for call in (watermark.embed, watermark.detect):
        with pytest.raises(EngineUnavailable) as caught:
            call(Audio(np.zeros(100, np.float32), 24_000))
        assert watermark.COMMAND in caught.value.hint
        assert caught.value.field == "options.watermark"


@pytest.mark.timeout(300)
@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("perth", "librosa", "torchaudio")),
    reason="needs the watermark extra",
)
def test_the_real_mark_is_found_again(fresh: None, capfd: pytest.CaptureFixture[str]) -> None:
    item = SynthesisItem("The quick brown fox jumps over the lazy dog, and then it sleeps.", 1)
    audio = PreviewSynthesizer().synthesize(None, [item], SynthesisSettings(seed=1), no_progress)[0].audio
    capfd.readouterr()
    marked = watermark.embed(audio)
    assert len(marked.samples) == len(audio.samples)
    assert watermark.embed(audio).samples.tobytes() == marked.samples.tobytes()
    assert watermark.detect(marked) > 0.9
    assert watermark.detect(resample(marked, 16_000)) > 0.9
    assert watermark.detect(audio) < 0.1
    assert capfd.readouterr().out == ""
