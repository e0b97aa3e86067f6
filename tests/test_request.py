"""The request: what is accepted, what is refused and how, and that the published schema agrees."""

from __future__ import annotations

import json
import math
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from f5_serverless.errors import Contradiction, F5Error, InputError, LimitExceeded, UnknownField
from f5_serverless.request import Limits, Options, parse_request, schema

VALIDATOR = jsonschema.Draft202012Validator(schema())


@pytest.mark.parametrize(
    ("payload", "mode"),
    [
        ({"text": "Hi."}, "speak"),
        ({"text": "Hi.", "voice_reference_url": "s3://b/ref.wav"}, "speak"),
        ({"audio_url": "s3://b/a.wav", "voice_reference_url": "s3://b/ref.wav"}, "revoice"),
        ({"audio_url": "s3://b/a.wav", "voice_reference_url": "s3://b/ref.wav", "text": "Hi."}, "revoice"),
        ({"audio_url": "s3://b/a.wav", "text": "Hi."}, "subtitle"),
        ({"audio_url": "s3://b/a.wav"}, "subtitle"),
        ({"audio_url": "s3://b/a.wav", "options": {"mode": "subtitle"}}, "subtitle"),
    ],
)
def test_the_mode_follows_from_the_fields(payload: dict[str, Any], mode: str) -> None:
    assert parse_request(payload).mode == mode
    VALIDATOR.validate(payload)


def test_defaults() -> None:
    options = parse_request({"text": "Hi."}).options
    assert options.create_subtitles is True
    assert options.subtitle_formats == ("ass",)
    assert (options.speed, options.audio_format, options.return_, options.engine) == (1.0, "wav", "url", "auto")
    assert options.loudness is None


def test_a_list_of_formats_keeps_its_order_and_loses_doubles() -> None:
    payload = {"text": "Hi.", "options": {"subtitle_format": ["vtt", "ass", "vtt"]}}
    VALIDATOR.validate(payload)
    assert parse_request(payload).options.subtitle_formats == ("vtt", "ass")


def test_an_absent_seed_is_chosen_and_the_same_for_the_same_request() -> None:
    first, again = parse_request({"text": "Hi."}), parse_request({"text": "Hi.", "options": {}})
    assert first.seed == again.seed
    assert first.seed != parse_request({"text": "Ho."}).seed
    assert parse_request({"text": "Hi.", "options": {"seed": 0}}).seed == 0


@pytest.mark.parametrize(
    ("payload", "error", "field"),
    [
        ({}, InputError, "text"),
        ({"text": None}, InputError, "text"),
        ({"text": "Hi.", "options": {"mode": "subtitle"}}, Contradiction, "options.mode"),
        ({"text": "Hi.", "options": {"mode": "revoice"}}, Contradiction, "options.mode"),
        ({"text": "Hi.", "audio_url": "a", "options": {"mode": "speak"}}, Contradiction, "options.mode"),
        (
            {"audio_url": "a", "voice_reference_url": "b", "options": {"mode": "subtitle"}},
            Contradiction,
            "options.mode",
        ),
        ({"text": "Hi.", "options": {"ref_text": "x"}}, Contradiction, "options.ref_text"),
        ({"text": "Hi.", "txt": 1}, UnknownField, "txt"),
        ({"text": "Hi.", "options": {"subtitel_style": "clean"}}, UnknownField, "options.subtitel_style"),
    ],
)
def test_contradictions_and_unknown_keys_name_the_field(payload: object, error: type[F5Error], field: str) -> None:
    with pytest.raises(error) as caught:
        parse_request(payload)
    assert caught.value.field == field
    assert not caught.value.retryable


@pytest.mark.parametrize(
    ("payload", "suggestion"),
    [
        ({"txt": "Hi."}, "`text`"),
        ({"audio": "x", "text": "Hi."}, "`audio_url`"),
        ({"text": "Hi.", "speed": 1}, "`options.speed`"),
        ({"text": "Hi.", "options": {"nfe_steps": 7}}, "`options.nfe_step`"),
        ({"text": "Hi.", "options": {"format": 7, "subtitle_formats": "ass"}}, "`options."),
    ],
)
def test_the_nearest_known_name_is_suggested(payload: object, suggestion: str) -> None:
    with pytest.raises(UnknownField, match="Did you mean") as caught:
        parse_request(payload)
    assert suggestion in caught.value.message


def test_text_over_the_limit() -> None:
    with pytest.raises(LimitExceeded) as caught:
        parse_request({"text": "a" * 11}, Limits(max_text_chars=10))
    assert caught.value.field == "text"


def test_options_without_effect_are_told() -> None:
    request = parse_request({"audio_url": "a", "text": "Hi.", "options": {"speed": 1.5}})
    assert request.warnings == ("options.speed has no effect in mode subtitle.",)


def test_the_schema_is_closed_and_names_every_option() -> None:
    published = schema()
    options = published["$defs"]["Options"]
    assert published["additionalProperties"] is False
    assert options["additionalProperties"] is False
    assert set(options["properties"]) == {field.alias or name for name, field in Options.model_fields.items()}
    assert all("description" in field for field in options["properties"].values())


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["ass", "url", "f5", "en"]),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
OPTION_NAMES = st.sampled_from([*(f.alias or n for n, f in Options.model_fields.items()), "nope", "Speed", ""])
FIELD_NAMES = st.sampled_from(["text", "audio_url", "voice_reference_url", "voice", "action", "x"])
OPTIONS = st.one_of(VALUES, st.dictionaries(OPTION_NAMES, VALUES, max_size=4))


@given(st.one_of(VALUES, st.dictionaries(FIELD_NAMES, VALUES, max_size=3)), st.one_of(st.none(), OPTIONS))
def test_whatever_comes_is_accepted_or_refused_with_a_code_and_a_field(payload: Any, options: Any) -> None:
    if isinstance(payload, dict) and options is not None:
        payload = payload | {"options": options}
    try:
        request = parse_request(payload)
    except InputError as error:
        assert error.code
        assert error.field
        assert error.hint
        assert len(error.message) < 600
    else:
        assert request.mode in ("speak", "revoice", "subtitle")
        assert math.isfinite(request.options.speed)
        VALIDATOR.validate(json.loads(json.dumps(payload)))


@given(st.dictionaries(OPTION_NAMES, SCALARS, max_size=3))
def test_what_the_schema_refuses_is_refused(options: dict[str, Any]) -> None:
    payload = {"text": "Hi.", "options": options}
    if not VALIDATOR.is_valid(payload):
        with pytest.raises(InputError):
            parse_request(payload)
