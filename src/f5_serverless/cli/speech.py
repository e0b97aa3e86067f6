"""Commands that make something: say, subtitle, revoice, job; and schema, which says what they take."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from f5_serverless.cli.terminal import (
    DONE,
    Commands,
    file_or_stdin,
    progress_bar,
    show_answer,
    text_or_stdin,
)
from f5_serverless.config import Settings
from f5_serverless.errors import InputError

SPEECH_OPTIONS = (
    "ref_text",
    "audio_format",
    "speed",
    "loudness",
    "seed",
    "engine",
    "nfe_step",
    "cfg_strength",
    "max_attempts",
    "on_unverified",
)


def add_commands(commands: Commands) -> None:
    """Adds this room's commands."""
    _add_say(commands)
    _add_subtitle(commands)
    _add_revoice(commands)
    job = commands.add_parser("job", help="run a request file as the worker would; prints the answer as JSON")
    job.add_argument("file", metavar="FILE|-")
    job.set_defaults(run=_run_job, json=True)
    schema = commands.add_parser("schema", help="print the JSON Schema of a request")
    schema.set_defaults(run=_run_schema)


def _add_say(commands: Commands) -> None:
    parser = commands.add_parser("say", help="speak a text; - reads it from standard input")
    parser.add_argument("text", metavar="TEXT|-")
    _add_voice(parser)
    _add_shared(parser)
    parser.set_defaults(run=_run_say)


def _add_subtitle(commands: Commands) -> None:
    parser = commands.add_parser("subtitle", help="make subtitles for a recording, with or without its text")
    parser.add_argument("audio", metavar="AUDIO", help="file or URL")
    _add_text(parser)
    _add_shared(parser)
    parser.set_defaults(run=_run_subtitle)


def _add_revoice(commands: Commands) -> None:
    parser = commands.add_parser("revoice", help="say a recording, or a subtitle file, again in another voice")
    parser.add_argument("audio", metavar="AUDIO", nargs="?", help="file or URL; or give --cues")
    parser.add_argument("--cues", metavar="FILE|URL", help="an SRT or WebVTT file that is spoken at its times")
    _add_text(parser)
    _add_voice(parser)
    _add_shared(parser)
    parser.set_defaults(run=_run_revoice)


