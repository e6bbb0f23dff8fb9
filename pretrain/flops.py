"""The arithmetic that training needs, and what devices could do at best: model FLOPs utilisation.

Counted are multiplications and additions of matrix products, over real tokens alone: padding, recomputation and a head
at places that are not predicted are work that was done, not work that was needed. Per example of n tokens, m of them
masked, with width h, inner width i, L layers and V entries (a multiplication and an addition are two):

    layers          L (8 n h^2 + 4 n^2 h + 4 n h i)     projections, scores and mixing, feed-forward
    masked head     2 m h^2 + 2 m h V
    pair head       2 h^2 + 4 h                          pooler and two classes

The backward pass takes twice the forward one (Kaplan et al. 2020, section 2.1; Chowdhery et al. 2022, appendix B, for
the utilisation).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pretrain.settings import ModelSettings

#: Dense matrix products at 16 bits (32 bits of accumulation), FLOPs a second by the makers' data sheets. The first name
#: that is part of the device's counts.
PEAKS = {
    "H200 NVL": 835e12,
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100 NVL": 835e12,
    "H100": 989e12,
    "GH200": 989e12,
    "B200": 2250e12,
    "A100": 312e12,
    "A800": 312e12,
    "A10G": 70e12,
    "A10": 125e12,
    "L40S": 362e12,
    "L40": 181e12,
    "L4": 121e12,
    "V100": 125e12,
    "T4": 65e12,
    "RTX 4090": 165.2e12,
    "RTX 3090": 71e12,
}


@dataclass(frozen=True)
class Work:
    """What some examples consist of: how many, real tokens (special ones too), the sum of their squares over examples,
    masked tokens."""

    examples: float = 0
    tokens: float = 0
    squares: float = 0
    masked: float = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.examples + other.examples,
            self.tokens + other.tokens,
            self.squares + other.squares,
            self.masked + other.masked,
        )


def needed_flops(model: ModelSettings, vocab_size: int, work: Work, *, pairs: bool = True) -> float:
    """FLOPs of the forward and the backward pass over `work`; `pairs`: whether there is a second objective.

    >>> one = Work(examples=1, tokens=128, squares=128**2, masked=19)
    >>> base = ModelSettings(768, 12, 12, 3072, 512, 0.1, 0.1, 0.02, 0.0)
    >>> round(needed_flops(base, 32000, one) / 1e9, 1)
    69.9
    """
    h, inner = model.hidden_size, model.intermediate_size
    layers = 8 * work.tokens * h**2 + 4 * work.squares * h + 4 * work.tokens * h * inner
    head = 2 * work.masked * h**2 + 2 * work.masked * h * vocab_size
    pair = (2 * h**2 + 4 * h) * work.examples if pairs else 0
    return 3.0 * (model.num_hidden_layers * layers + head + pair)


def peak_flops(device_name: str) -> float | None:
    """What a device does at best at 16 bits, FLOPs a second; None for one that is not known.

    >>> peak_flops("NVIDIA H100 80GB HBM3"), peak_flops("some CPU")
    (989000000000000.0, None)
    """
    return next((peak for name, peak in PEAKS.items() if re.search(rf"\b{name}\b", device_name)), None)
