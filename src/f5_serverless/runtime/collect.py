"""Removes environments that nobody uses any more from a shared volume.

In: the root, the key in use now. Out: the names of what was removed. "Nobody" is known without clocks that agree: a use
whose counter stood still while this process watched for a term is a dead worker's. A marker is taken away first and the
uses are read again afterwards: a worker that had found the marker before has registered by then and gets it back
(workers register first and look at the marker again afterwards, so one of the two always sees the other).

It watches for two terms and so takes that long: workers run it in a thread after their start (`collect_later`), people
with `f5-serverless setup --collect`.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from f5_serverless.runtime import disk
from f5_serverless.runtime.lease import Clock, Use, Watch, read_json
from f5_serverless.runtime.publish import MODES, Marker, Volume

_log = logging.getLogger(__name__)


@dataclass
class Collector:
    """One run over ``root``. ``keep``: keys that stay whatever happens. ``term`` in seconds."""

    root: Path
    keep: frozenset[str]
    term: float
    clock: Clock = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    removed: list[str] = field(default_factory=list)

    def run(self) -> list[str]:
        """Names of the artefacts that were removed. Raises `OSError` when the volume fails."""
        volume = Volume(self.root)
        if not volume.envs.is_dir():
            return []
        watch = Watch(self.clock)
        litter = _litter(volume)
        self._live(volume, watch)
        self.sleep(self.term)
        used, _ = self._live(volume, watch)
        free = [m for m in self._markers(volume) if m.key not in self.keep and m.artefact not in used]
        for marker in free:
            volume.marker_path(marker.key, marker.mode).unlink(missing_ok=True)
        self.sleep(self.term)
        used, building = self._live(volume, watch)
        for marker in free:
            if marker.artefact in used:
                volume.publish_again(marker)
        self._remove_orphans(volume, used, building)
        for path in litter & _litter(volume):  # a temporary file is there for milliseconds, unless its writer died
            disk.remove_tree(path)
        return self.removed

    def _live(self, volume: Volume, watch: Watch) -> tuple[set[str], set[str]]:
        """(artefacts in use, keys being built): those whose counter moved within a term. Drops dead workers' uses."""
        used, building = set(), set()
        for path in volume.uses.glob("*--*.json"):
            state = read_json(path)
            if state is None:
                continue
            if watch.unchanged_for(path.name, state.get("counter")) >= self.term:
                path.unlink(missing_ok=True)
            else:
                used.add(Use.artefact_of(path))
        for path in volume.leases.glob("*.*.*"):
            state = read_json(path) or {"released": True}
            still = watch.unchanged_for(path.name, (state.get("token"), state.get("counter")))
            if not state.get("released") and still < self.term:
                building.add(path.name.split(".")[0])
        return used, building

    @staticmethod
    def _markers(volume: Volume) -> list[Marker]:
        found = []
        for path in volume.envs.glob("*.json"):
            key, _, mode = path.name.removesuffix(".json").rpartition(".")
            marker = volume.read_marker(key, mode) if mode in MODES else None
            if marker is not None:
                found.append(marker)
        return found

    def _remove_orphans(self, volume: Volume, used: set[str], building: set[str]) -> None:
        """Removes what no marker names and nobody uses, unless its key is being built just now."""
        named = {marker.artefact for marker in self._markers(volume)}
        for path in [*volume.envs.iterdir(), *volume.building.iterdir()]:
            spared = path.name.endswith(".json") or path.name.startswith(".") or path.name in named | used
            if spared or _key_of(path.name) in building:
                continue
            gone = path.with_name(f".{path.name}.gone")  # renamed first: nothing finds it half removed
            os.rename(path, gone)
            disk.remove_tree(gone)
            self.removed.append(path.name)


def _litter(volume: Volume) -> set[Path]:
    """Temporary files and half removed trees."""
    return {path for place in (volume.envs, volume.leases, volume.uses, volume.building) for path in place.glob(".*")}


def _key_of(artefact: str) -> str:
    """``cp311-x86_64-HASH`` of ``cp311-x86_64-HASH-PID-TOKEN…`` (or with two hyphens, under ``building``)."""
    return "-".join(artefact.split("-")[:3])


def collect_later(root: Path, key: str, term: float) -> threading.Thread:
    """Runs a `Collector` in a daemon thread. A volume that fails it is logged: the next worker collects."""

    def run() -> None:
        try:
            removed = Collector(root, frozenset({key}), term).run()
        except OSError as error:
            _log.warning("Old environments were not collected: %s", error.strerror)
            return
        for name in removed:
            _log.info("Removed the environment %s, which nobody uses.", name)

    thread = threading.Thread(target=run, name="f5-collect", daemon=True)
    thread.start()
    return thread
