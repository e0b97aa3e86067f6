"""The worker with the real pipeline behind it: what `handler.py` runs, in whichever Python it ends up.

`prepare` enters the environment on the volume where one is wanted; models are downloaded at the same time. `main` opens
the services once and serves jobs until it is told to end.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, MutableMapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from f5_serverless.config import Settings
from f5_serverless.errors import F5Error
from f5_serverless.serve.fitness import Check, gpu_check, volume_check
from f5_serverless.serve.job import JobContext, JobRunner

if TYPE_CHECKING:
    from f5_serverless.runtime.lease import Use

log = logging.getLogger(__name__)


def prepare(environ: MutableMapping[str, str], argv: Sequence[str]) -> Use | None:
    """Makes sure that the worker runs in the right Python; ``argv`` is what runs again there.

    Returns when that is this process: what keeps the environment from being collected, or None. Ends the process
    with the reason where there can be no worker.
    """
    from f5_serverless.runtime import enter, read_ahead

    # Read when torch is imported: threads that wait by spinning make each other slow on a machine with other work.
    environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        settings = Settings.from_env(environ)
        logging.basicConfig(level=settings.log_level.upper(), stream=sys.stderr, format="%(levelname)s %(message)s")
        use = enter.enter(settings, environ, argv, [_download(settings)])
        read_ahead.read_ahead(_weights(settings))
        return use
    except F5Error as error:
        sys.exit(json.dumps({"error": error.to_dict()}))


def _weights(settings: Settings) -> list[Path]:
    """What the engine will load, as far as it is there: the checkpoint and the vocoder."""
    from f5_serverless.runtime import models

    if settings.engine == "preview":
        return []
    if "/" in settings.model:
        folder = Path(settings.model).expanduser()
        return [*sorted(folder.glob("*.safetensors")), folder / "vocos"]
    found = models.locate(settings.model, settings.models_path, *models.HUB_CACHES)
    return [found.checkpoint, found.vocoder]


def _download(settings: Settings) -> Callable[[], object]:
    """Gets the model where it is one of the table and not there yet."""

    def run() -> None:
        from f5_serverless.runtime import model_download, models

        if "/" not in settings.model and settings.engine != "preview":
            log.info("%s", models.notice(models.model_named(settings.model)))
            model_download.pull(settings.model, settings.models_path, endpoint=settings.hub_endpoint or None)

    return run


def load(settings: Settings) -> JobRunner:
    """Opens the services and warms the engine up, so that the first job waits for nothing."""
    from f5_serverless.pipeline import open_services, run_job, warm_up

    services = open_services(settings, allow_local=False)
    warm_up(services)

    def run(context: JobContext) -> dict[str, Any]:
        return run_job(context.input, services, context.progress, context.emit)

    return run


def checks(settings: Settings) -> list[Check]:
    """What must be true of this machine before it takes a job."""
    found = [gpu_check(required=settings.engine == "f5" and settings.device != "cpu"), Check("store", _store(settings))]
    if settings.use_lease:  # entered from the volume, so there is one
        found.append(volume_check(settings.volume_root))
    return found


def _store(settings: Settings) -> Callable[[], object]:
    """Whether the store would take a result."""

    def run() -> None:
        from f5_serverless.storage.stores import open_store

        open_store(settings).check()

    return run


def main(environ: MutableMapping[str, str]) -> int:
    """Serves jobs; returns the exit code. The SDK reads ``--test_input`` and ``--rp_serve_api`` from ``sys.argv``."""
    from f5_serverless.serve.worker import run_worker

    settings = Settings.from_env(environ)
    return run_worker(settings, lambda: load(settings), environ=environ, checks=checks(settings))
