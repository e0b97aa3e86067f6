"""The reference voice: trimmed, levelled, cut together with its text, and graded."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f5_serverless.audio.reference import prepare, speech_edges
from f5_serverless.audio.samples import resample
from f5_serverless.audio.voice_report import clipped_share, count_syllables, text_match
from f5_serverless.errors import AudioSilent, AudioTooLarge, InputError
from f5_serverless.types import Audio, Voice, Word

RATE = 24_000
TAIL = 1200


def sound(seconds: float, level: float = 0.2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, level, round(seconds * RATE)).clip(-0.99, 0.99).astype(np.float32)


def quiet(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), np.float32)


def spoken(
    text: str, each: float = 0.4, gap: float = 0.1, pauses: dict[int, float] | None = None
) -> tuple[Audio, list[Word]]:
    """A made-up recording of ``text``: noise for each word, silence between; ``pauses`` follow the words they name."""
    parts, words, at = [quiet(0.5)], [], 0.5
    for index, word in enumerate(text.split()):
        parts += [sound(each, seed=index), quiet((pauses or {}).get(index, gap))]
        words.append(Word(word.strip(".,!?;"), at, at + each))
        at += each + (pauses or {}).get(index, gap)
    return Audio(np.concatenate(parts), RATE), words


def codes(voice: Voice) -> dict[str, str]:
    assert voice.report is not None
    return {finding.code: finding.severity for finding in voice.report.findings}


def test_edges_are_trimmed_and_a_tail_is_added() -> None:
    middle = sound(6.0)
    voice = prepare(Audio(np.concatenate([quiet(1.5), middle, quiet(2.0)]), RATE), "Some words are said here")
    assert len(voice.audio.samples) == len(middle) + TAIL
    assert np.array_equal(voice.audio.samples[: len(middle)], middle)
    assert not voice.audio.samples[-TAIL:].any()
    assert voice.ref_text == "Some words are said here."
    assert voice.report is not None
    assert voice.report.lead_silence == pytest.approx(1.5, abs=0.011)
    assert voice.report.tail_silence == pytest.approx(2.0, abs=0.011)


def test_the_level_is_left_to_the_engine() -> None:
    soft = sound(5.0, level=0.01)
    voice = prepare(Audio(soft, RATE), "Some words are said here.")
    assert np.array_equal(voice.audio.samples[:-TAIL], soft)


def test_any_rate_becomes_the_models_rate() -> None:
    high = resample(Audio(sound(4.0), RATE), 44_100)
    voice = prepare(high, "Some words are said here.")
    assert voice.audio.sample_rate == RATE
    assert abs(len(voice.audio.samples) - 4 * RATE - TAIL) <= 240


LONG = "One two three four five six. Seven eight nine ten, eleven twelve thirteen. " * 3


def test_a_long_reference_is_cut_at_a_pause_with_its_text() -> None:
    text = LONG.strip()
    audio, words = spoken(text, pauses={18: 0.5})
    assert audio.duration > 18
    voice = prepare(audio, text, words=words, heard=text)
    kept = voice.ref_text.split()
    assert text.startswith(voice.ref_text)
    assert voice.ref_text.endswith("six.")
    assert len(kept) == 19
    last = words[len(kept) - 1]
    assert len(voice.audio.samples) / RATE == pytest.approx(last.end - 0.5 + 0.05, abs=0.02)
    assert codes(voice)["cut"] == "info"
    assert voice.report is not None
    assert voice.report.text_match == 1.0
    assert voice.report.used_duration <= 12.0


@given(st.floats(0.2, 0.6), st.floats(0.0, 0.3), st.integers(26, 60), st.floats(3.0, 12.0))
@settings(max_examples=30, deadline=None)
def test_a_cut_never_leaves_a_word_without_text(each: float, gap: float, count: int, limit: float) -> None:
    text = " ".join(f"word{index}" for index in range(count))
    audio, words = spoken(text, each=each, gap=gap)
    voice = prepare(audio, text, words=words, max_seconds=limit)
    kept = len(voice.ref_text.split())
    assert voice.ref_text.rstrip(".").split() == text.split()[:kept]
    length = len(voice.audio.samples) / RATE - 0.05
    assert length <= limit + 0.011
    if kept < count:
        assert length == pytest.approx(words[kept - 1].end - 0.5, abs=0.021)


def test_numbers_that_the_words_spell_out_are_no_place_to_cut() -> None:
    text = "It costs 45 dollars today, " + "and this goes on and on for a good while, " * 4 + "until the end."
    spelled = text.replace("45", "forty five")
    audio, words = spoken(spelled)
    voice = prepare(audio, text, words=words)
    assert text.startswith(voice.ref_text.rstrip("."))
    assert voice.ref_text.startswith("It costs 45 dollars today, and")


def test_chinese_is_cut_between_characters() -> None:
    text = "今天天气很好，我们一起去公园散步。" * 4
    characters = [c for c in text if c not in "，。"]
    audio, words = spoken(" ".join(characters), each=0.3, gap=0.05)
    voice = prepare(audio, text, words=words, language="zh")
    assert text.startswith(voice.ref_text)
    kept = [c for c in voice.ref_text if c not in "，。"]
    assert len(voice.audio.samples) / RATE == pytest.approx(words[len(kept) - 1].end - 0.5 + 0.05, abs=0.03)


def test_a_long_reference_without_word_times_is_refused() -> None:
    audio, _ = spoken(LONG)
    with pytest.raises(AudioTooLarge, match="12 s") as caught:
        prepare(audio, LONG)
    assert caught.value.field == "voice_reference_url"
    assert "12 s" in caught.value.hint
    with pytest.raises(AudioTooLarge, match="no place"):
        prepare(audio, "Something else entirely", words=[Word("foreign", 0, 1), Word("words", 1, 14)])


def test_silence_and_missing_text_are_refused() -> None:
    with pytest.raises(AudioSilent):
        prepare(Audio(quiet(3), RATE), "Words.")
    with pytest.raises(InputError) as caught:
        prepare(Audio(sound(3), RATE), "  \n")
    assert caught.value.field == "options.ref_text"


def test_a_very_quiet_recording_keeps_its_speech() -> None:
    start, end = speech_edges(Audio(np.concatenate([quiet(1), sound(2, level=0.001), quiet(1)]), RATE))
    assert (start, end) == (RATE, 3 * RATE)


def test_the_hash_names_sound_text_and_language() -> None:
    base = prepare(Audio(sound(4), RATE), "Some words.")
    assert prepare(Audio(sound(4), RATE), "Some words.").hash == base.hash
    others = [
        prepare(Audio(sound(4, seed=1), RATE), "Some words."),
        prepare(Audio(sound(4), RATE), "Some word."),
        prepare(Audio(sound(4), RATE), "Some words.", language="de"),
    ]
    assert len({base.hash, *(voice.hash for voice in others)}) == 4


def noisy(noise: float) -> np.ndarray:
    clean, _ = spoken("some words are said here quite clearly now", gap=0.2)
    return clean.samples + np.random.default_rng(9).normal(0, noise, len(clean.samples)).astype(np.float32)


FAULTS = {
    "too_short": (sound(1.0), "Hi there you."),
    "short": (sound(3.0), "Some words are said here."),
    "noise": (noisy(0.03), "some words are said here quite clearly now"),
    "quiet": (sound(6.0, level=0.003), "Some words are said here, quite clearly now."),
    "silence_at_ends": (np.concatenate([quiet(2), sound(6)]), "Some words are said here, quite clearly now."),
    "fast": (
        sound(4.0),
        "Some words are said here, and really very many of them in a terribly short amount of time. " * 2,
    ),
    "slow": (sound(9.0), "Some words."),
    "clipping": (np.clip(sound(6.0, level=0.9), -0.5, 0.5), "Some words are said here, quite clearly now."),
}


@pytest.mark.parametrize("code", FAULTS)
def test_each_fault_is_found_and_says_what_to_do(code: str) -> None:
    samples, text = FAULTS[code]
    voice = prepare(Audio(samples, RATE), text)
    assert code in codes(voice)
    assert voice.report is not None
    assert all(finding.advice and "{" not in finding.message for finding in voice.report.findings)


def test_a_good_recording_has_no_findings() -> None:
    audio, _ = spoken("some words are said here quite clearly now and then some more of them follow", gap=0.15)
    voice = prepare(audio, "some words are said here quite clearly now and then some more of them follow")
    assert codes(voice) == {}


@pytest.mark.parametrize(
    ("heard", "code"),
    [
        ("some WORDS are said here, quite clearly now!", None),
        ("some words are said here right quietly", "text_differs"),
        ("nothing of the kind was ever uttered by anyone", "text_mismatch"),
        ("", "text_mismatch"),
    ],
)
def test_text_is_compared_with_what_is_heard(heard: str, code: str | None) -> None:
    voice = prepare(Audio(sound(6), RATE), "Some words are said here, quite clearly now.", heard=heard)
    assert {c for c in codes(voice) if c.startswith("text_")} == ({code} if code else set())


def test_the_measures() -> None:
    assert clipped_share(Audio(sound(2, level=0.1), RATE)) < 1e-4
    assert clipped_share(Audio(np.clip(sound(2), -0.2, 0.2), RATE)) > 0.05
    assert text_match("Café, naïve!", "cafe naive") == 1.0
    assert count_syllables("") == 0
    assert count_syllables("こんにちは") == 5
