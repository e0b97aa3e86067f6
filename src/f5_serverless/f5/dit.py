"""The diffusion transformer (DiT, arXiv 2212.09748) of F5-TTS: one evaluation of the flow's velocity.

The work is split by how often it is due:

- `Modulation`: what depends on the time alone (41 % of all weights). Computed once per schedule.
- `DiT.condition`: what depends on reference and text. Computed once per utterance.
- `DiT.velocity`: what depends on the noisy mel. Computed at every step, for any number of utterances in one `Layout`.

Parameters have the official names except for fused ones (`checkpoint.to_ours`). Sampling and guidance: see `sampler`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from f5_serverless.f5.config import ModelConfig
from f5_serverless.f5.layers import Conv1d, Linear, RMSNorm
from f5_serverless.f5.layout import Layout
from f5_serverless.f5.text_embedding import TextEmbedding

MAX_FRAMES = 8192
"""Longest sequence, reference included: 87 s at 24 kHz, hop 256, as in the official position table."""

TIME_FEATURES = 256


@dataclass(frozen=True, slots=True, eq=False)
class StepModulation:
    """One step's AdaLN values: ``blocks`` (depth, 6, dim) and ``final`` (2, dim), scales already incremented by one.

    Rows of ``blocks``: shift, scale, gate for attention, and again for the feed-forward; of ``final``: scale, shift.
    """

    blocks: Tensor
    final: Tensor


class Modulation(nn.Module):
    """Times (S,) to all AdaLN values. Always float32, and kept on the CPU whatever the device of the rest."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        dim = config.dim
        self.time_mlp = nn.Sequential(Linear(TIME_FEATURES, dim), nn.SiLU(), Linear(dim, dim))
        self.blocks = nn.ModuleList(Linear(dim, 6 * dim) for _ in range(config.depth))
        self.final = Linear(dim, 2 * dim)

    def forward(self, times: Tensor) -> list[StepModulation]:
        """One `StepModulation` per time."""
        half = TIME_FEATURES // 2
        rates = torch.exp(torch.arange(half).float() * -(math.log(10000) / (half - 1)))
        angles = 1000 * times[:, None] * rates[None]
        hidden = F.silu(self.time_mlp(torch.cat((angles.sin(), angles.cos()), dim=-1)))
        blocks = torch.stack([linear(hidden).unflatten(-1, (6, -1)) for linear in self.blocks], dim=1)
        blocks[:, :, (1, 4)] += 1
        final = self.final(hidden).unflatten(-1, (2, -1))
        final[:, 0] += 1
        return [StepModulation(*values) for values in zip(blocks, final, strict=True)]


class PositionConv(nn.Module):
    """Convolutional position embedding: two grouped convolutions over 31 frames, with Mish."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.conv1d = nn.Sequential(
            *(part for _ in range(2) for part in (Conv1d(dim, dim, 31, groups=16, padding=15), nn.Mish()))
        )

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        first, second = self.conv1d[:2], self.conv1d[2:]
        return layout.convolve(x, first, second)


class InputEmbedding(nn.Module):
    """Noisy mel, reference mel and text embedding to the model's width.

    The one official projection of their concatenation is applied in two parts, since only the noisy mel changes.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.mel_dim = config.mel_dim
        self.proj = Linear(config.mel_dim * 2 + config.text_dim, config.dim)
        self.conv_pos_embed = PositionConv(config.dim)

    def fixed(self, cond: Tensor | None, text: Tensor) -> Tensor:
        """The part that stays: (frames, mel) or None, and (frames, text_dim), to (frames, dim), bias included."""
        start = self.mel_dim if cond is not None else 2 * self.mel_dim
        features = text if cond is None else torch.cat((cond, text), dim=-1)
        return F.linear(features, self.proj.weight[:, start:], self.proj.bias)

    def moving(self, x: Tensor) -> Tensor:
        """The noisy mel's part: (…, mel) to (…, dim)."""
        return F.linear(x, self.proj.weight[:, : self.mel_dim])


class Attention(nn.Module):
    """Self-attention with one fused projection and rotary positions on all or the first heads."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.heads, self.rotated = config.heads, config.pe_attn_head or config.heads
        inner = config.heads * config.dim_head
        self.to_qkv = Linear(config.dim, 3 * inner)
        self.to_out = nn.ModuleList([Linear(inner, config.dim)])
        if config.qk_norm is not None:
            self.q_norm = RMSNorm(config.dim_head, eps=1e-6)
            self.k_norm = RMSNorm(config.dim_head, eps=1e-6)

    def forward(self, x: Tensor, layout: Layout, rotary: Tensor) -> Tensor:
        qkv = self.to_qkv(x).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.unbind(-3)
        if hasattr(self, "q_norm"):
            q, k = self.q_norm(q), self.k_norm(k)
        for part in (q, k):
            rotate_(part[..., : self.rotated, :], rotary)
        out: Tensor = self.to_out[0](layout.attend(q, k, v))
        return out


class FeedForward(nn.Module):
    """Linear, GELU (tanh form), linear. The nesting is the official one, for its parameter names."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        inner = int(config.dim * config.ff_mult)
        self.ff = nn.ModuleList([nn.ModuleList([Linear(config.dim, inner)]), nn.Identity(), Linear(inner, config.dim)])

    def forward(self, x: Tensor) -> Tensor:
        inner = self.ff[0][0](x)  # type: ignore[index]
        out: Tensor = self.ff[2](torch.ops.aten.gelu_(inner, approximate="tanh"))
        return out


