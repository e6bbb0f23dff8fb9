"""How sure a figure is: over the seeds of one setting, and between two models that answered the same rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any, TypeVar

import numpy as np
from scipy.stats import bootstrap, t

LEVEL = 0.95
#: Resamples of a bootstrap: percentiles of 95 % are steady from about a thousand on (Efron and Tibshirani 1993, 13).
RESAMPLES = 1000

T = TypeVar("T")
A = TypeVar("A")


@dataclass(frozen=True)
class Spread:
    """A measure over `n` seeds: mean, sample standard deviation, and the confidence interval of the mean.

    deviation, low, high: None of one seed, which says nothing about others. The interval is of seeds only: other test
    rows would spread it further. It is not cut at 1.
    """

    mean: float
    deviation: float | None
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        if self.deviation is None:
            return f"{self.mean:.4f} (n = {self.n}, no interval)"
        return (
            f"{self.mean:.4f} +- {self.deviation:.4f} ({LEVEL:.0%} CI {self.low:.4f} to {self.high:.4f}, n = {self.n})"
        )


def spread(values: Sequence[float]) -> Spread:
    """Mean, standard deviation (n - 1) and Student's t interval of the mean; raises ValueError if there are none.

    >>> print(spread([0.85, 0.86, 0.87]))
    0.8600 +- 0.0100 (95% CI 0.8352 to 0.8848, n = 3)
    """
    if not values:
        raise ValueError("no values to take a mean of")
    mean, n = fmean(values), len(values)
    if n == 1:
        return Spread(mean, None, None, None, 1)
    deviation = stdev(values)
    half = float(t.ppf((1 + LEVEL) / 2, n - 1)) * deviation / n**0.5
    return Spread(mean, deviation, mean - half, mean + half, n)


@dataclass(frozen=True)
class Difference:
    """How much better the first model is than the second, in the measure's unit, with its 95 % interval by rows."""

    value: float
    low: float
    high: float
    rows: int
    resamples: int

    @property
    def clear(self) -> bool:
        """Whether 0 lies outside the interval."""
        return self.low > 0 or self.high < 0

    def __str__(self) -> str:
        found = "" if self.clear else ", which holds 0: no difference shown"
        return f"{self.value:+.4f} ({LEVEL:.0%} CI {self.low:+.4f} to {self.high:+.4f}{found}; {self.rows:,} rows)"


def paired_bootstrap(
    truth: Sequence[T],
    first: Sequence[A],
    second: Sequence[A],
    measure: Callable[[Sequence[T], Sequence[A]], float],
    *,
    seed: int,
    resamples: int = RESAMPLES,
) -> Difference:
    """`measure` of `first` minus that of `second`, both answers to the same rows, resampled together.

    measure: of (truth, answers) of any rows; called 2 * `resamples` times. The interval is the percentile bootstrap's
    (Koehn 2004 for systems on one test set), the same for the same seed. Raises ValueError for fewer than two rows.
    """
    if not len(truth) == len(first) == len(second):
        raise ValueError(f"{len(truth)} rows, {len(first)} and {len(second)} answers: they are not of the same rows")
    if len(truth) < 2:
        raise ValueError("two rows at least are needed to resample")

    def difference(places: Any) -> float:
        of = places.tolist()
        rows = [truth[place] for place in of]
        return measure(rows, [first[place] for place in of]) - measure(rows, [second[place] for place in of])

    every = np.arange(len(truth))
    found = bootstrap(
        (every,),
        difference,
        vectorized=False,
        n_resamples=resamples,
        confidence_level=LEVEL,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Difference(difference(every), float(found.low), float(found.high), len(truth), resamples)
