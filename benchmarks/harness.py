"""The one harness of all benchmarks: arguments, interleaved pairs, the table, the JSON line.

A benchmark is a module with a function ``run(quick: bool) -> Report`` and, at its end, ``main(run)``. ``--quick`` ends
within 50 s; ``--json`` prints one object of figures as the last line of standard output. A figure that compares is the
median of interleaved pairs, with its spread: on a shared machine only ratios taken side by side mean anything.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass
class Report:
    """One table and the figures behind it. ``figures`` become the JSON object."""

    title: str
    columns: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)
    figures: dict[str, float | int | str | None] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Pair:
    """Medians of A and B in seconds, and the median, smallest and largest of A/B taken pair by pair."""

    a: float
    b: float
    ratio: float
    ratio_min: float
    ratio_max: float

    def __str__(self) -> str:
        return f"{self.ratio:.2f} × ({self.ratio_min:.2f}–{self.ratio_max:.2f})"


def pair_of(a: Sequence[float], b: Sequence[float]) -> Pair:
    """The `Pair` of two equally long series measured in turn."""
    ratios = [x / y for x, y in zip(a, b, strict=True)]
    return Pair(statistics.median(a), statistics.median(b), statistics.median(ratios), min(ratios), max(ratios))


def interleaved(a: Callable[[], object], b: Callable[[], object], rounds: int = 5, warmup: int = 1) -> Pair:
    """Times ``a`` and ``b`` in turn, A B A B …, ``rounds`` times after ``warmup`` uncounted rounds."""
    times: tuple[list[float], list[float]] = ([], [])
    for index in range(warmup + rounds):
        for which, function in enumerate((a, b)):
            start = time.perf_counter()
            function()
            if index >= warmup:
                times[which].append(time.perf_counter() - start)
    return pair_of(*times)


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0–1) of ``values`` lie, by nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def main(run: Callable[[bool], Report | Sequence[Report]]) -> None:
    """Parses the command line, runs, prints."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rounds; ends within 50 s")
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object of figures")
    arguments = parser.parse_args()
    result = run(arguments.quick)
    reports = [result] if isinstance(result, Report) else list(result)
    console = Console(file=sys.stderr if arguments.json else sys.stdout, width=140)
    figures: dict[str, float | int | str | None] = {}
    for report in reports:
        table = Table(title=report.title, title_justify="left", title_style="bold")
        for column in report.columns:
            table.add_column(column)
        for row in report.rows:
            table.add_row(*row)
        console.print(table)
        for note in report.notes:
            console.print(f"  {note}", highlight=False)
        figures |= report.figures
    if arguments.json:
        print(json.dumps(figures))
