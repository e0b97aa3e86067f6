"""Which models there are, where their files lie, and whether they are what was downloaded first.

The table below is all that this package ever downloads. A model lives in ``ROOT/NAME/``; beside it lies
``NAME.lock.json``, written last: the commit, sizes and SHA-256 of its first download. A directory without its lock is
unfinished and counts as absent. Caches in the layout of the model hub (``models--OWNER--NAME/snapshots/…``) are read
too, and never written. Looking costs a few `stat` calls; only `verify` reads whole files. `model_download` gets the
files. Needs the standard library only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from f5_serverless.errors import ModelError

HUB_CACHES = (Path("/runpod-volume/huggingface-cache/hub"),)
"""Where RunPod mounts models that it caches itself."""

LOCK_VERSION = 1


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model: what it is for, and its path in the repository. ``sha256`` where it is publicly known."""

    role: str
    path: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """One row of the table. ``config``: the architecture's name, or None where a file beside the checkpoint says it."""

    name: str
    repository: str
    files: tuple[ModelFile, ...]
    about_bytes: int
    licence: str
    consequence: str
    """What the licence means for what is made with the model; shown on every download."""
    revision: str = "main"
    config: str | None = None
    needs: tuple[str, ...] = ()


_NON_COMMERCIAL = (
    "The weights may not be used commercially (trained on data with that condition). Speech made with them falls under "
    "the same question: for commercial work use OpenF5-TTS-Base or weights of your own."
)
_FREE = "Commercial use is allowed; keep the licence and its notices when you pass the weights on."
_VOCODER = "vocos-mel-24khz"


def _official(name: str, steps: int) -> Model:
    return Model(
        name,
        "SWivid/F5-TTS",
        (ModelFile("checkpoint", f"{name}/model_{steps}.safetensors"), ModelFile("vocab", f"{name}/vocab.txt")),
        about_bytes=1_350_000_000,
        licence="CC-BY-NC-4.0",
        consequence=_NON_COMMERCIAL,
        config=name,
        needs=(_VOCODER,),
    )


MODELS: dict[str, Model] = {
    model.name: model
    for model in (
        _official("F5TTS_v1_Base", 1_250_000),
        _official("F5TTS_Base", 1_200_000),
        Model(
            "OpenF5-TTS-Base",
            "mrfakename/OpenF5-TTS-Base",
            (
                ModelFile("checkpoint", "model.pt"),
                ModelFile("vocab", "vocab.txt"),
                ModelFile("config", "config.yaml"),
            ),
            about_bytes=1_400_000_000,
            licence="Apache-2.0",
            consequence=_FREE,
            needs=(_VOCODER,),
        ),
        Model(
            _VOCODER,
            "charactr/vocos-mel-24khz",
            (ModelFile("vocoder", "pytorch_model.bin"), ModelFile("config", "config.yaml")),
            about_bytes=55_000_000,
            licence="MIT",
            consequence=_FREE,
        ),
    )
}
"""Every model by name. Sizes are rough, for the disk check; the exact ones are in the lock after a download."""


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where the parts of a model are, those of the models that it needs included. The files need not be there."""

    name: str
    checkpoint: Path
    vocab: Path
    vocoder: Path
    config: str | None
    licence: str


@dataclass(frozen=True, slots=True)
class Record:
    """One file as it was first downloaded."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Lock:
    """What was downloaded first, from where. ``files``: by path in the repository."""

    repository: str
    commit: str
    files: Mapping[str, Record]


@dataclass(frozen=True, slots=True)
class Status:
    """One line of `list_models`. ``problem`` None: ready to use."""

    model: Model
    directory: Path | None
    problem: str | None


def model_named(name: str) -> Model:
    """The row of the table. Raises `ModelError` for an unknown name."""
    if name not in MODELS:
        raise ModelError(f"There is no model named {name!r}.", hint=f"The models are: {', '.join(MODELS)}.")
    return MODELS[name]


def pull_command(name: str) -> str:
    """
    >>> pull_command("F5TTS_Base")
    'f5-serverless models pull F5TTS_Base'
    """
    return f"f5-serverless models pull {name}"


def locate(name: str, *roots: Path) -> ModelFiles:
    """Where ``name`` is, or would be: in the first of ``roots`` that holds it whole, else in the first root.

    Raises `ModelError` for an unknown name only; `find` also wants the files to be there.
    """
    model = model_named(name)
    paths: dict[str, Path] = {}
    for each in (*(MODELS[needed] for needed in model.needs), model):
        directory = next((d for root in roots for d in _ready(each, root)), roots[0].expanduser() / each.name)
        paths |= {file.role: directory / file.path for file in each.files}
    nowhere = roots[0].expanduser() / model.name
    return ModelFiles(
        model.name,
        paths.get("checkpoint", nowhere),
        paths.get("vocab", nowhere),
        paths.get("vocoder", nowhere),
        model.config,
        model.licence,
    )