class Block(nn.Module):
    """Attention and feed-forward, each normalised, modulated and gated by the time. ``x`` is changed in place."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attn = Attention(config)
        self.ff = FeedForward(config)

    def forward(self, x: Tensor, modulation: Tensor, layout: Layout, rotary: Tensor) -> Tensor:
        shift_a, scale_a, gate_a, shift_f, scale_f, gate_f = modulation.unbind(0)
        width = x.shape[-1:]
        x.addcmul_(self.attn(F.layer_norm(x, width, scale_a, shift_a, 1e-6), layout, rotary), gate_a)
        x.addcmul_(self.ff(F.layer_norm(x, width, scale_f, shift_f, 1e-6)), gate_f)
        return x


class DiT(nn.Module):
    """The whole model. See the module's docstring for what is computed when."""

    def __init__(self, config: ModelConfig, vocab_size: int) -> None:
        super().__init__()
        self.config = config
        self.modulation = Modulation(config)
        self.text_embed = TextEmbedding(config, vocab_size)
        self.input_embed = InputEmbedding(config)
        self.transformer_blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        if config.long_skip_connection:
            self.long_skip_connection = Linear(config.dim * 2, config.dim, bias=False)
        self.proj_out = Linear(config.dim, config.mel_dim)

    @property
    def device(self) -> torch.device:
        return self.proj_out.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.input_embed.proj.weight.dtype

    def condition(self, cond: Tensor, tokens: Tensor, frames: int) -> tuple[Tensor, Tensor]:
        """What stays during sampling, with and without the condition: two tensors (frames, dim).

        ``cond``: the reference's mel (n, mel), n <= frames; ``tokens``: ids of reference text and new text.
        """
        cond = F.pad(cond.to(self.dtype), (0, 0, 0, frames - len(cond)))
        with_text = self.text_embed(tokens, frames)
        without = self.text_embed(tokens, frames, drop=True)
        return self.input_embed.fixed(cond, with_text), self.input_embed.fixed(None, without)

    def velocity(self, x: Tensor, fixed: Tensor, step: StepModulation, layout: Layout, rotary: Tensor) -> Tensor:
        """The flow's velocity at one time. ``x``: (…, mel) laid out by ``layout``.

        ``fixed`` has the layout of ``x``, or of ``layout.twice()``: then each utterance is evaluated under both.
        Returns the layout of ``fixed``. ``rotary``: `rotary_for` of that layout.
        """
        moving = self.input_embed.moving(x)
        if len(fixed) == 2 * len(moving):
            layout = layout.twice()
            moving = torch.cat((moving, moving))
        h = moving + fixed
        h = h + self.input_embed.conv_pos_embed(h, layout)
        skip = h.clone() if self.config.long_skip_connection else None
        for block, modulation in zip(self.transformer_blocks, step.blocks.unbind(0), strict=True):
            h = block(h, modulation, layout, rotary)
        if skip is not None:
            h = self.long_skip_connection(torch.cat((h, skip), dim=-1))
        h = F.layer_norm(h, h.shape[-1:], step.final[0], step.final[1], 1e-6)
        out: Tensor = self.proj_out(h)
        return out

    def rotary_for(self, layout: Layout) -> Tensor:
        """Rotary factors for ``layout`` as complex numbers: broadcasts against (…, heads, dim_head / 2)."""
        return layout.rotary(rotary_table(layout.frames, self.config.dim_head, self.device))


def rotary_table(frames: int, dim_head: int, device: torch.device) -> Tensor:
    """e^(i·position·rate): complex64 of shape (frames, dim_head / 2)."""
    rates = 1.0 / (10000 ** (torch.arange(0, dim_head, 2, device=device).float() / dim_head))
    angles = torch.arange(frames, device=device, dtype=torch.float32)[:, None] * rates
    return torch.complex(angles.cos(), angles.sin())


def rotate_(x: Tensor, rotary: Tensor) -> None:
    """Rotates neighbouring pairs of the last axis of ``x`` (…, heads, dim_head) in place."""
    if x.dtype == torch.float32:
        torch.view_as_complex(x.view(*x.shape[:-1], -1, 2)).mul_(rotary)
    else:
        turned = torch.view_as_complex(x.float().view(*x.shape[:-1], -1, 2)) * rotary
        x.copy_(torch.view_as_real(turned).flatten(-2))
