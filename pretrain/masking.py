"""Masking for the masked-language-model objective, as a subclass of transformers' collator.

The stock collator draws from a generator, so its masks depend on how many batches were made before and by which
worker, and its whole-word option needs character offsets and gives up the random and the kept tokens. Here the work is
`pretrain.masks`: pure in each example's key, compiled, eojeols told by the vocabulary.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerBase

from pretrain.masks import Masking, MaskTable, mask_tokens

#: The field of an example that holds the key of its draws, as int64 (torch has no arithmetic on uint64).
DRAW = "draw"


@dataclass
class PairMaskingCollator(DataCollatorForLanguageModeling):
    """`DataCollatorForLanguageModeling` whose draws are pure in each example's `draw` key.

    Takes a list of examples (dicts with `input_ids`, ..., `draw`), as the stock one does, or a batch that is already
    assembled (arrays of shape (n, width), `draw` (n,)). Returns tensors `input_ids`, `labels` (-100 where nothing is
    predicted), and whatever else the examples hold, without `draw` and `special_tokens_mask`.

    `fixed`: as many predicted tokens in an example as its length times `mlm_probability`, instead of about as many.
    """

    fixed: bool = False
    table: MaskTable = field(init=False, repr=False)
    #: Makes the tensors that are returned, (shape) -> int64; a data set on a machine with CUDA pins them.
    empty: Callable[..., torch.Tensor] = field(default=torch.empty, repr=False)

    def __post_init__(self) -> None:
        if not self.mlm or self.seed is not None:
            raise ValueError(f"{type(self).__name__} masks by each example's own key: mlm=True, seed=None")
        # The stock check of whole words wants character offsets, and no random or kept tokens.
        whole_word, self.whole_word_mask = self.whole_word_mask, False
        super().__post_init__()  # type: ignore[no-untyped-call]
        self.whole_word_mask = whole_word
        self.table = mask_table(self.tokenizer)

    def torch_call(self, examples: Any, rate: float | None = None) -> dict[str, Any]:
        """Pad if needed, then mask; `rate` instead of `mlm_probability` if it is given."""
        if isinstance(examples, Mapping):
            batch = {name: torch.as_tensor(array) for name, array in examples.items()}
        else:
            if not all(DRAW in example for example in examples):
                raise ValueError(f"every example needs its key {DRAW!r}: see pretrain.dataset")
            batch = dict(self.tokenizer.pad(examples, return_tensors="pt", pad_to_multiple_of=self.pad_to_multiple_of))
        special = batch.pop("special_tokens_mask", None)
        batch["input_ids"], batch["labels"] = self.torch_mask_tokens(
            batch["input_ids"], special_tokens_mask=special, draws=batch.pop(DRAW), rate=rate
        )
        return batch

    def torch_mask_tokens(
        self,
        inputs: torch.Tensor,
        special_tokens_mask: torch.Tensor | None = None,
        offset_mapping: torch.Tensor | None = None,
        draws: torch.Tensor | None = None,
        rate: float | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """inputs (n, width) and draws (n,) -> masked inputs, labels, both (n, width)."""
        if draws is None:
            raise ValueError("masking needs the examples' keys")
        ids = self.empty(inputs.shape, dtype=torch.int64)
        ids.copy_(inputs)
        labels = self.empty(inputs.shape, dtype=torch.int64)
        if special_tokens_mask is None:
            special = np.isin(ids.numpy(), self.tokenizer.all_special_ids)
        else:
            # Padding is special too: a padded list of examples marks it 1, but a caller's own mask may not.
            special = special_tokens_mask.numpy().astype(bool) | (ids.numpy() == self.tokenizer.pad_token_id)
        masking = Masking(
            float(self.mlm_probability or 0) if rate is None else rate,
            self.mask_replace_prob,
            self.random_replace_prob,
            self.whole_word_mask,
            self.fixed,
        )
        mask_tokens(ids.numpy(), special, draws.numpy().view(np.uint64), self.table, masking, labels.numpy())
        return ids, labels


def mask_table(tokenizer: PreTrainedTokenizerBase) -> MaskTable:
    """What masking has to know of a tokenizer's vocabulary."""
    return MaskTable.of(tokenizer.get_vocab(), int(tokenizer.mask_token_id), tokenizer.all_special_ids)
