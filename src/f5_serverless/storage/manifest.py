"""Provenance: what an output is, in JSON, beside it. From it alone one can say whose voice it is and make it again.

In: plain values. Out: the manifest's bytes and its key. It holds no time of its own: the same job gives the same
manifest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SCHEMA = 1
SUFFIX = ".manifest.json"


@dataclass(frozen=True, slots=True)
class VoiceSource:
    """Whose voice it is. ``name``: a registered voice; ``consent``: the note given when it was registered."""

    hash: str
    name: str | None = None
    consent: str | None = None


@dataclass(frozen=True, slots=True)
class ChunkSource:
    """How one chunk came about: the seed that was used, and how many attempts it took."""

    index: int
    seed: int
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that decided an output. ``request``: as understood, without inputs given inline; ``report``: the
    verification's; ``versions``: of this package and what it ran on; ``watermark``: its name, None if there is none."""

    job: str
    mode: str
    engine: str
    model: str
    licence: str
    seed: int | None
    request: Mapping[str, Any]
    outputs: Mapping[str, str] = field(default_factory=dict)
    voice: VoiceSource | None = None
    chunks: Sequence[ChunkSource] = ()
    report: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    watermark: str | None = None

    def to_json(self) -> bytes:
        """UTF-8, keys in a fixed order, one per line."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, ensure_ascii=False, indent=1, allow_nan=False).encode()

    def metadata(self) -> dict[str, str]:
        """What goes into the object's own metadata, for stores that keep them."""
        found = {"job": self.job, "licence": self.licence, "engine": self.engine, "seed": str(self.seed)}
        return found | ({"voice": self.voice.hash} if self.voice else {})


def manifest_key(output_key: str) -> str:
    """The manifest's key for the output at ``output_key``.

    >>> manifest_key("jobs/1/audio.wav")
    'jobs/1/audio.manifest.json'
    """
    stem, dot, suffix = output_key.rpartition(".")
    return (stem if dot and "/" not in suffix else output_key) + SUFFIX
