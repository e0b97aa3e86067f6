"""The order of work of one job, and the only place that knows it.

    request → fetch inputs → prepare reference voice → normalise text → chunk → synthesise (batched)
            → align and verify each chunk → re-synthesise what failed → join → captions → encode → store → answer

In: a job's ``input`` (JSON data) and the `Services` of this process. Out: the answer as JSON data. Errors leave as
`F5Error`; the entries turn them into an answer. Nothing is stored before everything is made.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from f5_serverless import delivery, dubbing, inputs, stages
from f5_serverless.actions import run_action
from f5_serverless.audio import join
from f5_serverless.config import Settings
from f5_serverless.job import Job, Stopwatch
from f5_serverless.request import Limits, Request, parse_request
from f5_serverless.response import Answer
from f5_serverless.services import Services, open_services
from f5_serverless.storage.manifest import Manifest
from f5_serverless.synthesis import Take
from f5_serverless.types import Chunk, OnProgress, no_progress

__all__ = ["Services", "limits_of", "open_services", "run", "run_job", "warm_up"]


OnChunk = Callable[[dict[str, Any]], None]


def run_job(
    payload: object, services: Services, progress: OnProgress = no_progress, on_chunk: OnChunk | None = None
) -> dict[str, Any]:
    """Carries out a job's ``input``. Returns the answer as JSON-ready data; raises `F5Error`.

    ``on_chunk`` gets each finished chunk as JSON-ready data (`stages.chunk_event`), in order, while the job goes on,
    where the request says ``stream``. An ``input`` with an ``action`` is carried out by `actions`.
    """
    if isinstance(payload, Mapping) and "action" in payload:
        return run_action(payload, services, progress)
    return run(parse_request(payload, limits_of(services.settings)), services, progress, on_chunk).to_dict()


def limits_of(settings: Settings) -> Limits:
    """The request limits of a deployment."""
    return Limits(max_text_chars=settings.max_text_chars)


def run(
    request: Request, services: Services, progress: OnProgress = no_progress, on_chunk: OnChunk | None = None
) -> Answer:
    """Carries out a request. Temporary files go when it ends, however it ends."""

    def on_take(chunk: Chunk, take: Take) -> None:
        if on_chunk is not None and request.options.stream:
            on_chunk(stages.chunk_event(chunk, take, request.options))

    work = {"speak": _speak, "subtitle": _subtitle, "revoice": _revoice}[request.mode]
    with tempfile.TemporaryDirectory(prefix="f5-job-") as directory:
        job = Job(
            request=request,
            services=services,
            scratch=Path(directory),
            watch=Stopwatch(progress),
            progress=progress,
            on_take=on_take,
            warnings=list(request.warnings),
        )
        return work(job)


def warm_up(services: Services) -> None:
    """Loads the engine that `auto` stands for and what checks its speech, side by side: no job waits for that."""
    with ThreadPoolExecutor(1, thread_name_prefix="f5-warm-up") as pool:
        checking = pool.submit(services.warm_up)
        services.engines.synthesizer("auto").warm_up()
        checking.result()


# ---------------------------------------------------------------------------------------------------------- the modes


def _speak(job: Job) -> Answer:
    engine = job.services.engines.synthesizer(job.request.options.engine)
    voice = inputs.voice(job, engine)
    key = stages.identity(job, engine.model, voice)
    known = stages.known(job, key)
    if known is not None:
        return known
    script = stages.normalise(job, job.request.text or "")
    stages.check_language(engine, script)
    settings = stages.synthesis_settings(job)
    with job.watch.stage("chunk"):
        chunks = stages.chunks(job, script, engine, voice, settings)
    takes = stages.takes(job, engine, voice, settings, chunks)
    pieces = [join.Piece(take.audio, chunk.pause_after) for chunk, take in zip(chunks, takes, strict=True)]
    audio, words = stages.joined(job, chunks, takes, pieces, script.lead_pause)
    return stages.deliver_speech(job, key, engine, voice, chunks, takes, audio, words)


def _subtitle(job: Job) -> Answer:
    recording = inputs.fetch_audio(job, job.request.audio_url, "audio_url")
    key = stages.identity(job, "none", None)
    known = stages.known(job, key)
    if known is not None:
        return known
    script, words, aligner = stages.heard(job, recording)
    with job.watch.stage("captions"):
        subtitles = delivery.write_subtitles(words, recording.duration, script.language, job.request.options)
    answer = Answer(
        mode=job.request.mode,
        engine=aligner,
        aligner=aligner,
        duration=recording.duration,
        sample_rate=recording.sample_rate,
        words=words,
        warnings=job.warnings,
        timings=job.watch.timings,
    )
    manifest = Manifest(
        key, "subtitle", aligner, "none", "none", None, stages.understood(job), versions=stages.versions()
    )
    return stages.finish(job, key, answer, delivery.Files(None, subtitles), manifest)


def _revoice(job: Job) -> Answer:
    engine = job.services.engines.synthesizer(job.request.options.engine)
    recording = None
    if job.request.options.cues_url is None:
        recording = inputs.fetch_audio(job, job.request.audio_url, "audio_url")
    lines_source = None if recording is not None else inputs.fetch_cues(job)
    voice = inputs.voice(job, engine)
    key = stages.identity(job, engine.model, voice)
    known = stages.known(job, key)
    if known is not None:
        return known
    if recording is not None:
        script, heard, _ = stages.heard(job, recording)
        lines = dubbing.lines_of_recording(script, heard)
    else:
        lines = stages.cue_lines(job, lines_source or b"")
    for line in lines:
        stages.check_language(engine, line.script)
    settings = stages.synthesis_settings(job)
    with job.watch.stage("chunk"):
        planned = dubbing.plan(
            lines,
            lambda script: stages.chunks(job, script, engine, voice, settings),
            lambda text: engine.estimate_seconds(voice, text, settings),
        )
    chunks = [item.chunk for item in planned]
    takes = stages.takes(job, engine, voice, settings, chunks)
    spoken = [dubbing.Spoken(len(t.audio.samples), t.alignment.words[0].start) for t in takes]
    placed = dubbing.place(lines, planned, spoken, engine.sample_rate)
    pauses = list(placed.pauses)
    if recording is not None:  # as long as the original, so that it fits under the same pictures
        length = placed.lead + sum(t.audio.duration for t in takes) + sum(pauses)
        pauses[-1] += max(0.0, recording.duration - length)
    pieces = [join.Piece(take.audio, pause) for take, pause in zip(takes, pauses, strict=True)]
    audio, words = stages.joined(job, chunks, takes, pieces, placed.lead, crossfade=0.0)
    overflows = [dataclasses.asdict(overflow) for overflow in placed.overflows]
    return stages.deliver_speech(job, key, engine, voice, chunks, takes, audio, words, overflows)
