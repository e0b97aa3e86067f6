"""Models: the real hub client against a local hub, with every fault on the way; a model is whole or not there."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from f5_serverless.errors import Cancelled, F5Error, FetchFailed, ModelError
from f5_serverless.runtime import models
from f5_serverless.runtime.disk import DiskFull
from f5_serverless.runtime.model_download import pull
from f5_serverless.types import Progress
from tests.runtime.hub import COMMIT, Hub

NAME = "F5TTS_v1_Base"
WEIGHTS = f"{NAME}/model_1250000.safetensors"
DATA = np.random.default_rng(0).bytes(300_000)


def repositories() -> dict[str, dict[str, bytes]]:
    return {
        "SWivid/F5-TTS": {
            WEIGHTS: DATA,
            f"{NAME}/vocab.txt": b"a\nb\nc\n",
            "F5TTS_Base/model_1200000.safetensors": DATA[::-1],
            "F5TTS_Base/vocab.txt": b"a\nb\n",
            "README.md": b"not wanted",
        },
        "charactr/vocos-mel-24khz": {"pytorch_model.bin": DATA[:50_000], "config.yaml": b"head: {}\n"},
    }


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda _: None)
    for model in models.MODELS.values():  # rough sizes are for a disk check that has its own test
        monkeypatch.setitem(models.MODELS, model.name, _small(model))
    with Hub(repositories()) as hub:
        yield hub


def _small(model: models.Model) -> models.Model:
    from dataclasses import replace

    return replace(model, about_bytes=1000)


def get(hub: Hub, root: Path, name: str = NAME, **options: Any) -> models.ModelFiles:
    return pull(name, root, endpoint=hub.endpoint, token=False, **options)


def entries(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


WHOLE = [NAME, f"{NAME}.lock.json", "vocos-mel-24khz", "vocos-mel-24khz.lock.json"]


def test_a_model_comes_with_what_it_needs(hub: Hub, tmp_path: Path) -> None:
    root = tmp_path / "models"
    files = get(hub, root)
    assert files.checkpoint.read_bytes() == DATA
    assert files.vocab.read_text() == "a\nb\nc\n"
    assert files.vocoder.read_bytes() == DATA[:50_000]
    assert (files.config, files.licence) == (NAME, "CC-BY-NC-4.0")
    assert entries(root) == WHOLE
    assert not list(root.rglob(".cache"))
    assert not list(root.rglob("README.md"))
    assert models.find(NAME, [root]) == files
    assert models.verify(NAME, root).commit == COMMIT
    lock = json.loads((root / f"{NAME}.lock.json").read_text())
    assert lock["files"][WEIGHTS] == {"size": 300_000, "sha256": hashlib.sha256(DATA).hexdigest()}


def test_what_is_there_is_not_asked_for_again(hub: Hub, tmp_path: Path) -> None:
    get(hub, tmp_path)
    hub.requests.clear()
    get(hub, tmp_path)
    assert hub.requests == []


def test_a_cut_connection_goes_on_where_it_broke(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the client keeps whole blocks of a cut stream: of 10 MB, and here of 4 KiB so that small files show it
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 4096)
    hub.cut_after, hub.cuts = 20_000, 4
    files = get(hub, tmp_path)
    assert files.checkpoint.read_bytes() == DATA
    resumed = [r for r in hub.fetched(".safetensors") + hub.fetched(".bin") if r]
    assert len(resumed) == 3  # the fourth cut comes after the last byte
    assert all(int(header.removeprefix("bytes=").rstrip("-")) >= 4096 for header in resumed)


def test_a_connection_that_is_always_cut_is_a_clear_error(hub: Hub, tmp_path: Path) -> None:
    hub.cut_after, hub.cuts = 0, 1000
    with pytest.raises(FetchFailed) as caught:
        get(hub, tmp_path)
    assert caught.value.retryable
    assert entries(tmp_path) == []


def test_progress_counts_the_bytes(hub: Hub, tmp_path: Path) -> None:
    steps: list[Progress] = []
    get(hub, tmp_path, progress=steps.append)
    last = [step for step in steps if step.detail == NAME][-1]
    assert (last.stage, last.done, last.total) == ("models", 300_006, 300_006)


def test_progress_can_stop_it(hub: Hub, tmp_path: Path) -> None:
    def stop(_: Progress) -> None:
        raise Cancelled("stop")

    with pytest.raises(Cancelled):
        get(hub, tmp_path, progress=stop)
    assert entries(tmp_path) == []


def wrong_size(hub: Hub) -> None:
    hub.stated_size = 299_999


def wrong_bytes(hub: Hub) -> None:
    hub.corrupt = True


def unavailable(hub: Hub) -> None:
    hub.status = 503


def gated(hub: Hub) -> None:
    hub.status, hub.error_code = 403, "GatedRepo"


def gone(hub: Hub) -> None:
    hub.repositories.clear()


def without_the_file(hub: Hub) -> None:
    del hub.repositories["charactr/vocos-mel-24khz"]["pytorch_model.bin"]


FAULTS: list[tuple[Callable[[Hub], None], type[F5Error], str, str]] = [
    (wrong_size, FetchFailed, "size", "again"),
    (wrong_bytes, FetchFailed, "damaged", "again"),
    (unavailable, FetchFailed, "503", "HF_ENDPOINT"),
    (gated, ModelError, "terms", "HF_TOKEN"),
    (gone, ModelError, "no repository", "HF_ENDPOINT"),
    (without_the_file, ModelError, "no longer holds pytorch_model.bin", "Update"),
]


@pytest.mark.parametrize(("fault", "error", "message", "hint"), FAULTS, ids=[fault.__name__ for fault, *_ in FAULTS])
def test_each_fault_has_its_error_and_leaves_nothing(
    fault: Callable[[Hub], None], error: type[F5Error], message: str, hint: str, hub: Hub, tmp_path: Path
) -> None:
    fault(hub)
    with pytest.raises(F5Error) as caught:
        get(hub, tmp_path)
    assert type(caught.value) is error, caught.value
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.retryable is (error is FetchFailed)
    assert entries(tmp_path) == []


def test_no_network(hub: Hub, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        hub.endpoint = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(FetchFailed, match="could not be reached") as caught:
            get(hub, tmp_path)
    assert "network" in caught.value.hint
    assert entries(tmp_path) == []


def test_the_first_download_is_enforced(hub: Hub, tmp_path: Path) -> None:
    get(hub, tmp_path)
    shutil.rmtree(tmp_path / NAME)
    hub.repositories["SWivid/F5-TTS"][WEIGHTS] = DATA[::-1]
    with pytest.raises(ModelError, match="another file than was first downloaded") as caught:
        get(hub, tmp_path)
    assert f"{NAME}.lock.json" in caught.value.hint
    assert not (tmp_path / NAME).exists()
    (tmp_path / f"{NAME}.lock.json").unlink()
    assert get(hub, tmp_path).checkpoint.read_bytes() == DATA[::-1]


def test_the_first_commit_is_asked_for_again(hub: Hub, tmp_path: Path) -> None:
    get(hub, tmp_path)
    shutil.rmtree(tmp_path / NAME)
    hub.requests.clear()
    get(hub, tmp_path)
    asked = [path for _, path, _ in hub.requests if path.startswith("/api/models/SWivid")]
    assert asked
    assert all(COMMIT in path for path in asked)


def test_a_hash_in_the_table_is_enforced(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    model = models.MODELS[NAME]
    known = replace(model.files[0], sha256="0" * 64)
    monkeypatch.setitem(models.MODELS, NAME, replace(model, files=(known, *model.files[1:])))
    with pytest.raises(ModelError, match="another file than this version knows"):
        get(hub, tmp_path)
    assert not (tmp_path / NAME).exists()


def test_damage_is_found_and_mended(hub: Hub, tmp_path: Path) -> None:
    files = get(hub, tmp_path)
    files.checkpoint.write_bytes(DATA[:-1] + b"\x00" if DATA[-1] else DATA[:-1] + b"\x01")
    assert models.find(NAME, [tmp_path])  # same size: only `verify` reads the content
    with pytest.raises(ModelError, match="damaged") as caught:
        models.verify(NAME, tmp_path)
    assert models.pull_command(NAME) in caught.value.hint
    assert get(hub, tmp_path).checkpoint.read_bytes() == DATA
    models.verify(NAME, tmp_path)
    assert entries(tmp_path) == WHOLE


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda root: (root / WEIGHTS_AT).unlink(), "lacks its file"),
        (lambda root: (root / WEIGHTS_AT).write_bytes(DATA[:-5]), "damaged"),
        (lambda root: (root / f"{NAME}.lock.json").unlink(), "not downloaded to its end"),
        (lambda root: (root / f"{NAME}.lock.json").write_text("{"), "not downloaded to its end"),
        (lambda root: shutil.rmtree(root / NAME), "is not there"),
        (lambda root: shutil.rmtree(root / "vocos-mel-24khz"), "vocos-mel-24khz is not there"),
    ],
)
def test_what_is_not_whole_is_not_found(
    break_it: Callable[[Path], None], message: str, hub: Hub, tmp_path: Path
) -> None:
    get(hub, tmp_path)
    break_it(tmp_path)
    with pytest.raises(ModelError, match=message) as caught:
        models.find(NAME, [tmp_path])
    assert caught.value.hint == f"Run `f5-serverless models pull {NAME}`."
    assert get(hub, tmp_path).checkpoint.read_bytes() == DATA
    models.find(NAME, [tmp_path])


WEIGHTS_AT = f"{NAME}/{WEIGHTS}"


def test_a_full_disk_at_the_write(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write boundary stands in for a full disk; the next test fills a real one where that is allowed."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    with pytest.raises(DiskFull) as caught:
        get(hub, tmp_path)
    assert not caught.value.retryable
    assert entries(tmp_path) == []


def test_a_disk_that_really_is_full(tmp_path: Path) -> None:
    """In a mount namespace of its own, a file system of 128 KiB."""
    script = tmp_path / "fill.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\nfrom tests.runtime import test_models as t\n"
        "for model in list(t.models.MODELS.values()):\n    t.models.MODELS[model.name] = t._small(model)\n"
        "with t.Hub(t.repositories()) as hub:\n"
        "    try:\n        t.get(hub, Path(sys.argv[1]))\n"
        "    except t.DiskFull as error:\n        print('full', sorted(p.name for p in Path(sys.argv[1]).iterdir()))\n"
    )
    disk = tmp_path / "disk"
    disk.mkdir()
    command = f"mount -t tmpfs -o size=128k none {disk} && exec {sys.executable} {script} {disk}"
    repository = Path(__file__).parents[2]
    result = subprocess.run(
        ["unshare", "--mount", "--map-root-user", "sh", "-c", command],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(repository), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"},
        check=False,
    )
    if "mount" in result.stderr or "unshare" in result.stderr:
        pytest.skip(f"no file system may be mounted here: {result.stderr.strip()[:80]}")
    assert result.stdout.strip() == "full ['vocos-mel-24khz', 'vocos-mel-24khz.lock.json']", result.stderr


def test_too_little_room_is_told_before_the_download(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    monkeypatch.setitem(models.MODELS, NAME, replace(models.MODELS[NAME], about_bytes=1 << 60))
    with pytest.raises(DiskFull, match=NAME):
        get(hub, tmp_path)
    assert not [path for _, path, _ in hub.requests if "SWivid" in path]


def test_a_directory_that_cannot_be_made(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match="cannot be written"):
        get(hub, tmp_path / "file" / "models")


def test_two_at_once_both_succeed(hub: Hub, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: get(hub, tmp_path), range(4)))
    assert all(result == results[0] for result in results)
    assert entries(tmp_path) == WHOLE
    models.verify(NAME, tmp_path)


def test_what_a_killed_download_left_is_removed(hub: Hub, tmp_path: Path) -> None:
    finished = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    (tmp_path / f".{NAME}--{int(finished.stdout)}-abc").mkdir()
    get(hub, tmp_path)
    assert entries(tmp_path) == WHOLE


def hub_cache(root: Path, commit: str = COMMIT) -> None:
    """A cache as the hub's client and RunPod's hosts keep it."""
    for repository, files in repositories().items():
        folder = root / f"models--{repository.replace('/', '--')}"
        for name, data in files.items():
            path = folder / "snapshots" / commit / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(commit)


def test_a_hub_cache_is_used_and_left_alone(tmp_path: Path) -> None:
    cache, own = tmp_path / "hub", tmp_path / "own"
    hub_cache(cache)
    before = sorted(cache.rglob("*"))
    files = models.find(NAME, [own, cache])
    assert files.checkpoint.read_bytes() == DATA
    assert files.vocoder.is_file()
    assert sorted(cache.rglob("*")) == before
    assert models.locate(NAME, own, cache) == files
    with pytest.raises(ModelError, match="did not fill"):
        models.verify(NAME, cache)


def test_our_own_directory_comes_first(hub: Hub, tmp_path: Path) -> None:
    hub_cache(tmp_path / "hub")
    files = get(hub, tmp_path / "own")
    assert models.find(NAME, [tmp_path / "own", tmp_path / "hub"]) == files


def test_the_list_says_what_is_there(hub: Hub, tmp_path: Path) -> None:
    get(hub, tmp_path)
    states = {status.model.name: status.problem for status in models.list_models([tmp_path])}
    assert states == {
        NAME: None,
        "F5TTS_Base": "is not there",
        "OpenF5-TTS-Base": "is not there",
        "vocos-mel-24khz": None,
    }


def test_unknown_names_and_places() -> None:
    for call in (
        lambda: models.locate("F6", Path()),
        lambda: models.find("F6", []),
        lambda: pull("F6", Path("nowhere")),
    ):
        with pytest.raises(ModelError, match="F6") as caught:
            call()
        assert NAME in caught.value.hint
    absent = models.locate(NAME, Path("/nonexistent"))
    assert absent.checkpoint == Path("/nonexistent") / WEIGHTS_AT


def test_the_table_states_licences_and_invents_no_hash() -> None:
    for model in models.MODELS.values():
        assert model.licence in models.notice(model)
        assert model.consequence in models.notice(model)
        assert all(file.sha256 is None or len(file.sha256) == 64 for file in model.files)
        assert all(needed in models.MODELS for needed in model.needs)
    assert "commercial" in models.notice(models.MODELS[NAME])


def test_looking_needs_neither_hub_nor_torch() -> None:
    code = (
        "import sys; from pathlib import Path; from f5_serverless.runtime import models;"
        "models.list_models([Path('/nonexistent')]);"
        "print([m for m in ('huggingface_hub', 'torch', 'numpy') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
