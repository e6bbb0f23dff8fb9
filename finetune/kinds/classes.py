"""Tasks that say one thing of a whole row, or a set of things: classification and multi-label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerBase

from finetune.data.rows import Row, Rows
from finetune.kinds.kind import Encoded, Kind, Outputs, Reading, Said, encode_texts
from finetune.scoring.labels import score_classes, score_label_sets
from finetune.scoring.scores import Scores
from pipeline.errors import InputError

#: A label of a set is given from this probability on.
THRESHOLD = 0.5
_SHOWN = 10


@dataclass(frozen=True)
class Classification(Kind):
    """Each row has one of several classes; `without` are those that are no finding (`finetune.scoring.labels`)."""

    name = "classification"
    loader = AutoModelForSequenceClassification

    without: tuple[str, ...] = ()

    def names(self, train: Rows) -> tuple[str, ...]:
        """The labels, in the order of `class_names`."""
        names = class_names({row.label for row in train.rows})
        if len(names) < 2:
            raise InputError(
                f"{train.path}: every row is labelled {names[0]!r}; a classifier needs two classes or more"
            )
        return names

    def check(self, rows: Rows, train: Rows, names: Sequence[str]) -> None:
        """Every label of `rows` is one of `names`."""
        for row in rows.rows:
            _known(rows, row, row.label, train, names)

    def head(self, names: Sequence[str]) -> dict[str, object]:
        """A score for each class."""
        return {**super().head(names), "problem_type": "single_label_classification"}

    def encode(self, tokenizer: PreTrainedTokenizerBase, rows: Rows, names: Sequence[str], reading: Reading) -> Encoded:
        """`labels`: the class's place in `names`."""
        texts = encode_texts(tokenizer, rows, reading.max_length)
        place = {name: number for number, name in enumerate(names)}
        for row, example in zip(rows.rows, texts.examples, strict=True):
            if row.target is not None:
                example["labels"] = place[row.label]
        return Encoded(rows, texts.examples, tuple(range(len(rows))), longer=texts.longer)

    def loss(self, outputs: Outputs, encoded: Encoded) -> float:
        """Cross-entropy."""
        truth = torch.tensor([example["labels"] for example in encoded.examples])
        return cross_entropy(torch.as_tensor(outputs[0]).double(), truth).item()

    def answers(self, outputs: Outputs, encoded: Encoded, names: Sequence[str]) -> list[Said]:
        """The most probable class."""
        said = []
        for row in torch.as_tensor(outputs[0]).double().softmax(-1):
            best = int(row.argmax())
            said.append(Said(names[best], float(row[best]), tuple(row.tolist())))
        return said

    def score(self, rows: Rows, answers: Sequence[Said], names: Sequence[str]) -> Scores:
        """Accuracy, means of F1 and the others."""
        place = {name: number for number, name in enumerate(names)}
        truth = [place[row.label] for row in rows.rows]
        shares = [said.probabilities for said in answers] if self.without else None
        given = [place[str(said.answer)] for said in answers]
        return score_classes(truth, given, names, without=self.without, probabilities=shares)

    def weights(self, train: Rows, names: Sequence[str]) -> Tensor:
        """Rows / (classes * rows of the class), as scikit-learn's "balanced"."""
        counts = Counter(row.label for row in train.rows)
        return torch.tensor([len(train) / (len(names) * counts[name]) for name in names])


class MultiLabel(Kind):
    """Each row has any number of labels."""

    name = "multilabel"
    loader = AutoModelForSequenceClassification

    def names(self, train: Rows) -> tuple[str, ...]:
        """All labels of all rows, in the order of `class_names`."""
        names = class_names({label for row in train.rows for label in labels_of(row)})
        if not names:
            raise InputError(f"{train.path}: no row has a label; there is nothing to learn")
        return names

    def check(self, rows: Rows, train: Rows, names: Sequence[str]) -> None:
        """Every label of `rows` is one of `names`."""
        for row in rows.rows:
            for label in labels_of(row):
                _known(rows, row, label, train, names)

    def head(self, names: Sequence[str]) -> dict[str, object]:
        """A score for each label, by itself."""
        return {**super().head(names), "problem_type": "multi_label_classification"}

    def encode(self, tokenizer: PreTrainedTokenizerBase, rows: Rows, names: Sequence[str], reading: Reading) -> Encoded:
        """`labels`: (names,) of 0.0 and 1.0."""
        texts = encode_texts(tokenizer, rows, reading.max_length)
        for row, example in zip(rows.rows, texts.examples, strict=True):
            if row.target is not None:
                given = set(labels_of(row))
                example["labels"] = [float(name in given) for name in names]
        return Encoded(rows, texts.examples, tuple(range(len(rows))), longer=texts.longer)

    def loss(self, outputs: Outputs, encoded: Encoded) -> float:
        """Binary cross-entropy, the mean over rows and labels."""
        truth = torch.tensor([example["labels"] for example in encoded.examples], dtype=torch.float64)
        return binary_cross_entropy_with_logits(torch.as_tensor(outputs[0]).double(), truth).item()

    def answers(self, outputs: Outputs, encoded: Encoded, names: Sequence[str]) -> list[Said]:
        """The labels at least as probable as not; as sure as the least sure of all decisions."""
        said = []
        for row in torch.as_tensor(outputs[0]).double().sigmoid():
            given = tuple(name for name, share in zip(names, row.tolist(), strict=True) if share >= THRESHOLD)
            said.append(Said(given, float(torch.maximum(row, 1 - row).min()), tuple(row.tolist())))
        return said

    def score(self, rows: Rows, answers: Sequence[Said], names: Sequence[str]) -> Scores:
        """Means of F1, and the share of rows with exactly the right set."""
        place = {name: number for number, name in enumerate(names)}
        truth = [{place[label] for label in labels_of(row)} for row in rows.rows]
        given = [{place[str(label)] for label in said.answer} for said in answers]  # type: ignore[union-attr]
        return score_label_sets(truth, given, names)

    def weights(self, train: Rows, names: Sequence[str]) -> Tensor:
        """Rows without a label for each with it: what a row with it counts."""
        counts = Counter(label for row in train.rows for label in set(labels_of(row)))
        return torch.tensor([(len(train) - counts[name]) / counts[name] if counts[name] else 1.0 for name in names])


def labels_of(row: Row) -> tuple[str, ...]:
    """The target of a multi-label row."""
    if not isinstance(row.target, tuple) or not all(isinstance(label, str) for label in row.target):
        raise TypeError(f"{row.place}: {row.target!r} is no set of labels")
    return row.target  # type: ignore[return-value]


def class_names(labels: set[str]) -> tuple[str, ...]:
    """The different labels in order: by value where all are whole numbers (2 before 10), else by code point.

    >>> class_names({"10", "2"})
    ('2', '10')
    """
    if all(label.isascii() and label.removeprefix("-").isdigit() for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))


def _known(rows: Rows, row: Row, label: str, train: Rows, names: Sequence[str]) -> None:
    if label not in names:
        shown = ", ".join(map(repr, names[:_SHOWN])) + (" ..." if len(names) > _SHOWN else "")
        raise InputError(
            f"{rows.path}, {row.place}: label {label!r} does not occur in {train.path} ({shown}), "
            "so it cannot be learned"
        )
