"""The caches: bit-exact, bounded, damage found, safe between processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from f5_serverless.storage.cache import ChunkCache, ResultIndex, cache_key
from f5_serverless.storage.manifest import ChunkSource, Manifest, VoiceSource, manifest_key
from f5_serverless.storage.outputs import LocalStore
from f5_serverless.types import Audio


def store_at(path: Path) -> LocalStore:
    return LocalStore(path, durable=False)


def sound(seed: int, count: int = 5000) -> Audio:
    return Audio(np.random.default_rng(seed).standard_normal(count).astype(np.float32), 24_000)


def test_bits_in_bits_out(tmp_path: Path) -> None:
    cache = ChunkCache(store_at(tmp_path), 1 << 24)
    samples = np.array(
        [0.0, -0.0, 1.0, np.nan, np.inf, 1e-45, -1.5e-39, np.nextafter(np.float32(1), 2)], dtype=np.float32
    )
    about = {"seed": 2**62 + 1, "words": [["ü", 0.1, None]], "score": 0.1}
    cache.put("a" * 64, Audio(samples, 22_050), about)
    found = cache.get("a" * 64)
    assert found
    assert found.audio.samples.tobytes() == samples.tobytes()
    assert found.audio.samples.dtype == np.float32
    assert found.audio.samples.flags.writeable
    assert (found.audio.sample_rate, found.about) == (22_050, about)
    assert cache.get("b" * 64) is None


def test_strided_and_empty_sound(tmp_path: Path) -> None:
    cache = ChunkCache(store_at(tmp_path), 1 << 24)
    wide = np.arange(20, dtype=np.float32)
    cache.put("a" * 64, Audio(wide[::2], 8000))
    cache.put("b" * 64, Audio(wide[:0], 8000))
    first, second = cache.get("a" * 64), cache.get("b" * 64)
    assert first
    assert second
    np.testing.assert_array_equal(first.audio.samples, wide[::2])
    assert len(second.audio.samples) == 0


def test_keys() -> None:
    assert cache_key(a=1, b={"x": 1, "y": 2}) == cache_key(b={"y": 2, "x": 1}, a=1)
    assert len({cache_key(a=v) for v in (1, "1", 1.5, None, True, [1], {"1": 1}, "é", "e\u0301")}) == 9
    with pytest.raises(ValueError):
        cache_key(a=float("nan"))
    with pytest.raises(TypeError):
        cache_key(a=object())


@pytest.mark.parametrize("key", ["", "../../x", "short", "é" * 64, "a" * 30 + "/" + "b" * 30])
def test_keys_must_be_hashes(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError):
        ChunkCache(store_at(tmp_path), 100).get(key)
    with pytest.raises(ValueError):
        ResultIndex(store_at(tmp_path)).get(key)


def test_every_flipped_byte_and_every_cut_is_found(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    cache = ChunkCache(store, 1 << 24)
    cache.put("a" * 64, sound(1, 50), {"x": 1})
    (item,) = store.list().items
    whole = store.read(item.key)
    assert whole
    damaged = [whole[:i] + bytes([whole[i] ^ 1]) + whole[i + 1 :] for i in range(len(whole))]
    damaged += [whole[:i] for i in range(0, len(whole), 7)]
    for data in damaged:
        store.put(item.key, data)
        assert cache.get("a" * 64) is None
        assert not store.exists(item.key)
    store.put(item.key, whole)
    assert cache.get("a" * 64)


def test_least_recently_used_go_first_and_the_bound_holds(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    cache = ChunkCache(store, 300_000)
    keys = [cache_key(i=i) for i in range(40)]
    for number, key in enumerate(keys):
        cache.put(key, sound(number))
        item = next(i for i in store.list("chunks/").items if key in i.key)
        os.utime(store.root / item.key, (1000 + number, 1000 + number))
        if number == 10:
            assert cache.get(keys[0])  # used: its time becomes now, so that it outlives its neighbours
        assert cache.size() <= 300_000 * (1 + 1 / 16) + 21_000
    assert cache.get(keys[0])
    assert cache.get(keys[5]) is None
    assert cache.get(keys[39])


def test_nothing_is_kept_where_there_is_no_room(tmp_path: Path) -> None:
    ChunkCache(store_at(tmp_path), 0).put("a" * 64, sound(1))
    ChunkCache(store_at(tmp_path), 1000).put("a" * 64, sound(1))
    assert not (tmp_path / "chunks").exists()


def test_a_store_that_fails_is_a_cache_that_misses(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = ChunkCache(store_at(tmp_path / "file"), 1 << 20)
    cache.put("a" * 64, sound(1))
    assert cache.get("a" * 64) is None
    assert "cannot be written" in caplog.text


WRITER = """
import sys
from pathlib import Path
import numpy as np
from f5_serverless.storage.cache import ChunkCache, cache_key
from f5_serverless.storage.outputs import LocalStore
from f5_serverless.types import Audio
cache = ChunkCache(LocalStore(Path(sys.argv[1]), durable=False), 400_000)
wrong = 0
for turn in range(3):
    for i in range(30):
        samples = np.full(4000, i, dtype=np.float32)
        cache.put(cache_key(i=i), Audio(samples, 8000), {"i": i})
        found = cache.get(cache_key(i=(i * 7) % 30))
        if found is not None and not (found.audio.samples == found.about["i"]).all():
            wrong += 1
