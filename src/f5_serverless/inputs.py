"""What a job starts from: recordings, subtitle files and the reference voice, fetched, decoded and prepared.

Each input's hash is booked in the job, since a result is known by the content of its inputs. Errors name the field.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from f5_serverless import __version__
from f5_serverless.audio import codec
from f5_serverless.audio.voice_cache import voice_key
from f5_serverless.casting import prepare_voice
from f5_serverless.engines.base import Synthesizer
from f5_serverless.errors import InputError
from f5_serverless.job import Job
from f5_serverless.storage.manifest import VoiceSource
from f5_serverless.storage.voices import VoiceRecord, VoiceRegistry
from f5_serverless.types import Audio, Progress, Voice

MAX_CUE_BYTES = 8 << 20


def fetch(job: Job, address: str, field: str, max_bytes: int) -> Path:
    """The file behind an address of the request; its hash is booked in ``job.sources``."""
    with job.watch.stage("fetch"):
        path = job.services.fetcher.fetch(
            address,
            field=field,
            directory=job.scratch,
            max_bytes=max_bytes,
            alive=lambda: job.progress(Progress("fetch", 0, 1)),
        )
        with path.open("rb") as file:
            job.sources[field] = hashlib.file_digest(file, "sha256").hexdigest()
    return path


def fetch_audio(job: Job, address: str | None, field: str) -> Audio:
    """The sound behind an address of the request."""
    limit = job.settings.max_audio_bytes
    path = fetch(job, address or "", field, limit)
    with job.watch.stage("decode"):
        return codec.decode(path, max_seconds=job.settings.max_audio_seconds, max_bytes=limit, field=field)


def fetch_cues(job: Job) -> bytes:
    return fetch(job, job.request.options.cues_url or "", "options.cues_url", MAX_CUE_BYTES).read_bytes()


def voice(job: Job, engine: Synthesizer) -> Voice | None:
    """The reference voice, prepared, or None for an engine that clones none."""
    options, given = job.request.options, job.request.options.model_fields_set
    if not engine.clones:
        job.warnings.append(
            f"The {engine.name} engine speaks with a voice of its own and clones none; it is for trying things out."
        )
        if job.request.voice is not None:
            VoiceRegistry(job.services.store).get(job.request.voice)  # a voice that is not there is told all the same
            job.warnings.append(f"voice has no effect with the {engine.name} engine.")
        unread = [f"options.{name}" for name in ("ref_text", "nfe_step", "cfg_strength") if name in given]
        if job.request.voice_reference_url is not None:
            fetch_audio(job, job.request.voice_reference_url, "voice_reference_url")  # a bad file is told all the same
            unread.insert(0, "voice_reference_url")
        job.warnings.extend(f"{name} has no effect with the {engine.name} engine." for name in unread)
        return None
    ref_text, language = options.ref_text, job.language
    if job.request.voice is not None:
        audio, record = registered(job, job.request.voice)
        ref_text, language = record.ref_text, record.language
        job.voice_source = VoiceSource(record.hash, record.name, record.consent)
    elif job.request.voice_reference_url is not None:
        audio = fetch_audio(job, job.request.voice_reference_url, "voice_reference_url")
    else:
        raise InputError(
            f"The {engine.name} engine clones a voice; the request names none.", field="voice_reference_url"
        )
    source = job.sources["voice" if job.request.voice is not None else "voice_reference_url"]
    choices = {
        "sample_rate": engine.sample_rate,
        "version": __version__,
        "whisper_model": job.settings.whisper_model,
        "aligner": job.settings.aligner,
    }
    key = voice_key(source.encode(), ref_text or "", language, **choices)

    def prepare() -> Voice:
        engines, rate = job.services.engines, engine.sample_rate
        return prepare_voice(audio, ref_text, language, engines, sample_rate=rate, progress=job.progress)

    with job.watch.stage("voice"):
        voice = job.services.prepared.get_or_prepare(key, prepare)
    findings = voice.report.findings if voice.report is not None else ()
    job.warnings.extend(f"Reference voice: {f.message} {f.advice}" for f in findings if f.severity != "info")
    if job.voice_source is None:
        job.voice_source = VoiceSource(voice.hash)
    return voice


def registered(job: Job, name: str) -> tuple[Audio, VoiceRecord]:
    """The recording and the record of a registered voice."""
    path = job.scratch / "voice.flac"
    with job.watch.stage("fetch"):
        record = VoiceRegistry(job.services.store).fetch(name, path)
        job.sources["voice"] = record.audio_sha256
    with job.watch.stage("decode"):
        limit = job.settings.max_audio_bytes
        audio = codec.decode(path, max_seconds=job.settings.max_audio_seconds, max_bytes=limit, field="voice")
    return audio, record
