"""The preview voice: same item, same bytes; pace; fixed durations."""

from __future__ import annotations

import numpy as np
import pytest

from f5_serverless.engines.base import SynthesisItem
from f5_serverless.engines.preview_engine import PreviewSynthesizer
from f5_serverless.errors import Cancelled, EngineUnavailable
from f5_serverless.types import Progress, SynthesisSettings, no_progress

TEXT = "The harbour was quiet, and the boats came home."


@pytest.fixture(scope="module")
def voice() -> PreviewSynthesizer:
    return PreviewSynthesizer()


def say(voice: PreviewSynthesizer, *items: SynthesisItem, speed: float = 1.0) -> list[np.ndarray]:
    made = voice.synthesize(None, items, SynthesisSettings(seed=0, speed=speed), no_progress)
    return [speech.audio.samples for speech in made]


def test_the_same_item_gives_the_same_bytes_whatever_its_neighbours(voice: PreviewSynthesizer) -> None:
    item, other = SynthesisItem(TEXT, 2**63 - 1), SynthesisItem("Something else.", 5)
    (alone,) = say(voice, item)
    _, between, _ = say(voice, other, item, other)
    assert alone.dtype == np.float32
    assert alone.tobytes() == between.tobytes()


def test_another_seed_gives_another_sound(voice: PreviewSynthesizer) -> None:
    one, two = say(voice, SynthesisItem(TEXT, 1), SynthesisItem(TEXT, 2))
    assert one.tobytes() != two.tobytes()


def test_speed_is_a_pace(voice: PreviewSynthesizer) -> None:
    item = SynthesisItem(TEXT, 1)
    slow, plain, fast = (len(say(voice, item, speed=speed)[0]) for speed in (0.5, 1.0, 2.0))
    assert 1.7 < slow / plain < 2.3
    assert 1.6 < plain / fast < 2.3


@pytest.mark.parametrize("share", [0.8, 1.0, 1.2, 2.0])
def test_a_fixed_duration_is_met_to_the_sample(voice: PreviewSynthesizer, share: float) -> None:
    natural = len(say(voice, SynthesisItem(TEXT, 1))[0]) / 24_000
    (sound,) = say(voice, SynthesisItem(TEXT, 1, duration=natural * share))
    assert len(sound) == round(natural * share * 24_000)
    assert np.abs(sound).max() > 0.05


def test_speech_that_cannot_fit_comes_back_longer_and_whole(voice: PreviewSynthesizer) -> None:
    (short,) = say(voice, SynthesisItem(TEXT, 1, duration=0.5))
    (quickest,) = say(voice, SynthesisItem(TEXT, 1), speed=1.6)
    audible = np.flatnonzero(np.abs(quickest) > 0.002)
    assert len(short) >= 0.95 * (audible[-1] - audible[0])
    assert np.abs(short[-240:]).max() < 0.01  # it ends in a fade, not in a cut


def test_a_text_without_a_sound_is_silence(voice: PreviewSynthesizer) -> None:
    (sound,) = say(voice, SynthesisItem("日本", 1))
    assert len(sound) > 0
    assert not sound.any()


def test_cancelling_between_items_stops_the_work(voice: PreviewSynthesizer) -> None:
    def cancel(progress: Progress) -> None:
        if progress.done == 1:
            raise Cancelled("Stopped.")

    items = [SynthesisItem("One.", 1), SynthesisItem("Two.", 1)]
    with pytest.raises(Cancelled):
        voice.synthesize(None, items, SynthesisSettings(seed=0), cancel)


@pytest.mark.parametrize(
    "text",
    [
        "Hello there.",
        TEXT,
        "Seventeen people waited near the old railway station until midnight, and nobody complained.",
        "Strength through straightforward thoughts; that was, after all, what the children had learned at school.",
        "Go on. I do. We are. He is.",
    ],
)
def test_the_estimate_is_close(voice: PreviewSynthesizer, text: str) -> None:
    seconds = len(say(voice, SynthesisItem(text, 1))[0]) / 24_000
    assert voice.estimate_seconds(None, text, SynthesisSettings(seed=0)) == pytest.approx(seconds, rel=0.3)


def test_it_says_what_it_is(voice: PreviewSynthesizer) -> None:
    assert (voice.name, voice.clones, voice.licence, voice.sample_rate) == ("preview", False, "Apache-2.0", 24_000)
    assert "hibari-tts" in voice.model


def test_without_the_package_the_error_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "hibari", None)
    with pytest.raises(EngineUnavailable) as caught:
        say(PreviewSynthesizer(), SynthesisItem("Hello.", 1))
    assert "pip install" in caught.value.hint
