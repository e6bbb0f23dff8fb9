"""A parameter's weights and moments, in a run and in a checkpoint, whatever way of running has made of them.

By itself and under DDP an optimiser knows the parameter and keeps tensors of its shape; under FSDP 2 these are parts of
such tensors. Under DeepSpeed's ZeRO it knows flat tensors instead: the numbers of many parameters one after another, of
which each process has a run, weights included. What it keeps of one parameter is then a `Piece`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed
from torch.optim import Optimizer

#: Where DeepSpeed leaves which run of a parameter's numbers this process has; there, but None, if it has none.
_CUT, _GROUP = "_hp_mapping", "_dp_group"
#: AdamW's own count of steps; the rest has a number for each of the parameter's.
_COUNT = "step"


@dataclass(frozen=True)
class Piece:
    """A run of a whole tensor's numbers in their order in memory, from `start` on: `held`, (numbers,), maybe none."""

    shape: torch.Size
    start: int
    held: Tensor
    group: Any

    def whole(self) -> Tensor:
        """The whole tensor, out of all processes' pieces; all of them have to ask for it."""
        full = self.held.new_zeros(self.shape.numel())
        full[self.start : self.start + self.held.numel()] = self.held
        distributed.all_reduce(full, group=self.group)
        return full.view(self.shape)

    def take(self, full: Tensor) -> None:
        """Hold from now on what `full` has here."""
        self.held.copy_(full.flatten()[self.start : self.start + self.held.numel()])


def kept_of(parameter: Tensor, optimizer: Optimizer) -> Mapping[str, Tensor | Piece]:
    """What the optimiser keeps of a parameter, by name; empty if it does not know it."""
    if not hasattr(parameter, _CUT):
        kept: dict[str, Tensor] = optimizer.state[parameter]
        return kept
    cut = getattr(parameter, _CUT)
    # Of a parameter that others hold any group tells what is kept: it is the same for all.
    state = optimizer.state[_flats(optimizer)[cut.param_group_index if cut else 0]]
    return {kind: _piece(parameter, tensor) for kind, tensor in state.items() if kind != _COUNT}


@torch.no_grad()
def put(parameter: Tensor, optimizer: Optimizer, weights: Tensor, kept: Mapping[str, Tensor]) -> None:
    """Have a parameter be `weights` and the optimiser keep `kept` of it: whole tensors, or parts as it is in parts."""
    parameter.copy_(weights)
    if not hasattr(parameter, _CUT):
        optimizer.state[parameter] = dict(kept)
        return
    cut = getattr(parameter, _CUT)
    if cut is None:
        return
    flat = _flats(optimizer)[cut.param_group_index]
    _piece(parameter, flat).take(weights)
    state = optimizer.state[flat]
    for kind, tensor in kept.items():
        if kind == _COUNT:
            state[kind] = tensor
        else:
            _piece(parameter, state.setdefault(kind, torch.zeros_like(flat))).take(tensor)


def _flats(optimizer: Optimizer) -> list[Tensor]:
    """The flat tensor of each group."""
    return [group["params"][0] for group in optimizer.param_groups]


def _piece(parameter: Tensor, flat: Tensor) -> Piece:
    """What a flat tensor, of weights or of moments, has of a parameter."""
    cut = getattr(parameter, _CUT)
    start = cut.lp_fragment_address.start if cut else 0
    place, numbers = (cut.hp_fragment_address.start, cut.hp_fragment_address.numel) if cut else (0, 0)
    return Piece(parameter.shape, start, flat.detach()[place : place + numbers], getattr(parameter, _GROUP))
