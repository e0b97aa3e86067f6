"""The order of work of one job, and the only place that knows it.

    request → fetch inputs → prepare reference voice → normalise text → chunk → synthesise (batched)
            → align and verify each chunk → re-synthesise what failed → join → captions → encode → store → answer

In: a job's ``input`` (JSON data) and the `Services` of this process. Out: the answer as JSON data. Errors leave as
`F5Error`; the entries turn them into an answer. Nothing is stored before everything is made.
"""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
import time
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from f5_serverless import __version__, delivery, dubbing
from f5_serverless.audio import codec, join, loudness
from f5_serverless.casting import prepare_voice
from f5_serverless.config import Settings
from f5_serverless.engines.base import AlignItem, Synthesizer
from f5_serverless.errors import EngineUnavailable, InputError, NotAvailable
from f5_serverless.request import Limits, Request, parse_request
from f5_serverless.response import Answer
from f5_serverless.services import Services, open_services
from f5_serverless.storage.cache import cache_key
from f5_serverless.storage.manifest import ChunkSource, Manifest, VoiceSource
from f5_serverless.storage.outputs import LocalStore
from f5_serverless.subtitles.cue_reader import read_cues
from f5_serverless.synthesis import Studio, Take
from f5_serverless.text import chunker, normalizer
from f5_serverless.timeline import check_words, displayed_words
from f5_serverless.types import Audio, Chunk, OnProgress, Progress, Script, SynthesisSettings, Voice, Word, no_progress

__all__ = ["Services", "limits_of", "open_services", "run", "run_job", "warm_up"]

OnTake = Callable[[Chunk, Take], None]
MAX_CUE_BYTES = 8 << 20


