"""Eight-bit linear layers for the CPU: weights quantised once per output channel, activations on the fly.

`quantise_linears` replaces the linear layers of the transformer blocks (80 % of the work) in place. The scale of
the activations is taken over a whole tensor, so a model treated so must run one utterance at a time: in company its
result would depend on the neighbours. Worth it where speed matters more than the last decibel; see the benchmark.
"""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from f5_serverless.errors import NotAvailable
from f5_serverless.f5.dit import DiT

ENGINE = "onednn"
"""torch's quantised kernels: onednn is exact on processors without VNNI too, where others saturate."""


class Int8Linear(nn.Module):
    """A linear layer with packed 8-bit weights. (…, in) to (…, out), float32 outside."""

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.detach().float()
        scales = weight.abs().amax(dim=1).clamp(min=1e-12) / 127
        zeros = torch.zeros_like(scales, dtype=torch.int64)
        quantised = torch.quantize_per_channel(weight, scales.double(), zeros, 0, torch.qint8)
        self.packed = torch.ops.quantized.linear_prepack(quantised, linear.bias.detach().float())

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = torch.ops.quantized.linear_dynamic(x, self.packed)
        return out


def quantise_linears(model: DiT) -> DiT:
    """Replaces the block's linear layers by `Int8Linear`. Raises `NotAvailable` off the CPU or without the kernels."""
    if model.device.type != "cpu":
        raise NotAvailable("8-bit layers are for the CPU; on a GPU use float16 or bfloat16.", hint="Unset F5_CPU_INT8.")
    if ENGINE not in torch.backends.quantized.supported_engines:
        raise NotAvailable(f"This build of torch has no {ENGINE} kernels.", hint="Unset F5_CPU_INT8.")
    torch.backends.quantized.engine = ENGINE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        _replace(model.transformer_blocks)
    return model


def _replace(module: nn.Module) -> None:
    for name, child in list(module.named_children()):
        if isinstance(child, nn.Linear):
            setattr(module, name, Int8Linear(child))
        else:
            _replace(child)
