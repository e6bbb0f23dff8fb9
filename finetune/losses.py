"""What is minimised: losses that mean the same however a step is divided among processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss

from finetune.kinds.entities import IGNORED


def mean_loss(weights: Tensor | None) -> Callable[..., Tensor]:
    """The mean loss over the labels of a step, whatever the processes it is divided among; with what each class counts.

    Trainer multiplies a loss by the number of processes and expects it to be divided by the labels of all. The models'
    own losses do the latter for language models alone: left to them, gradients would grow with the processes, and
    tokens of a process with few would count more.
    """

    def loss(outputs: Any, labels: Tensor, num_items_in_batch: Any = None) -> Tensor:
        logits = outputs["logits"]
        own = None if weights is None else weights.to(logits.device)
        if not labels.dtype.is_floating_point:
            logits, labels = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
            total = cross_entropy(logits, labels, weight=own, reduction="sum")
        elif labels.ndim == 1:
            total = mse_loss(logits.reshape(-1), labels, reduction="sum")
        else:
            total = binary_cross_entropy_with_logits(logits, labels, pos_weight=own, reduction="sum")
        # Trainer counts labels so, of all processes.
        here = labels.ne(IGNORED).sum()
        counted = here if num_items_in_batch is None else torch.as_tensor(num_items_in_batch, device=total.device)
        return total / counted.clamp(min=1)

    return loss
