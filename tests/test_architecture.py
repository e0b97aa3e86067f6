"""The arrows of the house: who may import whom, and what the thin layer must never load."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "f5_serverless"
GROUND = {"__init__", "types", "errors"}

# Room → rooms it may import, besides itself and the ground floor (types, errors).
ALLOWED: dict[str, set[str]] = {
    "__init__": set(),
    "types": set(),
    "errors": set(),
    "config": set(),
    "request": {"text.lexicon"},
    "response": set(),
    "timeline": set(),
    "dubbing": set(),
    "job": {"config", "request", "services", "storage", "synthesis"},
    "inputs": {"audio", "casting", "engines", "job", "storage"},
    "stages": {
        "audio", "delivery", "dubbing", "engines", "job", "request", "response", "storage", "subtitles", "synthesis",
        "text", "timeline",
    },
    "actions": {"audio", "casting", "request", "services", "storage"},
    "wordmatch": set(),
    "services": {"audio", "config", "engines", "storage", "text", "checker"},
    "casting": {"audio", "engines", "text"},
    "delivery": {"audio", "request", "response", "storage", "subtitles"},
    "text": set(),
    "audio": set(),
    "subtitles": set(),
    "f5": set(),
    "storage": {"config"},
    "engines": {"config", "f5", "audio", "runtime.models"},
    "runtime": {"config"},
    "evidence": {"wordmatch"},
    "verification": {"evidence", "wordmatch"},
    "checker": {"engines.base", "evidence", "verification"},
    "synthesis": {"audio", "engines", "storage", "verification", "checker", "timeline"},
    "pipeline": {
        "actions", "audio", "config", "delivery", "dubbing", "inputs", "job", "request", "response", "services",
        "stages", "storage", "synthesis",
    },
    "serve": {"config", "request", "response", "pipeline", "runtime", "engines", "storage"},
    "doctor": {"config", "engines", "runtime", "storage", "audio"},
    "cli": {"*"},
}  # fmt: skip


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """The modules of this package that a file imports, anywhere in it, as dotted names without the package."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        found |= {name.removeprefix("f5_serverless.") for name in names if name.startswith("f5_serverless.")}
    return {name for name in found if not name.startswith("__version__")}


# Modules that are run as commands: they read the environment, and the self-test looks into every room.
ENTRIES = {
    "cli/__init__.py",
    "cli/upkeep.py",
    "runtime/enter.py",
    "runtime/selftest.py",
    "serve/dev_queue.py",
    "serve/worker.py",
}
FILES = sorted(PACKAGE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_arrows_point_one_way(path: Path) -> None:
    room = room_of(path)
    assert room in ALLOWED, f"{room} is a new room: say here what it may import"
    for name in imports_of(path):
        target = name.split(".")[0]
        if target in GROUND | {room} or "*" in ALLOWED[room] or path.name == "selftest.py":
            continue
        assert any(name == allowed or name.startswith(f"{allowed}.") for allowed in ALLOWED[room]), (
            f"{room} must not import {name}"
        )


def test_every_room_of_the_table_exists() -> None:
    assert {room_of(path) for path in FILES} == set(ALLOWED)


def test_only_config_reads_the_environment() -> None:
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv"):
                name = path.relative_to(PACKAGE).as_posix()
                assert name in ENTRIES, f"{name}:{node.lineno} reads the environment; entries pass it on as Settings"


@pytest.mark.parametrize("statement", ["import handler", "import f5_serverless.cli", "import f5_serverless.request"])
def test_the_thin_layer_loads_neither_torch_nor_numpy(statement: str) -> None:
    code = (
        f"import sys; {statement}; print([m for m in ('torch', 'numpy', 'onnxruntime', 'runpod') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_docstrings_open_every_module() -> None:
    for path in FILES:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{path} has no contract"
