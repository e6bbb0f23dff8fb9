"""Scores against numbers worked out by hand."""

from math import isclose

import pytest

from finetune.metrics import score

TRUTH, ANSWERS = [0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 0]


def test_against_a_hand_computed_table() -> None:
    scores = score(TRUTH, ANSWERS, ["a", "b", "c"])
    # a: answered 4 times, right 2 of 3; b: answered twice, right 1 of 2; c: never answered.
    expected = {"a": (1 / 2, 2 / 3, 4 / 7, 3), "b": (1 / 2, 1 / 2, 1 / 2, 2), "c": (0, 0, 0, 1)}
    for each in scores.classes:
        assert (each.precision, each.recall, each.f1, each.rows) == pytest.approx(expected[each.name])
    macro = (scores.accuracy, scores.precision, scores.recall, scores.f1)
    assert macro == pytest.approx((1 / 2, 1 / 3, 7 / 18, 5 / 14))
    assert scores.rows == 6


def test_a_class_that_occurs_nowhere_does_not_lower_the_mean() -> None:
    scores = score([0, 1], [0, 1], ["a", "b", "absent"])
    assert isclose(scores.f1, 1)
    assert (scores.classes[2].name, scores.classes[2].rows, scores.classes[2].f1) == ("absent", 0, 0)


def test_nothing_to_score_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="no rows"):
        score([], [], ["a", "b"])
