"""Scores of numbers: torchmetrics agrees; what has no correlation."""

import warnings

import numpy as np
import pytest
import torch
from torchmetrics.functional.classification import binary_f1_score
from torchmetrics.functional.regression import (
    mean_absolute_error,
    mean_squared_error,
    pearson_corrcoef,
    spearman_corrcoef,
)

from finetune.scoring.numbers import SAME, score_numbers
from pipeline.errors import InputError


@pytest.mark.parametrize("seed", range(10))
def test_torchmetrics_agrees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 26, 60) / 5  # with ties, as sentence similarities have
    answers = (truth + rng.normal(0, 1.5, 60)).round(1)
    true, said = torch.tensor(truth), torch.tensor(answers)
    expected = {
        "pearson": pearson_corrcoef(said, true),
        "spearman": spearman_corrcoef(said, true),
        "mse": mean_squared_error(said, true),
        "mae": mean_absolute_error(said, true),
        "f1_at_3": binary_f1_score((said >= 3).int(), (true >= 3).int()),
    }
    measures = score_numbers(truth.tolist(), answers.tolist(), threshold=SAME).measures
    assert measures == pytest.approx({name: float(value) for name, value in expected.items()}, abs=1e-5)


def test_exactly_the_threshold_is_the_same() -> None:
    # KLUE cuts both at 3.0 with >=: one found, one missed, one called so that is not.
    assert score_numbers([3.0, 3.0, 2.9], [3.0, 2.9, 3.0], threshold=SAME).measures["f1_at_3"] == pytest.approx(1 / 2)


@pytest.mark.parametrize(
    ("truth", "answers"), [([1.0, 2.0, 3.0], [2.0, 2.0, 2.0]), ([1.0, 1.0], [1.0, 2.0]), ([1.0], [1.0])]
)
def test_no_correlation_counts_as_none(truth: list[float], answers: list[float]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measures = score_numbers(truth, answers).measures
    assert (measures["pearson"], measures["spearman"]) == (0, 0)


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(InputError, match=r"finetune\.learning_rate"):
        score_numbers([1.0, 2.0], [float("nan"), 1.0])
    with pytest.raises(ValueError, match="no rows"):
        score_numbers([], [])
