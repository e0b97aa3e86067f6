"""Real packages for tests without a network: installed distributions packed back into wheels, and a lock."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

PACKAGES = ("idna", "six", "packaging")


@dataclass(frozen=True)
class Wheelhouse:
    """``directory`` holds wheels; ``lock(...)`` writes a lock for some of them."""

    directory: Path

    @property
    def uv_args(self) -> tuple[str, ...]:
        return ("--offline", "--no-index", "--find-links", str(self.directory))

    def lock(self, path: Path, *names: str) -> Path:
        """A ``requirements.txt`` with hashes of ``names`` (all packages when none are given)."""
        lines = []
        for name in names or PACKAGES:
            (wheel,) = self.directory.glob(f"{name}-*.whl")
            sha256 = hashlib.sha256(wheel.read_bytes()).hexdigest()
            lines.append(f"{name}=={wheel.name.split('-')[1]} --hash=sha256:{sha256}")
        path.write_text("\n".join(lines) + "\n")
        return path


def make(directory: Path) -> Wheelhouse:
    """Packs `PACKAGES` from this Python into ``directory``."""
    directory.mkdir(parents=True)
    for name in PACKAGES:
        _pack(metadata.distribution(name), directory)
    return Wheelhouse(directory)


def _pack(distribution: metadata.Distribution, directory: Path) -> None:
    name = f"{distribution.name.lower()}-{distribution.version}"
    records: list[tuple[str, str, int]] = []
    with zipfile.ZipFile(directory / f"{name}-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        info = ""
        for entry in distribution.files or ():
            inside = str(entry)
            top, _, leaf = inside.partition("/")
            if top.endswith(".dist-info"):
                info = top
                if leaf not in ("METADATA", "WHEEL", "top_level.txt"):
                    continue
            elif ".." in inside or inside.endswith(".pyc"):
                continue
            data = Path(str(entry.locate())).read_bytes()
            wheel.writestr(zipfile.ZipInfo(inside), data, zipfile.ZIP_DEFLATED)  # dated 1980: the same bytes each time
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            records.append((inside, f"sha256={digest}", len(data)))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*records, (f"{info}/RECORD", "", "")])
        wheel.writestr(zipfile.ZipInfo(f"{info}/RECORD"), text.getvalue())
