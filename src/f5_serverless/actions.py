"""Jobs that make no speech: what is done with registered voices. ``{"action": "voices.add", "name": …, …}``.

In: a job's ``input`` with an ``action``. Out: JSON data. The command line calls the same functions. A voice is kept as
a FLAC file of the whole recording, with its words and its report; it is prepared for the model when a job uses it.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, field_validator

from f5_serverless.audio import codec
from f5_serverless.casting import written_voice
from f5_serverless.errors import InputError
from f5_serverless.request import STRICT, check_address, no_control_characters, validated
from f5_serverless.services import Services
from f5_serverless.storage.voices import VoiceRegistry, check_name
from f5_serverless.types import OnProgress, no_progress

SAMPLE_RATE = 24_000


class _Action(BaseModel):
    """The key that every action has."""

    model_config = STRICT
    action: str


class AddVoice(_Action):
    """``voices.add``"""

    name: str = Field(description="1 to 64 of a–z, 0–9, dot, dash, underscore.")
    audio_url: str = Field(description="The recording; addresses as in a request.")
    ref_text: str | None = Field(None, max_length=2_000, description="What is said in it; default: written down.")
    language: str = Field("en", pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="Language of the recording.")
    consent: str | None = Field(None, max_length=2_000, description="Who allowed the use of this voice, and for what.")
    force: bool = Field(False, description="Replaces a voice of the same name.")

    @field_validator("audio_url")
    @classmethod
    def _address(cls, value: str) -> str:
        return check_address(value)

    @field_validator("ref_text", "consent")
    @classmethod
    def _text(cls, value: str | None) -> str | None:
        return value if value is None else no_control_characters(value, allowed="\n\r\t")


class ListVoices(_Action):
    """``voices.list``"""

    token: str | None = Field(None, max_length=1_000, description="`next` of the page before.")
    limit: int = Field(100, ge=1, le=1_000, description="Most voices on one page.")


class NameVoice(_Action):
    """``voices.show`` and ``voices.remove``"""

    name: str = Field(description="The voice.")


def run_action(payload: Mapping[str, Any], services: Services, progress: OnProgress = no_progress) -> dict[str, Any]:
    """Carries out a job that names an ``action``. Raises `F5Error`."""
    name = payload.get("action")
    if not isinstance(name, str) or name not in ACTIONS:
        raise InputError(f"action must be one of {', '.join(ACTIONS)}.", field="action")
    model, function = ACTIONS[name]
    return function(validated(model, payload), services, progress)


def add_voice(wanted: AddVoice, services: Services, progress: OnProgress) -> dict[str, Any]:
    """Registers a voice and answers its record. A recording that cannot serve is refused before anything is kept."""
    registry = VoiceRegistry(services.store)
    check_name(wanted.name, field="name")
    settings = services.settings
    with tempfile.TemporaryDirectory(prefix="f5-voice-") as directory:
        path = services.fetcher.fetch(
            wanted.audio_url, field="audio_url", directory=Path(directory), max_bytes=settings.max_audio_bytes
        )
        audio = codec.decode(
            path, max_seconds=settings.max_audio_seconds, max_bytes=settings.max_audio_bytes, field="audio_url"
        )
    voice, ref_text = written_voice(
        audio, wanted.ref_text, wanted.language, services.engines, sample_rate=SAMPLE_RATE, progress=progress
    )
    record = registry.add(
        wanted.name,
        codec.encode(audio, "flac"),
        ref_text=ref_text,
        hash=voice.hash,
        language=wanted.language,
        suffix=".flac",
        report=dataclasses.asdict(voice.report) if voice.report is not None else None,
        consent=wanted.consent,
        force=wanted.force,
    )
    return {"voice": record.to_dict()}


def list_voices(wanted: ListVoices, services: Services, progress: OnProgress) -> dict[str, Any]:
    """One page of the registered voices, by name."""
    page = VoiceRegistry(services.store).list(token=wanted.token, limit=wanted.limit)
    return {"voices": [voice.to_dict() for voice in page.voices], "next": page.next}


def show_voice(wanted: NameVoice, services: Services, progress: OnProgress) -> dict[str, Any]:
    """The record of a voice."""
    return {"voice": VoiceRegistry(services.store).get(wanted.name, field="name").to_dict()}


def remove_voice(wanted: NameVoice, services: Services, progress: OnProgress) -> dict[str, Any]:
    """Takes a voice away and answers what it was."""
    return {"removed": VoiceRegistry(services.store).remove(wanted.name).to_dict()}


Run = Callable[[Any, Services, OnProgress], dict[str, Any]]
ACTIONS: Mapping[str, tuple[type[_Action], Run]] = {
    "voices.add": (AddVoice, add_voice),
    "voices.list": (ListVoices, list_voices),
    "voices.show": (NameVoice, show_voice),
    "voices.remove": (NameVoice, remove_voice),
}
"""Every action: what it takes and what does it."""
