"""Registered voices: a name for a reference recording, the words said in it, its report, and who allowed its use.

In: a name, an audio file, its text. Out: a `VoiceRecord`, and the audio back. A record is one small object and written
last; it names its audio, which is never overwritten, so that whoever reads beside a replacement gets the old voice or
the new one and never a mix. Judging the recording is the audio room's business: its report comes in as plain JSON.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from f5_serverless.errors import Contradiction, InputError, SourceNotFound, StorageError
from f5_serverless.storage.outputs import Store

RECORDS = "voices/records/"
AUDIO = "voices/audio/"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?")
MAX_CONSENT = 2000
MAX_RECORD = 1 << 18


class BadVoiceName(InputError):
    """A voice's name holds characters that not every store and shell can take."""

    code = "bad_voice_name"
    hint = "Use 1 to 64 of a–z, 0–9, dot, dash and underscore, with a letter or digit at both ends."


class VoiceExists(Contradiction):
    """A voice of this name is registered already, and replacing it was not asked for."""

    code = "voice_exists"
    hint = "Choose another name, or replace the voice with --force (`force: true`)."


@dataclass(frozen=True, slots=True)
class VoiceRecord:
    """What is kept of a voice. ``hash`` names sound and text together; ``audio_sha256`` the stored bytes."""

    name: str
    hash: str
    ref_text: str
    language: str
    audio_key: str
    audio_sha256: str
    audio_bytes: int
    created: str
    consent: str | None = None
    report: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class VoicePage:
    """A part of the list of voices, by name. ``next`` continues it; None: that was the last page."""

    voices: tuple[VoiceRecord, ...]
    next: str | None = None


def check_name(name: str, *, field: str | None = "voice") -> str:
    """``name`` if a voice can be called so. Raises `BadVoiceName`.

    >>> check_name("anna-2")
    'anna-2'
    """
    if not _NAME.fullmatch(name) or ".." in name:
        raise BadVoiceName("This cannot be the name of a voice.", field=field)
    return name


class VoiceRegistry:
    """The voices in one store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def add(
        self,
        name: str,
        audio: Path | bytes,
        *,
        ref_text: str,
        hash: str,
        language: str = "en",
        suffix: str = ".wav",
        report: Mapping[str, Any] | None = None,
        consent: str | None = None,
        force: bool = False,
    ) -> VoiceRecord:
        """Registers a voice. Raises `BadVoiceName`, `VoiceExists`, `InputError` (consent too long) or `StorageError`.

        Of two workers that add the same new name in the same moment the later one wins, whole.
        """
        check_name(name, field="name")
        if consent is not None and len(consent) > MAX_CONSENT:
            raise InputError(f"The consent note is longer than {MAX_CONSENT} characters.", field="consent")
        old = self._read(name)
        if old is not None and not force:
            raise VoiceExists(f"There is a voice named {name!r} already.", field="name")
        digest, size = _digest(audio)
        record = VoiceRecord(
            name=name,
            hash=hash,
            ref_text=ref_text,
            language=language,
            audio_key=f"{AUDIO}{name}/{digest[:16]}-{uuid.uuid4().hex[:8]}{suffix}",
            audio_sha256=digest,
            audio_bytes=size,
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            consent=consent,
            report=dict(report or {}),
        )
        data = json.dumps(record.to_dict(), ensure_ascii=False, indent=1, allow_nan=False).encode()
        if len(data) > MAX_RECORD:
            raise InputError("The text and report of the voice are too long to be kept.", field="ref_text")
        self.store.put(record.audio_key, audio, metadata={"sha256": digest})
        self.store.put(_record_key(name), data, content_type="application/json")
        if old is not None:
            self.store.delete(old.audio_key)
        return record

    def get(self, name: str, *, field: str | None = "voice") -> VoiceRecord:
        """The voice called ``name``. Raises `BadVoiceName` or `SourceNotFound`."""
        record = self._read(check_name(name, field=field))
        if record is None:
            raise SourceNotFound(
                f"There is no voice named {name!r}.", field=field, hint="`f5-serverless voices list` shows all of them."
            )
        return record

    def fetch(self, name: str, destination: Path, *, field: str | None = "voice") -> VoiceRecord:
        """Writes the voice's audio to ``destination`` and returns the record it belongs to. Raises as `get`, and
        `StorageError` when the stored audio is damaged."""
        for last in (False, False, True):
            record = self.get(name, field=field)
            try:
                self.store.get(record.audio_key, destination)
            except SourceNotFound:
                if last:
                    raise StorageError(f"The audio of the voice {name!r} is missing in the store.") from None
                continue  # replaced between the two reads: the new record names the new audio
            if _digest(destination)[0] != record.audio_sha256:
                destination.unlink()
                raise StorageError(f"The audio of the voice {name!r} is damaged in the store.", retryable=False)
            break
        return record

    def list(self, *, token: str | None = None, limit: int = 100) -> VoicePage:
        """A page of voices, ordered by name."""
        page = self.store.list(RECORDS, token=token, limit=limit)
        names = [item.key.removeprefix(RECORDS).removesuffix(".json") for item in page.items]
        records = [self._read(name) for name in names if _NAME.fullmatch(name)]
        return VoicePage(tuple(record for record in records if record is not None), page.next)

    def remove(self, name: str) -> VoiceRecord:
        """Takes the voice away, its record first. Raises `BadVoiceName` or `SourceNotFound`."""
        record = self.get(name, field="name")
        self.store.delete(_record_key(name))
        token: str | None = None
        while True:
            page = self.store.list(f"{AUDIO}{name}/", token=token)
            for item in page.items:
                self.store.delete(item.key)
            token = page.next
            if token is None:
                return record

    def _read(self, name: str) -> VoiceRecord | None:
        data = self.store.read(_record_key(name), MAX_RECORD)
        if data is None:
            return None
        known = {item.name for item in fields(VoiceRecord)}
        try:
            found = json.loads(data)
            record = VoiceRecord(**{key: value for key, value in found.items() if key in known})
        except (ValueError, TypeError, AttributeError) as error:
            raise StorageError(f"The record of the voice {name!r} is damaged.", retryable=False) from error
        if record.name != name or not record.audio_key.startswith(f"{AUDIO}{name}/"):
            raise StorageError(f"The record of the voice {name!r} belongs to another voice.", retryable=False)
        return record


def _record_key(name: str) -> str:
    return f"{RECORDS}{name}.json"


def _digest(audio: Path | bytes) -> tuple[str, int]:
    """SHA-256 and size of ``audio``."""
    if isinstance(audio, bytes):
        return hashlib.sha256(audio).hexdigest(), len(audio)
    with audio.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), audio.stat().st_size
