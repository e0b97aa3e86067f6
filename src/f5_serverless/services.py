"""What a process offers its jobs, opened once: settings, engines, where inputs come from and outputs go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from f5_serverless.audio.voice_cache import VoiceCache
from f5_serverless.checker import Checker, follows
from f5_serverless.config import Settings
from f5_serverless.engines.registry import Engines
from f5_serverless.engines.transcriber import FasterWhisperTranscriber
from f5_serverless.errors import EngineUnavailable
from f5_serverless.storage.cache import ChunkCache
from f5_serverless.storage.fetch import Fetcher, S3Reader
from f5_serverless.storage.http_get import Limits
from f5_serverless.storage.outputs import LocalStore, Store
from f5_serverless.storage.s3_transport import S3Options
from f5_serverless.storage.stores import open_store
from f5_serverless.text import normalizer
from f5_serverless.text.lexicon import load_lexicon
from f5_serverless.types import Chunk, OnProgress, Voice, no_progress


@dataclass(frozen=True)
class Services:
    """Handed to every job. ``lexicon``: the deployment's own pronunciations; a request's entries go before it."""

    settings: Settings
    engines: Engines
    fetcher: Fetcher
    store: Store
    cache: ChunkCache
    prepared: VoiceCache
    lexicon: Mapping[str, str] = field(default_factory=dict)

    def checker(self, language: str, voice: Voice | None, progress: OnProgress) -> Checker | None:
        """Who aligns speech in ``language`` and reads it back; None where the deployment has switched that off.

        Whether the guided reader understands ``voice`` is found out on the reference recording, whose words are known;
        that it understands the preview engine's own voice (``voice`` None) is measured by `benchmarks.verification`.
        Raises `EngineUnavailable` for an unknown choice, or a missing package that was asked for by name.
        """
        aligner = self.engines.aligner(language)
        if self.settings.verify == "off":
            return None
        recogniser = self._recogniser()
        reader = self.engines.reader()
        if reader is None or not reader.supports(language):
            return Checker(aligner, recogniser=recogniser)
        understood = True
        if voice is not None:
            words = Chunk(0, normalizer.normalize(voice.ref_text, language).tokens).words
            understood = follows(reader, voice.audio, words, language, progress)
        return Checker(aligner, reader=reader, recogniser=recogniser, reader_understands=understood)

    def _recogniser(self) -> FasterWhisperTranscriber | None:
        match self.settings.verify:
            case "auto":
                return self.engines.transcriber_at_hand()
            case "full":
                return self.engines.transcriber()
            case other:
                raise EngineUnavailable(f"F5_VERIFY is {other!r}.", hint="Set F5_VERIFY to auto, full or off.")

    def warm_up(self) -> None:
        """Loads what times English words and reads them back. Raises as `checker` does."""
        self.engines.aligner("en").align([], "en", no_progress)
        if self.settings.verify == "off":
            return
        reader, recogniser = self.engines.reader(), self._recogniser()
        if reader is not None:
            reader.read([], "en", no_progress)
        if recogniser is not None:
            recogniser.load()


def open_services(settings: Settings, *, allow_local: bool) -> Services:
    """The services of a process. ``allow_local``: requests may name local files; only the command line says so.

    Opens no connection and loads no model. Raises `InputError` for a lexicon file that cannot be used.
    """
    store = open_store(settings)
    return Services(
        settings=settings,
        engines=Engines(settings),
        fetcher=_fetcher(settings, allow_local),
        store=store,
        cache=ChunkCache(_cache_store(settings, store), settings.cache_bytes),
        prepared=VoiceCache(None if settings.cache_dir == "store" else settings.cache_path / "voices"),
        lexicon=load_lexicon(Path(settings.lexicon).expanduser()) if settings.lexicon else {},
    )


def _cache_store(settings: Settings, outputs: Store) -> Store:
    if settings.cache_dir == "store":
        return outputs
    # A chunk lost in a power cut is made again, so its writes need not wait for the disk.
    return LocalStore(settings.cache_path, durable=False)


def _fetcher(settings: Settings, allow_local: bool) -> Fetcher:
    reader: S3Reader | None = None
    options = S3Options.of(settings)
    if options is not None:
        from f5_serverless.storage.s3_client import S3Client

        reader = S3Client(options)
    return Fetcher(
        allow_hosts=settings.allow_hosts,
        allow_local=allow_local,
        limits=Limits(
            connect=settings.fetch_connect_seconds, read=settings.fetch_read_seconds, total=settings.fetch_seconds
        ),
        s3=reader,
    )
