"""The optimisers, and the learning rate as a function of the step.

AdamW as BERT uses it for all parameters; or Muon (Jordan et al. 2024) for the matrices of the encoder's layers and
AdamW for the rest: embeddings, pooler, heads and vectors, for which Muon is not made.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import AdamW, Optimizer

from pipeline.errors import InputError
from pretrain.pace import Point
from pretrain.settings import TrainSettings

#: Where in the name of a parameter it is told that a layer of the encoder owns it.
_LAYERS = "encoder.layer."


class JointOptimizer(Optimizer):
    """Optimisers of disjoint parameters, seen and stepped as one: their groups one after another, one state."""

    def __init__(self, parts: Sequence[Optimizer]) -> None:
        self.parts = tuple(parts)
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share()

    def _share(self) -> None:
        """Have each part read and write this optimiser's own groups and state."""
        first = 0
        for part in self.parts:
            end = first + len(part.param_groups)
            part.state, part.param_groups = self.state, self.param_groups[first:end]
            first = end

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Loading a state dict, as accelerate does when it takes an optimiser over, puts new groups and a new state.
        super().__setstate__(state)
        self._share()

    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step of every part."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss


def check_optimizer(settings: TrainSettings) -> None:
    """Raise InputError if this torch has no `train.optimizer`."""
    if settings.optimizer == "muon" and not hasattr(torch.optim, "Muon"):
        raise InputError(
            f'train.optimizer "muon" needs torch 2.9 or newer, this is {torch.__version__}: '
            'install that, or set train.optimizer "adamw"'
        )


def make_optimizer(model: nn.Module, settings: TrainSettings, *, fused: bool) -> Optimizer:
    """The optimiser of `train.optimizer` with no decay on biases and LayerNorm weights, as in BERT's own optimiser.

    Muon's updates are scaled to the size of AdamW's (Liu et al. 2025, "Muon is scalable"), so that one learning rate
    and one weight decay serve both. Raises InputError if this torch has no such optimiser.
    """
    check_optimizer(settings)
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    matrices = {name for name in trained if _has_muon(name, trained[name], settings)}
    others = [parameter for name, parameter in trained.items() if name not in matrices]
    groups = [
        # Vectors are biases and LayerNorm weights; everything else has at least two dimensions.
        {"params": [p for p in others if p.ndim >= 2], "weight_decay": settings.weight_decay},
        {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
    ]
    adamw = AdamW(
        groups,
        lr=settings.learning_rate,
        betas=(settings.adam_beta1, settings.adam_beta2),
        eps=settings.adam_epsilon,
        fused=fused,
    )
    if settings.optimizer == "adamw":
        return adamw
    muon = torch.optim.Muon(
        [trained[name] for name in trained if name in matrices],
        lr=settings.learning_rate,
        weight_decay=settings.weight_decay,
        momentum=settings.muon_momentum,
        adjust_lr_fn="match_rms_adamw",
    )
    return JointOptimizer([muon, adamw])


def optimizer_numbers(model: nn.Module, settings: TrainSettings) -> int:
    """How many numbers the optimiser keeps: two for each that AdamW trains, one for each that Muon does."""
    return sum(
        parameter.numel() * (1 if _has_muon(name, parameter, settings) else 2)
        for name, parameter in model.named_parameters()
        if parameter.requires_grad
    )


def _has_muon(name: str, parameter: nn.Parameter, settings: TrainSettings) -> bool:
    return settings.optimizer == "muon" and _LAYERS in name and parameter.ndim == 2


def learning_rate(point: Point, settings: TrainSettings, peak: float) -> float:
    """The rate of the step that stands at `point`: a linear rise to `peak` over the first `warmup_ratio`, then the
    schedule.

    `linear`, `cosine` and `trapezoid` (constant, then linear; Zhai et al. 2022, Hu et al. 2024) end at 0 after the last
    step; a function of the point alone, so a resumed run needs no state.
    """
    done, amount, total = point.done, point.amount, point.total
    warmup, decay = (_whole(ratio * total, point.unit) for ratio in (settings.warmup_ratio, settings.decay_ratio))
    if done < warmup:
        return peak * min(1.0, (done + amount) / warmup)
    if settings.schedule == "constant":
        return peak
    if settings.schedule == "trapezoid":
        return peak * min(1.0, (total - done) / decay if decay else 1.0)
    left = 1 - (done - warmup) / max(total - warmup, amount)
    return peak * (left if settings.schedule == "linear" else 0.5 * (1 - math.cos(math.pi * left)))


def _whole(length: float, unit: float) -> float:
    """A length in whole units."""
    return round(length / unit) * unit if unit else length


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use `rate` in every parameter group from now on."""
    for group in optimizer.param_groups:
        group["lr"] = rate
