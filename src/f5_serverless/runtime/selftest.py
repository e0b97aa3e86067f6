"""The image's self-test: is everything in the container that a worker needs before it has a volume?

In: the container. Out: a line per check, exit code 0 or 1. ``--imports`` only imports what a worker imports (the build
runs that to compile it). Reads the environment through `Settings`. It starts no worker and reaches no network.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from f5_serverless.config import Settings
from f5_serverless.errors import F5Error
from f5_serverless.runtime import disk
from f5_serverless.runtime.build import Sizes, find_uv
from f5_serverless.runtime.publish import describe_python

LAYER_ONE = (
    "runpod",
    "boto3",
    "av",
    "num2words",
    "numpy",
    "pydantic",
    "pyloudnorm",
    "pysubs2",
    "soxr",
    "scipy.ndimage",
    "uvicorn",
)
PREVIEW = ("hibari", "onnxruntime", "pocketsphinx")
OURS = ("f5_serverless.cli", "f5_serverless.pipeline", "f5_serverless.serve.entry", "f5_serverless.serve.worker")
PROGRAMS = ("tar", "zstd", "tini")
FONTS = Path("/usr/share/fonts")


class Failed(Exception):
    """A check did not hold; the message says what is missing."""


def imports() -> str:
    """Everything that a worker with the preview engine imports, and a client for the store."""
    for name in (*LAYER_ONE, *PREVIEW, *OURS):
        importlib.import_module(name)
    importlib.import_module("boto3").client("s3", region_name="us-east-1")
    return f"{len(LAYER_ONE) + len(PREVIEW) + len(OURS)} modules"


def no_torch() -> str:
    if importlib.util.find_spec("torch") is not None:
        raise Failed("torch is in layer 1, where it does not belong")
    return "torch is left to the volume"


def not_root() -> str:
    if os.getuid() == 0:
        raise Failed("the container runs as root")
    return f"user {os.getuid()}"


def programs() -> str:
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        raise Failed(f"not installed: {', '.join(missing)}")
    version = subprocess.run([find_uv(), "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    return f"{', '.join(PROGRAMS)}, uv {version}"


def fonts() -> str:
    found = sorted(path.stem for path in FONTS.rglob("*.ttf"))
    if not found:
        raise Failed("no font for captions")
    return f"{len(found)} fonts, such as {found[0]}"


def lock(settings: Settings) -> str:
    sizes = Sizes.of(settings.runtime_lock)
    if not sizes.packages or not sizes.download_bytes:
        raise Failed("the runtime lock has no packages or no sizes")
    return f"{sizes.packages} packages, {disk.gigabytes(sizes.download_bytes)} to download"


def local_disk(settings: Settings) -> str:
    disk.require_writable(settings.local_dir)
    return f"{settings.local_dir} can be written"


def volume(settings: Settings) -> str:
    """Says how the volume is; that there is none is no fault of the image."""
    try:
        disk.require_writable(settings.volume_root)
    except F5Error as error:
        return f"not here: {error.message}"
    return f"{settings.volume_root} can be written"


def speech() -> str:
    """One sentence through the preview engine, decoded and encoded: the native libraries work after trimming."""
    from f5_serverless.engines.base import SynthesisItem
    from f5_serverless.engines.preview_engine import PreviewSynthesizer
    from f5_serverless.types import SynthesisSettings, no_progress

    item = SynthesisItem("The container can speak.", seed=1)
    (speech,) = PreviewSynthesizer().synthesize(None, [item], SynthesisSettings(seed=1), no_progress)
    if speech.audio.duration < 0.5:
        raise Failed("the preview engine said nothing")
    return f"{speech.audio.duration:.1f} s spoken"


def main(arguments: list[str]) -> int:
    """Runs the checks and prints them."""
    settings = Settings.from_env(os.environ)
    checks: dict[str, Callable[[], str]] = {"imports": imports}
    if "--imports" not in arguments:
        checks |= {
            "python": lambda: describe_python(Path(sys.executable)).version,
            "no torch": no_torch,
            "user": not_root,
            "programs": programs,
            "fonts": fonts,
            "lock": lambda: lock(settings),
            "local disk": lambda: local_disk(settings),
            "volume": lambda: volume(settings),
            "speech": speech,
        }
    failed = 0
    for name, check in checks.items():
        try:
            print(f"ok    {name:<12}{check()}")
        except (Failed, F5Error, ImportError, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAIL  {name:<12}{error}")
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
