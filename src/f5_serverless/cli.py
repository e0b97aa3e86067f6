"""The command line: `f5-serverless say|subtitle|job|doctor|schema`.

Every command builds the same request that the worker would get and hands it to the pipeline. Results go to standard
output, progress and errors for people to standard error. Exit codes: 0 done, 1 failed, 2 bad input. Importing this
module loads nothing heavy; each command imports what it needs.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from f5_serverless import __version__
from f5_serverless.config import Settings
from f5_serverless.errors import InputError, SourceNotFound
from f5_serverless.types import OnProgress, Progress, no_progress

DONE, FAILED, BAD_INPUT = 0, 1, 2
MAX_REQUEST_BYTES = 64 << 20


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    arguments = build_parser().parse_args(argv)
    try:
        settings = Settings.from_env(os.environ)
        logging.basicConfig(
            level=settings.log_level.upper(), stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s"
        )
        code: int = arguments.run(arguments, settings)
    except KeyboardInterrupt:
        print("interrupted; nothing half-made is left behind", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the reader is gone; keep the interpreter's exit quiet
        return FAILED
    except Exception as error:  # noqa: BLE001 - the edge: every error becomes an answer
        return _show_error(error, as_json=getattr(arguments, "json", False))
    return code


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="f5-serverless", description="Speech in a cloned voice, with the time of every word as subtitles."
    )
    parser.add_argument("--version", action="version", version=f"f5-serverless {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in (_add_say, _add_subtitle, _add_job, _add_doctor, _add_schema):
        add(commands)
    return parser


Commands = Any  # argparse gives its sub-parser collection no public type


def _add_say(commands: Commands) -> None:
    parser = commands.add_parser("say", help="speak a text; - reads it from standard input")
    parser.add_argument("text", metavar="TEXT|-")
    parser.add_argument("--voice", metavar="FILE|URL", help="recording of the voice to clone")
    parser.add_argument("--ref-text", help="what is said in that recording")
    parser.add_argument("--audio-format", help="wav (default), flac, mp3, opus or aac")
    parser.add_argument("--speed", type=float, help="0.5 to 2")
    parser.add_argument("--loudness", type=float, help="integrated loudness in LUFS, e.g. -16")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--engine", help="auto (default), f5 or preview")
    _add_shared(parser)
    parser.set_defaults(run=_run_say)


def _add_subtitle(commands: Commands) -> None:
    parser = commands.add_parser("subtitle", help="make subtitles for a recording and its text")
    parser.add_argument("audio", metavar="AUDIO", help="file or URL")
    parser.add_argument("--text", metavar="TEXT|-", help="what is said in it; - reads standard input")
    parser.add_argument("--text-file", metavar="FILE", type=Path, help="a UTF-8 file with what is said in it")
    _add_shared(parser)
    parser.set_defaults(run=_run_subtitle)


def _add_shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--language", help="code such as en or de")
    parser.add_argument("--subtitle-format", help="ass (default), srt, vtt, json; several with commas")
    parser.add_argument("--subtitle-style", help="clean (default), karaoke or social")
    parser.add_argument("--output", metavar="DIR", type=Path, help="directory for the results (default: F5_OUTPUT_DIR)")
    parser.add_argument("--json", action="store_true", help="print the answer as JSON")


def _add_job(commands: Commands) -> None:
    parser = commands.add_parser("job", help="run a request file as the worker would; prints the answer as JSON")
    parser.add_argument("file", metavar="FILE|-")
    parser.set_defaults(run=_run_job, json=True)


def _add_doctor(commands: Commands) -> None:
    parser = commands.add_parser("doctor", help="what can run here, what is missing, and the command that gets it")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    parser.set_defaults(run=_run_doctor)


def _add_schema(commands: Commands) -> None:
    parser = commands.add_parser("schema", help="print the JSON Schema of a request")
    parser.set_defaults(run=_run_schema)


# ----------------------------------------------------------------------------------------------------------- commands


def _run_say(arguments: argparse.Namespace, settings: Settings) -> int:
    options = _shared_options(arguments)
    for name in ("ref_text", "audio_format", "speed", "loudness", "seed", "engine"):
        value = getattr(arguments, name)
        if value is not None:
            options[name] = value
    payload: dict[str, Any] = {"text": _text_or_stdin(arguments.text), "options": options}
    if arguments.voice is not None:
        payload["voice_reference_url"] = arguments.voice
    return _run_request(payload, settings, arguments.output, as_json=arguments.json)


def _run_subtitle(arguments: argparse.Namespace, settings: Settings) -> int:
    payload: dict[str, Any] = {"audio_url": arguments.audio, "options": _shared_options(arguments)}
    payload["options"]["mode"] = "subtitle"
    if arguments.text is not None and arguments.text_file is not None:
        raise InputError("Give --text or --text-file, not both.", field="text")
    if arguments.text is not None:
        payload["text"] = _text_or_stdin(arguments.text)
    elif arguments.text_file is not None:
        payload["text"] = _read(arguments.text_file, "text")
    return _run_request(payload, settings, arguments.output, as_json=arguments.json)


def _run_job(arguments: argparse.Namespace, settings: Settings) -> int:
    raw = _read_stdin("input") if arguments.file == "-" else _read(Path(arguments.file), "input")
    try:
        payload = json.loads(raw)
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise InputError(f"The request is not valid JSON{where}.", field="input") from None
    if isinstance(payload, dict) and isinstance(payload.get("input"), (dict, list)) and "text" not in payload:
        payload = payload["input"]
    return _run_request(payload, settings, None, as_json=True)


def _run_doctor(arguments: argparse.Namespace, settings: Settings) -> int:
    from f5_serverless import doctor

    checks = doctor.examine(settings)
    print(json.dumps(doctor.to_json(checks), indent=2) if arguments.json else doctor.to_text(checks))
    return DONE if doctor.can_work(checks) else FAILED


def _run_schema(arguments: argparse.Namespace, settings: Settings) -> int:
    from f5_serverless.request import schema

    print(json.dumps(schema(), indent=2))
    return DONE


# ------------------------------------------------------------------------------------------------------------ helpers


def _run_request(payload: object, settings: Settings, output: Path | None, *, as_json: bool) -> int:
    """The pipeline, with a progress display where someone watches."""
    import dataclasses

    from f5_serverless.pipeline import limits_of, open_services, run
    from f5_serverless.request import parse_request

    if output is not None:
        settings = dataclasses.replace(settings, output_dir=output)
    request = parse_request(payload, limits_of(settings))
    with _progress_bar(sys.stderr) as progress:
        answer = run(request, open_services(settings, allow_local=True), progress)
    if as_json:
        print(_pretty(answer.to_dict()))
        return DONE
    for address in (answer.audio_url, *answer.subtitle_urls.values()):
        if address is not None:
            print(address)
    print(f"{answer.duration:.1f} s, {len(answer.words)} words, engine {answer.engine}", file=sys.stderr)
    for warning in answer.warnings:
        print(f"note: {warning}", file=sys.stderr)
    return DONE


def _shared_options(arguments: argparse.Namespace) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for name in ("language", "subtitle_style"):
        value = getattr(arguments, name)
        if value is not None:
            options[name] = value
    if arguments.subtitle_format is not None:
        options["subtitle_format"] = [part.strip() for part in arguments.subtitle_format.split(",")]
    return options


def _text_or_stdin(value: str) -> str:
    return _read_stdin("text") if value == "-" else value


def _read_stdin(field: str) -> str:
    return _decode(sys.stdin.buffer.read(MAX_REQUEST_BYTES + 1), field)


def _read(path: Path, field: str) -> str:
    try:
        with path.open("rb") as file:
            return _decode(file.read(MAX_REQUEST_BYTES + 1), field)
    except OSError as error:
        raise SourceNotFound(f"{path} cannot be read: {error.strerror}.", field=field) from None


def _decode(raw: bytes, field: str) -> str:
    if len(raw) > MAX_REQUEST_BYTES:
        raise InputError(f"The {field} is larger than {MAX_REQUEST_BYTES >> 20} MB.", field=field)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"The {field} is not UTF-8 (byte {error.start}).", field=field) from None


def _show_error(error: Exception, *, as_json: bool) -> int:
    """The error on standard output as JSON, or on standard error for people."""
    from f5_serverless.response import error_answer

    answer = error_answer(error)["error"]
    if as_json:
        print(json.dumps({"error": answer}, indent=2))
    else:
        print(f"error ({answer['code']}): {answer['message']}\n{answer['hint']}", file=sys.stderr)
    return BAD_INPUT if isinstance(error, InputError) else FAILED


def _pretty(answer: dict[str, Any]) -> str:
    """JSON for eyes and programs: indented, one word of the answer per line."""
    words = answer["words"]
    text = json.dumps(answer | {"words": []}, indent=2, ensure_ascii=False)
    if not words:
        return text
    lines = ",\n    ".join(json.dumps(word, ensure_ascii=False) for word in words)
    return text.replace('"words": []', f'"words": [\n    {lines}\n  ]', 1)


@contextmanager
def _progress_bar(stream: TextIO) -> Iterator[OnProgress]:
    """A progress display on a terminal; nothing in a pipe."""
    if not stream.isatty():
        yield no_progress
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(file=stream), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(event: Progress) -> None:
            if event.stage not in tasks:
                tasks[event.stage] = bar.add_task(event.stage, total=event.total)
            bar.update(tasks[event.stage], completed=event.done, total=event.total)

        yield show


if __name__ == "__main__":
    sys.exit(main())
