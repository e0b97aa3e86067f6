"""From the thin layer into the full one: what `handler.py` calls before it serves.

In: `Settings`. Out: either this process goes on (it already is where the worker should run), or it was replaced by the
environment's Python running the same script again. Also what the command line's ``setup`` does. Decides; the work is in
`setup_environment`.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from f5_serverless.config import Settings
from f5_serverless.errors import F5Error
from f5_serverless.runtime.collect import Collector, collect_later
from f5_serverless.runtime.lease import Use
from f5_serverless.runtime.progress import Display, describe, throttled
from f5_serverless.runtime.publish import Volume, describe_python, environment_key, lock_hash
from f5_serverless.runtime.setup_environment import Environment, ensure_environment, exec_into
from f5_serverless.types import OnProgress, Progress

_log = logging.getLogger(__name__)
_LOG_SECONDS = 5.0

IMPORTS = (
    *("torch", "torchaudio", "whisperx.alignment", "faster_whisper", "safetensors", "huggingface_hub"),
    *("rjieba", "pypinyin", "runpod", "boto3", "av", "soxr", "pyloudnorm", "pysubs2", "fastapi", "uvicorn"),
)
"""What must import in a new environment before any worker sees it."""
FIRST = ("torch", "torchaudio", "runpod", "boto3", "av", "soxr", "pysubs2", "pydantic")
"""What a worker imports before it is ready."""


def stays_here(settings: Settings) -> str | None:
    """Why the worker should run in this very Python, or None when the environment on the volume is wanted."""
    if settings.use_lease:
        return "this is the environment"
    if settings.engine == "preview":
        return "the preview engine needs no environment"
    if importlib.util.find_spec("torch") is not None:
        return "torch is installed here"
    if settings.engine == "auto" and not settings.allow_local_env and not settings.volume_root.parent.is_dir():
        return f"there is no volume at {settings.volume_root.parent}: only the preview engine can run"
    return None


def enter(
    settings: Settings,
    environ: Mapping[str, str],
    argv: Sequence[str],
    meanwhile: Sequence[Callable[[], object]] = (),
) -> Use | None:
    """Makes sure that the worker runs in the right Python; ``argv`` is run again there (``[__file__, *sys.argv[1:]]``).

    Returns when that is this process: the `Use` that keeps the environment from being collected (keep it alive), or
    None. Otherwise does not return. Raises `SetupError`. ``meanwhile``: what can be downloaded at the same time.
    """
    if settings.use_lease:
        use = Use.resume(Path(settings.use_lease), settings.lease_seconds)
        artefact = Use.artefact_of(use.path)
        collect_later(use.path.parent.parent, "-".join(artefact.split("-")[:3]), settings.lease_seconds)
        return use
    reason = stays_here(settings)
    if reason is None:
        exec_into(ensure(settings, throttled(_log_step, _LOG_SECONDS), meanwhile), argv, dict(environ))
    _log.info("The worker runs in the container's own Python: %s.", reason)
    return None


def ensure(settings: Settings, progress: OnProgress, meanwhile: Sequence[Callable[[], object]] = ()) -> Environment:
    """`ensure_environment` as ``settings`` say."""
    return ensure_environment(
        settings.volume_root,
        settings.runtime_lock,
        local_dir=settings.local_dir,
        mode=settings.env_mode,
        imports=IMPORTS,
        first=FIRST,
        lease_seconds=settings.lease_seconds,
        allow_local=settings.allow_local_env,
        progress=progress,
        meanwhile=meanwhile,
    )


def setup(settings: Settings, meanwhile: Sequence[Callable[[], object]] = ()) -> Environment:
    """Fills the volume by hand, showing progress on standard error: ``f5-serverless setup --root DIR``."""
    display = Display(sys.stderr)
    try:
        environment = ensure(settings, display, meanwhile)
    finally:
        display.close()
    if environment.use is not None:
        environment.use.release()
    return environment


def current_key(settings: Settings) -> str:
    """The key of the environment that ``settings`` describe. Raises `SetupError` without a readable lock."""
    python = describe_python(Path(sys.executable))
    return environment_key(lock_hash(settings.runtime_lock), python.tag, python.identity(settings.env_mode))


def collect(settings: Settings, keep: Sequence[str]) -> list[str]:
    """Removes environments that nobody uses and whose key is not in ``keep``; takes two lease terms."""
    if not Volume(settings.volume_root).envs.is_dir():
        return []
    return Collector(settings.volume_root, frozenset(keep), settings.lease_seconds).run()


def _log_step(step: Progress) -> None:
    _log.info("setup: %s", describe(step))


def main() -> int:
    """Fills the volume that the environment variables name; for `scripts/setup_runtime.sh` on a bare machine."""
    try:
        environment = setup(Settings.from_env(os.environ))
    except F5Error as error:
        print(f"{error.message}\n{error.hint}", file=sys.stderr)
        return 1
    print(f"The environment {environment.key} is ready: {environment.python}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
