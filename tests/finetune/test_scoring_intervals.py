"""Intervals: textbook figures, how often they hold the truth, models on the same rows."""

import numpy as np
import pytest
from scipy.stats import ttest_1samp
from sklearn.metrics import accuracy_score, f1_score

from finetune.scoring.intervals import paired_bootstrap, spread


def test_students_interval() -> None:
    values = [0.81, 0.83, 0.88]
    found = spread(values)
    theirs = ttest_1samp(values, 0).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high))
    assert (found.mean, found.deviation) == pytest.approx((np.mean(values), np.std(values, ddof=1)))
    # The table's 4.303 for two degrees of freedom.
    assert found.high - found.mean == pytest.approx(4.303 * found.deviation / 3**0.5, rel=1e-4)


def test_one_seed_has_no_interval() -> None:
    found = spread([0.9])
    assert (found.mean, found.deviation, found.low, found.high, found.n) == (0.9, None, None, None, 1)
    assert str(found) == "0.9000 (n = 1, no interval)"
    with pytest.raises(ValueError, match="no values"):
        spread([])


def test_intervals_hold_the_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    intervals = [spread(rng.normal(0.8, 0.02, 3).tolist()) for _ in range(2000)]
    held = np.mean([found.low <= 0.8 <= found.high for found in intervals])  # type: ignore[operator]
    assert held == pytest.approx(0.95, abs=0.02)


def models(better: float, rows: int = 400) -> tuple[list[int], list[int], list[int]]:
    """Truth, and the answers of two models that are mostly wrong on the same rows."""
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, rows)
    second = np.where(rng.random(rows) < 0.2, 1 - truth, truth)
    first = np.where(rng.random(rows) < better, truth, second)
    return truth.tolist(), first.tolist(), second.tolist()


def test_a_difference_is_found_and_is_that_of_pairs() -> None:
    truth, first, second = models(0.3)
    found = paired_bootstrap(truth, first, second, accuracy_score, seed=0)
    gains = np.equal(first, truth).astype(float) - np.equal(second, truth)
    assert found.value == pytest.approx(gains.mean())
    # The normal interval of paired differences; unpaired it would be much wider.
    half = 1.96 * gains.std() / len(truth) ** 0.5
    assert (found.low, found.high) == pytest.approx((gains.mean() - half, gains.mean() + half), abs=0.006)
    assert found.clear
    assert "holds 0" not in str(found)


def test_equal_models_are_not_told_apart() -> None:
    truth, first, second = models(0.0)
    found = paired_bootstrap(truth, first, second, lambda t, a: float(f1_score(t, a)), seed=0, resamples=50)
    assert (found.value, found.low, found.high, found.clear) == (0, 0, 0, False)
    assert "holds 0" in str(found)


def test_the_same_seed_gives_the_same_interval() -> None:
    rows = models(0.1)
    one, same, other = (paired_bootstrap(*rows, accuracy_score, seed=seed, resamples=200) for seed in (3, 3, 4))
    assert one == same != other


def test_rows_that_do_not_pair() -> None:
    with pytest.raises(ValueError, match="not of the same rows"):
        paired_bootstrap([1, 2], [1, 2], [1], accuracy_score, seed=0)
    with pytest.raises(ValueError, match="two rows"):
        paired_bootstrap([1], [1], [1], accuracy_score, seed=0)
