"""What can run here, what is missing, and the command that gets it.

`examine` only looks: it imports nothing heavy, loads no model, and changes nothing but a probe file in the output
directory, which it removes.
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


@dataclass(frozen=True)
class Check:
    """One thing looked at. ``area``: machine, engine or store; ``fix``: the command or step that mends it, or None."""

    area: str
    name: str
    ok: bool
    detail: str
    fix: str | None = None


PACKAGES: dict[str, tuple[str, str, str]] = {
    # import name: (distribution, what for, the command that gets it)
    "av": ("av", "decoding and encoding", "pip install f5-serverless"),
    "hibari_tts": ("hibari-tts", "preview engine: speech", "pip install 'f5-serverless[preview]'"),
    "pocketsphinx": ("pocketsphinx", "preview engine: word times", "pip install 'f5-serverless[preview]'"),
    "torch": ("torch", "f5 engine", "pip install 'f5-serverless[f5]'"),
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
        *_engines(settings),
        _output(settings.output_dir),
    ]


def can_work(checks: Sequence[Check]) -> bool:
    """Whether at least one engine runs and its results can be kept."""
    engines = [check for check in checks if check.area == "engine"]
    others = [check for check in checks if check.area in ("machine", "store") and check.name not in _OPTIONAL]
    return any(check.ok for check in engines) and all(check.ok for check in others)


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
    return "\n".join(lines)


_OPTIONAL = {distribution for distribution, _, _ in PACKAGES.values()} - {"av"}


def _package(name: str) -> Check:
    distribution, purpose, fix = PACKAGES[name]
    if importlib.util.find_spec(name) is None:
        return Check("machine", distribution, False, f"not installed ({purpose})", fix)
    return Check("machine", distribution, True, f"{importlib.metadata.version(distribution)} ({purpose})")


def _engines(settings: Settings) -> list[Check]:
    preview = all(importlib.util.find_spec(name) for name in ("hibari_tts", "pocketsphinx"))
    return [
        Check(
            "engine",
            "engine preview",
            preview,
            "English, one voice, no cloning" if preview else "cannot run: packages are missing",
            "pip install 'f5-serverless[preview]'",
        ),
    ]


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