print(wrong)
"""


def test_processes_beside_each_other(tmp_path: Path) -> None:
    running = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=-1, stderr=-1) for _ in range(3)]
    for process in running:
        out, error = process.communicate(timeout=60)
        assert out.strip() == b"0", error.decode()
        assert b"dropped" not in error
    assert ChunkCache(store_at(tmp_path), 400_000).size() <= 400_000 * 1.2 + 3 * 17_000


def test_results_count_only_with_their_outputs(tmp_path: Path) -> None:
    store = store_at(tmp_path)
    index = ResultIndex(store)
    key = cache_key(job=1)
    assert index.get(key) is None
    store.put("jobs/a.wav", b"1")
    index.put(key, {"words": [{"text": "ü", "start": 0.1}]}, ["jobs/a.wav"])
    assert index.get(key) == {"words": [{"text": "ü", "start": 0.1}]}
    store.delete("jobs/a.wav")
    assert index.get(key) is None
    assert not store.exists(f"results/{key}.json")


@pytest.mark.parametrize("damage", [b"", b"x", b"0" * 64 + b"\n{}", b"\xff\xfe"])
def test_damaged_results_are_dropped(tmp_path: Path, damage: bytes) -> None:
    store = store_at(tmp_path)
    key = cache_key(job=1)
    store.put(f"results/{key}.json", damage)
    assert ResultIndex(store).get(key) is None
    assert store.list().items == ()


def test_manifest_is_the_same_for_the_same_job() -> None:
    import json

    def make() -> Manifest:
        return Manifest(
            job="ab" * 32, mode="speak", engine="f5", model="F5TTS_v1_Base", licence="CC-BY-NC-4.0", seed=7,
            request={"text": "Hällo"}, outputs={"jobs/a.wav": "sha256:1"}, voice=VoiceSource("h", "anna", "by mail"),
            chunks=(ChunkSource(0, 11), ChunkSource(1, 12, 3)), versions={"f5-serverless": "0.1"},
        )  # fmt: skip

    assert make().to_json() == make().to_json()
    found = json.loads(make().to_json())
    assert found["chunks"][1] == {"index": 1, "seed": 12, "attempts": 3}
    assert found["voice"]["consent"] == "by mail"
    assert found["licence"] == "CC-BY-NC-4.0"
    assert found["schema"] == 1
    assert make().metadata()["seed"] == "7"
    assert manifest_key("a/b.c/audio") == "a/b.c/audio.manifest.json"
