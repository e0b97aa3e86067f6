"""Faults on demand for the queue in a box: which request goes wrong next.

A fault is named (`FAULTS` lists them), and strikes with a probability drawn from a seeded generator, or exactly the
next ``times`` times it could. What a fault then does is up to `queue_http`; this module only decides and counts.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FAULTS: Mapping[str, str] = {
    "take_500": "asking for a job is answered with 500",
    "take_429": "asking for a job is answered with 429",
    "take_lost": "a job is handed out, and the connection breaks before the worker reads it",
    "take_twice": "a job that is handed out is handed out once more, to whoever asks next",
    "done_500": "a posted result is answered with 500 and forgotten",
    "done_reset": "the connection of a posted result is reset; the result is forgotten",
    "done_lost_reply": "a posted result is taken, and the worker is told 500",
    "stream_500": "a posted stream piece or progress event is answered with 500 and forgotten",
    "ping_500": "a ping is answered with 500 and forgotten",
    "delay": "a request of a worker waits `delay_seconds` before it is served",
}


@dataclass
class Fault:
    """When one fault strikes: with ``probability`` (0–1), or the next ``times`` times without drawing."""

    probability: float = 0.0
    times: int = 0


class FaultPlan:
    """Decides which requests go wrong. The same seed and the same order of requests give the same faults."""

    def __init__(self, seed: int = 0, delay_seconds: float = 0.2) -> None:
        self.delay_seconds = delay_seconds
        self.struck: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._faults = {name: Fault() for name in FAULTS}

    def set(self, name: str, *, probability: float = 0.0, times: int = 0) -> None:
        """Arms (or with zeros disarms) one fault. Raises ValueError for an unknown name or a bad probability."""
        if name not in FAULTS:
            raise ValueError(f"Unknown fault {name!r}. Known: {', '.join(FAULTS)}.")
        if not 0 <= probability <= 1 or times < 0:
            raise ValueError(f"{name}: probability must be within 0–1 and times not negative.")
        self._faults[name] = Fault(probability, times)

    def update(self, plan: Mapping[str, Mapping[str, Any]]) -> None:
        """``{"done_500": {"probability": 0.1}, "take_500": {"times": 4}}``; see `set`."""
        for name, values in plan.items():
            self.set(name, probability=float(values.get("probability", 0)), times=int(values.get("times", 0)))

    def clear(self) -> None:
        """Nothing goes wrong any more; the counts stay."""
        self._faults = {name: Fault() for name in FAULTS}

    def strikes(self, name: str) -> bool:
        """Whether ``name`` strikes now. Counts it if so."""
        fault = self._faults[name]
        if fault.times > 0:
            fault.times -= 1
        elif not fault.probability or self._random.random() >= fault.probability:
            return False
        self.struck[name] += 1
        return True
