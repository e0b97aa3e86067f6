"""What is missing before money is spent: ``f5-serverless deploy --check``.

In: the variables that the endpoint will get. Out: a list of `Finding`, worst first. It opens
the store (one `HEAD` of the bucket) when `reach_store` is passed, and changes nothing anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from f5_serverless.config import BadSetting, Settings
from f5_serverless.errors import F5Error
from f5_serverless.runtime import disk
from f5_serverless.runtime.build import Sizes
from f5_serverless.runtime.publish import MODES
from f5_serverless.types import Finding

RUNPOD_JOB_SECONDS = 600
RUNPOD_INIT_SECONDS = 420
MODEL_BYTES = 4_000_000_000
"""Room for F5-TTS (1.35 GB), the vocoder, an alignment model and a Whisper model."""
_ENGINES = ("auto", "f5", "preview")
_SEVERITY = {"error": 0, "warning": 1, "info": 2}


def deploy_check(environ: Mapping[str, str], reach_store: Callable[[Settings], None] | None = None) -> list[Finding]:
    """Findings about a deployment with these variables.

    ``reach_store`` raises an `F5Error` when the store refuses: pass the storage room's own check. RunPod's key and the
    endpoint's volume cannot be seen from outside a worker, so they are asked about instead.
    """
    try:
        settings = Settings.from_env(environ)
    except BadSetting as error:
        return [Finding("bad_setting", error.message, error.hint, "error")]
    found = [
        *_account(environ),
        *_engine(settings),
        *_lock(settings),
        *_store(settings, reach_store),
        *_times(settings, environ),
    ]
    return sorted(found, key=lambda finding: _SEVERITY[finding.severity])


def _account(environ: Mapping[str, str]) -> Iterable[Finding]:
    if not environ.get("RUNPOD_API_KEY"):
        yield Finding(
            "no_api_key",
            "RUNPOD_API_KEY is not set here, so no endpoint can be called from this machine.",
            "Create a key in RunPod's settings. The worker itself does not need it.",
        )
    if environ.get("RUNPOD_LOG_LEVEL", "").upper() == "DEBUG":
        yield Finding(
            "debug_log",
            "RUNPOD_LOG_LEVEL=DEBUG prints whole inputs and outputs into the log.",
            "Leave it at INFO, as the image sets it.",
        )


def _engine(settings: Settings) -> Iterable[Finding]:
    if settings.engine not in _ENGINES:
        names = ", ".join(_ENGINES)
        yield Finding("unknown_engine", f"F5_ENGINE={settings.engine!r} is none of {names}.", "Correct it.", "error")
    if settings.engine == "preview":
        yield Finding(
            "preview_engine",
            "F5_ENGINE=preview speaks English in one voice and clones nobody, on a GPU that is paid for.",
            "Set F5_ENGINE=f5, or use a CPU endpoint.",
        )
    if settings.env_mode not in MODES:
        yield Finding(
            "unknown_mode", f"F5_ENV_MODE={settings.env_mode!r} is none of {', '.join(MODES)}.", "Correct it.", "error"
        )
    if settings.volume_root.parts[:2] not in (("/", "runpod-volume"), ("/", "workspace")):
        yield Finding(
            "volume_elsewhere",
            f"F5_VOLUME_ROOT={settings.volume_root} is not on RunPod's network volume.",
            "Serverless mounts it at /runpod-volume, Pods at /workspace.",
        )
    if settings.allow_local_env:
        yield Finding(
            "local_environment",
            "F5_ALLOW_LOCAL_ENV=1: a worker without a volume downloads the whole environment at every cold start.",
            "Attach a network volume and unset it.",
        )


def _lock(settings: Settings) -> Iterable[Finding]:
    lock: Path = settings.runtime_lock
    if not lock.is_file():
        yield Finding("no_lock", f"There is no lock at {lock}.", "Run `make lock`, or set F5_RUNTIME_LOCK.", "error")
        return
    try:
        sizes = Sizes.of(lock)
    except F5Error as error:
        yield Finding("bad_lock", error.message, error.hint, "error")
        return
    if "--hash=" not in lock.read_text():
        yield Finding("no_hashes", f"{lock.name} has no hashes, and uv will refuse it.", "Run `make lock`.", "error")
    if settings.env_mode not in MODES:
        return  # said already
    on_volume = sizes.on_volume(settings.env_mode) + MODEL_BYTES
    local = sizes.download_bytes + sizes.unpacked_bytes
    yield Finding(
        "sizes",
        f"The volume needs {disk.gigabytes(on_volume)} (more while an update has two environments), and the container "
        f"disk {disk.gigabytes(local)} while the first worker builds.",
        "Order a volume of 30 GB and a container disk of 20 GB.",
        "info",
    )


def _store(settings: Settings, reach_store: Callable[[Settings], None] | None) -> Iterable[Finding]:
    if not settings.s3_bucket:
        yield Finding(
            "no_bucket",
            "S3_BUCKET is not set: results travel inside the answer, which RunPod cuts off at 10 MB.",
            "Set S3_BUCKET, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and, outside AWS, AWS_ENDPOINT_URL.",
        )
        return
    if bool(settings.aws_access_key_id) != bool(settings.aws_secret_access_key):
        yield Finding(
            "half_a_key", "One of AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY is missing.", "Set both.", "error"
        )
    elif not settings.aws_access_key_id:
        yield Finding(
            "no_store_key",
            "No key for the store is set, and RunPod's machines have no role of their own.",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY as RunPod secrets.",
            "error",
        )
    elif reach_store is not None:
        try:
            reach_store(settings)
        except F5Error as error:
            yield Finding("store_unreachable", error.message, error.hint, "error")


def _times(settings: Settings, environ: Mapping[str, str]) -> Iterable[Finding]:
    if settings.job_seconds > RUNPOD_JOB_SECONDS:
        yield Finding(
            "job_time",
            f"F5_JOB_SECONDS={settings.job_seconds:.0f} is more than RunPod's default of {RUNPOD_JOB_SECONDS} s.",
            "Raise the endpoint's execution timeout to match.",
        )
    if not environ.get("RUNPOD_INIT_TIMEOUT"):
        yield Finding(
            "init_timeout",
            f"A first start on an empty volume downloads gigabytes, and after {RUNPOD_INIT_SECONDS} s RunPod calls a "
            "worker unhealthy.",
            "Set RUNPOD_INIT_TIMEOUT=1200 on the endpoint, or fill the volume beforehand (`scripts/setup_runtime.sh`).",
        )
