"""Position embeddings: as they begin, and for longer inputs than those trained on."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def grown(trained: Tensor, rows: int) -> Tensor:
    """(n, width) position embeddings to (rows, width): those there are, then again from the first.

    A place p beyond n begins as p mod n, so that neighbours know each other at once (Beltagy et al. 2020, section 5).
    """
    return trained[torch.arange(rows, device=trained.device) % len(trained)]


def sinusoidal(rows: int, width: int, deviation: float) -> Tensor:
    """(rows, width) sines and cosines of the position, by turns, over wavelengths from 2 pi to 10,000 times that
    (Vaswani et al. 2017, section 3.5), as large as random vectors of so great a standard deviation."""
    position = torch.arange(rows, dtype=torch.float64)[:, None]
    angles = position / 10_000 ** (torch.arange(0, width, 2, dtype=torch.float64) / width)
    turns = torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1)[:, :width]
    return (math.sqrt(2) * deviation * turns).float()
