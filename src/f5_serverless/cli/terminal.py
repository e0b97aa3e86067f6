"""What commands share: reading input, showing progress, answers and errors."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from f5_serverless.errors import InputError, SourceNotFound
from f5_serverless.types import OnProgress, Progress, no_progress

DONE, FAILED, BAD_INPUT = 0, 1, 2
MAX_INPUT_BYTES = 64 << 20

Commands = Any  # argparse gives its sub-parser collection no public type


def text_or_stdin(value: str, field: str = "text") -> str:
    """``value``, or standard input where it is ``-``."""
    return _decode(sys.stdin.buffer.read(MAX_INPUT_BYTES + 1), field) if value == "-" else value


def file_or_stdin(name: str, field: str) -> str:
    """The content of the file ``name``, or of standard input where it is ``-``. Raises `InputError`."""
    if name == "-":
        return text_or_stdin(name, field)
    try:
        with Path(name).open("rb") as file:
            return _decode(file.read(MAX_INPUT_BYTES + 1), field)
    except OSError as error:
        raise SourceNotFound(f"{name} cannot be read: {error.strerror}.", field=field) from None


def _decode(raw: bytes, field: str) -> str:
    if len(raw) > MAX_INPUT_BYTES:
        raise InputError(f"The {field} is larger than {MAX_INPUT_BYTES >> 20} MB.", field=field)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"The {field} is not UTF-8 (byte {error.start}).", field=field) from None


def show_error(error: Exception, *, as_json: bool) -> int:
    """The error on standard output as JSON, or on standard error for people. Returns the exit code."""
    from f5_serverless.response import error_answer

    answer = error_answer(error)["error"]
    if as_json:
        print(json.dumps({"error": answer}, indent=2))
    else:
        print(f"error ({answer['code']}): {answer['message']}\n{answer['hint']}", file=sys.stderr)
    return BAD_INPUT if isinstance(error, InputError) else FAILED


def show_answer(answer: dict[str, Any]) -> None:
    """JSON for eyes and programs: indented, one word of the answer per line."""
    words = answer["words"]
    text = json.dumps(answer | {"words": []}, indent=2, ensure_ascii=False)
    if words:
        lines = ",\n    ".join(json.dumps(word, ensure_ascii=False) for word in words)
        text = text.replace('"words": []', f'"words": [\n    {lines}\n  ]', 1)
    print(text)


@contextmanager
def progress_bar(stream: TextIO | None = None) -> Iterator[OnProgress]:
    """A progress display on a terminal; nothing in a pipe."""
    stream = sys.stderr if stream is None else stream
    if not stream.isatty():
        yield no_progress
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(file=stream), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(event: Progress) -> None:
            total = event.total or None
            if event.stage not in tasks:
                tasks[event.stage] = bar.add_task(event.stage, total=total)
            bar.update(tasks[event.stage], completed=event.done, total=total)

        yield show
