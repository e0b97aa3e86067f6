"""The cache of voices: bounded in memory and on disk, whole or absent, rebuilt when damaged."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from f5_serverless.audio.reference import prepare
from f5_serverless.audio.voice_cache import VoiceCache, voice_key
from f5_serverless.errors import InternalError
from f5_serverless.types import Audio, Voice


def voice(seed: int = 0, seconds: float = 2.0) -> Voice:
    samples = np.random.default_rng(seed).normal(0, 0.05, round(24_000 * seconds)).astype(np.float32)
    return prepare(Audio(samples, 24_000), f"The words of voice {seed}.", heard="The words")


def same(left: Voice, right: Voice) -> bool:
    return (
        np.array_equal(left.audio.samples, right.audio.samples)
        and left.audio.sample_rate == right.audio.sample_rate
        and (left.ref_text, left.hash, left.language) == (right.ref_text, right.hash, right.language)
        and left.report == right.report
    )


class Counted:
    """Prepares a voice and counts how often it was asked to."""

    def __init__(self, seed: int = 0) -> None:
        self.seed, self.calls = seed, 0

    def __call__(self) -> Voice:
        self.calls += 1
        return voice(self.seed)


def test_a_known_voice_is_prepared_once(tmp_path: Path) -> None:
    make, key = Counted(), voice_key(b"bytes", "text", "en")
    cache = VoiceCache(tmp_path)
    first = cache.get_or_prepare(key, make)
    assert cache.get_or_prepare(key, make) is first
    other_process = VoiceCache(tmp_path)
    assert same(other_process.get_or_prepare(key, make), first)
    assert make.calls == 1


def test_without_a_directory_it_lives_in_memory(tmp_path: Path) -> None:
    make, cache = Counted(), VoiceCache()
    cache.get_or_prepare("aa", make)
    cache.get_or_prepare("aa", make)
    assert make.calls == 1
    assert VoiceCache().get("aa") is None


def test_the_key_names_everything_that_matters() -> None:
    keys = {
        voice_key(b"a", "text", "en"),
        voice_key(b"b", "text", "en"),
        voice_key(b"a", "texts", "en"),
        voice_key(b"a", "text", "de"),
        voice_key(b"a", "text", "en", max_seconds=8.0),
    }
    assert len(keys) == 5
    assert all(len(key) == 64 for key in keys)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[:40],
        lambda data: data[:200] + b"\xff" + data[201:],
        lambda data: data[:-5000] + bytes(5000),
        lambda data: b"\x80\x04pickle" + data,
        lambda data: data.replace(b"F5VOICE1", b"F5VOICE9"),
    ],
)
def test_a_damaged_file_is_told_and_made_again(
    damage: object, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    VoiceCache(tmp_path).put("aa", voice())
    path = tmp_path / "aa.voice"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    make = Counted()
    assert same(VoiceCache(tmp_path).get_or_prepare("aa", make), voice())
    assert make.calls == 1
    assert "damaged" in caplog.text
    assert same(VoiceCache(tmp_path).get("aa"), voice())  # type: ignore[arg-type]


def test_both_bounds_hold_and_the_oldest_goes_first(tmp_path: Path) -> None:
    cache = VoiceCache(tmp_path, max_items=3)
    for index in range(6):
        cache.put(f"k{index}", voice(index, 0.5))
        os.utime(tmp_path / f"k{index}.voice", (1000 + index, 1000 + index))
    assert len(cache._memory) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["k3.voice", "k4.voice", "k5.voice"]
    one = voice(0, 0.5).audio.samples.nbytes
    small = VoiceCache(tmp_path / "small", max_bytes=int(2.5 * one))
    for index in range(6):
        small.put(f"k{index}", voice(index, 0.5))
    assert len(small._memory) == 2
    assert sum(path.stat().st_size for path in (tmp_path / "small").iterdir()) <= 2.5 * one


def test_reading_counts_as_use(tmp_path: Path) -> None:
    writer = VoiceCache(tmp_path, max_items=2)
    for index, key in enumerate(("aa", "bb")):
        writer.put(key, voice(index, 0.5))
        os.utime(tmp_path / f"{key}.voice", (1000 + index, 1000 + index))
    assert VoiceCache(tmp_path).get("aa") is not None
    writer.put("cc", voice(3, 0.5))
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["aa", "cc"]


def test_a_disk_that_refuses_costs_nothing_but_speed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("in the way")
    cache = VoiceCache(tmp_path / "file" / "below")
    cache.put("aa", voice())
    assert cache.get("aa") is not None
    assert "could not be kept" in caplog.text


def test_a_key_is_never_a_path(tmp_path: Path) -> None:
    with pytest.raises(InternalError):
        VoiceCache(tmp_path).get("../../etc/passwd")
