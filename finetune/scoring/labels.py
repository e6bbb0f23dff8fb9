"""Scores of answers that are classes: one a row, or a set of labels a row. All from scikit-learn; 0/0 counts as 0.

Where each row has one class and all classes count, micro precision, micro recall, micro F1 and weighted recall are
all the accuracy, so it is given once and under its own name.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    auc,
    confusion_matrix,
    matthews_corrcoef,
    precision_recall_curve,
    precision_recall_fscore_support,
)

from finetune.scoring.scores import ClassScores, Scores


def score_classes(
    truth: Sequence[int],
    answers: Sequence[int],
    names: Sequence[str],
    *,
    without: Collection[str] = (),
    probabilities: Sequence[Sequence[float]] | None = None,
) -> Scores:
    """Scores of one class a row: accuracy; macro, weighted means; Matthews' correlation.

    truth, answers: places in `names`, equally long and not empty. Means are over the classes that occur in the truth
    or in the answers, as scikit-learn has it.

    without: classes that are no finding (`no_relation` of KLUE-RE). Given, there are micro precision, recall and F1
        over all others: KLUE-RE's micro F1 (KLUE-benchmark/KLUE-baseline, klue_baseline/metrics/functional.py).
    probabilities: (rows, names). Given, there is `auprc`: the mean over classes of the area under precision against
        recall by the trapezoid rule, KLUE-RE's (same file). A class that the truth lacks has no such area and is left
        out of the mean.

    Raises ValueError if there are no rows.
    """
    _some(truth)
    places = range(len(names))
    each = precision_recall_fscore_support(truth, answers, labels=places, average=None, zero_division=0)
    macro, weighted = (
        precision_recall_fscore_support(truth, answers, average=mean, zero_division=0) for mean in ("macro", "weighted")
    )
    measures = {
        "accuracy": accuracy_score(truth, answers),
        "macro_f1": macro[2],
        "macro_precision": macro[0],
        "macro_recall": macro[1],
        "weighted_f1": weighted[2],
        "weighted_precision": weighted[0],
        # Not defined for one class, and scikit-learn warns of it: there is nothing to correlate.
        "mcc": matthews_corrcoef(truth, answers) if len({*truth, *answers}) > 1 else 0.0,
    }
    if without:
        kept = [place for place in places if names[place] not in without]
        found = precision_recall_fscore_support(truth, answers, labels=kept, average="micro", zero_division=0)
        measures |= {"micro_f1": found[2], "micro_precision": found[0], "micro_recall": found[1]}
    if probabilities is not None:
        measures["auprc"] = _area(np.asarray(truth), np.asarray(probabilities, dtype=np.float64))
    confusion = confusion_matrix(truth, answers, labels=places)
    return Scores(
        _floats(measures),
        len(truth),
        _each(names, each),
        tuple(tuple(int(count) for count in row) for row in confusion),
    )


def score_label_sets(
    truth: Sequence[Collection[int]], answers: Sequence[Collection[int]], names: Sequence[str]
) -> Scores:
    """Scores of a set of labels a row (none is a set too): micro, macro and weighted means over labels; `exact_match`,
    the share of rows whose set is right; `hamming`, the share of all yes-or-no decisions that are right (1 - the
    Hamming loss).

    truth, answers: places in `names`. Macro and weighted means are over the labels that occur in truth or answers.
    Raises ValueError if there are no rows.
    """
    _some(truth)
    true, said = (_marks(sets, len(names)) for sets in (truth, answers))
    kept = np.flatnonzero((true | said).any(axis=0))
    each = precision_recall_fscore_support(true, said, average=None, zero_division=0)
    micro, macro, weighted = (
        precision_recall_fscore_support(true[:, kept], said[:, kept], average=mean, zero_division=0)
        if len(kept)
        else (0.0, 0.0, 0.0)
        for mean in ("micro", "macro", "weighted")
    )
    measures = {
        "micro_f1": micro[2],
        "macro_f1": macro[2],
        "weighted_f1": weighted[2],
        "micro_precision": micro[0],
        "micro_recall": micro[1],
        "macro_precision": macro[0],
        "macro_recall": macro[1],
        "exact_match": accuracy_score(true, said),
        "hamming": (true == said).mean(),
    }
    return Scores(_floats(measures), len(truth), _each(names, each))


def _area(truth: NDArray[np.int_], probabilities: NDArray[np.float64]) -> float:
    areas = []
    for place in sorted(set(truth.tolist())):
        precision, recall, _ = precision_recall_curve(truth == place, probabilities[:, place])
        areas.append(auc(recall, precision))
    return float(np.mean(areas))


def _marks(sets: Sequence[Collection[int]], width: int) -> NDArray[np.bool_]:
    marks = np.zeros((len(sets), width), dtype=np.bool_)
    for row, places in enumerate(sets):
        marks[row, list(places)] = True
    return marks


def _each(names: Sequence[str], each: Sequence[Sequence[float]]) -> tuple[ClassScores, ...]:
    return tuple(
        ClassScores(name, float(precision), float(recall), float(f1), int(rows))
        for name, precision, recall, f1, rows in zip(names, *each, strict=True)
    )


def _floats(measures: dict[str, float]) -> dict[str, float]:
    return {name: float(value) for name, value in measures.items()}


def _some(truth: Sequence[object]) -> None:
    if len(truth) == 0:
        raise ValueError("no rows to score")