def find(name: str, roots: Sequence[Path]) -> ModelFiles:
    """Where the whole model ``name`` is. Raises `ModelError` naming what is missing or unfinished, and the command."""
    model = model_named(name)
    for each in (*(MODELS[needed] for needed in model.needs), model):
        problems = [problem for root in roots if (problem := problem_in(each, root))]
        if len(problems) == len(roots):
            what = next((p for p in problems if p != "is not there"), "is not there")
            raise ModelError(f"The model {each.name} {what}.", hint=f"Run `{pull_command(name)}`.")
    return locate(name, *roots)


def list_models(roots: Sequence[Path]) -> list[Status]:
    """Every model of the table and where it is."""
    statuses: list[Status] = []
    for model in MODELS.values():
        directory = next((d for root in roots for d in _ready(model, root)), None)
        problem = None if directory else next((p for root in roots if (p := problem_in(model, root))), "is not there")
        statuses.append(Status(model, directory, problem))
    return statuses


def problem_in(model: Model, root: Path) -> str | None:
    """Why ``root`` does not hold ``model`` ready for use, as the end of a sentence; None where it does."""
    if next(_ready(model, root), None) is not None:
        return None
    directory = root.expanduser() / model.name
    if not directory.is_dir():
        return "is not there"
    if (lock := read_lock(model.name, root)) is None:
        return "was not downloaded to its end (its lock file is missing or unreadable)"
    return _differs(directory, lock) or "lacks a file that this version needs"


def _ready(model: Model, root: Path) -> Iterator[Path]:
    """The directory in ``root`` that holds the whole model, if there is one; paths in it are the repository's."""
    root = root.expanduser()
    directory, lock = root / model.name, read_lock(model.name, root)
    if lock is not None and all(file.path in lock.files for file in model.files) and not _differs(directory, lock):
        yield directory
    cache = root / f"models--{model.repository.replace('/', '--')}"
    snapshots = cache / "snapshots"
    if not snapshots.is_dir():
        return
    reference = cache / "refs" / model.revision
    named = [snapshots / reference.read_text().strip()] if reference.is_file() else []
    for snapshot in (*named, *sorted(snapshots.iterdir())):
        if all((snapshot / file.path).is_file() for file in model.files):
            yield snapshot
            return


def _differs(directory: Path, lock: Lock) -> str | None:
    """Which file is missing or has another size than was recorded, as the end of a sentence."""
    for path, record in lock.files.items():
        file = directory / path
        if not file.is_file():
            return f"lacks its file {path}"
        if file.stat().st_size != record.size:
            return f"is damaged: {path} has {file.stat().st_size:,} bytes, not {record.size:,}"
    return None


def verify(name: str, root: Path) -> Lock:
    """Reads every file of ``name`` in ``root`` and compares it with the first download, and with the table.

    Returns what was recorded. Raises `ModelError` saying which file differs.
    """
    model = model_named(name)
    problem = problem_in(model, root)
    lock = read_lock(name, root)
    if lock is None:
        held_by_cache = problem is None
        what = "lies in a cache that this program did not fill" if held_by_cache else problem
        raise ModelError(f"The model {name} {what}.", hint=f"Run `{pull_command(name)}`.")
    if problem is not None:
        raise ModelError(f"The model {name} {problem}.", hint=f"Run `{pull_command(name)}`.")
    check_files(model, root.expanduser() / name, lock)
    return lock


def check_files(model: Model, directory: Path, lock: Lock) -> None:
    """Raises `ModelError` where the content of a file is not what ``lock`` or the table says."""
    expected = {file.path: file.sha256 for file in model.files if file.sha256}
    for path, record in lock.files.items():
        found = sha256_of(directory / path)
        if found != record.sha256 or expected.get(path, found) != found:
            raise ModelError(
                f"The model {model.name} is damaged: {path} is not the file that was first downloaded.",
                hint=f"Run `{pull_command(model.name)}`; it replaces what is damaged.",
            )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal. Raises `ModelError` where it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"The model file {path.name} cannot be read: {error.strerror}.", retryable=True) from error


def lock_path(name: str, root: Path) -> Path:
    """The lock beside the model's directory."""
    return root.expanduser() / f"{name}.lock.json"


def read_lock(name: str, root: Path) -> Lock | None:
    """What was recorded for ``name``, or None where there is no readable lock."""
    try:
        data: dict[str, Any] = json.loads(lock_path(name, root).read_bytes())
        if data["version"] != LOCK_VERSION:
            return None
        files = {path: Record(int(entry["size"]), str(entry["sha256"])) for path, entry in data["files"].items()}
        return Lock(str(data["repository"]), str(data["commit"]), files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def encode_lock(lock: Lock) -> bytes:
    """The lock as it is written."""
    return json.dumps({"version": LOCK_VERSION, **asdict(lock)}, indent=2, sort_keys=True).encode() + b"\n"


def notice(model: Model) -> str:
    """What a person is told before a download: the model, its licence, and what that means."""
    return f"{model.name} ({model.repository}), licence {model.licence}. {model.consequence}"
