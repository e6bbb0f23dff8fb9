"""Held-out losses and accuracies on a fixed set of examples, the same at every evaluation."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from accelerate import Accelerator
from torch import Tensor

from pretrain.dataset import PairDataset, Share
from pretrain.masking import PairMaskingCollator
from pretrain.model import PretrainingObjective, to_device, zeros
from pretrain.sharded import settle


@dataclass(frozen=True)
class Scores:
    """Mean losses in nats (per masked token, per pair) and shares of right answers; None where there is no pair."""

    mlm_loss: float
    mlm_accuracy: float
    nsp_loss: float | None
    nsp_accuracy: float | None

    @classmethod
    def from_sums(cls, sums: Tensor) -> Scores:
        """From `Sums.stacked()` added up over batches and processes, (6,)."""
        mlm_loss, nsp_loss, mlm_right, nsp_right, masked, pairs = sums.tolist()
        masked = max(masked, 1.0)
        nsp = (nsp_loss / pairs, nsp_right / pairs) if pairs else (None, None)
        return cls(mlm_loss / masked, mlm_right / masked, *nsp)

    def as_dict(self, prefix: str = "") -> dict[str, float]:
        """Rounded, for a log line; what there is none of is left out."""
        return {f"{prefix}{name}": round(value, 5) for name, value in asdict(self).items() if value is not None}


@torch.no_grad()
def evaluate(
    objective: PretrainingObjective,
    dataset: PairDataset,
    collator: PairMaskingCollator,
    accelerator: Accelerator,
    share: Share,
    examples: int,
) -> Scores:
    """Scores on the first `examples` of `dataset`, spread over the processes; dropout is off."""
    everything = range(min(examples, len(dataset)))
    rows = everything[share.rank :: share.processes]
    sums = zeros(accelerator.device)
    was_training = objective.training
    objective.eval()
    for begin in range(0, len(everything[:: share.processes]), share.micro_batch):
        part = rows[begin : begin + share.micro_batch]
        # A process without a row left takes part all the same: of sharded parameters the others need its share.
        batch = collator.torch_call(dataset.__getitems__(part or everything[:1]))
        with accelerator.autocast():
            found = objective(to_device(batch, accelerator.device)).stacked()
        sums += found if part else 0.0
    objective.train(was_training)
    settle(objective)
    return Scores.from_sums(accelerator.reduce(sums, "sum"))
