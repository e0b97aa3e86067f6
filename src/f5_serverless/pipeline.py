"""The order of work of one job, and the only place that knows it.

    request → fetch inputs → prepare reference voice → normalise text → chunk → synthesise
            → align and verify each chunk → join → captions → encode → store → answer

In: a job's ``input`` (JSON data) and the `Services` of this process. Out: the answer as JSON data. Errors leave as
`F5Error`; the entries turn them into an answer. Nothing is stored before everything is made.
"""

from __future__ import annotations

import base64
import hashlib
import json
import tempfile
import time
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from f5_serverless import __version__
from f5_serverless.audio import codec, join, loudness
from f5_serverless.config import Settings
from f5_serverless.engines.base import AlignItem, Synthesizer
from f5_serverless.engines.registry import Engines
from f5_serverless.errors import LimitExceeded, NotAvailable
from f5_serverless.request import Limits, Request, parse_request
from f5_serverless.response import Answer
from f5_serverless.storage.fetch import Fetcher
from f5_serverless.storage.outputs import Store, open_store
from f5_serverless.subtitles import captions, profiles, styles, subtitle_generator, timecode
from f5_serverless.synthesis import Take, make_takes
from f5_serverless.text import chunker, normalizer
from f5_serverless.timeline import check_words, displayed_words
from f5_serverless.types import Audio, Chunk, OnProgress, Progress, Script, SynthesisSettings, Voice, Word, no_progress


@dataclass(frozen=True)
class Services:
    """What a process offers its jobs: settings, engines (loaded once), where inputs come from and outputs go."""

    settings: Settings
    engines: Engines
    fetcher: Fetcher
    store: Store


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
    warnings: list[str]

    @property
    def settings(self) -> Settings:
        return self.services.settings


def run_job(payload: object, services: Services, progress: OnProgress = no_progress) -> dict[str, Any]:
    """Carries out a job's ``input``. Returns the answer as JSON-ready data; raises `F5Error`."""
    return run(parse_request(payload, limits_of(services.settings)), services, progress).to_dict()


def open_services(settings: Settings, *, allow_local: bool) -> Services:
    """The services of a process. ``allow_local``: requests may name local files; only the command line says so."""
    return Services(
        settings=settings,
        engines=Engines(settings),
        fetcher=Fetcher(allow_local=allow_local),
        store=open_store(settings),
    )


def warm_up(services: Services) -> None:
    """Loads the engine that `auto` stands for and says one sentence, so that the first job waits for nothing."""
    from f5_serverless.storage.outputs import LocalStore

    with tempfile.TemporaryDirectory(prefix="f5-warm-") as directory:
        aside = replace(services, store=LocalStore(Path(directory)))
        run_job({"text": "This is a first sentence.", "options": {"seed": 0}}, aside)


def limits_of(settings: Settings) -> Limits:
    """The request limits of a deployment."""
    return Limits(max_text_chars=settings.max_text_chars)


def run(request: Request, services: Services, progress: OnProgress = no_progress) -> Answer:
    """Carries out a request. Temporary files go when it ends, however it ends."""
    work = {"speak": _speak, "subtitle": _subtitle, "revoice": _revoice}[request.mode]
    with tempfile.TemporaryDirectory(prefix="f5-job-") as directory:
        job = Job(request, services, Path(directory), Stopwatch(progress), progress, list(request.warnings))
        return work(job)


# ---------------------------------------------------------------------------------------------------------- the modes


def _speak(job: Job) -> Answer:
    engine = job.services.engines.synthesizer(job.request.options.engine)
    _tell_what_has_no_effect(job, engine)
    voice = _prepare_voice(job, engine)
    script = _normalise(job)
    _check_language(engine, script)
    settings = _synthesis_settings(job)
    with job.watch.stage("chunk"):
        chunks = chunker.chunk(
            script,
            estimate=lambda text: engine.estimate_seconds(voice, text, settings),
            max_seconds=job.settings.chunk_seconds,
            max_chunks=job.settings.max_chunks,
        )
    takes = make_takes(
        chunks,
        voice,
        engine,
        job.services.engines.aligner(script.language),
        settings,
        watch=job.watch,
        progress=job.progress,
    )
    audio, words = _join(job, script, chunks, takes)
    return _deliver(job, engine.name, audio, words, spoken=True)


def _subtitle(job: Job) -> Answer:
    recording = _fetch_audio(job, job.request.audio_url, "audio_url")
    if job.request.text is None:
        raise NotAvailable(
            "Writing down a recording without text needs a speech recogniser; this engine has none.",
            field="text",
            hint="Send the text that is said in the recording.",
        )
    script = _normalise(job)
    aligner = job.services.engines.aligner(script.language)
    chunk = Chunk(index=0, tokens=script.tokens)
    with job.watch.stage("align"):
        (alignment,) = aligner.align([AlignItem(recording, chunk.words)], script.language, job.progress)
    words = displayed_words(chunk, alignment, 0.0, recording.duration)
    return _deliver(job, aligner.name, recording, words, spoken=False)


def _revoice(job: Job) -> Answer:
    raise NotAvailable(
        "Saying a recording again in another voice is not available with this engine.",
        field="options.mode",
        hint="Use speak (text and a voice) or subtitle (a recording and its text).",
    )


# --------------------------------------------------------------------------------------------------------- the stages


def _fetch_audio(job: Job, address: str | None, field: str) -> Audio:
    """The sound behind an address of the request."""
    assert address is not None
    with job.watch.stage("fetch"):
        path = job.services.fetcher.fetch(
            address, field=field, directory=job.scratch, max_bytes=job.settings.max_audio_bytes
        )
    with job.watch.stage("decode"):
        return codec.decode(
            path, max_seconds=job.settings.max_audio_seconds, max_bytes=job.settings.max_audio_bytes, field=field
        )


