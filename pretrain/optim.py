"""AdamW as BERT uses it, and the learning rate as a function of the step."""

from __future__ import annotations

import math

import torch
from torch import nn

from pretrain.pace import Point
from pretrain.settings import TrainSettings


def make_optimizer(model: nn.Module, settings: TrainSettings, *, fused: bool) -> torch.optim.AdamW:
    """AdamW (Loshchilov & Hutter 2019) with no decay on biases and LayerNorm weights, as in BERT's own optimiser."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        # Vectors are biases and LayerNorm weights; everything else has at least two dimensions.
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        groups,
        lr=settings.learning_rate,
        betas=(settings.adam_beta1, settings.adam_beta2),
        eps=settings.adam_epsilon,
        fused=fused,
    )


def learning_rate(point: Point, settings: TrainSettings, peak: float) -> float:
    """The rate of the step that stands at `point`: a linear rise to `peak` over the first `warmup_ratio`, then the
    schedule.

    `linear`, `cosine` and `trapezoid` (constant, then linear; Zhai et al. 2022, Hu et al. 2024) end at 0 after the last
    step; a function of the point alone, so a resumed run needs no state.
    """
    done, amount, total = point.done, point.amount, point.total
    warmup, decay = (_whole(ratio * total, amount) for ratio in (settings.warmup_ratio, settings.decay_ratio))
    if done < warmup:
        return peak * min(1.0, (done + amount) / warmup)
    if settings.schedule == "constant":
        return peak
    if settings.schedule == "trapezoid":
        return peak * min(1.0, (total - done) / decay if decay else 1.0)
    left = 1 - (done - warmup) / max(total - warmup, amount)
    return peak * (left if settings.schedule == "linear" else 0.5 * (1 - math.cos(math.pi * left)))


def _whole(length: float, step: float) -> float:
    """A length in whole steps."""
    return round(length / step) * step if step else length


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use `rate` in every parameter group from now on."""
    for group in optimizer.param_groups:
        group["lr"] = rate
