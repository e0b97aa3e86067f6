"""The local store: whole objects or none, plain keys, pages, clear errors, and the same under concurrency and kills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from f5_serverless.errors import F5Error, InternalError, SourceNotFound, StorageError, StoreForbidden
from f5_serverless.storage.outputs import OCTETS, LocalStore, Store, check_key, content_type_of


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "out")


def files(root: Path) -> list[str]:
    return sorted(p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file())


def test_bytes_and_files_come_back_as_they_went_in(store: LocalStore, tmp_path: Path) -> None:
    data = os.urandom(3_000_000)
    (tmp_path / "in.bin").write_bytes(data)
    store.put("a/b/c.wav", tmp_path / "in.bin", metadata={"seed": "1"})
    store.put("a/d.json", b"{}")
    assert store.read("a/d.json") == b"{}"
    info = store.get("a/b/c.wav", tmp_path / "back.wav")
    assert (tmp_path / "back.wav").read_bytes() == data
    assert (info.size, info.content_type) == (3_000_000, "audio/wav")
    assert files(store.root) == ["a/b/c.wav", "a/d.json"]
    assert isinstance(store, LocalStore)
    _: Store = store


def test_it_makes_nothing_until_the_first_put(store: LocalStore) -> None:
    assert store.head("x") is None
    assert store.list().items == ()
    assert store.read("x/y") is None
    store.delete("x")
    assert not store.root.exists()


def test_missing_and_oversized_objects(store: LocalStore, tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound):
        store.get("none", tmp_path / "x")
    assert not (tmp_path / "x").exists()
    store.put("big", bytes(100))
    assert store.read("big", 100) == bytes(100)
    with pytest.raises(StorageError, match="larger"):
        store.read("big", 99)


def test_a_directory_is_no_object(store: LocalStore) -> None:
    store.put("a/b", b"1")
    assert store.head("a") is None
    assert store.read("a") is None
    assert store.head("a/b/c") is None
    with pytest.raises(StorageError) as caught:
        store.put("a", b"2")
    assert not caught.value.retryable
    with pytest.raises(StorageError):
        store.put("a/b/c", b"2")
    assert files(store.root) == ["a/b"]


ODD_KEYS = ["", "/", "/etc/passwd", "..", "a/../b", "a/./b", "a//b", "a/", ".tmp/x", "a\0b", "a\nb", "a\\b", "x" * 201]
ODD_KEYS += ["a/" * 500 + "b", "a/\ud800"]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_keys_that_are_not_plain_paths(store: LocalStore, key: str) -> None:
    for call in (
        lambda: store.put(key, b""),
        lambda: store.head(key),
        lambda: store.url(key),
        lambda: store.delete(key),
    ):
        with pytest.raises(InternalError):
            call()
    assert not store.root.exists()


def test_ordinary_keys_pass() -> None:
    for key in ("a", "a.b/c-d_e=f", "voices/名前/record.json", "...", "a b"):
        assert check_key(key) == key


def test_url_is_a_file_url_that_opens(store: LocalStore) -> None:
    from urllib.request import urlopen

    store.put("a b/ü%.wav", b"sound")
    url = store.url("a b/ü%.wav", expires=60)
    assert url.startswith("file:///")
    assert urlopen(url).read() == b"sound"


def test_a_relative_root_does_not_move_with_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = LocalStore(Path("out"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.put("k", b"1")
    assert (tmp_path / "out" / "k").read_bytes() == b"1"


def test_listing_pages_in_order(store: LocalStore) -> None:
    names = [f"p/{i:03}" for i in range(25)] + ["q/1", "p0"]
    for name in reversed(names):
        store.put(name, b"x")
    seen: list[str] = []
    token = None
    while True:
        page = store.list("p/", token=token, limit=10)
        assert len(page.items) <= 10
        seen += [item.key for item in page.items]
        token = page.next
        if token is None:
            break
    assert seen == names[:25]
    assert [item.key for item in store.list("p").items] == [*names[:25], "p0"]
    assert len(store.list().items) == 27
    with pytest.raises(InternalError):
        store.list("../")


def test_deleting_twice_is_no_error(store: LocalStore) -> None:
    store.put("a/b/c", b"1")
    store.put("a/d", b"1")
    store.delete("a/b/c")
    store.delete("a/b/c")
    assert [item.key for item in store.list().items] == ["a/d"]


def test_replacing_is_seen_whole_or_not_at_all(store: LocalStore) -> None:
    """Readers beside four writers of the same key see one of the written values, always of full length."""
    values = [bytes([i]) * 200_000 for i in range(4)]
    store.put("k", values[0])
    stop = threading.Event()
    wrong: list[object] = []

    def read() -> None:
        while not stop.is_set():
            data = store.read("k")
            if data not in values:
                wrong.append(data and len(data))

    def write(value: bytes) -> None:
        for _ in range(15):
            store.put("k", value)

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(value,)) for value in values]
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stop.set()
    reader.join()
    assert wrong == []
    assert files(store.root) == ["k"]


def test_delete_and_put_beside_each_other(store: LocalStore) -> None:
    errors: list[F5Error] = []

    def work(name: str) -> None:
        for _ in range(60):
            try:
                store.put(f"d/{name}", b"1")
                store.delete(f"d/{name}")
            except F5Error as error:
                errors.append(error)

    threads = [threading.Thread(target=work, args=(str(i),)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


KILLED = """
import sys
from pathlib import Path
from f5_serverless.storage.outputs import LocalStore
store = LocalStore(Path(sys.argv[1]))
print("ready", flush=True)
i = 0
while True:
    store.put(f"k{i % 3}", bytes([i % 7]) * 400_000)
    i += 1
"""


def test_kill_leaves_whole_objects_and_sweepable_rests(tmp_path: Path) -> None:
    root = tmp_path / "out"
    for round_ in range(6):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(root)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.013 * (round_ + 1))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        store = LocalStore(root)
        for item in store.list().items:
            data = store.read(item.key)
            assert data is not None
            assert len(data) == 400_000
            assert len(set(data)) == 1
    (root / ".tmp").mkdir(exist_ok=True)
    (root / ".tmp" / "rest").write_bytes(b"half")
    old = time.time() - 7 * 3600
    for rest in (root / ".tmp").iterdir():
        os.utime(rest, (old, old))
    (root / ".tmp" / "fresh").write_bytes(b"another worker's")
    LocalStore(root).put("last", b"1")
    assert [p.name for p in (root / ".tmp").iterdir()] == ["fresh"]


def test_what_the_disk_refuses_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError) as caught:
        LocalStore(tmp_path / "file").put("k", b"1")
    assert not caught.value.retryable
    with pytest.raises(StorageError):
        LocalStore(tmp_path / "out").put("k", tmp_path / "absent")
    assert files(tmp_path / "out") == []


def test_full_and_forbidden_disks() -> None:
    with pytest.raises(StorageError) as caught:
        LocalStore(Path("/proc/self/out")).put("k", b"1")
    assert not caught.value.retryable
    if os.geteuid() != 0:
        with pytest.raises(StoreForbidden):
            LocalStore(Path("/root-only")).put("k", b"1")


@pytest.mark.parametrize(
    ("key", "kind"),
    [("a.wav", "audio/wav"), ("a.MP3", "audio/mpeg"), ("a.ass", "text/x-ssa; charset=utf-8"), ("a", OCTETS)],
)
def test_content_types(key: str, kind: str) -> None:
    assert content_type_of(key) == kind
