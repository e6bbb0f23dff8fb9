"""What a kind of task has to say of itself, so that training, scoring and predicting are written once.

A kind turns rows into examples, a model's outputs into answers, answers and rows into scores. It never sees a file, and
never trains. Its `names` are the classes (or kinds of entities) in the order of the model's outputs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from transformers import DataCollatorWithPadding, PreTrainedModel, PreTrainedTokenizerBase

from finetune.data.rows import Rows, Target
from finetune.scoring.scores import Scores
from pipeline.errors import InputError

#: What Trainer takes for one example: input_ids, attention_mask, ... (length,) and what it is to answer.
Example = dict[str, Any]
#: What a model gives back for all examples, in their order: an array, or one for each of its outputs; rows that are
#: shorter than the longest are filled up.
Outputs = tuple[NDArray[np.floating[Any]], ...]
#: Characters that a token covers, (0, 0) for a special one.
Offset = tuple[int, int]


@dataclass(frozen=True)
class Encoded:
    """The examples of some rows.

    owners: of each example, the place of its row: a long text may be several examples, its windows.
    offsets: of each example, the characters of `text` that each token covers; None where it is not text to be answered
        from. () for kinds that answer the row as a whole.
    longer: rows that were cut because they are longer than the model reads.
    """

    rows: Rows
    examples: list[Example]
    owners: tuple[int, ...]
    offsets: tuple[tuple[Offset | None, ...], ...] = ()
    longer: int = 0


@dataclass(frozen=True)
class Said:
    """A model's answer to a row: of the same type as the row's target; how sure it is, in [0, 1].

    probabilities: of each name, of kinds that choose among names for the row as a whole.
    """

    answer: Target
    confidence: float
    probabilities: tuple[float, ...] = ()


@dataclass(frozen=True)
class Reading:
    """How long the inputs are: tokens in all; `stride` of them are shared by windows that follow each other."""

    max_length: int
    stride: int = 0


class Kind(ABC):
    """One kind of task."""

    #: As it is called on the command line.
    name: ClassVar[str]
    #: The class of transformers that loads an encoder with a head for it.
    loader: ClassVar[Any]
    #: May a row be two texts?
    pairs: ClassVar[bool] = True

    def names(self, train: Rows) -> tuple[str, ...]:
        """The classes that `train` teaches; raises InputError if there is nothing to tell apart."""
        return ()

    def check(self, rows: Rows, train: Rows, names: Sequence[str]) -> None:  # noqa: B027
        """Raise InputError if `rows` ask for what `train` does not teach."""

    def head(self, names: Sequence[str]) -> dict[str, Any]:
        """What the model's configuration has to say of its head."""
        return {"id2label": dict(enumerate(names)), "label2id": {name: place for place, name in enumerate(names)}}

    def prepare(self, model: PreTrainedModel, train: Rows) -> None:  # noqa: B027
        """Set what a new head can be told before it learns; nothing for most."""

    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Any:
        """What makes a batch of examples."""
        return DataCollatorWithPadding(tokenizer)

    @abstractmethod
    def encode(self, tokenizer: PreTrainedTokenizerBase, rows: Rows, names: Sequence[str], reading: Reading) -> Encoded:
        """Examples, unpadded, with what they are to answer if the rows say it."""

    @abstractmethod
    def loss(self, outputs: Outputs, encoded: Encoded) -> float:
        """The mean loss in nats (of a regression: the mean squared error) over all that is asked for."""

    @abstractmethod
    def answers(self, outputs: Outputs, encoded: Encoded, names: Sequence[str]) -> list[Said]:
        """One answer a row, in their order."""

    @abstractmethod
    def score(self, rows: Rows, answers: Sequence[Said], names: Sequence[str]) -> Scores:
        """How good the answers to labelled rows are."""

    def weights(self, train: Rows, names: Sequence[str]) -> Tensor:
        """What each class counts in the loss, (classes,), so that rare ones count as much as frequent ones.

        Raises InputError for kinds without classes.
        """
        raise InputError(f"finetune.class_weights: {self.name} has no classes to weigh; leave it at 'none'")


@dataclass(frozen=True)
class Texts:
    """What a tokenizer made of rows, before anything is to be answered."""

    examples: list[Example] = field(default_factory=list)
    longer: int = 0


def encode_texts(tokenizer: PreTrainedTokenizerBase, rows: Rows, max_length: int) -> Texts:
    """One example a row, its longer text cut first where there are two and both are too long together."""
    first = [row.text for row in rows.rows]
    second = [row.pair or "" for row in rows.rows] if any(row.pair is not None for row in rows.rows) else None
    encoded = tokenizer(first, second, truncation=True, max_length=max_length)
    examples = [{name: encoded[name][place] for name in encoded} for place in range(len(first))]
    full = [place for place, example in enumerate(examples) if len(example["input_ids"]) >= max_length]
    if not full:
        return Texts(examples)
    whole = tokenizer([first[place] for place in full], [second[place] for place in full] if second else None)
    return Texts(examples, sum(len(ids) > max_length for ids in whole["input_ids"]))
