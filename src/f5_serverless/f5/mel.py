"""Sound to log-mel spectrogram, Vocos type: 24 kHz, 1024-point FFT, hop 256, 100 HTK bands, magnitude, natural log.

One frame per 256 samples and one more: (N,) samples give N // 256 + 1 frames.
"""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

SAMPLE_RATE = 24_000
HOP = 256
N_FFT = 1024
BANDS = 100
FLOOR = 1e-5
"""Smallest magnitude before the logarithm."""


@torch.inference_mode()
def log_mel(samples: Tensor) -> Tensor:
    """(N,) float32 samples at 24 kHz, N > 512, to (N // 256 + 1, 100)."""
    window = torch.hann_window(N_FFT, device=samples.device)
    spectrum = torch.stft(samples, N_FFT, HOP, window=window, center=True, pad_mode="reflect", return_complex=True)
    mel = spectrum.abs().T @ filterbank().to(samples.device)
    return mel.clamp(min=FLOOR).log()


@cache
def filterbank() -> Tensor:
    """Triangles of height one, evenly spaced on the HTK mel scale from 0 to 12 kHz: (513, 100)."""
    bins = torch.linspace(0, SAMPLE_RATE // 2, N_FFT // 2 + 1)
    top = 2595.0 * math.log10(1.0 + (SAMPLE_RATE / 2) / 700.0)
    edges = 700.0 * (10.0 ** (torch.linspace(0.0, top, BANDS + 2) / 2595.0) - 1.0)
    widths = edges[1:] - edges[:-1]
    distance = edges[None, :] - bins[:, None]
    rising = -distance[:, :-2] / widths[:-1]
    falling = distance[:, 2:] / widths[1:]
    return torch.minimum(rising, falling).clamp(min=0.0)
