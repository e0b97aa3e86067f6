"""Tensors from files: safetensors by memory map or by one whole read, pickles by torch's safe loader.

A memory map costs nothing until a page is touched, and then one trip to the disk per page: right on a local disk, slow
on a network volume, where one long sequential read is many times faster. `choose_io` measures which it is.
Everything is returned on the CPU and shares the file's memory: nobody may write into it.
"""

from __future__ import annotations

import hashlib
import json
import os
import statistics
import struct
import time
import warnings
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor

from f5_serverless.errors import ModelError

WeightsIO = Literal["auto", "mmap", "read"]

SLOW_PAGE_SECONDS = 0.0005
"""A page slower than this (median) means a network disk. Page cache: 0.002 ms; NVMe: 0.1 ms; network: 1 ms up."""

_PROBES = 16
_MAX_HEADER = 100 << 20
_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def choose_io(path: Path) -> Literal["mmap", "read"]:
    """How to read ``path``: measured by fetching single pages from all over the file (about 16 ms on a slow disk)."""
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        seconds = []
        for probe in range(_PROBES):
            start = time.perf_counter()
            os.pread(file.fileno(), 4096, size * (2 * probe + 1) // (2 * _PROBES))
            seconds.append(time.perf_counter() - start)
    return "read" if statistics.median(seconds) > SLOW_PAGE_SECONDS else "mmap"


def read_tensors(path: Path, io: WeightsIO = "auto") -> dict[str, object]:
    """What the file at ``path`` holds: names to tensors, or for a pickle (.pt, .bin) what was saved.

    Raises `ModelError` for a missing, damaged or unsafe file.
    """
    if io not in get_args(WeightsIO):
        raise ModelError(f"{io!r} is no way to read weights.", hint="Set F5_WEIGHTS_IO to auto, mmap or read.")
    try:
        chosen = choose_io(path) if io == "auto" else io
        if path.suffix == ".safetensors":
            return dict(_read_safetensors(path, chosen))
        return _read_pickle(path, chosen)
    except FileNotFoundError:
        raise ModelError(f"The checkpoint {path.name} does not exist.") from None
    except PermissionError:
        raise ModelError(f"The checkpoint {path.name} may not be read.", hint="Give this user the right to.") from None
    except OSError as error:
        raise ModelError(f"The checkpoint {path.name} cannot be read: {error.strerror}.", retryable=True) from None


def _read_safetensors(path: Path, io: Literal["mmap", "read"]) -> dict[str, Tensor]:
    size = path.stat().st_size
    with path.open("rb", buffering=0) as file:
        start = file.read(8)
        length = struct.unpack("<Q", start)[0] if len(start) == 8 else size
        if length > min(size - 8, _MAX_HEADER):
            raise ModelError(f"The checkpoint {path.name} is damaged: it is no safetensors file, or cut short.")
        try:
            header = json.loads(file.read(length))
        except ValueError:
            raise ModelError(f"The checkpoint {path.name} is damaged: its header is unreadable.") from None
        header.pop("__metadata__", None)
        offset, total = 8 + length, max((entry["data_offsets"][1] for entry in header.values()), default=0)
        if offset + total > size:
            raise ModelError(
                f"The checkpoint {path.name} is cut short: {size} of {offset + total} bytes are there.",
                hint="Fetch it again: `f5-serverless models pull`.",
            )
        if io == "mmap":
            storage = torch.UntypedStorage.from_file(str(path), shared=False, nbytes=size)
        else:
            offset, storage = 0, _read_whole(file.fileno(), offset, total)
    memory = torch.empty(0, dtype=torch.uint8).set_(storage)  # type: ignore[arg-type]
    return {name: _view(memory, offset, entry, path) for name, entry in header.items()}


def _view(memory: Tensor, offset: int, entry: dict[str, list[int]], path: Path) -> Tensor:
    dtype = _DTYPES.get(str(entry["dtype"]))
    if dtype is None:
        raise ModelError(f"The checkpoint {path.name} holds {entry['dtype']} numbers, which nothing here can use.")
    begin, end = (offset + at for at in entry["data_offsets"])
    piece = memory[begin:end]
    if begin % dtype.itemsize:
        piece = piece.clone()
    return piece.view(dtype).view(entry["shape"])


def _read_whole(descriptor: int, offset: int, size: int) -> torch.UntypedStorage:
    """``size`` bytes from ``offset``, in long sequential reads straight into the tensors' memory."""
    memory = torch.empty(size, dtype=torch.uint8)
    target = memory.numpy().data
    done = 0
    while done < size:
        count = os.preadv(descriptor, [target[done : done + (64 << 20)]], offset + done)
        if count == 0:
            raise ModelError("The checkpoint became shorter while it was read.", retryable=True)
        done += count
    return memory.untyped_storage()


def _read_pickle(path: Path, io: Literal["mmap", "read"]) -> dict[str, object]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=io == "mmap")
    except OSError:
        raise
    except Exception as error:  # torch.load has no narrower root: pickle, zip, runtime and type errors all occur
        raise ModelError(
            f"The checkpoint {path.name} is damaged or holds more than weights ({type(error).__name__}).",
            hint="Fetch it again, or convert it to safetensors where you trust it.",
        ) from error
    if not isinstance(loaded, dict):
        raise ModelError(f"The checkpoint {path.name} holds a {type(loaded).__name__}, not a table of weights.")
    return loaded


def fingerprint(path: Path) -> str:
    """Twelve hex digits that tell two checkpoints apart: size, header, and pages from all over the file.

    It reads 1 MB at most, so it is cheap on a network volume. It is a name, not a proof that nothing was changed.
    """
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb", buffering=0) as file:
        for probe in range(64):
            digest.update(os.pread(file.fileno(), 16384, size * probe // 64))
        digest.update(os.pread(file.fileno(), 4096, max(0, size - 4096)))
    return digest.hexdigest()[:12]
