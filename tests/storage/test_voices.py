"""Voices: names, whole records under replacement, pages, removal, damage."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from f5_serverless.errors import F5Error, InputError, SourceNotFound, StorageError
from f5_serverless.storage.outputs import LocalStore
from f5_serverless.storage.voices import BadVoiceName, VoiceExists, VoiceRecord, VoiceRegistry


@pytest.fixture
def registry(tmp_path: Path) -> VoiceRegistry:
    return VoiceRegistry(LocalStore(tmp_path / "out"))


def add(registry: VoiceRegistry, name: str, sound: bytes = b"sound", force: bool = False) -> VoiceRecord:
    return registry.add(
        name,
        sound,
        ref_text=sound.decode() + " said",
        hash="h" + sound.decode(),
        consent="Ja, gern – 2026",
        force=force,
    )


def test_a_voice_comes_back_with_all_that_belongs_to_it(registry: VoiceRegistry, tmp_path: Path) -> None:
    (tmp_path / "in.flac").write_bytes(b"flac bytes")
    added = registry.add(
        "anna", tmp_path / "in.flac", ref_text="Grüß Gott.", hash="abc", language="de", suffix=".flac",
        report={"duration": 8.5, "findings": [{"code": "noisy"}]}, consent="by mail",
    )  # fmt: skip
    record = registry.fetch("anna", tmp_path / "back.flac")
    assert record == added == registry.get("anna")
    assert (tmp_path / "back.flac").read_bytes() == b"flac bytes"
    assert (record.ref_text, record.language, record.consent) == ("Grüß Gott.", "de", "by mail")
    assert record.report["findings"] == [{"code": "noisy"}]
    assert record.audio_key.endswith(".flac")
    assert record.audio_bytes == 10


@pytest.mark.parametrize(
    "name",
    ["", "A", "anna!", "../x", "a/b", "a..b", ".a", "a.", "-a", "a-", "a b", "ä", "a\0", "a\n", "x" * 65, "https://x"],
)
def test_names_that_are_refused(registry: VoiceRegistry, name: str) -> None:
    for call in (lambda: add(registry, name), lambda: registry.get(name), lambda: registry.remove(name)):
        with pytest.raises(BadVoiceName) as caught:
            call()
        assert caught.value.field
        assert caught.value.code == "bad_voice_name"


@pytest.mark.parametrize("name", ["a", "anna", "anna-2", "a.b_c", "0", "x" * 64])
def test_names_that_pass(registry: VoiceRegistry, name: str) -> None:
    assert add(registry, name).name == name


def test_replacing_needs_force_and_leaves_nothing_of_the_old(registry: VoiceRegistry, tmp_path: Path) -> None:
    first = add(registry, "anna", b"one")
    with pytest.raises(VoiceExists):
        add(registry, "anna", b"two")
    assert registry.get("anna") == first
    second = add(registry, "anna", b"two", force=True)
    assert registry.fetch("anna", tmp_path / "a") == second
    assert (tmp_path / "a").read_bytes() == b"two"
    assert not registry.store.exists(first.audio_key)


def test_pages(registry: VoiceRegistry) -> None:
    names = [f"v{i:02}" for i in range(7)]
    for name in reversed(names):
        add(registry, name)
    seen: list[str] = []
    token = None
    while True:
        page = registry.list(token=token, limit=3)
        seen += [voice.name for voice in page.voices]
        token = page.next
        if token is None:
            break
    assert seen == names


def test_remove(registry: VoiceRegistry, tmp_path: Path) -> None:
    add(registry, "anna")
    add(registry, "anna2")
    registry.remove("anna")
    for call in (
        lambda: registry.get("anna"),
        lambda: registry.remove("anna"),
        lambda: registry.fetch("anna", tmp_path / "x"),
    ):
        with pytest.raises(SourceNotFound) as caught:
            call()
        assert caught.value.field
    assert [voice.name for voice in registry.list().voices] == ["anna2"]
    assert len(registry.store.list().items) == 2


def test_whoever_reads_beside_a_replacement_gets_no_mix(registry: VoiceRegistry, tmp_path: Path) -> None:
    add(registry, "anna", b"0")
    mixes: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                record = registry.fetch("anna", tmp_path / "read")
                sound = (tmp_path / "read").read_bytes().decode()
                if record.ref_text != sound + " said" or record.hash != "h" + sound:
                    mixes.append((record, sound))
            except F5Error as error:
                mixes.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(40):
        add(registry, "anna", str(number).encode(), force=True)
    done.set()
    reader.join()
    assert mixes == []


def test_damage_is_found(registry: VoiceRegistry, tmp_path: Path) -> None:
    record = add(registry, "anna")
    registry.store.put(record.audio_key, b"other")
    with pytest.raises(StorageError, match="damaged"):
        registry.fetch("anna", tmp_path / "x")
    assert not (tmp_path / "x").exists()
    registry.store.delete(record.audio_key)
    with pytest.raises(StorageError, match="missing"):
        registry.fetch("anna", tmp_path / "x")
    for data in (b"{", b"[]", b"{}", b"\xff", b'{"name": "other"}'):
        registry.store.put("voices/records/anna.json", data)
        with pytest.raises(StorageError):
            registry.get("anna")


def test_a_record_cannot_point_at_another_voice(registry: VoiceRegistry) -> None:
    add(registry, "anna")
    data = registry.store.read("voices/records/anna.json")
    assert data
    registry.store.put("voices/records/bert.json", data)
    with pytest.raises(StorageError):
        registry.get("bert")


def test_limits(registry: VoiceRegistry) -> None:
    with pytest.raises(InputError, match="consent"):
        registry.add("a", b"1", ref_text="x", hash="h", consent="c" * 2001)
    with pytest.raises(InputError):
        registry.add("a", b"1", ref_text="x" * 300_000, hash="h")
    assert registry.store.list().items == ()
