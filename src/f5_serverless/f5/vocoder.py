"""Log-mel spectrogram to sound: Vocos (arXiv 2306.00814), the mel-24khz configuration, decoding only.

(frames, 100) give (frames - 1) × 256 samples. The shapes are read from the weights. Checkpoints: the official
``pytorch_model.bin`` is converted to safetensors beside it once (see `checkpoint.read_vocoder`).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from f5_serverless.errors import ModelError
from f5_serverless.f5.layers import Conv1d, LayerNorm, Linear
from f5_serverless.f5.layout import convolve_one
from f5_serverless.f5.mel import HOP

MAX_MAGNITUDE = 1e2


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over 7 frames, pointwise pair, scaled residual. (1, C, T) to (1, C, T)."""

    def __init__(self, dim: int, inner: int) -> None:
        super().__init__()
        self.dwconv = Conv1d(dim, dim, kernel_size=7, padding=3, groups=dim)
        self.norm = LayerNorm(dim, eps=1e-6)
        self.pwconv1 = Linear(dim, inner)
        self.pwconv2 = Linear(inner, dim)
        self.gamma = nn.Parameter(torch.empty(dim))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(convolve_one(self.dwconv, x).transpose(1, 2))
        y = self.gamma * self.pwconv2(F.gelu(self.pwconv1(y)))
        out: Tensor = x + y.transpose(1, 2)
        return out


class Backbone(nn.Module):
    """(1, mel, T) to (1, T, dim)."""

    def __init__(self, mel_dim: int, dim: int, inner: int, layers: int) -> None:
        super().__init__()
        self.embed = Conv1d(mel_dim, dim, kernel_size=7, padding=3)
        self.norm = LayerNorm(dim, eps=1e-6)
        self.convnext = nn.ModuleList(ConvNeXtBlock(dim, inner) for _ in range(layers))
        self.final_layer_norm = LayerNorm(dim, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(convolve_one(self.embed, x).transpose(1, 2)).transpose(1, 2)
        for block in self.convnext:
            x = block(x)
        out: Tensor = self.final_layer_norm(x.transpose(1, 2))
        return out


class Head(nn.Module):
    """(1, T, dim) to the (T - 1) × 256 samples whose spectrum it predicts."""

    def __init__(self, dim: int, n_fft: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.out = Linear(dim, n_fft + 2)

    def forward(self, x: Tensor) -> Tensor:
        magnitude, phase = self.out(x).transpose(1, 2).chunk(2, dim=1)
        spectrum = torch.polar(magnitude.exp().clamp(max=MAX_MAGNITUDE), phase)
        window = torch.hann_window(self.n_fft, device=x.device)
        return torch.istft(spectrum, self.n_fft, HOP, window=window, center=True)[0]


class Vocos(nn.Module):
    """ConvNeXt backbone and an inverse Fourier head. Parameter names are the official ones, nested the same way."""

    def __init__(self, mel_dim: int, dim: int, inner: int, layers: int, n_fft: int) -> None:
        super().__init__()
        self.backbone = Backbone(mel_dim, dim, inner, layers)
        self.head = Head(dim, n_fft)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Vocos:
        """A vocoder with these weights (official names), float32. Raises `ModelError` naming keys that differ."""
        weights = {key: value for key, value in state.items() if key.startswith(("backbone.", "head.out."))}
        try:
            dim, mel_dim = weights["backbone.embed.weight"].shape[:2]
            inner = weights["backbone.convnext.0.pwconv1.weight"].shape[0]
            n_fft = weights["head.out.weight"].shape[0] - 2
        except KeyError as error:
            raise ModelError(f"The vocoder checkpoint lacks {error.args[0]}: it is no Vocos model.") from None
        layers = len({key.split(".")[2] for key in weights if key.startswith("backbone.convnext.")})
        with torch.device("meta"):
            model = cls(mel_dim, dim, inner, layers, n_fft)
        expected = set(model.state_dict())
        if different := sorted(expected ^ set(weights)):
            raise ModelError(f"The vocoder checkpoint differs from Vocos mel-24khz in: {', '.join(different[:8])}.")
        model.load_state_dict(weights, assign=True)
        return model.float().eval().requires_grad_(False)

    @torch.inference_mode()
    def decode(self, mel: Tensor) -> Tensor:
        """(frames, mel) to ((frames - 1) × 256,) samples, float32 on the same device."""
        out: Tensor = self.head(self.backbone(mel.float().T[None]))
        return out
