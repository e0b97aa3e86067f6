"""Imports a module whose own imports are heavy and may never be needed: those come when something of them is used.

In: names of packages. Out: for the length of a ``with`` block, stand-ins for those that are installed and not imported
yet. ``import X as x`` and ``from X import Y`` in the block take the stand-in; what is called on it later, or looked up
on its names, is the real package's. Stand-ins are no classes: code that subclasses or tests with ``isinstance`` must
not be imported this way. Other threads should not import the same packages meanwhile.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class _Name:
    """One name of a package that is imported later."""

    def __init__(self, package: str, name: str) -> None:
        self._package, self._name = package, name

    def _real(self) -> Any:
        return getattr(importlib.import_module(self._package), self._name)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self._real()(*arguments, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real(), name)


class _Package(ModuleType):
    """Stands in for a package."""

    def __getattr__(self, name: str) -> _Name:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Name(self.__name__, name)


@contextlib.contextmanager
def imported_later(*names: str) -> Iterator[None]:
    """Stand-ins for ``names`` while the block runs. A package that is missing stays missing."""
    absent = [name for name in names if name not in sys.modules and find_spec(name.partition(".")[0]) is not None]
    sys.modules.update({name: _Package(name) for name in absent})
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]
