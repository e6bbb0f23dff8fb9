"""Scores of a classifier: accuracy; precision, recall and F1 of each class, and their plain mean (macro).

The macro mean is over the classes that occur in the truth or in the answers, as scikit-learn has it; 0/0
counts as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sklearn.metrics import accuracy_score, precision_recall_fscore_support


@dataclass(frozen=True)
class ClassScores:
    """One class; `rows` is how many of the rows are truly of it."""

    name: str
    precision: float
    recall: float
    f1: float
    rows: int


@dataclass(frozen=True)
class Scores:
    """A set of rows, all shares in [0, 1]; precision, recall and F1 are macro means."""

    accuracy: float
    precision: float
    recall: float
    f1: float
    rows: int
    classes: tuple[ClassScores, ...]


def score(truth: Sequence[int], answers: Sequence[int], names: Sequence[str]) -> Scores:
    """Scores of `answers` against `truth`, both class ids (places in `names`), equally long and not empty."""
    if len(truth) == 0:
        raise ValueError("no rows to score")
    each = precision_recall_fscore_support(truth, answers, labels=range(len(names)), average=None, zero_division=0)
    macro = precision_recall_fscore_support(truth, answers, average="macro", zero_division=0)
    return Scores(
        accuracy=float(accuracy_score(truth, answers)),
        precision=float(macro[0]),
        recall=float(macro[1]),
        f1=float(macro[2]),
        rows=len(truth),
        classes=tuple(
            ClassScores(name, float(precision), float(recall), float(f1), int(rows))
            for name, precision, recall, f1, rows in zip(names, *each, strict=True)
        ),
    )
