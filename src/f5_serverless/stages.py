"""The stages of a job: each takes the job as far as the next one, and books its time.

`pipeline` says in which order they run. In: a `Job` and what earlier stages made. Errors leave as `F5Error`.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Sequence
from typing import Any

from f5_serverless import __version__, delivery, dubbing, synthesis
from f5_serverless.audio import join, loudness, watermark
from f5_serverless.engines.base import AlignItem, Synthesizer
from f5_serverless.errors import EngineUnavailable, InputError, NotAvailable, Unverified
from f5_serverless.job import Job
from f5_serverless.request import Options
from f5_serverless.response import Answer, word_to_dict
from f5_serverless.storage.cache import cache_key
from f5_serverless.storage.manifest import ChunkSource, Manifest
from f5_serverless.subtitles.cue_reader import read_cues
from f5_serverless.synthesis import Studio, Take
from f5_serverless.text import chunker, normalizer
from f5_serverless.timeline import check_words, displayed_words
from f5_serverless.types import Audio, Chunk, Script, SynthesisSettings, Voice, Word


def cue_lines(job: Job, content: bytes) -> list[dubbing.Line]:
    """The lines of a subtitle file."""
    return [
        dubbing.Line(normalise(job, cue.text), cue.start_ms / 1000, cue.end_ms / 1000)
        for cue in read_cues(content, field="options.cues_url")
    ]


def normalise(job: Job, text: str) -> Script:
    with job.watch.stage("normalise"):
        lexicon = {**job.services.lexicon, **job.request.options.lexicon}
        script = normalizer.normalize(text, job.language, lexicon=lexicon)
    job.warnings.extend(warning for warning in script.warnings if warning not in job.warnings)
    return script


def heard(job: Job, recording: Audio) -> tuple[Script, list[Word], str]:
    """What is said in a recording, as a script with a time for each token, and the name of what timed it."""
    text = job.request.text
    if text is None:
        with job.watch.stage("transcribe"):
            text, language = transcribed(job, recording)
        options = job.request.options.model_copy(update={"language": language})
        job.request = dataclasses.replace(job.request, options=options)
    script = normalise(job, text)
    choice = job.services.engines.aligner_choice(script.language)
    if choice.reason:
        job.warnings.append(choice.reason)
    chunk = Chunk(index=0, tokens=script.tokens)
    with job.watch.stage("align"):
        (alignment,) = choice.aligner.align([AlignItem(recording, chunk.words)], script.language, job.progress)
    return script, displayed_words(chunk, alignment, 0.0, recording.duration), choice.aligner.name


def transcribed(job: Job, recording: Audio) -> tuple[str, str]:
    """What a recogniser hears in a recording, and in which language."""
    try:
        transcript = job.services.engines.transcriber().transcribe(
            recording, job.request.options.language, job.progress
        )
    except EngineUnavailable as error:
        raise NotAvailable(
            "Writing down a recording needs a speech recogniser, and none can run here.",
            field="text",
            hint=f"Send the text that is said in the recording. {error.hint}",
        ) from error
    if not transcript.words:
        raise InputError("No speech was found in the recording.", field="audio_url")
    return transcript.text, transcript.language


def check_language(engine: Synthesizer, script: Script) -> None:
    """Raises `NotAvailable` where the engine does not speak the language, or cannot read its letters."""
    if engine.languages is None:
        return
    spoken = ", ".join(sorted(engine.languages))
    if script.language.split("-")[0] not in engine.languages:
        raise NotAvailable(
            f"The {engine.name} engine does not speak {script.language!r}, only {spoken}.", field="options.language"
        )
    foreign = {c for token in script.tokens for w in token.words for c in w if c.isalpha() and not is_latin(c)}
    if foreign:
        raise NotAvailable(
            f"The {engine.name} engine reads Latin letters only; the text has {len(foreign)} other letters.",
            field="text",
        )


def is_latin(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(("LATIN", "FEMININE", "MASCULINE", "MODIFIER"))


def synthesis_settings(job: Job) -> SynthesisSettings:
    options = job.request.options
    return SynthesisSettings(
        seed=job.request.seed,
        language=job.language,
        speed=options.speed,
        nfe_step=options.nfe_step,
        cfg_strength=options.cfg_strength,
    )


def chunks(
    job: Job, script: Script, engine: Synthesizer, voice: Voice | None, settings: SynthesisSettings
) -> tuple[Chunk, ...]:
    return chunker.chunk(
        script,
        estimate=lambda text: engine.estimate_seconds(voice, text, settings),
        max_seconds=job.settings.chunk_seconds,
        max_chunks=job.settings.max_chunks,
    )


def takes(
    job: Job, engine: Synthesizer, voice: Voice | None, settings: SynthesisSettings, chunks: Sequence[Chunk]
) -> list[Take]:
    choice = job.services.engines.aligner_choice(settings.language)
    if choice.reason:
        job.warnings.append(choice.reason)
    studio = Studio(
        engine=engine,
        aligner=choice.aligner,
        checker=job.services.checker(settings.language, voice, job.progress),
        voice=voice,
        settings=settings,
        cache=job.services.cache,
        watch=job.watch,
        progress=job.progress,
        max_attempts=job.request.options.max_attempts,
        retry_seconds=job.settings.verify_seconds,
    )
    takes = studio.takes(chunks, job.on_take)
    job.verification = synthesis.report(chunks, takes, studio.checked_by)
    failed = sum(not take.passed for take in takes)
    if failed:
        message = f"{failed} of {len(takes)} chunks could not be verified; `verification` says what was heard."
        if job.request.options.on_unverified == "fail":
            raise Unverified(message, field="options.on_unverified")
        job.warnings.append(message)
    return takes


def joined(
    job: Job,
    chunks: Sequence[Chunk],
    takes: Sequence[Take],
    pieces: Sequence[join.Piece],
    lead: float,
    crossfade: float | None = None,
) -> tuple[Audio, list[Word]]:
    """The whole sound, and its words at the times the join booked."""
    with job.watch.stage("join"):
        fade = job.settings.crossfade_seconds if crossfade is None else crossfade
        joined = join.join(pieces, crossfade=fade, lead_pause=lead)
        audio = joined.audio
        words: list[Word] = []
        for chunk, take, offset in zip(chunks, takes, joined.offsets, strict=True):
            words += displayed_words(chunk, take.alignment, offset / audio.sample_rate, take.audio.duration)
        check_words(words, audio)
    return finished(job, audio), words


def finished(job: Job, audio: Audio) -> Audio:
    """``audio`` at the loudness and with the mark that the request asks for."""
    options = job.request.options
    if options.watermark:
        with job.watch.stage("watermark"):
            audio = watermark.embed(audio)
    if options.loudness is not None:
        with job.watch.stage("loudness"):
            audio, achieved = loudness.normalise(audio, options.loudness)
        if abs(achieved - options.loudness) > 0.5:
            job.warnings.append(
                f"The loudness is {achieved:.1f} LUFS and not {options.loudness:g}: more would clip the peaks."
            )
    return audio


def deliver_speech(
    job: Job,
    key: str,
    engine: Synthesizer,
    voice: Voice | None,
    chunks: Sequence[Chunk],
    takes: Sequence[Take],
    audio: Audio,
    words: Sequence[Word],
    overflows: Sequence[dict[str, Any]] = (),
) -> Answer:
    """Captions, encoding and the answer of a job that made speech."""
    options = job.request.options
    with job.watch.stage("captions"):
        subtitles = delivery.write_subtitles(words, audio.duration, job.language, options)
    with job.watch.stage("encode"):
        files = delivery.Files(delivery.write_audio(audio, options), subtitles)
    answer = Answer(
        mode=job.request.mode,
        engine=engine.name,
        model=engine.model,
        licence=engine.licence,
        aligner=takes[0].alignment.method,
        duration=audio.duration,
        sample_rate=audio.sample_rate,
        words=words,
        seed=job.request.seed,
        verification=job.verification,
        overflows=overflows,
        warnings=job.warnings,
        timings=job.watch.timings,
    )
    manifest = Manifest(
        job=key,
        mode=job.request.mode,
        engine=engine.name,
        model=engine.model,
        licence=engine.licence,
        seed=job.request.seed,
        request=understood(job),
        voice=job.voice_source,
        chunks=[ChunkSource(chunk.index, take.seed, take.attempts) for chunk, take in zip(chunks, takes, strict=True)],
        report=job.verification or {},
        watermark=watermark.NAME if options.watermark else None,
        versions=versions(),
    )
    return finish(job, key, answer, files, manifest)


def finish(job: Job, key: str, answer: Answer, files: delivery.Files, manifest: Manifest) -> Answer:
    """The answer with its files inside, or stored."""
    options = job.request.options
    if options.return_ == "inline":
        return delivery.inline(answer, files, options, job.settings.max_inline_bytes)
    with job.watch.stage("store"):
        return delivery.store(
            answer, files, options, key, manifest, job.services.store, expires(job), job.settings.max_inline_bytes
        )


# ------------------------------------------------------------------------------------------------------ nothing twice


def understood(job: Job) -> dict[str, Any]:
    """The request as it was understood: inputs by their content, not by their address."""
    return {
        "mode": job.request.mode,
        "text": job.request.text,
        "seed": job.request.seed,
        "options": job.request.options.model_dump(
            mode="json", by_alias=True, exclude={"return_", "stream", "cues_url", "url_expires"}
        ),
        "sources": dict(sorted(job.sources.items())),
        "lexicon": dict(sorted(job.services.lexicon.items())),
    }


def identity(job: Job, model: str, voice: Voice | None) -> str:
    """The name of a result: everything that decides what it is."""
    settings = job.settings
    return cache_key(
        request=understood(job),
        model=model,
        voice=None if voice is None else voice.hash,
        aligner=settings.aligner,
        align_model=settings.align_model,
        whisper_model=settings.whisper_model,
        verify=settings.verify,
        chunk_seconds=settings.chunk_seconds,
        crossfade_seconds=settings.crossfade_seconds,
        version=__version__,
    )


def known(job: Job, key: str) -> Answer | None:
    """The answer of the same job, done before and stored."""
    if job.request.options.return_ == "inline":
        return None
    with job.watch.stage("lookup"):
        return delivery.find(key, job.services.store, expires(job))


def expires(job: Job) -> int:
    """Seconds for which signed addresses in the answer stay valid."""
    return job.request.options.url_expires or job.settings.url_expires


def chunk_event(chunk: Chunk, take: Take, options: Options) -> dict[str, Any]:
    """One finished chunk for a streaming caller: its sound as a ``data:`` URL, its words in seconds from its start.

    ``pause_after``: the silence that follows it in the whole. Loudness is set for the whole only.
    """
    words = displayed_words(chunk, take.alignment, 0.0, take.audio.duration)
    return {
        "chunk": chunk.index,
        "text": chunk.text,
        "audio": delivery.data_url(delivery.write_audio(take.audio, options), options),
        "duration": round(take.audio.duration, 3),
        "pause_after": chunk.pause_after,
        "words": [word_to_dict(word) for word in words],
        "seed": take.seed,
    }


def versions() -> dict[str, str]:
    return {"f5-serverless": __version__}
