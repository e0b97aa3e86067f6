"""Word times of the embedded aligner against speech whose word times are known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.truth import Spoken, speak
from f5_serverless.engines.base import AlignItem
from f5_serverless.engines.preview_engine import PocketsphinxAligner
from f5_serverless.errors import AlignmentImpossible, Cancelled, EngineUnavailable
from f5_serverless.types import Alignment, Audio, Progress, no_progress

SENTENCES = (
    "The quick brown fox jumps over the lazy dog, and then it sleeps.",
    "Please call Stella and ask her to bring these things with her from the store.",
    "Six spoons of fresh snow peas, five thick slabs of blue cheese, and maybe a snack for her brother Bob.",
    "We also need a small plastic snake and a big toy frog for the kids.",
    "She can scoop these things into three red bags, and we will go meet her Wednesday.",
    "When the sunlight strikes raindrops in the air, they act as a prism and form a rainbow.",
    "These take the shape of a long round arch, with its path high above.",
    "People look, but no one ever finds it.",
    "That quiet morning my neighbor painted his garden fence green.",
    "Seventeen people waited near station four until midnight.",
    "Bright yellow buses carry children every single weekday morning.",
    "Forty-five dollars and fifty cents, don't you think so?",
)


@pytest.fixture(scope="module")
def aligner() -> PocketsphinxAligner:
    return PocketsphinxAligner()


def align(aligner: PocketsphinxAligner, audio: Audio, *words: str) -> Alignment:
    return aligner.align([AlignItem(audio, words)], "en", no_progress)[0]


def errors(clip: Spoken, found: Alignment) -> tuple[np.ndarray, np.ndarray]:
    """Absolute errors of starts and ends in seconds; NaN where the truth is unknown."""
    starts = np.array([word.start for word in found.words]) - np.array(clip.starts)
    ends = np.array([word.end for word in found.words]) - np.array(clip.ends)
    return np.abs(starts), np.abs(ends)


def test_boundaries_are_within_20_ms_median_and_40_ms_mean(aligner: PocketsphinxAligner) -> None:
    both = []
    for index, sentence in enumerate(SENTENCES):
        clip = speak(sentence, voice=("en-us", "en")[index % 2])
        found = align(aligner, clip.audio, *clip.words)
        assert found.method == "pocketsphinx"
        assert len(found.words) == len(clip.words)
        both.extend(errors(clip, found))
    error = np.concatenate(both)
    assert np.nanmedian(error) <= 0.020
    assert np.nanmean(error) <= 0.040


def test_a_recording_of_ten_minutes_does_not_drift(aligner: PocketsphinxAligner) -> None:
    rng = np.random.default_rng(3)
    clip = speak(" ".join(SENTENCES[i] for i in rng.integers(0, len(SENTENCES) - 1, 140)))
    assert clip.audio.duration > 600
    found = align(aligner, clip.audio, *clip.words)
    assert found.method == "pocketsphinx"
    error, _ = errors(clip, found)
    starts = np.array(clip.starts)
    first, last = error[starts < 60], error[starts > clip.audio.duration - 60]
    assert np.nanmedian(last) <= max(np.nanmedian(first), 0.020)
    assert np.nanmean(last) <= max(np.nanmean(first), 0.040)
    assert np.nanpercentile(error, 99) < 0.5


def test_times_are_monotone_inside_the_audio_and_words_as_given(aligner: PocketsphinxAligner) -> None:
    clip = speak("Nguyen saw the Zyxqwor at Llanfair in one day.")
    words = ("Nguyen", "saw", "the", "Zyxqwor", "at", "Llanfair,", "in", "one", "日本")
    found = align(aligner, clip.audio, *words)
    assert tuple(word.text for word in found.words) == words
    times = [time for word in found.words for time in (word.start, word.end)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= clip.audio.duration


def test_neighbours_change_nothing(aligner: PocketsphinxAligner) -> None:
    one, two = speak(SENTENCES[0]), speak(SENTENCES[1])
    alone = align(aligner, one.audio, *one.words)
    items = [AlignItem(two.audio, two.words), AlignItem(one.audio, one.words)]
    assert aligner.align(items, "en", no_progress)[1] == alone


def test_silence_gets_every_word_a_time_and_says_so(aligner: PocketsphinxAligner) -> None:
    found = align(aligner, Audio(np.zeros(16_000, np.float32), 16_000), "hello", "there")
    assert len(found.words) == 2
    assert found.words[1].end <= 1.0


def test_far_too_many_words_are_refused(aligner: PocketsphinxAligner) -> None:
    with pytest.raises(AlignmentImpossible):
        align(aligner, Audio(np.zeros(1_600, np.float32), 16_000), *["word"] * 50)


def test_other_languages_are_refused(aligner: PocketsphinxAligner) -> None:
    assert aligner.supports("en-GB")
    assert not aligner.supports("de")
    with pytest.raises(EngineUnavailable):
        aligner.align([], "de", no_progress)


def test_cancelling_stops_a_long_alignment(aligner: PocketsphinxAligner) -> None:
    def cancel(progress: Progress) -> None:
        if progress.done > 10:
            raise Cancelled("Stopped.")

    clip = speak(" ".join(SENTENCES))
    with pytest.raises(Cancelled):
        aligner.align([AlignItem(clip.audio, clip.words)], "en", cancel)
    assert len(align(aligner, clip.audio, *clip.words).words) == len(clip.words)  # and it still works
