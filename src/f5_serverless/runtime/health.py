"""The container's health: is a worker's process there? For `HEALTHCHECK`; standard library only, a few milliseconds.

In: ``/proc``. Out: exit code 0 when a process runs `handler.py` or the worker, in either layer's Python, else 1 with a
sentence. Whether that worker can do its work is the business of its fitness checks.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

_WORKERS = (b"handler.py", b"f5_serverless.serve.")


def worker_pids(proc: Path = Path("/proc")) -> list[int]:
    """Processes that run a worker, this one left out."""
    found = []
    for entry in proc.iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            arguments = (entry / "cmdline").read_bytes().split(b"\0")
            state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:  # it ended meanwhile
            continue
        runs = b"python" in arguments[0] and any(word in part for word in _WORKERS for part in arguments[1:])
        if runs and state not in "ZX":
            found.append(int(entry.name))
    return found


def main() -> int:
    """0 when a worker runs."""
    if worker_pids():
        return 0
    print("No worker is running in this container.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
