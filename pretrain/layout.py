"""What of a batch the model is given, and in what form: worked out on the CPU, by the threads that make batches.

An accelerator that has to find out how many places are masked, or whether anything is padded, makes the host wait for
it. So that is looked up here, where batches are made, and sent along. What is learned does not depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pretrain.masks import IGNORED

#: Sizes that differ from batch to batch, by the field and its dimension; those of packed batches.
_ALWAYS = {"places": 0, "wanted": 0}
_PACKED = {"input_ids": 1, "token_type_ids": 1, "position_ids": 1, "slots": 0, **_ALWAYS}


@dataclass(frozen=True)
class Layout:
    """Batches as `PretrainingObjective` takes them, from what the masking collator returns.

    Padded, with `input_ids`, `token_type_ids` of shape (n, width), and `attention_mask` (n, 1, 1, width), bool, unless
    nothing is padded: with a mask of ones attention takes a slower way. The library takes a mask of four dimensions as
    it is; one of two it would look at on the device, and wait.

    Or `unpadded`, with the real tokens of all examples in one row: `input_ids`, `token_type_ids`, `position_ids` of
    shape (1, tokens), and `bounds`, `slots`, `grid` as in `pretrain.attention`.

    Both with `places` (m,), where in the rows of tokens, one after another, something is predicted, `wanted` (m,), the
    token to be predicted there, and `next_sentence_label` (n,): 0, 1, or -100 for an example without a second segment.
    """

    unpadded: bool = False
    #: Whether the model is compiled.
    compiled: bool = False
    #: Makes the tensors that are returned: (shape, dtype=...); a machine with CUDA pins them.
    empty: Callable[..., Tensor] = field(default=torch.empty, repr=False)

    def __call__(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One batch; tensors that need no change are passed on as they are."""
        mask, labels = batch["attention_mask"].numpy().astype(bool), batch["labels"].numpy().reshape(-1)
        if self.unpadded:
            slots = np.flatnonzero(mask)
            lengths = mask.sum(1)
            labels = labels[slots]
            sent: dict[str, Tensor] = {}
            arrays: dict[str, NDArray[Any]] = {
                **{name: batch[name].numpy().reshape(-1)[slots][None] for name in ("input_ids", "token_type_ids")},
                "position_ids": (slots % mask.shape[1])[None],
                "bounds": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
                "slots": slots,
                "grid": mask,
            }
        else:
            arrays = {}
            sent = {name: batch[name] for name in ("input_ids", "token_type_ids")}
            if not mask.all():
                arrays["attention_mask"] = mask[:, None, None]
        places = np.flatnonzero(labels != IGNORED)
        arrays |= {"places": places, "wanted": labels[places]}
        sent |= {name: self._own(array) for name, array in arrays.items()}
        return {**sent, "next_sentence_label": batch["next_sentence_label"]}

    def to_device(self, batch: Mapping[str, Tensor], device: torch.device) -> dict[str, Tensor]:
        """A batch of this layout on the model's device, where it arrives while the host goes on.

        A compiler is told which sizes differ from batch to batch, so that it compiles once for all of them. The other
        way, as many predictions in each batch, has the largest of the products computed for places without one.
        """
        sent = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
        if self.compiled:
            for name, dimension in (_PACKED if self.unpadded else _ALWAYS).items():
                torch._dynamo.maybe_mark_dynamic(sent[name], dimension)
        return sent

    def _own(self, array: NDArray[Any]) -> Tensor:
        found = torch.from_numpy(array)
        return self.empty(found.shape, dtype=found.dtype).copy_(found)
