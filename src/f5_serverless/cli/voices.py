"""Commands for registered voices: `voices add|list|show|remove`. Each is the job of the same name."""

from __future__ import annotations

import argparse
import json
from typing import Any

from f5_serverless.cli.terminal import DONE, Commands, progress_bar
from f5_serverless.config import Settings


def add_commands(commands: Commands) -> None:
    """Adds this room's commands."""
    parser = commands.add_parser("voices", help="register, list, show and remove voices")
    verbs = parser.add_subparsers(title="voices", required=True, metavar="VERB")
    add = verbs.add_parser("add", help="register a voice from a recording")
    add.add_argument("name", metavar="NAME")
    add.add_argument("audio", metavar="AUDIO", help="file or URL")
    add.add_argument("--ref-text", help="what is said in it (default: written down by a recogniser)")
    add.add_argument("--language", help="language of the recording (default: en)")
    add.add_argument("--consent", help="who allowed the use of this voice, and for what")
    add.add_argument("--force", action="store_true", help="replace a voice of the same name")
    listing = verbs.add_parser("list", help="list the registered voices, by name")
    listing.add_argument("--limit", type=int, help="most voices on one page (default: 100)")
    listing.add_argument("--token", help="`next` of the page before")
    show = verbs.add_parser("show", help="show what is kept of a voice")
    show.add_argument("name", metavar="NAME")
    remove = verbs.add_parser("remove", help="take a voice away")
    remove.add_argument("name", metavar="NAME")
    for name, verb in {"add": add, "list": listing, "show": show, "remove": remove}.items():
        verb.add_argument("--json", action="store_true", help="print the answer as JSON")
        verb.set_defaults(run=_run, verb=name)


def _run(arguments: argparse.Namespace, settings: Settings) -> int:
    from f5_serverless.pipeline import open_services, run_job

    payload: dict[str, Any] = {"action": f"voices.{arguments.verb}"}
    names = {"audio": "audio_url"}
    for key in ("name", "audio", "ref_text", "language", "consent", "limit", "token"):
        value = getattr(arguments, key, None)
        if value is not None:
            payload[names.get(key, key)] = value
    if getattr(arguments, "force", False):
        payload["force"] = True
    with progress_bar() as progress:
        answer = run_job(payload, open_services(settings, allow_local=True), progress)
    print(json.dumps(answer, indent=2, ensure_ascii=False) if arguments.json else _as_text(answer))
    return DONE


def _as_text(answer: dict[str, Any]) -> str:
    """The answer for people: a line per voice, and what its report found."""
    voices = answer.get("voices", [answer[key] for key in ("voice", "removed") if key in answer])
    lines = ["removed:"] if "removed" in answer else []
    for voice in voices:
        report = voice["report"]
        length = f"{report['duration']:.1f} s" if report else "?"
        lines.append(f"{voice['name']}  {voice['language']}  {length}  {voice['created']}  {voice['ref_text'][:60]}")
        if "voices" not in answer and report:
            lines += [
                f"  {finding['severity']}: {finding['message']} {finding['advice']}" for finding in report["findings"]
            ]
    if answer.get("next"):
        lines.append(f"more: --token {answer['next']}")
    return "\n".join(lines) or "no voices are registered"
