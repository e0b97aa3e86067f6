"""What keeps the F5-TTS engine from running on this machine, and the command that helps. Loads nothing.

`check` gives findings for `doctor` and for error messages; an empty list means that `F5TTSEngine.load` should succeed.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from f5_serverless.types import Finding

PULL = "f5-serverless models pull F5TTS_v1_Base"
INSTALL = "pip install 'f5-serverless[f5]'"
_WEIGHTS = (".safetensors", ".pt", ".bin")


def check(checkpoint: Path, vocab: Path, vocoder: Path, *, probe_device: bool = True) -> list[Finding]:
    """Findings about packages, files and device. Weights are not read; ``probe_device`` imports torch (2 s)."""
    findings: list[Finding] = []
    if missing := [name for name in ("torch", "safetensors") if find_spec(name) is None]:
        findings.append(Finding("no_torch", f"Not installed: {', '.join(missing)}.", f"Run: {INSTALL}", "error"))
    for what, path in (("model", checkpoint), ("vocabulary", vocab), ("vocoder", vocoder)):
        if (found := file_problem(path)) is not None:
            code, problem = found
            findings.append(Finding(code, f"The {what} {path.name} {problem}.", f"Run: {PULL}", "error"))
    if probe_device and "torch" not in missing:
        import torch

        if not torch.cuda.is_available():
            findings.append(
                Finding(
                    "no_gpu",
                    "There is no GPU that torch can use: on two CPU cores 10 s of speech take about a minute.",
                    "Use a GPU and a CUDA build of torch, or F5_CPU_INT8=1 for about two thirds of the time.",
                    "info",
                )
            )
    return findings


def file_problem(path: Path) -> tuple[str, str] | None:
    """Code and words for why ``path``, a file or a directory with weights in it, cannot be used; None if it can."""
    try:
        files = sorted(p for p in path.iterdir() if p.suffix in _WEIGHTS) if path.is_dir() else [path]
        if not files or not files[0].exists():
            return "no_weights", "is not there"
        with files[0].open("rb") as file:
            start = file.read(8)
        size = files[0].stat().st_size
    except OSError as error:
        return "unreadable_checkpoint", f"cannot be read ({error.strerror})"
    if size == 0:
        return "unreadable_checkpoint", "is empty"
    if files[0].suffix == ".safetensors" and int.from_bytes(start, "little") + 8 > size:
        return "unreadable_checkpoint", "is damaged or cut short"
    return None