class Stopwatch:
    """Books how long each stage took, and reports stages as progress."""

    def __init__(self, progress: OnProgress) -> None:
        self.timings: dict[str, float] = {}
        self._progress = progress

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the seconds spent inside to ``timings[name]``."""
        self._progress(Progress(name, 0, 1))
        start = time.perf_counter()
        try:
            yield
        finally:
            self.timings[name] = self.timings.get(name, 0.0) + time.perf_counter() - start


@dataclass
class Job:
    """One job under way: the request, what it may use, and what it has to tell at the end."""

    request: Request
    services: Services
    scratch: Path
    watch: Stopwatch
    progress: OnProgress
    on_take: OnTake
    warnings: list[str]
    sources: dict[str, str] = field(default_factory=dict)
    """SHA-256 of each input that was fetched, by field."""

    @property
    def settings(self) -> Settings:
        return self.services.settings

    @property
    def language(self) -> str:
        return self.request.options.language or "en"


def run_job(
    payload: object, services: Services, progress: OnProgress = no_progress, on_take: OnTake | None = None
) -> dict[str, Any]:
    """Carries out a job's ``input``. Returns the answer as JSON-ready data; raises `F5Error`.

    ``on_take`` gets each chunk and its finished take, in order, while the job goes on.
    """
    return run(parse_request(payload, limits_of(services.settings)), services, progress, on_take).to_dict()


def limits_of(settings: Settings) -> Limits:
    """The request limits of a deployment."""
    return Limits(max_text_chars=settings.max_text_chars)


def run(
    request: Request, services: Services, progress: OnProgress = no_progress, on_take: OnTake | None = None
) -> Answer:
    """Carries out a request. Temporary files go when it ends, however it ends."""
    work = {"speak": _speak, "subtitle": _subtitle, "revoice": _revoice}[request.mode]
    with tempfile.TemporaryDirectory(prefix="f5-job-") as directory:
        job = Job(
            request=request,
            services=services,
            scratch=Path(directory),
            watch=Stopwatch(progress),
            progress=progress,
            on_take=on_take or (lambda chunk, take: None),
            warnings=list(request.warnings),
        )
        return work(job)


def warm_up(services: Services) -> None:
    """Loads the engine that `auto` stands for and says one sentence, so that the first job waits for nothing."""
    with tempfile.TemporaryDirectory(prefix="f5-warm-") as directory:
        aside = dataclasses.replace(services, store=LocalStore(Path(directory)))
        run_job({"text": "This is a first sentence.", "options": {"seed": 0}}, aside)


# ---------------------------------------------------------------------------------------------------------- the modes


def _speak(job: Job) -> Answer:
    engine = job.services.engines.synthesizer(job.request.options.engine)
    voice = _voice(job, engine)
    key = _identity(job, engine.model, voice)
    known = _known(job, key)
    if known is not None:
        return known
    script = _normalise(job, job.request.text or "")
    _check_language(engine, script)
    settings = _synthesis_settings(job)
    with job.watch.stage("chunk"):
        chunks = _chunks(job, script, engine, voice, settings)
    takes = _takes(job, engine, voice, settings, chunks)
    pieces = [join.Piece(take.audio, chunk.pause_after) for chunk, take in zip(chunks, takes, strict=True)]
    audio, words = _joined(job, chunks, takes, pieces, script.lead_pause)
    return _deliver_speech(job, key, engine, voice, chunks, takes, audio, words)


def _subtitle(job: Job) -> Answer:
    recording = _fetch_audio(job, job.request.audio_url, "audio_url")
    key = _identity(job, "none", None)
    known = _known(job, key)
    if known is not None:
        return known
    script, words, aligner = _heard(job, recording)
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
    manifest = Manifest(key, "subtitle", aligner, "none", "none", None, _understood(job), versions=_versions())
    return _finish(job, key, answer, delivery.Files(None, subtitles), manifest)


def _revoice(job: Job) -> Answer:
    engine = job.services.engines.synthesizer(job.request.options.engine)
    recording = None
    if job.request.options.cues_url is None:
        recording = _fetch_audio(job, job.request.audio_url, "audio_url")
    lines_source = None if recording is not None else _fetch_cues(job)
    voice = _voice(job, engine)
    key = _identity(job, engine.model, voice)
    known = _known(job, key)
    if known is not None:
        return known
    if recording is not None:
        script, heard, _ = _heard(job, recording)
        lines = dubbing.lines_of_recording(script, heard)
    else:
        lines = _cue_lines(job, lines_source or b"")
    for line in lines:
        _check_language(engine, line.script)
    settings = _synthesis_settings(job)
    with job.watch.stage("chunk"):
        planned = dubbing.plan(
            lines,
            lambda script: _chunks(job, script, engine, voice, settings),
            lambda text: engine.estimate_seconds(voice, text, settings),
        )
    chunks = [item.chunk for item in planned]
    takes = _takes(job, engine, voice, settings, chunks)
    spoken = [dubbing.Spoken(len(t.audio.samples), t.alignment.words[0].start) for t in takes]
    placed = dubbing.place(lines, planned, spoken, engine.sample_rate)
    pauses = list(placed.pauses)
    if recording is not None:  # as long as the original, so that it fits under the same pictures
        length = placed.lead + sum(t.audio.duration for t in takes) + sum(pauses)
        pauses[-1] += max(0.0, recording.duration - length)
    pieces = [join.Piece(take.audio, pause) for take, pause in zip(takes, pauses, strict=True)]
    audio, words = _joined(job, chunks, takes, pieces, placed.lead, crossfade=0.0)
    overflows = [dataclasses.asdict(overflow) for overflow in placed.overflows]
    return _deliver_speech(job, key, engine, voice, chunks, takes, audio, words, overflows)


# --------------------------------------------------------------------------------------------------------- the stages


def _fetch(job: Job, address: str, field: str, max_bytes: int) -> Path:
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


def _fetch_audio(job: Job, address: str | None, field: str) -> Audio:
    """The sound behind an address of the request."""
    limit = job.settings.max_audio_bytes
    path = _fetch(job, address or "", field, limit)
    with job.watch.stage("decode"):
        return codec.decode(path, max_seconds=job.settings.max_audio_seconds, max_bytes=limit, field=field)


def _fetch_cues(job: Job) -> bytes:
    return _fetch(job, job.request.options.cues_url or "", "options.cues_url", MAX_CUE_BYTES).read_bytes()


def _cue_lines(job: Job, content: bytes) -> list[dubbing.Line]:
    """The lines of a subtitle file."""
    return [
        dubbing.Line(_normalise(job, cue.text), cue.start_ms / 1000, cue.end_ms / 1000)
        for cue in read_cues(content, field="options.cues_url")
    ]


def _voice(job: Job, engine: Synthesizer) -> Voice | None:
    """The reference voice, prepared, or None for an engine that clones none."""
    options, given = job.request.options, job.request.options.model_fields_set
    if not engine.clones:
        job.warnings.append(
            f"The {engine.name} engine speaks with a voice of its own and clones none; it is for trying things out."
        )
        unread = [f"options.{name}" for name in ("ref_text", "nfe_step", "cfg_strength") if name in given]
        if job.request.voice_reference_url is not None:
            _fetch_audio(job, job.request.voice_reference_url, "voice_reference_url")  # a bad file is told all the same
            unread.insert(0, "voice_reference_url")
        job.warnings.extend(f"{name} has no effect with the {engine.name} engine." for name in unread)
        return None
    if job.request.voice_reference_url is None:
        raise InputError(
            f"The {engine.name} engine clones a voice; the request names none.", field="voice_reference_url"
        )
    audio = _fetch_audio(job, job.request.voice_reference_url, "voice_reference_url")
    with job.watch.stage("voice"):
        voice = prepare_voice(
            audio,
            options.ref_text,
            job.language,
            job.services.engines,
            sample_rate=engine.sample_rate,
            progress=job.progress,
        )
    findings = voice.report.findings if voice.report is not None else ()
    job.warnings.extend(f"Reference voice: {f.message} {f.advice}" for f in findings if f.severity != "info")
    return voice


def _normalise(job: Job, text: str) -> Script:
    with job.watch.stage("normalise"):
        lexicon = {**job.services.lexicon, **job.request.options.lexicon}
        script = normalizer.normalize(text, job.language, lexicon=lexicon)
    job.warnings.extend(warning for warning in script.warnings if warning not in job.warnings)
    return script


def _heard(job: Job, recording: Audio) -> tuple[Script, list[Word], str]:
    """What is said in a recording, as a script with a time for each token, and the name of what timed it."""
    text = job.request.text
    if text is None:
        with job.watch.stage("transcribe"):
            text, language = _transcribed(job, recording)
        options = job.request.options.model_copy(update={"language": language})
        job.request = dataclasses.replace(job.request, options=options)
    script = _normalise(job, text)
    choice = job.services.engines.aligner_choice(script.language)
    if choice.reason:
        job.warnings.append(choice.reason)
    chunk = Chunk(index=0, tokens=script.tokens)
    with job.watch.stage("align"):
        (alignment,) = choice.aligner.align([AlignItem(recording, chunk.words)], script.language, job.progress)
    return script, displayed_words(chunk, alignment, 0.0, recording.duration), choice.aligner.name


def _transcribed(job: Job, recording: Audio) -> tuple[str, str]:
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


def _check_language(engine: Synthesizer, script: Script) -> None:
    """Raises `NotAvailable` where the engine does not speak the language, or cannot read its letters."""
    if engine.languages is None:
        return
    spoken = ", ".join(sorted(engine.languages))
    if script.language.split("-")[0] not in engine.languages:
        raise NotAvailable(
            f"The {engine.name} engine does not speak {script.language!r}, only {spoken}.", field="options.language"
        )
    foreign = {c for token in script.tokens for w in token.words for c in w if c.isalpha() and not _is_latin(c)}
    if foreign:
        raise NotAvailable(
            f"The {engine.name} engine reads Latin letters only; the text has {len(foreign)} other letters.",
            field="text",
        )


def _is_latin(letter: str) -> bool:
    return unicodedata.name(letter, "").startswith(("LATIN", "FEMININE", "MASCULINE", "MODIFIER"))


def _synthesis_settings(job: Job) -> SynthesisSettings:
    options = job.request.options
    return SynthesisSettings(
        seed=job.request.seed,
        language=job.language,
        speed=options.speed,
        nfe_step=options.nfe_step,
        cfg_strength=options.cfg_strength,
    )


def _chunks(
    job: Job, script: Script, engine: Synthesizer, voice: Voice | None, settings: SynthesisSettings
) -> tuple[Chunk, ...]:
    return chunker.chunk(
        script,
        estimate=lambda text: engine.estimate_seconds(voice, text, settings),
        max_seconds=job.settings.chunk_seconds,
        max_chunks=job.settings.max_chunks,
    )


def _takes(
    job: Job, engine: Synthesizer, voice: Voice | None, settings: SynthesisSettings, chunks: Sequence[Chunk]
) -> list[Take]:
    choice = job.services.engines.aligner_choice(settings.language)
    if choice.reason:
        job.warnings.append(choice.reason)
    studio = Studio(engine, choice.aligner, voice, settings, job.services.cache, job.watch, job.progress)
    return studio.takes(chunks, job.on_take)


def _joined(
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
    target = job.request.options.loudness
    if target is None:
        return audio, words
    with job.watch.stage("loudness"):
        audio, achieved = loudness.normalise(audio, target)
    if abs(achieved - target) > 0.5:
        job.warnings.append(f"The loudness is {achieved:.1f} LUFS and not {target:g}: more would clip the peaks.")
    return audio, words


def _deliver_speech(
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
        request=_understood(job),
        voice=None if voice is None else VoiceSource(voice.hash),
        chunks=[ChunkSource(chunk.index, take.seed, take.attempts) for chunk, take in zip(chunks, takes, strict=True)],
        versions=_versions(),
    )
    return _finish(job, key, answer, files, manifest)


def _finish(job: Job, key: str, answer: Answer, files: delivery.Files, manifest: Manifest) -> Answer:
    """The answer with its files inside, or stored."""
    options = job.request.options
    if options.return_ == "inline":
        return delivery.inline(answer, files, options, job.settings.max_inline_bytes)
    with job.watch.stage("store"):
        return delivery.store(answer, files, options, key, manifest, job.services.store, job.settings.url_expires)


# ------------------------------------------------------------------------------------------------------ nothing twice


def _understood(job: Job) -> dict[str, Any]:
    """The request as it was understood: inputs by their content, not by their address."""
    return {
        "mode": job.request.mode,
        "text": job.request.text,
        "seed": job.request.seed,
        "options": job.request.options.model_dump(
            mode="json", by_alias=True, exclude={"return_", "stream", "cues_url"}
        ),
        "sources": dict(sorted(job.sources.items())),
        "lexicon": dict(sorted(job.services.lexicon.items())),
    }


def _identity(job: Job, model: str, voice: Voice | None) -> str:
    """The name of a result: everything that decides what it is."""
    settings = job.settings
    return cache_key(
        request=_understood(job),
        model=model,
        voice=None if voice is None else voice.hash,
        aligner=settings.aligner,
        chunk_seconds=settings.chunk_seconds,
        crossfade_seconds=settings.crossfade_seconds,
        version=__version__,
    )


def _known(job: Job, key: str) -> Answer | None:
    """The answer of the same job, done before and stored."""
    if job.request.options.return_ == "inline":
        return None
    with job.watch.stage("lookup"):
        return delivery.find(key, job.services.store, job.settings.url_expires)


def _versions() -> dict[str, str]:
    return {"f5-serverless": __version__}
