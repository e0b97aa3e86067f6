"""JSON in: one pure function from a job's ``input`` to a frozen `Request`.

It accepts what the JSON Schema (`schema()`) describes and nothing else: unknown keys, wrong types, contradictions and
values out of range each raise an `InputError` that names the field. Later code trusts the result. Nothing is fetched,
opened or looked up here; whether an engine can do what is asked is decided by the pipeline.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from f5_serverless.errors import Contradiction, InputError, LimitExceeded, UnknownField
from f5_serverless.text.lexicon import check_lexicon

Mode: TypeAlias = Literal["speak", "revoice", "subtitle"]
SubtitleFormat: TypeAlias = Literal["ass", "srt", "vtt", "json"]

M = TypeVar("M", bound=BaseModel)

MAX_URL_CHARS = 16_384
MAX_SEED = 2**53 - 1  # the largest integer that every JSON reader keeps exact

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, protected_namespaces=())


def no_control_characters(value: str, *, allowed: str) -> str:
    for position, character in enumerate(value):
        category = unicodedata.category(character)
        if category == "Cs" or (category == "Cc" and character not in allowed):
            raise ValueError(f"has the control character U+{ord(character):04X} at position {position}")
    return value


def check_address(value: str) -> str:
    no_control_characters(value, allowed="")
    if not value.strip():
        raise ValueError("is empty")
    if not value.startswith("data:") and len(value) > MAX_URL_CHARS:
        raise ValueError(f"is longer than {MAX_URL_CHARS} characters")
    return value


class Options(BaseModel):
    """``options`` of a request. What is absent has the default given here."""

    model_config = STRICT

    mode: Mode | None = Field(None, description="What to do; by default it follows from the fields that are present.")
    create_subtitles: bool = Field(True, description="Whether subtitle files are made.")
    subtitle_format: SubtitleFormat | Annotated[tuple[SubtitleFormat, ...], Field(strict=False, min_length=1)] = Field(
        "ass", description="One format or a list: ass, srt, vtt, json."
    )
    subtitle_style: Literal["clean", "karaoke", "social"] = Field("clean", description="Preset of the subtitles.")
    ref_text: str | None = Field(None, max_length=2_000, description="What is said in the reference recording.")
    language: str | None = Field(
        None, description="Language code such as en, de, zh. Default: en where there is text, else detected."
    )
    seed: int | None = Field(
        None,
        ge=0,
        le=MAX_SEED,
        description="The same seed gives the same bytes; by default it follows from the request.",
    )
    speed: float = Field(1.0, ge=0.5, le=2.0, description="Speaking rate; 2 is twice as fast.")
    nfe_step: int | None = Field(None, ge=1, le=128, description="Steps of the sampler (f5); default 7.")
    cfg_strength: float | None = Field(None, ge=0, le=10, description="Strength of the guidance (f5); default 2.")
    engine: Literal["auto", "f5", "preview"] = Field("auto", description="Which engine speaks.")
    audio_format: Literal["wav", "flac", "mp3", "opus", "aac"] = Field("wav", description="Format of the audio made.")
    loudness: float | None = Field(
        None,
        ge=-40,
        le=-8,
        description="Integrated loudness of the result in LUFS (EBU R128), e.g. -16; default: as made.",
    )
    lexicon: dict[str, str] = Field(
        default_factory=dict, max_length=2_000, description='How words are said, e.g. {"Nguyen": "win"}.'
    )
    max_attempts: int = Field(3, ge=1, le=10, description="How often a chunk is made at most until it is verified.")
    on_unverified: Literal["warn", "fail"] = Field(
        "warn", description="Whether speech that could not be verified is returned with a warning or refused."
    )
    cues_url: str | None = Field(
        None, description="An SRT or WebVTT file that is spoken at its times (mode revoice, instead of audio_url)."
    )
    stream: bool = Field(False, description="Whether the worker hands out finished chunks as they come.")
    watermark: bool = Field(False, description="Whether the speech carries an inaudible mark that says it is made.")
    url_expires: int | None = Field(
        None, ge=60, le=604_800, description="How long signed addresses in the answer stay valid, in seconds."
    )
    return_: Literal["url", "inline"] = Field(
        "url",
        alias="return",
        description="Whether audio and subtitles are stored (url) or part of the answer (inline).",
    )

    @field_validator("ref_text")
    @classmethod
    def _ref_text(cls, value: str | None) -> str | None:
        return value if value is None else no_control_characters(value, allowed="\n\r\t")

    @field_validator("lexicon")
    @classmethod
    def _lexicon(cls, value: dict[str, str]) -> dict[str, str]:
        return check_lexicon(value)

    @field_validator("cues_url")
    @classmethod
    def _cues_url(cls, value: str | None) -> str | None:
        return value if value is None else check_address(value)

    @field_validator("language")
    @classmethod
    def _language(cls, value: str | None) -> str | None:
        if value is not None and not _LANGUAGE.fullmatch(value):
            raise ValueError("must be a language code such as en, de or zh-CN")
        return value

    @property
    def subtitle_formats(self) -> tuple[SubtitleFormat, ...]:
        """The formats asked for, each once, in the order given."""
        given = self.subtitle_format
        return tuple(dict.fromkeys((given,) if isinstance(given, str) else given))


class RequestModel(BaseModel):
    """A job's ``input``, before it is known what it means. Its JSON Schema is the published one."""

    model_config = STRICT | ConfigDict(title="F5-TTS Serverless request")

    text: str | None = Field(None, description="What is to be spoken, or what is said in the recording.")
    audio_url: str | None = Field(
        None, description="A recording: s3://, https://, data:; on the command line also a path."
    )
    voice_reference_url: str | None = Field(None, description="A recording of the voice to clone; addresses as above.")
    voice: str | None = Field(
        None, max_length=64, description="The name of a registered voice, instead of a recording."
    )
    options: Options = Field(default_factory=Options, description="How it is done.")

    @field_validator("text")
    @classmethod
    def _text(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if not value.strip():
            raise ValueError("is empty")
        return no_control_characters(value, allowed="\n\r\t\f\v")

    @field_validator("voice")
    @classmethod
    def _voice(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("is empty")
        return value if value is None else no_control_characters(value, allowed="")

    @field_validator("audio_url", "voice_reference_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return value if value is None else check_address(value)


@dataclass(frozen=True)
class Request:
    """A request as understood. ``seed`` is always set; ``warnings`` name options that this mode does not read."""

    mode: Mode
    text: str | None
    audio_url: str | None
    voice_reference_url: str | None
    voice: str | None
    options: Options
    seed: int
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What one request may hold; values come from the deployment's settings."""

    max_text_chars: int = 200_000


SPEECH = ("speak", "revoice")
OPTION_MODES: Mapping[str, tuple[str, ...]] = {
    "ref_text": SPEECH,
    "max_attempts": SPEECH,
    "on_unverified": SPEECH,
    "stream": SPEECH,
    "watermark": SPEECH,
    "seed": SPEECH,
    "speed": SPEECH,
    "nfe_step": SPEECH,
    "cfg_strength": SPEECH,
    "audio_format": SPEECH,
    "loudness": SPEECH,
}
"""Options that only some modes read; the others are read by all."""


def parse_request(payload: object, limits: Limits | None = None) -> Request:
    """The request that ``payload`` (the value under ``"input"``) means. Raises `InputError` naming the field.

    >>> parse_request({"text": "Hello."}).mode
    'speak'
    >>> parse_request({"text": "Hello.", "optoins": {}})
    Traceback (most recent call last):
    ...
    f5_serverless.errors.UnknownField: `optoins` is not a field of a request. Did you mean `options`?
    """
    limits = limits or Limits()
    if not isinstance(payload, Mapping):
        raise InputError(f"The request must be a JSON object, not {_kind(payload)}.", field="input")
    text = payload.get("text")
    if isinstance(text, str) and len(text) > limits.max_text_chars:
        raise LimitExceeded(
            f"text has {len(text):,} characters; at most {limits.max_text_chars:,} are allowed.", field="text"
        )
    model = validated(RequestModel, payload)
    mode = _mode(model)
    given = model.options.model_fields_set
    warnings = tuple(
        f"options.{name} has no effect in mode {mode}."
        for name, modes in OPTION_MODES.items()
        if name in given and mode not in modes
    )
    seed = model.options.seed
    return Request(
        mode=mode,
        text=model.text,
        audio_url=model.audio_url,
        voice_reference_url=model.voice_reference_url,
        voice=model.voice,
        options=model.options,
        seed=_derived_seed(model) if seed is None else seed,
        warnings=warnings,
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of a job's ``input``."""
    return RequestModel.model_json_schema(by_alias=True)


def _mode(model: RequestModel) -> Mode:
    """What the fields mean together; raises `Contradiction` or `InputError`."""
    has_audio, has_text = model.audio_url is not None, model.text is not None
    has_voice = model.voice_reference_url is not None or model.voice is not None
    has_cues = model.options.cues_url is not None
    wanted = model.options.mode
    if has_cues and (has_audio or has_text):
        raise Contradiction(
            "options.cues_url brings text and times of its own; leave out text and audio_url.", field="options.cues_url"
        )
    if not has_audio and not has_text and not has_cues:
        field = "audio_url" if wanted in ("revoice", "subtitle") else "text"
        raise InputError("The request has neither text nor audio_url: there is nothing to do.", field=field)
    implied: Mode = "speak" if has_text and not has_audio else "subtitle"
    if has_cues or (has_audio and has_voice):
        implied = "revoice"
    if wanted is not None and wanted != implied:
        raise Contradiction(_CONTRADICTIONS[wanted, implied], field="options.mode")
    if model.voice is not None and model.voice_reference_url is not None:
        raise Contradiction("voice and voice_reference_url name two voices; give one of them.", field="voice")
    if model.options.ref_text is not None and model.voice_reference_url is None:
        reason = "a registered voice brings its own text" if has_voice else "there is no voice_reference_url"
        raise Contradiction(f"options.ref_text is given, but {reason}.", field="options.ref_text")
    return implied


_CONTRADICTIONS: Mapping[tuple[str, str], str] = {
    (
        "speak",
        "revoice",
    ): "Mode speak takes text and a voice, but audio_url is given too; leave it out, or use revoice.",
    ("speak", "subtitle"): "Mode speak makes speech from text, but audio_url is given; leave it out, or use subtitle.",
    ("revoice", "speak"): "Mode revoice needs audio_url: the recording that is said again.",
    (
        "revoice",
        "subtitle",
    ): "Mode revoice needs a voice (voice or voice_reference_url) in which the recording is said again.",
    ("subtitle", "speak"): "Mode subtitle needs audio_url: the recording that is subtitled.",
    (
        "subtitle",
        "revoice",
    ): "Mode subtitle makes no speech, but a voice is given; leave it out, or use revoice.",
}


def _derived_seed(model: RequestModel) -> int:
    """A seed that follows from the request, so that a job delivered twice gives the same bytes."""
    content = json.dumps(model.model_dump(mode="json", by_alias=True, exclude_defaults=True), sort_keys=True)
    return int.from_bytes(hashlib.sha256(content.encode("utf-8", "surrogatepass")).digest()[:4], "big")


def _kind(value: object) -> str:
    names = {type(None): "null", bool: "a boolean", str: "a string", list: "a list", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)


def validated(model: type[M], payload: Mapping[Any, Any]) -> M:
    """``payload`` as a ``model``. Raises `InputError` for the first fault that is found, with its field."""
    try:
        return model.model_validate(dict(payload))
    except ValidationError as error:
        raise _first_error(error, model) from None
    except (RecursionError, UnicodeError):
        raise InputError("The request cannot be read.", field="input") from None


def _first_error(error: ValidationError, model: type[BaseModel]) -> InputError:
    """The first fault pydantic found, in words."""
    detail = error.errors(include_url=False, include_context=True)[0]
    names = {*_names(model), *_names(Options)}
    # The branches of a union and the places in a list are part of pydantic's path, and mean nothing to a caller.
    field = ".".join(str(part) for part in detail["loc"] if part in names) or "input"
    if detail["type"] == "extra_forbidden":
        return _unknown(detail["loc"], model)
    if detail["type"] == "value_error":
        return InputError(f"{field} {detail['ctx']['error']}.", field=field)
    if detail["type"] == "missing":
        return InputError(f"{field} is missing.", field=field)
    if detail["type"] in ("model_type", "model_attributes_type"):
        return InputError(f"{field} must be an object, not {_kind(detail['input'])}.", field=field)
    if detail["type"] == "invalid_key":
        return UnknownField("The request has a key that is not a string.", field=field)
    reason = detail["msg"].replace("Input should be", "must be").replace("Input must", "must")
    if field == "options.subtitle_format":
        reason = "must be 'ass', 'srt', 'vtt' or 'json', or a list of these"
    return InputError(f"{field} {reason[:1].lower()}{reason[1:]}.", field=field)


def _names(model: type[BaseModel]) -> list[str]:
    """The keys that a model takes."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _unknown(loc: tuple[int | str, ...], model: type[BaseModel]) -> UnknownField:
    """An unknown key, with the nearest known one suggested."""
    name = str(loc[-1])
    inside_options = len(loc) > 1 and loc[0] == "options"
    known = _names(Options) if inside_options else _names(model)
    shown = name if 0 < len(name) <= 60 and name.isprintable() else "(unprintable)"
    field = f"options.{shown}" if inside_options else shown
    message = f"`{field}` is not a field of a request."
    near = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.6)
    if near:
        message += f" Did you mean `{'options.' if inside_options else ''}{near[0]}`?"
    elif not inside_options and "options" in known and name in _names(Options):
        message += f" Did you mean `options.{name}`?"
    return UnknownField(message, field=field)
