"""What is said of runs that learned nothing."""

import pytest

from finetune.publish import collapsed
from finetune.scoring.labels import score_classes
from finetune.scoring.numbers import score_numbers
from finetune.scoring.outcome import Run

NAMES = ("긍정", "부정")


@pytest.mark.parametrize(
    "truth, answers, said",
    [
        ([0, 1, 1], [1, 1, 1], True),
        ([0, 1, 1], [1, 0, 1], False),
        ([1, 1], [1, 1], False),
        ([0, 0, 1], [0, 0, 0], True),
    ],
)
def test_a_run_that_answers_all_rows_alike_is_told(truth, answers, said) -> None:
    scores = score_classes(truth, answers, NAMES)
    told = collapsed([Run(7, (), 0, scores, scores)])
    assert bool(told) is said
    assert all("seed 7" in note and repr(NAMES[answers[0]]) in note for note in told)


def test_numbers_are_not_asked_for_classes() -> None:
    scores = score_numbers([1.0, 2.0], [1.5, 1.5])
    assert collapsed([Run(0, (), 0, scores, scores), Run(1, (), 0, scores, None)]) == []
