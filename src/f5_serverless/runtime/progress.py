"""Shows a person how far a setup is: one line that is rewritten on a terminal, or one line now and then in a log.

In: `Progress` steps, often and from several threads. Out: text such as ``install  87 of 152 packages · 3.1 of 7.4 GB ·
0.8 min left``. Knows the names of the setup's stages and nothing else of it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TextIO

from f5_serverless.types import OnProgress, Progress

_LOG_SECONDS = 5.0
_SCREEN_SECONDS = 0.1


def _packages(step: Progress) -> str:
    of = f" of {step.total}" if step.total else ""
    return f"{step.done}{of} packages" + (f" · {step.detail.replace(', ', ' · ')}" if step.detail else "")


def _bytes(step: Progress) -> str:
    of = f" of {step.total / 1e6:,.0f}" if step.total else ""
    return f"{step.done / 1e6:,.0f}{of} MB"


def _files(step: Progress) -> str:
    return f"{step.done:,} files" if step.detail == "files" else step.detail


def _detail(step: Progress) -> str:
    return step.detail


_SHOWN: dict[str, Callable[[Progress], str]] = {
    "install": _packages,
    "pack": _bytes,
    "unpack": _bytes,
    "publish": _files,
}


def describe(step: Progress) -> str:
    """One line about ``step``.

    >>> describe(Progress("unpack", 120_000_000, 2_400_000_000, "bytes"))
    'unpack   120 of 2,400 MB'
    """
    return f"{step.stage:<8} {_SHOWN.get(step.stage, _detail)(step)}".rstrip()


class Display:
    """An `OnProgress` that writes to ``out``. A change of stage is always shown, the rest at most every few seconds."""

    def __init__(self, out: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._out = out
        self._clock = clock
        self._screen = out.isatty()
        self._every = _SCREEN_SECONDS if self._screen else _LOG_SECONDS
        self._lock = threading.Lock()
        self._stage = ""
        self._last = 0.0
        self._started = clock()

    def __call__(self, step: Progress) -> None:
        with self._lock:
            now = self._clock()
            changed = step.stage != self._stage
            if not changed and now - self._last < self._every:
                return
            if changed and self._stage and self._screen:
                self._out.write("\n")
            self._stage, self._last = step.stage, now
            line = f"{now - self._started:6.1f} s  {describe(step)}"
            self._out.write(f"\r\x1b[K{line}" if self._screen else f"{line}\n")
            self._out.flush()

    def close(self) -> None:
        """Ends the line that is being rewritten."""
        if self._screen and self._stage:
            self._out.write("\n")
            self._out.flush()


def throttled(progress: OnProgress, seconds: float, clock: Callable[[], float] = time.monotonic) -> OnProgress:
    """``progress``, called when the stage changes, a step is complete, or ``seconds`` have passed."""
    last: list[float | str] = ["", 0.0]
    lock = threading.Lock()

    def call(step: Progress) -> None:
        with lock:
            now = clock()
            if step.stage == last[0] and step.done != step.total and now - float(last[1]) < seconds:
                return
            last[:] = [step.stage, now]
        progress(step)

    return call
