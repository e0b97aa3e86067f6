"""Our way through a CTC model's output against WhisperX's own, and the aligner on the real package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import tiny_ctc
from f5_serverless.engines import ctc
from f5_serverless.engines.base import AlignItem
from f5_serverless.engines.pocketsphinx_aligner import PocketsphinxAligner
from f5_serverless.engines.whisperx_engine import WhisperXAligner, choose_aligner, read_emission, spell
from f5_serverless.errors import AlignmentImpossible, Cancelled, EngineUnavailable
from f5_serverless.types import Alignment, Audio, Progress, no_progress

pytest.importorskip("whisperx", reason="pip install --no-deps whisperx==3.8.6")
FRAME = 0.02
LEXICON = [
    "the",
    "of",
    "a",
    "harbour",
    "strength",
    "don't",
    "it",
    "boats",
    "seventeen",
    "queue",
    "xylophone",
    "was",
    "i",
    "that's",
    "zebra",
    "calm",
    "night",
]


@pytest.fixture(scope="module", autouse=True)
def whisperx_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    tiny_ctc.prepare(tmp_path_factory.mktemp("whisperx"))


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("checkpoints")
    return {norm: tiny_ctc.save_checkpoint(root / norm, norm) for norm in ("group", "layer")}


def aligner(checkpoint: Path) -> WhisperXAligner:
    return WhisperXAligner(models={"en": str(checkpoint)}, download=False)


def noise(seconds: float, seed: int = 0) -> Audio:
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * 16_000)).astype(np.float32)
    return Audio(samples, 16_000)


def ours(emission: np.ndarray, words: list[str]) -> Alignment:
    item = AlignItem(Audio(np.zeros(len(emission) * 320, np.float32), 16_000), tuple(words))
    return read_emission(emission, item, "en", tiny_ctc.DICTIONARY, tiny_ctc.BLANK, no_progress)


def assert_same(emission: np.ndarray, words: list[str]) -> None:
    theirs = tiny_ctc.package_words(emission, " ".join(words))
    found = ours(emission, words)
    assert [word.text for word in found.words] == [word["word"] for word in theirs]
    for word, other in zip(found.words, theirs, strict=True):
        assert word.start == pytest.approx(other["start"], abs=FRAME)
        assert word.end == pytest.approx(other["end"], abs=FRAME)
        assert word.score == pytest.approx(other["score"], abs=0.02)


@pytest.mark.parametrize("seed", range(50))
def test_random_emissions_give_the_package_s_words_and_times(seed: int) -> None:
    rng = np.random.default_rng(seed)
    words = [LEXICON[i] for i in rng.integers(0, len(LEXICON), rng.integers(1, 12))]
    if seed % 5 == 0:
        words.append("日本3")  # nothing of it is in the dictionary
    letters = sum(map(len, words)) + len(words)
    assert_same(tiny_ctc.random_emission(rng, letters + int(rng.integers(0, 150))), words)


@pytest.mark.parametrize("seed", range(20))
def test_constructed_emissions_give_the_true_boundaries(seed: int) -> None:
    rng = np.random.default_rng(1000 + seed)
    words = [LEXICON[i] for i in rng.integers(0, len(LEXICON), rng.integers(1, 15))]
    emission, bounds = tiny_ctc.spoken_emission(rng, words)
    assert_same(emission, words)
    found = ours(emission, words)
    assert found.heard == " ".join(words)
    for word, (first, end) in zip(found.words, bounds, strict=True):
        assert word.start == pytest.approx(first * FRAME, abs=FRAME)
        if word is not found.words[-1]:  # nothing marks the end of the last word
            assert word.end == pytest.approx(end * FRAME, abs=FRAME)


def test_a_long_recording_in_windows_is_the_same_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(7)
    words = [LEXICON[i] for i in rng.integers(0, len(LEXICON), 150)]
    emission, bounds = tiny_ctc.spoken_emission(rng, words)
    whole = ours(emission, words)
    monkeypatch.setattr(ctc, "WINDOW", 400)
    monkeypatch.setattr(ctc, "TAIL", 60)
    parts = ours(emission, words)
    assert len(emission) > 5 * 400
    assert [w.start for w in parts.words] == pytest.approx([w.start for w in whole.words], abs=FRAME)
    assert [w.start for w in parts.words] == pytest.approx([first * FRAME for first, _ in bounds], abs=FRAME)


def test_more_letters_than_frames_are_spread_and_flagged() -> None:
    found = ours(tiny_ctc.random_emission(np.random.default_rng(0), 30), ["strength"] * 4)
    assert found.method == "interpolated"
    assert len(found.words) == 4


def test_unknown_letters_are_wildcards_and_separators_stand_between_words() -> None:
    tokens, bounds = spell(("Añ", "3"), "en", tiny_ctc.DICTIONARY, 99)
    assert tokens == [tiny_ctc.DICTIONARY["a"], 99, tiny_ctc.DICTIONARY["|"], 99]
    assert bounds == [(0, 2), (3, 4)]


@pytest.mark.parametrize("norm", ["group", "layer"])
def test_a_batch_gives_what_one_by_one_gives(checkpoints: dict[str, Path], norm: str) -> None:
    subject = aligner(checkpoints[norm])
    items = [AlignItem(noise(1 + 0.7 * i, i), ("hello", "there", "日本")) for i in range(3)]
    together = subject.align(items, "en", no_progress)
    for item, found in zip(items, together, strict=True):
        (alone,) = subject.align([item], "en-GB", no_progress)
        assert found.method == "ctc"
        assert found.heard is not None
        assert [w.text for w in found.words] == ["hello", "there", "日本"]
        assert [w.start for w in found.words] == pytest.approx([w.start for w in alone.words], abs=FRAME)
        assert all(0 <= w.start <= w.end <= item.audio.duration for w in found.words)


def test_the_model_s_own_emissions_give_the_package_s_words(checkpoints: dict[str, Path]) -> None:
    import whisperx

    sound, text = noise(4.0), "the boats came home"
    model, about = whisperx.load_align_model("en", "cpu", model_name=str(checkpoints["group"]))
    theirs = whisperx.align([{"text": text, "start": 0.0, "end": 4.0}], model, about, sound.samples, "cpu")
    (found,) = aligner(checkpoints["group"]).align([AlignItem(sound, tuple(text.split()))], "en", no_progress)
    for word, other in zip(found.words, theirs["word_segments"], strict=True):
        assert word.start == pytest.approx(other["start"], abs=FRAME)
        assert word.end == pytest.approx(other["end"], abs=FRAME)


def test_minutes_of_sound_are_heard_in_windows(checkpoints: dict[str, Path]) -> None:
    sound = noise(75.0)
    (found,) = aligner(checkpoints["group"]).align([AlignItem(sound, ("hello",) * 40)], "en", no_progress)
    assert len(found.words) == 40
    assert found.words[-1].end <= 75.0


def test_far_too_many_words_are_refused(checkpoints: dict[str, Path]) -> None:
    with pytest.raises(AlignmentImpossible):
        aligner(checkpoints["group"]).align([AlignItem(noise(0.1), ("a",) * 50)], "en", no_progress)


def test_the_language_table_is_the_package_s(checkpoints: dict[str, Path]) -> None:
    subject = aligner(checkpoints["group"])
    assert all(subject.supports(code) for code in ("en", "de", "zh", "uk", "pt-BR"))
    assert not subject.supports("xx")


def test_cancelling_stops_before_the_first_pass(checkpoints: dict[str, Path]) -> None:
    def cancel(_: Progress) -> None:
        raise Cancelled("Stopped.")

    with pytest.raises(Cancelled):
        aligner(checkpoints["group"]).align([AlignItem(noise(1), ("hello",))], "en", cancel)


def test_a_model_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable):
        aligner(tmp_path / "nothing").align([AlignItem(noise(1), ("hello",))], "en", no_progress)


def test_the_best_aligner_is_chosen_and_the_reason_given(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    good, broken, small = aligner(checkpoints["group"]), aligner(tmp_path / "nothing"), PocketsphinxAligner()
    assert choose_aligner("en", whisperx=good, pocketsphinx=small).aligner is good
    fallback = choose_aligner("en", whisperx=broken, pocketsphinx=small)
    assert fallback.aligner is small
    assert "could not be loaded" in fallback.reason
    assert choose_aligner("en", whisperx=None, pocketsphinx=small).reason == ""
    estimate = choose_aligner("xx", whisperx=good, pocketsphinx=small)
    assert estimate.aligner.name == "interpolated"
    assert "estimated" in estimate.reason
