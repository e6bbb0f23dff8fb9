"""Masking for the masked-language-model objective, as a subclass of transformers' collator.

The stock collator draws from a generator, so its masks depend on how many batches were made before and by which
worker. Here each draw is a hash of (the example's key, the token's place): the same example of the same epoch is
masked the same way in any batch, process or resumed run, whatever the padding. The rest is BERT's: of the chosen
tokens 80 % become [MASK], 10 % a random token, 10 % stay. Random tokens are real vocabulary: never a special or an
unused entry, or a placeholder of personal data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerBase

from corpora.privacy import PLACEHOLDERS
from pretrain.draws import children, units

#: The field of an example that holds the key of its draws, as int64 (torch has no arithmetic on uint64).
DRAW = "draw"
#: Label of positions that are not predicted.
IGNORED = -100
_UNUSED = re.compile(r"\[unused\d+\]")


@dataclass
class PairMaskingCollator(DataCollatorForLanguageModeling):
    """`DataCollatorForLanguageModeling` whose draws are pure in each example's `draw` key.

    Takes a list of examples (dicts with `input_ids`, ..., `draw`), as the stock one does, or a batch that is already
    assembled (arrays of shape (n, width), `draw` (n,)). Returns tensors `input_ids`, `labels` (-100 where nothing is
    predicted), and whatever else the examples hold, without `draw` and `special_tokens_mask`.
    """

    random_ids: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()  # type: ignore[no-untyped-call]
        if self.whole_word_mask or not self.mlm or self.seed is not None:
            raise ValueError(f"{type(self).__name__} masks single tokens by each example's own key")
        self.random_ids = replaceable_ids(self.tokenizer)

    def torch_call(self, examples: Any) -> dict[str, Any]:
        """Pad if needed, then mask."""
        if isinstance(examples, Mapping):
            batch = {name: torch.as_tensor(array) for name, array in examples.items()}
        else:
            if not all(DRAW in example for example in examples):
                raise ValueError(f"every example needs its key {DRAW!r}: see pretrain.dataset")
            batch = dict(self.tokenizer.pad(examples, return_tensors="pt", pad_to_multiple_of=self.pad_to_multiple_of))
        special = batch.pop("special_tokens_mask", None)
        batch["input_ids"], batch["labels"] = self.torch_mask_tokens(
            batch["input_ids"], special_tokens_mask=special, draws=batch.pop(DRAW)
        )
        return batch

    def torch_mask_tokens(
        self,
        inputs: torch.Tensor,
        special_tokens_mask: torch.Tensor | None = None,
        offset_mapping: torch.Tensor | None = None,
        draws: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """inputs (n, width) and draws (n,) -> masked inputs, labels, both (n, width)."""
        if draws is None:
            raise ValueError("masking needs the examples' keys")
        ids = inputs.numpy().copy()
        if special_tokens_mask is None:
            special = np.isin(ids, self.tokenizer.all_special_ids)
        else:
            # Padding is special too: a padded list of examples marks it 1, but a caller's own mask may not.
            special = special_tokens_mask.numpy().astype(bool) | (ids == self.tokenizer.pad_token_id)
        # Three draws a token, numbered by place, so that padding to another width moves nothing.
        numbers = units(children(draws.numpy().view(np.uint64), 3 * ids.shape[1]))
        chosen_by, treated_by, word_by = (numbers[:, start::3] for start in range(3))
        chosen = (chosen_by < float(self.mlm_probability or 0)) & ~special
        labels = np.where(chosen, ids, IGNORED)
        masked = chosen & (treated_by < self.mask_replace_prob)
        randomised = chosen & ~masked & (treated_by < self.mask_replace_prob + self.random_replace_prob)
        ids[masked] = self.tokenizer.mask_token_id
        ids[randomised] = self.random_ids[(word_by[randomised] * len(self.random_ids)).astype(np.int64)]
        return torch.from_numpy(ids), torch.from_numpy(labels)


def replaceable_ids(tokenizer: PreTrainedTokenizerBase) -> NDArray[np.int64]:
    """Ids that a random replacement may be: the vocabulary without special and `[unused]` entries and placeholders of
    personal data."""
    special = set(tokenizer.all_special_ids)
    ids = [
        number
        for piece, number in tokenizer.get_vocab().items()
        if number not in special and not _UNUSED.fullmatch(piece) and piece not in PLACEHOLDERS.values()
    ]
    return np.asarray(sorted(ids), np.int64)
