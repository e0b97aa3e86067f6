"""The text side of the model: characters to one embedding per mel frame.

`TextEmbedding` takes token ids and the number of frames, and gives (frames, text_dim): the embedding, its sinusoidal
position, and ConvNeXt-V2 blocks. It is computed once per utterance, one utterance at a time, because its global
response normalisation looks at the whole length.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from f5_serverless.f5.config import ModelConfig
from f5_serverless.f5.layers import Conv1d, Embedding, LayerNorm, Linear
from f5_serverless.f5.layout import convolve_one

FILLER = 0
"""Row of the embedding table that stands for "no character here". Token ids of the vocabulary are shifted by one."""


class ResponseNorm(nn.Module):
    """Global response normalisation (ConvNeXt V2, arXiv 2301.00808), over time. (1, T, C) to (1, T, C)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(1, 1, dim))
        self.beta = nn.Parameter(torch.empty(1, 1, dim))

    def forward(self, x: Tensor) -> Tensor:
        energy = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        scaled = x * (energy / (energy.mean(dim=-1, keepdim=True) + 1e-6))
        return torch.addcmul(self.beta + x, self.gamma, scaled)


class ConvNeXtV2Block(nn.Module):
    """Depthwise convolution over 7 frames, then a gated pointwise pair. (1, T, C) to (1, T, C)."""

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.dwconv = Conv1d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = LayerNorm(dim, eps=1e-6)
        self.pwconv1 = Linear(dim, inner)
        self.grn = ResponseNorm(inner)
        self.pwconv2 = Linear(inner, dim)

    def forward(self, x: Tensor) -> Tensor:
        y = convolve_one(self.dwconv, x.transpose(1, 2)).transpose(1, 2)
        y = self.grn(F.gelu(self.pwconv1(self.norm(y))))
        out: Tensor = x + self.pwconv2(y)
        return out


class TextEmbedding(nn.Module):
    """Token ids (n,) and a number of frames to (frames, text_dim)."""

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__()
        self.mask_padding = config.text_mask_padding
        self.average_upsampling = config.text_embedding_average_upsampling
        self.text_embed = Embedding(vocab_size + 1, config.text_dim)
        if config.conv_layers > 0:
            self.text_blocks = nn.Sequential(
                *(
                    ConvNeXtV2Block(config.text_dim, config.text_dim * config.conv_mult)
                    for _ in range(config.conv_layers)
                )
            )

    def forward(self, tokens: Tensor, frames: int, drop: bool = False) -> Tensor:
        """``drop`` gives the unconditional embedding: the same mask, every character replaced by the filler."""
        ids = F.pad(tokens[:frames] + 1, (0, max(0, frames - len(tokens))), value=FILLER)
        spoken = (ids != FILLER)[None, :, None]
        x = self.text_embed(torch.zeros_like(ids) if drop else ids)[None]
        if hasattr(self, "text_blocks"):
            x = x + sinusoids(frames, x.shape[-1], x.device).to(x.dtype)
            if self.mask_padding:
                x = x * spoken
                for block in self.text_blocks:
                    x = block(x) * spoken
            else:
                x = self.text_blocks(x)
        if self.average_upsampling:
            return spread(x[0, spoken[0, :, 0]], frames)
        out: Tensor = x[0]
        return out


def sinusoids(frames: int, dim: int, device: torch.device) -> Tensor:
    """Cosines then sines of the positions 0 … frames-1 at dim/2 rotary frequencies: (frames, dim), float32."""
    rates = 1.0 / (10000.0 ** (torch.arange(0, dim, 2, device=device)[: dim // 2].float() / dim))
    angles = torch.outer(torch.arange(frames, device=device), rates).float()
    return torch.cat([angles.cos(), angles.sin()], dim=-1)


def spread(x: Tensor, frames: int) -> Tensor:
    """Repeats the n rows of ``x`` evenly over ``frames`` rows; the later rows take the remainder. n = 0: zeros."""
    count = len(x)
    if count == 0:
        return x.new_zeros(frames, x.shape[-1])
    repeats = torch.full((count,), frames // count, device=x.device)
    if remainder := frames % count:
        repeats[-remainder:] += 1
    return x.repeat_interleave(repeats, dim=0)