def _add_text(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--text", metavar="TEXT|-", help="what is said in it; - reads standard input")
    parser.add_argument("--text-file", metavar="FILE", help="a UTF-8 file with what is said in it")


def _add_voice(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--voice", metavar="NAME", help="a registered voice (see `voices`)")
    parser.add_argument("--ref-audio", metavar="FILE|URL", help="recording of the voice to clone")
    parser.add_argument("--ref-text", help="what is said in that recording")
    parser.add_argument("--audio-format", help="wav (default), flac, mp3, opus or aac")
    parser.add_argument("--speed", type=float, help="0.5 to 2")
    parser.add_argument("--loudness", type=float, help="integrated loudness in LUFS, e.g. -16")
    parser.add_argument("--seed", type=int, help="the same seed gives the same bytes")
    parser.add_argument("--engine", help="auto (default), f5 or preview")
    parser.add_argument("--nfe-step", type=int, help="steps of the sampler (f5)")
    parser.add_argument("--cfg-strength", type=float, help="strength of the guidance (f5)")
    parser.add_argument("--max-attempts", type=int, help="how often a chunk is made at most (default 3)")
    parser.add_argument("--on-unverified", help="warn (default) or fail")


def _add_shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--language", help="code such as en or de")
    parser.add_argument("--subtitle-format", help="ass (default), srt, vtt, json; several with commas")
    parser.add_argument("--subtitle-style", help="clean (default), karaoke or social")
    parser.add_argument("--output", metavar="DIR", type=Path, help="directory for the results (default: F5_OUTPUT_DIR)")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def _run_say(arguments: argparse.Namespace, settings: Settings) -> int:
    payload = {"text": text_or_stdin(arguments.text), **_voice(arguments), "options": _options(arguments)}
    return run_request(payload, settings, arguments.output, as_json=arguments.json)


def _run_subtitle(arguments: argparse.Namespace, settings: Settings) -> int:
    options = _options(arguments) | {"mode": "subtitle"}
    payload = {"audio_url": arguments.audio, **_text(arguments), "options": options}
    return run_request(payload, settings, arguments.output, as_json=arguments.json)


def _run_revoice(arguments: argparse.Namespace, settings: Settings) -> int:
    payload: dict[str, Any] = {**_text(arguments), **_voice(arguments), "options": _options(arguments)}
    if arguments.audio is not None:
        payload["audio_url"] = arguments.audio
        payload["options"]["mode"] = "revoice"
    if arguments.cues is not None:
        payload["options"]["cues_url"] = arguments.cues
    if arguments.audio is None and arguments.cues is None:
        raise InputError("Give a recording, or --cues with a subtitle file.", field="audio_url")
    return run_request(payload, settings, arguments.output, as_json=arguments.json)


def _run_job(arguments: argparse.Namespace, settings: Settings) -> int:
    raw = file_or_stdin(arguments.file, "input")
    try:
        payload = json.loads(raw)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"The request is not valid JSON{where}.", field="input") from None
    if isinstance(payload, dict) and isinstance(payload.get("input"), (dict, list)) and "text" not in payload:
        payload = payload["input"]
    if isinstance(payload, dict) and "action" in payload:
        return run_action(payload, settings)
    return run_request(payload, settings, None, as_json=True)


def _run_schema(arguments: argparse.Namespace, settings: Settings) -> int:
    from f5_serverless.request import schema

    print(json.dumps(schema(), indent=2))
    return DONE


def run_action(payload: dict[str, Any], settings: Settings) -> int:
    """A job that makes no speech; its answer as JSON."""
    from f5_serverless.pipeline import open_services, run_job

    with progress_bar() as progress:
        answer = run_job(payload, open_services(settings, allow_local=True), progress)
    print(json.dumps(answer, indent=2, ensure_ascii=False))
    return DONE


def run_request(payload: object, settings: Settings, output: Path | None, *, as_json: bool) -> int:
    """The pipeline, with a progress display where someone watches."""
    from f5_serverless.pipeline import limits_of, open_services, run
    from f5_serverless.request import parse_request

    if output is not None:
        settings = dataclasses.replace(settings, output_dir=output, s3_bucket="")
    request = parse_request(payload, limits_of(settings))
    with progress_bar() as progress:
        answer = run(request, open_services(settings, allow_local=True), progress)
    if as_json:
        show_answer(answer.to_dict())
        return DONE
    for address in (answer.audio_url, *answer.subtitle_urls.values()):
        if address is not None:
            print(address)
    print(f"{answer.duration:.1f} s, {len(answer.words)} words, engine {answer.engine}", file=sys.stderr)
    for warning in answer.warnings:
        print(f"note: {warning}", file=sys.stderr)
    return DONE


def _options(arguments: argparse.Namespace) -> dict[str, Any]:
    """The request's options from the arguments that were given."""
    options: dict[str, Any] = {}
    for name in ("language", "subtitle_style", *SPEECH_OPTIONS):
        value = getattr(arguments, name, None)
        if value is not None:
            options[name] = value
    if arguments.subtitle_format is not None:
        options["subtitle_format"] = [part.strip() for part in arguments.subtitle_format.split(",")]
    return options


def _voice(arguments: argparse.Namespace) -> dict[str, Any]:
    given = {"voice": arguments.voice, "voice_reference_url": arguments.ref_audio}
    return {name: value for name, value in given.items() if value is not None}


def _text(arguments: argparse.Namespace) -> dict[str, Any]:
    if arguments.text is not None and arguments.text_file is not None:
        raise InputError("Give --text or --text-file, not both.", field="text")
    if arguments.text is not None:
        return {"text": text_or_stdin(arguments.text)}
    return {} if arguments.text_file is None else {"text": file_or_stdin(arguments.text_file, "text")}
