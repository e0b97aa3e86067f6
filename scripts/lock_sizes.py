"""Adds up what a lock downloads and writes it where the bootstrap looks: runtime_requirements.json.

In: pylock files with sizes. Out: packages and bytes, printed; for the runtime lock also kept, with the sizes of the
built environment (`f5_serverless.runtime.build.Sizes`) carried over in proportion from the last measurement
(`python -m benchmarks.cold_start`).
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

KEPT = Path("runtime_requirements.json")
MEASURED = ("unpacked_bytes", "archive_bytes", "large_bytes", "small_archive_bytes")
FIRST_GUESS = {
    "download_bytes": 1.0,
    "unpacked_bytes": 2,
    "archive_bytes": 1,
    "large_bytes": 1.8,
    "small_archive_bytes": 0.1,
}


def downloads(pylock: Path) -> dict[str, int]:
    """Bytes to download by package: the wheel for this platform where there is one, else the general one."""
    sizes = {}
    for package in tomllib.loads(pylock.read_text())["packages"]:
        wheels = package["wheels"]
        native = [wheel for wheel in wheels if not wheel["url"].endswith("-none-any.whl")]
        sizes[package["name"]] = (native or wheels)[0]["size"]
    return sizes


def main() -> None:
    for name in sys.argv[1:]:
        sizes = downloads(Path(name))
        total = sum(sizes.values())
        largest = sorted(sizes, key=lambda package: -sizes[package])[:6]
        print(f"{Path(name).stem.removeprefix('pylock.')}: {len(sizes)} packages, {total / 1e6:,.0f} MB to download")
        print("  largest: " + ", ".join(f"{package} {sizes[package] / 1e6:.0f}" for package in largest))
        if Path(name).stem.endswith(KEPT.stem):
            before = json.loads(KEPT.read_text()) if KEPT.exists() else FIRST_GUESS
            ratio = total / before["download_bytes"]
            scaled = {key: round(before[key] * ratio) for key in MEASURED}
            KEPT.write_text(json.dumps({"packages": len(sizes), "download_bytes": total, **scaled}, indent=2) + "\n")


if __name__ == "__main__":
    main()
