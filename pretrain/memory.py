"""What a forward pass keeps for the backward one: counted, not estimated."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from pretrain.layout import Layout
from pretrain.masks import IGNORED
from pretrain.model import PretrainingObjective


def saved_bytes(objective: PretrainingObjective, block_size: int, vocab_size: int, rate: float) -> int:
    """Bytes that the backward pass of one full example needs kept in bf16: counted on a forward pass of this model
    here, two examples less one.

    Without dropout, since with it attention keeps its scores here, as on an accelerator it does not; the masks of the
    other dropouts are added, a byte for each number.
    """
    objective.eval()
    counted = _saved(objective, 2, block_size, vocab_size, rate) - _saved(objective, 1, block_size, vocab_size, rate)
    config = objective.model.config
    dropped = (2 * config.num_hidden_layers + 1) * block_size * config.hidden_size if config.hidden_dropout_prob else 0
    return counted + dropped


def _saved(objective: PretrainingObjective, examples: int, block_size: int, vocab_size: int, rate: float) -> int:
    owned = {parameter.untyped_storage().data_ptr() for parameter in objective.parameters()}
    found: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in owned:
            found[storage.data_ptr()] = storage.nbytes()
        held.append(tensor)  # or another one may come to lie where it lay
        return tensor

    held: list[Tensor] = []
    ids = torch.from_numpy(np.arange(examples * block_size).reshape(examples, block_size) % vocab_size)
    labels = torch.full_like(ids, IGNORED)
    labels[:, : max(1, round(rate * block_size))] = 0
    batch = {
        "input_ids": ids,
        "token_type_ids": torch.zeros_like(ids),
        "attention_mask": torch.ones_like(ids),
        "labels": labels,
        "next_sentence_label": torch.zeros(examples, dtype=torch.long),
    }
    with saved_tensors_hooks(keep, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16):
        sums = objective(Layout()(batch))
    del sums
    return sum(found.values())
