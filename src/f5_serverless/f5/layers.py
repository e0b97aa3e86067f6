"""torch's layers without their initialisation.

Weights always come from a file and are assigned. Initialising on the meta device would do nothing and yet make torch
import its symbolic half (sympy and all): over a second.
"""

from __future__ import annotations

from torch import nn


class Linear(nn.Linear):
    def reset_parameters(self) -> None:
        """Leaves the weights as they are."""


class Conv1d(nn.Conv1d):
    def reset_parameters(self) -> None:
        """Leaves the weights as they are."""


class Embedding(nn.Embedding):
    def reset_parameters(self) -> None:
        """Leaves the weights as they are."""


class LayerNorm(nn.LayerNorm):
    def reset_parameters(self) -> None:
        """Leaves the weights as they are."""


class RMSNorm(nn.RMSNorm):
    def reset_parameters(self) -> None:
        """Leaves the weights as they are."""
