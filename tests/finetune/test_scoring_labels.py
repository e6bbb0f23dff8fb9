"""Scores of classes and label sets, against torchmetrics, KLUE's definitions and numbers worked out by hand."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.classification import MultilabelF1Score, MultilabelHammingDistance
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_matthews_corrcoef,
    multiclass_precision,
    multiclass_recall,
)

from finetune.scoring.labels import score_classes, score_label_sets

NAMES = ["a", "b", "c", "d"]
#: Rows of (truth, answer); every class occurs, for torchmetrics takes the mean over all that it is told of.
ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40).map(
    lambda rows: [*rows, *((place, place) for place in range(4))]
)


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_torchmetrics_agrees_on_classes(rows: list[tuple[int, int]]) -> None:
    truth, answers = map(list, zip(*rows, strict=True))
    said, true = torch.tensor(answers), torch.tensor(truth)
    scores = score_classes(truth, answers, NAMES)
    # torchmetrics divides in float32.
    expected = {
        "accuracy": multiclass_accuracy(said, true, 4, average="micro"),
        "macro_f1": multiclass_f1_score(said, true, 4, average="macro"),
        "macro_precision": multiclass_precision(said, true, 4, average="macro"),
        "macro_recall": multiclass_recall(said, true, 4, average="macro"),
        "weighted_f1": multiclass_f1_score(said, true, 4, average="weighted"),
        "weighted_precision": multiclass_precision(said, true, 4, average="weighted"),
        "mcc": multiclass_matthews_corrcoef(said, true, 4),
    }
    assert scores.measures == pytest.approx({name: float(value) for name, value in expected.items()}, abs=1e-5)
    assert scores.confusion == tuple(map(tuple, multiclass_confusion_matrix(said, true, 4).tolist()))
    assert [each.f1 for each in scores.classes] == pytest.approx(
        multiclass_f1_score(said, true, 4, average="none").tolist(), abs=1e-5
    )


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sets(st.integers(0, 3)), st.sets(st.integers(0, 3))), min_size=1, max_size=30))
def test_torchmetrics_agrees_on_label_sets(rows: list[tuple[set[int], set[int]]]) -> None:
    rows = [*rows, ({0, 1, 2, 3}, {0, 1, 2, 3})]
    truth, answers = map(list, zip(*rows, strict=True))
    said, true = (torch.tensor([[int(n in row) for n in range(4)] for row in sets]) for sets in (answers, truth))
    measures = score_label_sets(truth, answers, NAMES).measures
    for mean in ("micro", "macro", "weighted"):
        theirs = MultilabelF1Score(4, average=mean)(said, true)
        assert measures[f"{mean}_f1"] == pytest.approx(float(theirs), abs=1e-5)
    assert measures["hamming"] == pytest.approx(1 - float(MultilabelHammingDistance(4)(said, true)), abs=1e-5)
    assert measures["exact_match"] == pytest.approx(sum(a == b for a, b in rows) / len(rows))


def test_classes_against_a_hand_computed_table() -> None:
    scores = score_classes([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 0], ["a", "b", "c"])
    # a: answered 4 times, right 2 of 3; b: answered twice, right 1 of 2; c: never answered.
    expected = {"a": (1 / 2, 2 / 3, 4 / 7, 3), "b": (1 / 2, 1 / 2, 1 / 2, 2), "c": (0, 0, 0, 1)}
    for each in scores.classes:
        assert (each.precision, each.recall, each.f1, each.rows) == pytest.approx(expected[each.name])
    assert scores.measures["macro_f1"] == pytest.approx(5 / 14)
    assert scores.confusion == ((2, 1, 0), (1, 1, 0), (1, 0, 0))


def test_a_class_that_occurs_nowhere_does_not_lower_the_mean() -> None:
    scores = score_classes([0, 1], [0, 1], ["a", "b", "absent"])
    assert scores.measures["macro_f1"] == 1
    assert (scores.classes[2].name, scores.classes[2].rows, scores.classes[2].f1) == ("absent", 0, 0)
    labels = score_label_sets([{0}, set()], [{0}, set()], ["a", "absent"])
    assert labels.measures["macro_f1"] == labels.measures["exact_match"] == 1


def test_relations_leave_no_relation_out() -> None:
    names = ["no_relation", "x", "y"]
    scores = score_classes([0, 0, 1, 1, 2], [0, 1, 1, 0, 1], names, without={"no_relation"})
    # Of x and y: 3 answered, 1 right, 3 true.
    for name in ("micro_f1", "micro_precision", "micro_recall"):
        assert scores.measures[name] == pytest.approx(1 / 3)
    assert "micro_f1" not in score_classes([0], [0], names).measures, "it is the accuracy under another name"


def test_area_under_precision_and_recall() -> None:
    # Class 0: found in the order right, wrong, right: (recall, precision) (0, 1) (1/2, 1) (1/2, 1/2) (1, 2/3).
    # Class 1: the order turned over: wrong, right, wrong: (0, 1) (0, 0) (1, 1/2) (1, 1/3).
    probabilities = [[0.9, 0.1, 0.0], [0.6, 0.4, 0.0], [0.3, 0.7, 0.0]]
    scores = score_classes([0, 1, 0], [0, 0, 1], ["a", "b", "absent"], probabilities=probabilities)
    first, second = 1 / 2 + (1 / 2 + 2 / 3) / 4, (0 + 1 / 2) / 2
    assert scores.measures["auprc"] == pytest.approx((first + second) / 2)


def test_one_class_and_nothing() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = score_classes([1, 1], [1, 1], ["a", "b"])
        assert (scores.measures["accuracy"], scores.measures["mcc"]) == (1, 0)
        assert score_label_sets([set()], [set()], ["a"]).measures["micro_f1"] == 0
    with pytest.raises(ValueError, match="no rows"):
        score_classes([], [], ["a", "b"])
    with pytest.raises(ValueError, match="no rows"):
        score_label_sets([], [], ["a", "b"])
