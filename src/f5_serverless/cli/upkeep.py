"""Commands that look after an installation: doctor, models, setup, deploy, dev-queue."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from pathlib import Path

from f5_serverless.cli.terminal import DONE, FAILED, Commands, progress_bar
from f5_serverless.config import Settings


def add_commands(commands: Commands) -> None:
    """Adds this room's commands."""
    doctor = commands.add_parser("doctor", help="what can run here, what is missing, and the command that gets it")
    doctor.add_argument("--json", action="store_true", help="print the findings as JSON")
    doctor.set_defaults(run=_run_doctor)
    _add_models(commands)
    setup = commands.add_parser("setup", help="build the worker's environment on a network volume")
    setup.add_argument("--root", metavar="DIR", type=Path, help="directory on the volume (default: F5_VOLUME_ROOT)")
    setup.add_argument("--collect", action="store_true", help="instead, remove environments of old locks nobody uses")
    setup.set_defaults(run=_run_setup)
    deploy = commands.add_parser("deploy", help="tell what a deployment lacks, before money is spent")
    deploy.add_argument("--check", action="store_true", required=True, help="look only; nothing is deployed")
    deploy.add_argument("--json", action="store_true", help="print the findings as JSON")
    deploy.set_defaults(run=_run_deploy)
    inspect = commands.add_parser("inspect", help="tell whether a recording carries the mark of made speech")
    inspect.add_argument("audio", metavar="AUDIO", type=Path)
    inspect.add_argument("--json", action="store_true", help="print the finding as JSON")
    inspect.set_defaults(run=_run_inspect)
    commands.add_parser("dev-queue", help="RunPod's job queue on loopback, for driving workers")


def _add_models(commands: Commands) -> None:
    parser = commands.add_parser("models", help="list, download and verify models")
    verbs = parser.add_subparsers(title="models", required=True, metavar="VERB")
    listing = verbs.add_parser("list", help="the models there are, their licences, and which are here")
    listing.set_defaults(run=_run_models_list)
    pull = verbs.add_parser("pull", help="download a model; its licence is shown")
    pull.set_defaults(run=_run_models_pull)
    verify = verbs.add_parser("verify", help="read a model's files and compare them with the first download")
    verify.set_defaults(run=_run_models_verify)
    for verb in (pull, verify):
        verb.add_argument("name", metavar="NAME")
    for verb in (listing, pull, verify):
        verb.add_argument("--root", metavar="DIR", type=Path, help="directory of the models (default: F5_MODELS_DIR)")


def _run_doctor(arguments: argparse.Namespace, settings: Settings) -> int:
    from f5_serverless import doctor

    checks = doctor.examine(settings)
    print(json.dumps(doctor.to_json(checks), indent=2) if arguments.json else doctor.to_text(checks))
    return DONE if doctor.can_work(checks) else FAILED


def _root(arguments: argparse.Namespace, settings: Settings) -> Path:
    root: Path = arguments.root or settings.models_path
    return root.expanduser()


def _run_models_list(arguments: argparse.Namespace, settings: Settings) -> int:
    from f5_serverless.runtime import models

    for status in models.list_models([_root(arguments, settings), *models.HUB_CACHES]):
        where = str(status.directory) if status.directory is not None else status.problem
        model = status.model
        print(f"{model.name:<18}{model.about_bytes / 1e9:>5.2f} GB  {model.licence:<14}{model.repository:<28}{where}")
    return DONE


def _run_models_pull(arguments: argparse.Namespace, settings: Settings) -> int:
    from f5_serverless.runtime import model_download, models

    print(models.notice(models.model_named(arguments.name)), file=sys.stderr)
    with progress_bar() as progress:
        files = model_download.pull(
            arguments.name, _root(arguments, settings), endpoint=settings.hub_endpoint or None, progress=progress
        )
    print(files.checkpoint.parent)
    return DONE


def _run_models_verify(arguments: argparse.Namespace, settings: Settings) -> int:
    from f5_serverless.runtime import models

    lock = models.verify(arguments.name, _root(arguments, settings))
    for path, record in lock.files.items():
        print(f"ok  {record.sha256}  {record.size:>13,}  {path}")
    return DONE


def _run_inspect(arguments: argparse.Namespace, settings: Settings) -> int:
    from f5_serverless.audio import codec, watermark

    audio = codec.decode(
        arguments.audio, max_seconds=settings.max_audio_seconds, max_bytes=settings.max_audio_bytes, field="audio"
    )
    share = watermark.detect(audio)
    if arguments.json:
        print(json.dumps({"duration": round(audio.duration, 3), "watermark": round(share, 4), "made": share > 0.5}))
    else:
        print(f"{'carries' if share > 0.5 else 'does not carry'} the mark of made speech ({share:.2f})")
    return DONE


def _run_setup(arguments: argparse.Namespace, settings: Settings) -> int:
    from f5_serverless.runtime import enter

    if arguments.root is not None:
        settings = dataclasses.replace(settings, volume_root=arguments.root)
    if arguments.collect:
        for key in enter.collect(settings, [enter.current_key(settings)]):
            print(f"removed {key}")
        return DONE
    environment = enter.setup(settings)
    print(environment.python)
    return DONE


def _run_deploy(arguments: argparse.Namespace, settings: Settings) -> int:
    from f5_serverless.runtime.deploy_check import deploy_check
    from f5_serverless.storage.stores import open_store

    findings = deploy_check(os.environ, lambda wanted: open_store(wanted).check())
    if arguments.json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{finding.severity:<8}{finding.message}\n        {finding.advice}")
        if not findings:
            print("nothing is missing")
    return FAILED if any(finding.severity == "error" for finding in findings) else DONE
