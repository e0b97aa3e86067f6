"""The command line. Every command that makes something builds the request that the worker would get.

Results go to standard output, progress and errors for people to standard error. Exit codes: 0 done, 1 failed, 2 bad
input. Importing this package loads nothing heavy; each command imports what it needs. Rooms: `speech` (say, subtitle,
revoice, job, schema), `voices`, `upkeep` (doctor, models, setup, deploy, dev-queue), `terminal` (what they share).
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from f5_serverless import __version__
from f5_serverless.cli import speech, terminal, upkeep, voices
from f5_serverless.config import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    if given[:1] == ["dev-queue"]:  # it has a command line of its own
        from f5_serverless.serve.dev_queue import main as dev_queue

        return dev_queue(given[1:])
    # Read when torch is imported: threads that wait by spinning make each other slow on a machine with other work.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    arguments = build_parser().parse_args(given)
    try:
        settings = Settings.from_env(os.environ)
        _log(settings.log_level)
        code: int = arguments.run(arguments, settings)
    except KeyboardInterrupt:
        print("interrupted; nothing half-made is left behind", file=sys.stderr)
        return terminal.FAILED
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the reader is gone; keep the interpreter's exit quiet
        return terminal.FAILED
    except Exception as error:  # noqa: BLE001 - the edge: every error becomes an answer
        return terminal.show_error(error, as_json=getattr(arguments, "json", False))
    return code


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="f5-serverless", description="Speech in a cloned voice, with the time of every word as subtitles."
    )
    parser.add_argument("--version", action="version", version=f"f5-serverless {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for room in (speech, voices, upkeep):
        room.add_commands(commands)
    return parser


def _log(level: str) -> None:
    """Warnings and errors of this package on standard error; more with F5_LOG_LEVEL=DEBUG."""
    chosen = level.upper()
    quiet = "WARNING" if chosen == "INFO" else chosen  # a command's own output says what it does
    logging.basicConfig(level=quiet, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
