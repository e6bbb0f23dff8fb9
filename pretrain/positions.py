"""Position embeddings for longer inputs than those trained on."""

from __future__ import annotations

import torch
from torch import Tensor


def grown(trained: Tensor, rows: int) -> Tensor:
    """(n, width) position embeddings to (rows, width): those there are, then again from the first.

    A place p beyond n begins as p mod n, so that neighbours know each other at once (Beltagy et al. 2020, section 5).
    """
    return trained[torch.arange(rows, device=trained.device) % len(trained)]
