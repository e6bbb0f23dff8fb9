"""Held-out losses and accuracies on a fixed set of examples, the same at every evaluation.

A loss per token says little between vocabularies: fewer, longer pieces are harder to tell each. Bits per character are
the loss of all masked tokens, in bits, over the characters that these tokens spell (Graves 2013, for language models
that predict whole texts). What a character is:

* One of the piece in NFC, without `##` in front of it, or `▁`. Spaces are no characters in any vocabulary: a `▁` alone
  costs bits and spells nothing.
* A placeholder of personal data spells its name, `[PHONE]` seven: so it stands in the text.
* [UNK] spells nothing and costs its bits, for what it hides is not known. So not knowing text never makes the figure
  better; `mlm_unknown_share`, of the masked tokens, says how far that matters.

Between vocabularies it is fair for the same text, masking settings and block. Two things still differ. As many
characters are hidden by either vocabulary, but in other places: more neighbours at once by longer pieces, and a
character whose whole word is hidden is harder. And a block of so many tokens holds more text of longer pieces. Nor is
it a compression rate: each token is told from a context that holds most of the others.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import torch
from accelerate import Accelerator
from tokenizers import Tokenizer
from torch import Tensor

from corpora.privacy import PLACEHOLDERS
from pretrain.dataset import PairDataset, Share
from pretrain.layout import Layout
from pretrain.masking import PairMaskingCollator
from pretrain.masks import IGNORED
from pretrain.model import MASKED, PretrainingObjective, zeros
from pretrain.sharded import settle
from tokenizer.entries import WORD_MARK
from tokenizer.wordpiece import PREFIX, UNK, reserved_entries, vocabulary_of


@dataclass(frozen=True)
class Spelling:
    """How many characters each entry of a vocabulary spells, (entries,), and the id of [UNK]."""

    characters: Tensor
    unknown: int

    @classmethod
    def of(cls, tokenizer_json: bytes) -> Spelling:
        """That of a saved tokenizer, WordPiece's or SentencePiece's."""
        vocabulary = vocabulary_of(Tokenizer.from_buffer(tokenizer_json))
        return cls(torch.tensor(characters_of(vocabulary)), vocabulary.index(UNK))

    def counts(self, labels: Tensor) -> Tensor:
        """Characters and [UNK]s among the masked tokens of labels (n, width): (2,) int64."""
        wanted = labels[labels != IGNORED]
        return torch.stack([self.characters[wanted].sum(), (wanted == self.unknown).sum()])


def characters_of(vocabulary: Sequence[str]) -> list[int]:
    """Characters that each entry spells: see the top of this module.

    >>> characters_of(["[UNK]", "[PHONE]", "가", "##나다", "##"]), characters_of(["[UNK]", "▁", "▁가", "나"])
    ([0, 7, 1, 2, 2], [0, 0, 1, 1])
    """
    wordpiece = any(piece.startswith(PREFIX) and len(piece) > len(PREFIX) for piece in vocabulary)
    # A WordPiece vocabulary may hold the character ▁ itself, and any one ##.
    mark = PREFIX if wordpiece else WORD_MARK
    silent = set(reserved_entries(len(vocabulary))) - set(PLACEHOLDERS.values())
    return [
        0
        if piece in silent
        else len(unicodedata.normalize("NFC", piece if piece == PREFIX else piece.removeprefix(mark)))
        for piece in vocabulary
    ]


@dataclass(frozen=True)
class Scores:
    """Mean losses in nats (per masked token, per pair) and shares of right answers; None where there is no pair.

    Bits per character and the share of [UNK] among masked tokens are those of evaluations, None elsewhere.
    """

    mlm_loss: float
    mlm_accuracy: float
    nsp_loss: float | None
    nsp_accuracy: float | None
    mlm_bits_per_character: float | None = None
    mlm_unknown_share: float | None = None

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
    layout: Layout,
    spelling: Spelling,
) -> Scores:
    """Scores on the first `examples` of `dataset`, spread over the processes; dropout is off."""
    everything = range(min(examples, len(dataset)))
    rows = everything[share.rank :: share.processes]
    sums = zeros(accelerator.device)
    counts = torch.zeros(2, dtype=torch.int64)
    was_training = objective.training
    objective.eval()
    for begin in range(0, len(everything[:: share.processes]), share.micro_batch):
        part = rows[begin : begin + share.micro_batch]
        # A process without a row left takes part all the same: of sharded parameters the others need its share.
        made = collator.torch_call(dataset.__getitems__(part or everything[:1]))
        with accelerator.autocast():
            found = objective(layout.to_device(layout(made), accelerator.device)).stacked()
        if part:
            counts += spelling.counts(made["labels"])
            sums += found
    objective.train(was_training)
    settle(objective)
    sums = accelerator.reduce(sums, "sum")
    characters, unknown = accelerator.reduce(counts.to(accelerator.device), "sum").tolist()
    scores, masked = Scores.from_sums(sums), float(sums[MASKED])
    return replace(
        scores,
        mlm_bits_per_character=scores.mlm_loss * masked / math.log(2) / characters if characters else None,
        mlm_unknown_share=unknown / masked if masked else None,
    )
