"""The worker with the real pipeline behind it: what `handler.py` runs, in whichever Python it ends up.

`main` reads the settings, opens the services once, and serves jobs until it is told to end. ``python -m
f5_serverless.serve.entry`` is the same for an environment that was entered by `exec_into`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping
from typing import Any

from f5_serverless.config import Settings
from f5_serverless.serve.fitness import Check, gpu_check
from f5_serverless.serve.job import JobContext, JobRunner


def load(settings: Settings) -> JobRunner:
    """Opens the services and warms the engine up, so that the first job waits for nothing."""
    from f5_serverless.pipeline import open_services, run_job, warm_up

    services = open_services(settings, allow_local=False)
    warm_up(services)

    def run(context: JobContext) -> dict[str, Any]:
        return run_job(context.input, services, context.progress)

    return run


def checks(settings: Settings) -> list[Check]:
    """What must be true of this machine before it takes a job."""
    return [gpu_check(required=settings.engine == "f5")]


def main(environ: MutableMapping[str, str] | None = None) -> int:
    """Serves jobs; returns the exit code. The SDK reads ``--test_input`` and ``--rp_serve_api`` from ``sys.argv``."""
    from f5_serverless.serve.worker import run_worker

    variables = os.environ if environ is None else environ
    settings = Settings.from_env(variables)
    return run_worker(settings, lambda: load(settings), environ=variables, checks=checks(settings))


if __name__ == "__main__":
    sys.exit(main())
