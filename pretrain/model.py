"""The model: Hugging Face's `BertForPreTraining`, weights, names and numerics, with its losses computed our way.

The vocabulary head is a fifth of BERT-base's arithmetic, and only about 15 % of the positions need it: it is
applied to those alone. The losses come as sums with their counts, so that any division of a batch into
micro-batches and processes gives the loss of the whole batch.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForPreTraining

from pipeline.errors import InputError
from pretrain.draws import WEIGHTS, stream
from pretrain.masks import IGNORED
from pretrain.positions import sinusoidal
from pretrain.settings import ModelSettings


class Sums(NamedTuple):
    """Loss sums (nats), right answers, and counts of masked tokens and of pairs in a batch; 0-d tensors.

    A tuple, because DeepSpeed, which begins a backward pass at what the model returned, looks into no other class.
    """

    mlm_loss: Tensor
    nsp_loss: Tensor
    mlm_right: Tensor
    nsp_right: Tensor
    masked: Tensor
    pairs: Tensor

    def stacked(self) -> Tensor:
        """(6,) of `zeros`' type, in the order of the fields, for adding up over batches and processes."""
        numbers = [self.mlm_loss, self.nsp_loss, self.mlm_right, self.nsp_right, self.masked, self.pairs]
        kind = zeros(self.masked.device).dtype
        return torch.stack([number.detach().to(kind) for number in numbers])


#: Where in `Sums.stacked()` the number of masked tokens stands.
MASKED = 4


def zeros(device: torch.device) -> Tensor:
    """(6,) zeros to add `Sums.stacked()` to: float64, or float32 on Apple's devices, which have no other."""
    return torch.zeros(6, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)


class PretrainingObjective(nn.Module):
    """The masked-language-model and next-sentence losses of a `BertForPreTraining`."""

    def __init__(self, model: BertForPreTraining) -> None:
        super().__init__()
        self.model = model

    def forward(self, batch: Mapping[str, Tensor]) -> Sums:
        """A batch as `pretrain.layout.Layout` makes it, padded or packed."""
        hidden, pooled = self._packed(batch) if "bounds" in batch else self._padded(batch)
        scores = self.model.cls.predictions(hidden.flatten(0, 1).index_select(0, batch["places"]))
        relation = self.model.cls.seq_relationship(pooled)
        wanted, follows = batch["wanted"], batch["next_sentence_label"]
        return Sums(
            mlm_loss=cross_entropy(scores.float(), wanted, reduction="sum"),
            nsp_loss=cross_entropy(relation.float(), follows, reduction="sum"),
            mlm_right=(scores.argmax(-1) == wanted).sum(),
            nsp_right=(relation.argmax(-1) == follows).sum(),
            masked=(wanted != IGNORED).sum(),
            pairs=(follows != IGNORED).sum(),
        )

    def _padded(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(n, width, hidden) and the pooled (n, hidden)."""
        outputs = self.model.bert(
            input_ids=batch["input_ids"],
            token_type_ids=batch["token_type_ids"],
            attention_mask=batch.get("attention_mask"),
        )
        return outputs.last_hidden_state, outputs.pooler_output

    def _packed(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """(1, tokens, hidden) and the pooled (n, hidden): the library pools the first token of a row, and here are as
        many as there are sequences."""
        bounds = batch["bounds"]
        named = {name: batch[name] for name in ("input_ids", "token_type_ids", "position_ids", "slots", "grid")}
        bert = self.model.bert
        hidden = bert(**named, bounds=bounds).last_hidden_state
        assert bert.pooler is not None
        return hidden, bert.pooler(hidden[0].index_select(0, bounds[:-1])[:, None])


def compile_in_place(objective: PretrainingObjective) -> None:
    """Have torch compile the objective when it is first called; modules and weights keep their names.

    Raises InputError if there is no compiler for C++, without which torch compiles nothing.
    """
    names = (os.environ.get("CXX"), "c++", "g++", "clang++")
    if not any(name and shutil.which(name) for name in names):
        raise InputError("--compile needs a compiler for C++ (Debian: apt install g++): install one or leave it out")
    objective.compile()


def bert_config(settings: ModelSettings, vocab_size: int, block_size: int) -> BertConfig:
    """A BERT of this shape over this vocabulary; raises InputError if a block does not fit into its positions."""
    if block_size > settings.max_position_embeddings:
        raise InputError(
            f"the examples' block_size {block_size} is more than model.max_position_embeddings "
            f"{settings.max_position_embeddings}: raise the one or lower the other"
        )
    return BertConfig(
        vocab_size=vocab_size,
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.num_hidden_layers,
        num_attention_heads=settings.num_attention_heads,
        intermediate_size=settings.intermediate_size,
        max_position_embeddings=settings.max_position_embeddings,
        hidden_dropout_prob=settings.hidden_dropout_prob,
        attention_probs_dropout_prob=settings.attention_probs_dropout_prob,
        initializer_range=settings.initializer_range,
        type_vocab_size=2,
        pad_token_id=0,
    )


def new_model(config: BertConfig, seed: int, sinusoidal_range: float = 0.0) -> BertForPreTraining:
    """Random weights that depend on `seed` alone, and positions as sines and cosines of this standard deviation if it
    is not 0; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream(seed, WEIGHTS)) >> 1)
        model = BertForPreTraining(config)
    if sinusoidal_range:
        weight = model.bert.embeddings.position_embeddings.weight
        with torch.no_grad():
            rows, width = weight.shape
            weight.copy_(sinusoidal(rows, width, sinusoidal_range))
    return model
