"""Settings: read once, from a passed mapping, into one frozen object.

Nothing else in the package reads environment variables. Each setting names its variable, its meaning and its unit in
its field's metadata; `docs/configuration.md` is checked against it by a test.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from f5_serverless.errors import InputError


class BadSetting(InputError):
    """An environment variable holds a value that cannot be used."""

    code = "bad_setting"
    hint = "Correct the variable; docs/configuration.md lists all of them with their units."


def setting(variable: str, default: Any, help: str, *, secret: bool = False) -> Any:
    """A dataclass field that is read from ``variable``. A ``secret`` does not show in ``repr``."""
    return dataclasses.field(default=default, repr=not secret, metadata={"env": variable, "help": help})


@dataclass(frozen=True)
class Settings:
    """Everything a deployment can choose. Defaults fit a laptop."""

    output_dir: Path = setting("F5_OUTPUT_DIR", Path("out"), "Directory for outputs when no S3 bucket is set.")
    engine: str = setting("F5_ENGINE", "auto", "Engine used where a request says `auto`: auto, f5 or preview.")
    log_level: str = setting("F5_LOG_LEVEL", "INFO", "Log level: DEBUG, INFO, WARNING or ERROR.")
    max_text_chars: int = setting("F5_MAX_TEXT_CHARS", 200_000, "Longest text of one request, in characters.")
    max_chunks: int = setting("F5_MAX_CHUNKS", 4_000, "Most chunks one request may be cut into.")
    max_audio_seconds: float = setting("F5_MAX_AUDIO_SECONDS", 4 * 3600.0, "Longest input recording, in seconds.")
    max_audio_bytes: int = setting("F5_MAX_AUDIO_BYTES", 1 << 30, "Largest input file, in bytes.")
    max_inline_bytes: int = setting(
        "F5_MAX_INLINE_BYTES", 4_000_000, "Largest answer with inline audio, in bytes (RunPod takes 10 MB)."
    )
    chunk_seconds: float = setting("F5_CHUNK_SECONDS", 12.0, "Time budget of one chunk of speech, in seconds.")
    crossfade_seconds: float = setting("F5_CROSSFADE_SECONDS", 0.0, "Cross-fade where two chunks meet, in seconds.")
    lexicon: str = setting("F5_LEXICON", "", "A TOML or JSON file: written word = how it is said, for all requests.")
    cache_dir: str = setting(
        "F5_CACHE_DIR",
        "",
        "Where finished chunks are kept: a directory, or `store`: with the outputs. Empty: `cache` on the volume where "
        "one is mounted, else `~/.cache/f5-serverless`.",
    )
    cache_bytes: int = setting("F5_CACHE_BYTES", 2 << 30, "Most bytes of finished chunks that are kept; 0: none.")
    models_dir: str = setting(
        "F5_MODELS_DIR",
        "",
        "Directory of the models. Empty: `models` on the volume where one is mounted, else "
        "`~/.cache/f5-serverless/models`.",
    )
    model: str = setting(
        "F5_MODEL", "F5TTS_v1_Base", "Model of the f5 engine: a name, or a directory with a checkpoint."
    )
    hub_endpoint: str = setting("HF_ENDPOINT", "", "Address of the model hub or of a mirror; empty: the hub itself.")
    device: str = setting("F5_DEVICE", "auto", "Device of the models: auto, cpu, cuda or cuda:N.")
    dtype: str = setting("F5_DTYPE", "auto", "Precision of the f5 engine: auto, float32, float16 or bfloat16.")
    cpu_int8: bool = setting(
        "F5_CPU_INT8", False, "On a CPU, 8-bit linear layers in the f5 engine: faster, less exact."
    )
    weights_io: str = setting("F5_WEIGHTS_IO", "auto", "How weights are read: auto (measured), mmap or read.")
    cuda_graphs: bool = setting("F5_CUDA_GRAPHS", False, "On a GPU, one CUDA graph per length: faster short texts.")
    threads: int = setting("F5_THREADS", 0, "CPU threads of the f5 engine; 0: all.")
    aligner: str = setting("F5_ALIGNER", "auto", "What times the words: auto, whisperx or pocketsphinx.")
    align_model: str = setting(
        "F5_ALIGN_MODEL", "", "Alignment model (name or directory) instead of the language's own."
    )
    whisper_model: str = setting(
        "F5_WHISPER_MODEL", "large-v3-turbo", "Model that writes down speech: name or directory."
    )
    verify: str = setting(
        "F5_VERIFY", "auto", "Who reads speech back: auto (what needs no download), full (faster-whisper too) or off."
    )
    verify_seconds: float = setting(
        "F5_VERIFY_SECONDS", 120.0, "Time that one job may spend on making chunks again, in seconds."
    )
    allow_hosts: tuple[str, ...] = setting(
        "F5_ALLOW_HOSTS", (), "Hosts (`host` or `host:port`, comma-separated) fetched from without address checks."
    )
    fetch_connect_seconds: float = setting(
        "F5_FETCH_CONNECT_TIMEOUT", 10.0, "Longest wait for a connection, in seconds."
    )
    fetch_read_seconds: float = setting("F5_FETCH_READ_TIMEOUT", 30.0, "Longest wait for the next bytes, in seconds.")
    fetch_seconds: float = setting("F5_FETCH_TIMEOUT", 600.0, "Longest fetch of one input, in seconds.")
    s3_bucket: str = setting("S3_BUCKET", "", "Bucket for outputs and voices; empty: a local directory.")
    s3_prefix: str = setting("S3_PREFIX", "", "What every key in the bucket starts with, such as `f5/`.")
    s3_addressing: str = setting(
        "S3_ADDRESSING", "auto", "How buckets are addressed: auto (by endpoint), path or virtual."
    )
    s3_seconds: float = setting("S3_TIMEOUT", 600.0, "Longest transfer of one object with all repetitions, in seconds.")
    aws_access_key_id: str = setting(
        "AWS_ACCESS_KEY_ID", "", "Key id for S3; empty: an instance role or profile.", secret=True
    )
    aws_secret_access_key: str = setting("AWS_SECRET_ACCESS_KEY", "", "Secret of that key.", secret=True)
    aws_session_token: str = setting("AWS_SESSION_TOKEN", "", "Session token of temporary keys.", secret=True)
    aws_region: str = setting("AWS_REGION", "", "Region of the store; empty: read off the endpoint.")
    aws_endpoint_url: str = setting("AWS_ENDPOINT_URL", "", "Endpoint of an S3-compatible store; empty: AWS.")
    url_expires: int = setting("F5_URL_EXPIRES", 86_400, "How long signed addresses in answers stay valid, in seconds.")

    concurrency: int = setting("F5_CONCURRENCY", 1, "Jobs that one worker runs at once.")
    job_seconds: float = setting("F5_JOB_SECONDS", 540.0, "Time that one job may take, in seconds (RunPod allows 600).")
    drain_seconds: float = setting(
        "F5_DRAIN_SECONDS", 20.0, "Time that running jobs get to finish after SIGTERM, in seconds."
    )
    progress_seconds: float = setting("F5_PROGRESS_SECONDS", 1.0, "Least time between two progress events, in seconds.")
    outbox_dir: str = setting(
        "F5_OUTBOX_DIR", "", "Where finished results wait until the queue has them; empty: `outbox` on the volume."
    )

    volume_root: Path = setting(
        "F5_VOLUME_ROOT", Path("/runpod-volume/f5tts"), "Directory on the network volume; the volume itself must exist."
    )
    env_mode: str = setting(
        "F5_ENV_MODE",
        "split",
        "How the volume holds the environment: split (large files in place), archive or volume (files).",
    )
    local_dir: Path = setting(
        "F5_LOCAL_DIR", Path("/tmp/f5-serverless"), "Directory on the container's own disk for unpacking and building."
    )
    lease_seconds: float = setting(
        "F5_LEASE_SECONDS", 20.0, "How long a builder may be silent until another worker takes over, in seconds."
    )
    allow_local_env: bool = setting(
        "F5_ALLOW_LOCAL_ENV", False, "Build on the container's own disk when there is no usable volume."
    )
    runtime_lock: Path = setting(
        "F5_RUNTIME_LOCK", Path("runtime_requirements.txt"), "The lock that describes the environment."
    )
    use_lease: str = setting("F5_USE_LEASE", "", "Set by the worker itself: the file that says it uses an environment.")

    @property
    def cache_path(self) -> Path:
        """Where finished chunks are kept, unless `cache_dir` is ``store``."""
        return Path(self.cache_dir).expanduser() if self.cache_dir else self._shared("cache", "")

    @property
    def models_path(self) -> Path:
        """The directory of the models."""
        return Path(self.models_dir).expanduser() if self.models_dir else self._shared("models", "models")

    def _shared(self, on_volume: str, at_home: str) -> Path:
        """A directory on the network volume where one is mounted, else in the user's cache."""
        if self.volume_root.parent.is_dir():
            return self.volume_root / on_volume
        return Path("~/.cache/f5-serverless").expanduser() / at_home

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> Settings:
        """Settings from variables such as ``os.environ``. Raises `BadSetting` naming the variable."""
        values: dict[str, Any] = {}
        for item in dataclasses.fields(cls):
            variable = item.metadata["env"]
            raw = environ.get(variable)
            if raw is not None and raw != "":
                values[item.name] = _convert(variable, raw, item.default)
        return cls(**values)


def _convert(variable: str, raw: str, default: Any) -> Any:
    """``raw`` in the type of ``default``."""
    try:
        if isinstance(default, bool):
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[raw.lower()]
        if isinstance(default, (int, float)):
            number = type(default)(raw)
            if not 0 <= number < float("inf"):
                raise ValueError(raw)
            return number
        if isinstance(default, tuple):
            return tuple(raw.replace(",", " ").split())
    except (KeyError, ValueError):
        kind = {bool: "1 or 0", int: "a whole number", float: "a number"}[type(default)]
        raise BadSetting(f"{variable} must be {kind}, not {raw!r}.", field=variable) from None
    return type(default)(raw) if isinstance(default, Path) else raw
