from __future__ import annotations

import io

from f5_serverless.runtime.progress import Display, describe, throttled
from f5_serverless.types import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_packages_bytes_and_minutes_are_shown() -> None:
    step = Progress("install", 87, 152, "3.1 of 7.4 GB, 0.8 min left")
    assert describe(step) == "install  87 of 152 packages · 3.1 of 7.4 GB · 0.8 min left"
    assert describe(Progress("pack", 5_000_000, 0, "bytes")) == "pack     5 MB"
    assert describe(Progress("publish", 1200, 0, "files")) == "publish  1,200 files"


def test_log_gets_a_line_per_stage_and_then_one_now_and_then() -> None:
    out, now = io.StringIO(), [0.0]
    show = Display(out, lambda: now[0])
    for second in range(12):
        now[0] = float(second)
        show(Progress("unpack", second, 12))
    show(Progress("ready", 1, 1, "key"))
    show.close()
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["0.0", "5.0", "10.0", "11.0"]
    assert lines[-1].endswith("ready    key")


def test_terminal_rewrites_its_line() -> None:
    out, now = Terminal(), [0.0]
    show = Display(out, lambda: now[0])
    for tick in range(10):
        now[0] = tick / 2
        show(Progress("unpack", tick, 10))
    assert out.getvalue().count("\r") == 10
    assert "\n" not in out.getvalue()
    show.close()
    assert out.getvalue().endswith("\n")


def test_throttled_lets_changes_and_ends_through() -> None:
    seen: list[Progress] = []
    call = throttled(seen.append, 10.0, lambda: 0.0)
    for done in range(5):
        call(Progress("pack", done, 4))
    call(Progress("ready", 0, 1))
    assert [(step.stage, step.done) for step in seen] == [("pack", 0), ("pack", 4), ("ready", 0)]