def _tell_what_has_no_effect(job: Job, engine: Synthesizer) -> None:
    """Warnings about an engine that does not clone, and about options that it does not read."""
    if engine.clones:
        return
    job.warnings.append(
        f"The {engine.name} engine speaks with a voice of its own and clones none; it is for trying things out."
    )
    given = job.request.options.model_fields_set
    unread = [f"options.{name}" for name in ("ref_text", "nfe_step", "cfg_strength") if name in given]
    if job.request.voice_reference_url is not None:
        unread.insert(0, "voice_reference_url")
    job.warnings.extend(f"{name} has no effect with the {engine.name} engine." for name in unread)


def _prepare_voice(job: Job, engine: Synthesizer) -> Voice | None:
    """The reference voice, decoded and prepared, or None for an engine that clones none."""
    if job.request.voice_reference_url is not None:
        _fetch_audio(job, job.request.voice_reference_url, "voice_reference_url")
    return None


def _normalise(job: Job) -> Script:
    assert job.request.text is not None
    with job.watch.stage("normalise"):
        script = normalizer.normalize(job.request.text, job.request.options.language or "en")
    job.warnings.extend(script.warnings)
    return script


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
        language=options.language or "en",
        speed=options.speed,
        nfe_step=options.nfe_step,
        cfg_strength=options.cfg_strength,
    )


def _join(job: Job, script: Script, chunks: Sequence[Chunk], takes: Sequence[Take]) -> tuple[Audio, list[Word]]:
    """The whole sound, and its words at the times the join booked."""
    with job.watch.stage("join"):
        pieces = [join.Piece(take.audio, chunk.pause_after) for chunk, take in zip(chunks, takes, strict=True)]
        joined = join.join(pieces, crossfade=job.settings.crossfade_seconds, lead_pause=script.lead_pause)
        audio = joined.audio
        words: list[Word] = []
        for chunk, take, offset in zip(chunks, takes, joined.offsets, strict=True):
            start = offset / audio.sample_rate
            words += displayed_words(chunk, take.alignment, start, take.audio.duration)
        check_words(words, audio)
    target = job.request.options.loudness
    if target is None:
        return audio, words
    with job.watch.stage("loudness"):
        audio, achieved = loudness.normalise(audio, target)
    if abs(achieved - target) > 0.5:
        job.warnings.append(f"The loudness is {achieved:.1f} LUFS and not {target:g}: more would clip the peaks.")
    return audio, words


def _deliver(job: Job, engine: str, audio: Audio, words: Sequence[Word], *, spoken: bool) -> Answer:
    """Captions, encoding, storing, and the answer. ``spoken``: the audio is ours and is delivered too."""
    options = job.request.options
    files: dict[str, bytes] = {}
    if options.create_subtitles:
        with job.watch.stage("captions"):
            style = styles.subtitle_style(options.subtitle_style)
            language = options.language or "en"
            profile = profiles.caption_profile(language, style.layout)
            cues = captions.make_cues(words, profile, audio_ms=timecode.to_ms(audio.duration))
            for name in options.subtitle_formats:
                text = subtitle_generator.render(cues, name, style, language=language)
                files[f"speech.{name}"] = text.encode("utf-8")
    audio_name = f"speech.{codec.FORMATS[options.audio_format].extension}"
    if spoken:
        with job.watch.stage("encode"):
            files[audio_name] = codec.encode(audio, options.audio_format)
    answer = Answer(
        mode=job.request.mode,
        engine=engine,
        duration=audio.duration,
        sample_rate=audio.sample_rate,
        words=words,
        seed=job.request.seed if spoken else None,
        warnings=job.warnings,
        timings=job.watch.timings,
    )
    return (
        _inline(job, answer, files, audio_name)
        if options.return_ == "inline"
        else _store(job, answer, files, audio_name)
    )


def _inline(job: Job, answer: Answer, files: dict[str, bytes], audio_name: str) -> Answer:
    """The answer with its files inside. Raises `LimitExceeded` where they are more than a queue takes."""
    size = sum(map(len, files.values())) * 4 // 3
    limit = job.settings.max_inline_bytes
    if size > limit:
        raise LimitExceeded(
            f"The result has {size:,} bytes; at most {limit:,} can be part of the answer.",
            field="options.return",
            hint="Use `return: url`, a compressed audio_format, or less text.",
        )
    audio = files.pop(audio_name, None)
    mime = codec.FORMATS[job.request.options.audio_format].mime
    return replace(
        answer,
        audio=None if audio is None else f"data:{mime};base64,{base64.b64encode(audio).decode('ascii')}",
        subtitles={name.rpartition(".")[2]: content.decode("utf-8") for name, content in files.items()},
    )


def _store(job: Job, answer: Answer, files: dict[str, bytes], audio_name: str) -> Answer:
    """The answer with the addresses of its files in the store."""
    urls: dict[str, str] = {}
    with job.watch.stage("store"):
        folder = _content_key(files)
        for name, content in files.items():
            key = f"{folder}/{name}"
            job.services.store.put(key, content)
            urls[name] = job.services.store.url(key, None)
    audio_url = urls.pop(audio_name, None)
    return replace(answer, audio_url=audio_url, subtitle_urls={n.rpartition(".")[2]: url for n, url in urls.items()})


def _content_key(files: dict[str, bytes]) -> str:
    """A folder name that follows from what is in it."""
    digest = hashlib.sha256(__version__.encode())
    for name in sorted(files):
        digest.update(json.dumps([name, hashlib.sha256(files[name]).hexdigest()]).encode())
    return digest.hexdigest()[:24]
