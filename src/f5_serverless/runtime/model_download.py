"""Getting a model: downloaded aside, checked, published by one rename, recorded last.

`huggingface_hub` moves the bytes (several files at once, a cut connection goes on where it broke). What arrives is
checked against the size and hash that the hub states, against the table, and against the record of the first download,
which also pins the commit: a repository that changes under its name is noticed. A process killed at any byte
leaves a private directory that the next download removes, never a model that looks whole. Two downloads at once both
succeed; one of the results is kept.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from f5_serverless.errors import F5Error, FetchFailed, ModelError
from f5_serverless.runtime.disk import full_disk, is_full, remove_leftovers, remove_tree, require_room
from f5_serverless.runtime.lease import new_token, write_atomic
from f5_serverless.runtime.models import (
    MODELS,
    Lock,
    Model,
    ModelFile,
    ModelFiles,
    Record,
    check_files,
    encode_lock,
    locate,
    lock_path,
    model_named,
    problem_in,
    read_lock,
    sha256_of,
)
from f5_serverless.types import OnProgress, Progress, no_progress

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoSibling

INSTALL = "pip install 'f5-serverless[f5]'"
_AT_ONCE = 4
_HTTP_LIBRARIES = frozenset({"httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3"})
_OFFLINE = "Check the network, or set HF_ENDPOINT to a mirror that this machine can reach; then run it again."


@dataclass(frozen=True, slots=True)
class _Remote:
    """What the hub says of a repository at one commit."""

    commit: str
    files: dict[str, RepoSibling]


def pull(
    name: str,
    root: Path,
    *,
    endpoint: str | None = None,
    token: str | bool | None = None,
    progress: OnProgress = no_progress,
) -> ModelFiles:
    """The model ``name`` and those it needs, whole and verified in ``root``; what is there is not fetched again.

    ``endpoint``: another address of the hub. ``token``: for repositories that want one; False sends none. Raises
    `ModelError` (unknown, refused, changed, damaged), `FetchFailed` (network; try again), `SetupError` (disk full), or
    what ``progress`` raises.
    """
    model = model_named(name)
    root = root.expanduser()
    for each in (*(MODELS[needed] for needed in model.needs), model):
        if not _is_whole(each, root):
            _Download(each, root, endpoint, token, progress).run()
    return locate(name, root)


def _is_whole(model: Model, root: Path) -> bool:
    """Whether ``root`` itself holds the model, down to the last byte."""
    lock = read_lock(model.name, root)
    if lock is None or problem_in(model, root) is not None:
        return False
    try:
        check_files(model, root / model.name, lock)
    except ModelError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Download:
    """One model from the hub into ``root``."""

    model: Model
    root: Path
    endpoint: str | None
    token: str | bool | None
    progress: OnProgress

    def run(self) -> None:
        model = self.model
        try:
            remove_leftovers(self.root)
            require_room(self.root, model.about_bytes, f"The model {model.name}")
            aside = self.root / f".{model.name}--{new_token()}"
            aside.mkdir()
        except OSError as error:
            raise self._disk_error(error) from error
        try:
            recorded = read_lock(model.name, self.root)
            remote = self._ask(recorded)
            self._fetch(remote, aside)
            lock = self._checked(remote, aside, recorded)
            remove_tree(aside / ".cache")
            self._publish(aside, lock)
        except F5Error:
            raise
        except Exception as error:
            raise self._explained(error) from error
        finally:
            remove_tree(aside)

    def _ask(self, recorded: Lock | None) -> _Remote:
        """The commit to take, that of the first download if there was one, and its files."""
        try:
            from huggingface_hub import HfApi
        except ImportError as error:
            raise ModelError("huggingface_hub is not installed.", hint=f"Run: {INSTALL}") from error
        revision = recorded.commit if recorded else self.model.revision
        api = HfApi(endpoint=self.endpoint, token=self.token)
        info = api.model_info(self.model.repository, revision=revision, files_metadata=True)
        files = {sibling.rfilename: sibling for sibling in info.siblings or []}
        missing = [file.path for file in self.model.files if file.path not in files]
        if missing or not info.sha:
            raise ModelError(
                f"The repository {self.model.repository} no longer holds {', '.join(missing) or 'a commit'}.",
                hint="Update f5-serverless, or fetch the files by hand and set F5_MODEL to their directory.",
            )
        return _Remote(info.sha, files)

    def _fetch(self, remote: _Remote, aside: Path) -> None:
        from huggingface_hub import hf_hub_download

        total = sum(remote.files[file.path].size or 0 for file in self.model.files)
        meter = _meter(self.progress, self.model.name, total)

        def fetch(file: ModelFile) -> None:
            hf_hub_download(
                self.model.repository,
                file.path,
                revision=remote.commit,
                local_dir=aside,
                cache_dir=aside / ".cache" / "hub",  # a private one: bytes of unknown origin are not taken over
                endpoint=self.endpoint,
                token=self.token,
                tqdm_class=meter,
            )

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for done in [pool.submit(fetch, file) for file in self.model.files]:
                done.result()

    def _checked(self, remote: _Remote, aside: Path, recorded: Lock | None) -> Lock:
        """The lock for what lies in ``aside``. Raises `ModelError` or `FetchFailed` where that is not right."""
        records: dict[str, Record] = {}
        for file in self.model.files:
            path, stated = aside / file.path, remote.files[file.path]
            size, digest = path.stat().st_size, sha256_of(path)
            if size != (stated.size if stated.size is not None else size):
                raise FetchFailed(f"{file.path} arrived with {size:,} bytes; the hub states {stated.size:,}.")
            if (stated.lfs and stated.lfs.sha256 != digest) or not _is_blob(path, stated.blob_id, bool(stated.lfs)):
                raise FetchFailed(
                    f"{file.path} arrived damaged: its hash is not the one that the hub states.",
                    hint="Run it again; if it fails again, something between here and the hub changes files.",
                )
            before = recorded.files.get(file.path) if recorded else None
            for wanted, origin in (
                (file.sha256, "this version knows"),
                (before and before.sha256, "was first downloaded"),
            ):
                if wanted and wanted != digest:
                    raise ModelError(
                        f"{file.path} of {self.model.name} is another file than {origin}. Nothing was replaced.",
                        hint=f"If the change is wanted, remove {self.model.name}.lock.json and pull again.",
                    )
            records[file.path] = Record(size, digest)
        return Lock(self.model.repository, remote.commit, records)

    def _publish(self, aside: Path, lock: Lock) -> None:
        """Puts ``aside`` in its place and writes the lock last."""
        target = self.root / self.model.name
        try:
            os.rename(aside, target)
        except OSError:
            if not target.is_dir():
                raise
            if not self._same(target, lock):  # damaged, or a download that was killed before its lock
                gone = self.root / f".{self.model.name}--{new_token()}"
                os.rename(target, gone)
                os.rename(aside, target)
                remove_tree(gone)
        write_atomic(lock_path(self.model.name, self.root), encode_lock(lock))

    def _same(self, target: Path, lock: Lock) -> bool:
        with suppress(ModelError):
            check_files(self.model, target, lock)
            return True
        return False

    def _disk_error(self, error: OSError) -> F5Error:
        if is_full(error):
            return full_disk(error, self.root)
        return ModelError(
            f"The models' directory {self.root} cannot be written: {error.strerror}.",
            hint="Give this user the right to, or set F5_MODELS_DIR to a directory that can be written.",
        )

    def _explained(self, error: Exception) -> F5Error:
        """What a failure of the transfer means, and what to do. The cause stays chained, for the log."""
        chain = list(_chain(error))
        for cause in chain:
            if isinstance(cause, OSError) and is_full(cause):
                return full_disk(cause, self.root)
        names = {kind.__name__ for cause in chain for kind in type(cause).__mro__}
        repository = self.model.repository
        for kind, (message, hint) in _REFUSALS.items():
            if kind in names:
                return ModelError(message.format(repository=repository), hint=hint)
        status = next((s for cause in chain if (s := _status(cause))), None)
        if status is not None:
            return FetchFailed(f"The model hub answered {status} for {repository}.", hint=_OFFLINE)
        if "LocalEntryNotFoundError" in names or any(_is_network(cause) for cause in chain):
            return FetchFailed(f"The model hub could not be reached for {repository}.", hint=_OFFLINE)
        if any("Consistency check" in str(cause) for cause in chain):
            return FetchFailed(f"A file of {self.model.name} arrived with another size than the hub states.")
        if isinstance(error, OSError) and error.strerror:
            return self._disk_error(error)
        return ModelError(f"The model {self.model.name} could not be downloaded ({type(error).__name__}).")


_REFUSALS: dict[str, tuple[str, str]] = {
    "GatedRepoError": (
        "The repository {repository} wants you to accept its terms first.",
        "Accept them on the model's page and set HF_TOKEN.",
    ),
    "RevisionNotFoundError": (
        "The commit of the first download is gone from {repository}.",
        "Remove the model's lock file to take what is there now.",
    ),
    "RepositoryNotFoundError": (
        "The hub has no repository {repository}, or wants a token for it.",
        "Check HF_ENDPOINT and HF_TOKEN.",
    ),
    "RemoteEntryNotFoundError": (
        "A file is gone from {repository}.",
        "Update f5-serverless, or fetch the files by hand and set F5_MODEL to their directory.",
    ),
}
"""By the name of the client library's error, most special first: what the hub refused."""


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _status(error: BaseException) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) else None


def _is_network(error: BaseException) -> bool:
    modules = {kind.__module__.split(".")[0] for kind in type(error).__mro__}
    return isinstance(error, (ConnectionError, TimeoutError)) or bool(modules & _HTTP_LIBRARIES)


def _is_blob(path: Path, blob_id: str | None, is_lfs: bool) -> bool:
    """Whether a small file is the git object that the hub states; true where it states none."""
    if is_lfs or not blob_id or not re.fullmatch(r"[0-9a-f]{40}", blob_id):
        return True
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest() == blob_id


def _meter(progress: OnProgress, name: str, total: int) -> type[Any]:
    """A progress bar for the client library that reports to ``progress``: bytes of all files together."""
    from tqdm import tqdm  # type: ignore[import-untyped]

    lock = threading.Lock()
    seen = [0]

    class Meter(tqdm):  # type: ignore[misc]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> None:
            with lock:
                seen[0] += int(n or 0)
                done = seen[0]
            progress(Progress("models", min(done, total) if total else done, total, name))

    return Meter
