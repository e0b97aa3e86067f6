"""What can run here, what is missing, and the command that gets it.

`examine` only looks: it loads no model and changes nothing but a probe file in the output directory, which it removes.
Where torch is installed it is asked for a GPU; a store is asked whether it would take a result.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from f5_serverless import __version__
from f5_serverless.config import Settings
from f5_serverless.engines import f5tts_check
from f5_serverless.engines.registry import f5_files
from f5_serverless.errors import F5Error
from f5_serverless.storage.stores import open_store


@dataclass(frozen=True)
class Check:
    """One thing looked at. ``area``: machine, package, engine, words or store; ``fix``: what mends it, or None."""

    area: str
    name: str
    ok: bool
    detail: str
    fix: str | None = None


PACKAGES: dict[str, tuple[str, str, str]] = {
    # import name: (distribution, what for, the command that gets it)
    "av": ("av", "decoding and encoding", "pip install f5-serverless"),
    "hibari": ("hibari-tts", "preview engine: speech", "pip install 'f5-serverless[preview]'"),
    "pocketsphinx": (
        "pocketsphinx",
        "preview engine: word times and reading back",
        "pip install 'f5-serverless[preview]'",
    ),
    "torch": ("torch", "f5 engine, WhisperX", "pip install 'f5-serverless[f5]'"),
    "whisperx": ("whisperx", "word times in 40 languages", "f5-serverless setup, or: pip install --no-deps whisperx"),
    "faster_whisper": ("faster-whisper", "writing down speech", "pip install 'f5-serverless[whisperx]'"),
    "runpod": ("runpod", "RunPod worker", "pip install 'f5-serverless[serve]'"),
    "boto3": ("boto3", "S3 stores", "pip install 'f5-serverless[serve]'"),
}


def examine(settings: Settings) -> list[Check]:
    """All checks, in the order in which they are shown."""
    return [
        Check("machine", "f5-serverless", True, __version__),
        Check(
            "machine", "python", sys.version_info >= (3, 11), platform.python_version(), "Install Python 3.11 or newer."
        ),
        *[_package(name) for name in PACKAGES],
        _preview(),
        *_f5(settings),
        _store(settings),
    ]


def can_work(checks: Sequence[Check]) -> bool:
    """Whether at least one engine runs and its results can be kept."""
    engines = [check for check in checks if check.area == "engine"]
    needed = [check for check in checks if check.area in ("machine", "store") or check.name == "av"]
    return any(check.ok for check in engines) and all(check.ok for check in needed)


def to_json(checks: Sequence[Check]) -> dict[str, Any]:
    """The checks as JSON-ready data."""
    return {"can_work": can_work(checks), "checks": [asdict(check) for check in checks]}


def to_text(checks: Sequence[Check]) -> str:
    """The checks as a table for people, with what to do below."""
    width = max(len(check.name) for check in checks)
    lines = [f"{'ok ' if check.ok else '-- '} {check.name.ljust(width)}  {check.detail}" for check in checks]
    missing = [check for check in checks if not check.ok and check.fix]
    if missing:
        lines += ["", "What is missing, and how to get it:"]
        lines += [f"  {check.name.ljust(width)}  {check.fix}" for check in missing]
    lines += ["", "This machine can make speech." if can_work(checks) else "This machine cannot make speech yet."]
    return "\n".join(lines)


def _package(name: str) -> Check:
    distribution, purpose, fix = PACKAGES[name]
    if importlib.util.find_spec(name) is None:
        return Check("package", distribution, False, f"not installed ({purpose})", fix)
    return Check("package", distribution, True, f"{importlib.metadata.version(distribution)} ({purpose})")


def _preview() -> Check:
    missing = [name for name in ("hibari", "pocketsphinx") if importlib.util.find_spec(name) is None]
    detail = f"cannot run: {', '.join(missing)} missing" if missing else "can run: English, one voice, no cloning"
    return Check("engine", "engine preview", not missing, detail, PACKAGES["hibari"][2])


def _f5(settings: Settings) -> list[Check]:
    """The engine itself, then the device it would run on."""
    try:
        files = f5_files(settings)
    except F5Error as error:
        return [Check("engine", "engine f5", False, error.message, error.hint)]
    found = f5tts_check.check(files.checkpoint, files.vocab, files.vocoder)
    problems = [finding for finding in found if finding.severity == "error"]
    if problems:
        detail = "cannot run: " + " ".join(finding.message for finding in problems)
        checks = [Check("engine", "engine f5", False, detail, "; ".join(dict.fromkeys(f.advice for f in problems)))]
    else:
        detail = f"can run: {settings.model}, licence {files.licence}"
        checks = [Check("engine", "engine f5", True, detail)]
    return checks + [Check("device", f.code, False, f.message, f.advice) for f in found if f.severity != "error"]


def _store(settings: Settings) -> Check:
    """Whether results can be kept."""
    if not settings.s3_bucket:
        return _output(settings.output_dir)
    try:
        store = open_store(settings)
        store.check()
    except F5Error as error:
        return Check("store", "store", False, error.message, error.hint)
    return Check("store", "store", True, store.describe())


def _output(directory: Path) -> Check:
    """Whether results can be written, and how much room there is."""
    name = "output directory"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=directory, prefix=".doctor-"):
            free = shutil.disk_usage(directory).free
    except OSError as error:
        return Check(
            "store", name, False, f"{directory}: {error.strerror}", "Set F5_OUTPUT_DIR to a writable directory."
        )
    enough = free > 1 << 30
    return Check("store", name, enough, f"{directory} ({free / 1e9:.0f} GB free)", "Make room: 1 GB at least.")
