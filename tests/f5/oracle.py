"""The official model code, imported from `.oracle` without its trainer.

`make oracle` installs the packages of `requirements-oracle.txt` there, apart from the environment. Three things keep
the import small and possible: `f5_tts.model.__init__` (which pulls in accelerate, wandb and datasets) is not run, the
model code below it is imported as shipped; torchaudio goes without its compiled extension, which the mel spectrogram
does not use; librosa, encodec and einx, imported and never called on our paths, are empty stand-ins.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest

ROOT = Path(__file__).resolve().parents[2] / ".oracle"
COMMAND = "uv pip install --no-deps --target .oracle -r tests/f5/requirements-oracle.txt"


def _stand_in(package: str, **modules: dict[str, Any]) -> None:
    """Enters empty modules (name within the package to attributes) where the real package is not installed."""
    if package in sys.modules or importlib.util.find_spec(package) is not None:
        return
    for name, attributes in ({"": {}} | modules).items():
        module = types.ModuleType(f"{package}.{name}".rstrip("."))
        vars(module).update(attributes)
        sys.modules[module.__name__] = module


@contextmanager
def _without_extension() -> Iterator[None]:
    """While this holds, torchaudio finds none of its compiled libraries."""
    glob = Path.glob

    def blind(self: Path, pattern: str, **options: Any) -> Any:
        return iter(()) if self.parts[-2:] == ("torchaudio", "lib") else glob(self, pattern, **options)

    with mock.patch.object(Path, "glob", blind):
        yield


def package() -> Path:
    """The folder of the official package; the test fails where it is not installed."""
    if not (ROOT / "f5_tts").is_dir():
        pytest.fail(f"The official package is not there to compare with. Run: {COMMAND}", pytrace=False)
    return ROOT / "f5_tts"


@cache
def official() -> SimpleNamespace:
    """The official modules: ``dit``, ``cfm``, ``modules``, ``utils``, and ``vocos``; ``vocab`` is their vocabulary."""
    folder = package()
    if str(ROOT) not in sys.path:
        sys.path.append(str(ROOT))
    with _without_extension():
        importlib.import_module("torchaudio")
    _stand_in("einx")
    _stand_in("librosa", filters={"mel": None})
    _stand_in("encodec", **{"": {"EncodecModel": None}})
    if "f5_tts.model" not in sys.modules:
        model = types.ModuleType("f5_tts.model")
        model.__path__ = [str(folder / "model")]
        sys.modules["f5_tts.model"] = model
    return SimpleNamespace(
        dit=importlib.import_module("f5_tts.model.backbones.dit"),
        cfm=importlib.import_module("f5_tts.model.cfm"),
        modules=importlib.import_module("f5_tts.model.modules"),
        utils=importlib.import_module("f5_tts.model.utils"),
        vocos=importlib.import_module("vocos"),
        vocab=folder / "infer" / "examples" / "vocab.txt",
    )
