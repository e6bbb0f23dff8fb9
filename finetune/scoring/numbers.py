"""Scores of answers that are numbers: correlations from SciPy, errors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import f1_score

from finetune.scoring.scores import Scores
from pipeline.errors import InputError

#: From this similarity on KLUE-STS and KorSTS call two sentences the same (0 to 5).
SAME = 3.0


def score_numbers(truth: Sequence[float], answers: Sequence[float], *, threshold: float | None = None) -> Scores:
    """Scores of one number a row: `pearson` and `spearman` in [-1, 1], `mse` and `mae` in the truth's own unit.

    A correlation is not defined where all of the truth or all answers are the same, or of one row: it counts as 0,
    since such answers say nothing.

    threshold: given, `f1_at_<threshold>` is the F1 of "at least so much", answers and truth cut alike: KLUE-STS's F1
        with `SAME` (KLUE-benchmark/KLUE-baseline, klue_baseline/metrics/functional.py).

    Raises ValueError if there are no rows, InputError if an answer is no finite number: training diverged.
    """
    true, said = (np.asarray(numbers, dtype=np.float64) for numbers in (truth, answers))
    if len(true) == 0:
        raise ValueError("no rows to score")
    if not np.isfinite(said).all():
        raise InputError("the model answers with numbers that are not finite: lower finetune.learning_rate")
    measures = {
        "pearson": _correlation(pearsonr, true, said),
        "spearman": _correlation(spearmanr, true, said),
        "mse": float(((true - said) ** 2).mean()),
        "mae": float(abs(true - said).mean()),
    }
    if threshold is not None:
        measures[f"f1_at_{threshold:g}"] = float(f1_score(true >= threshold, said >= threshold, zero_division=0))
    return Scores(measures, len(true))


def _correlation(measure: object, true: NDArray[np.float64], said: NDArray[np.float64]) -> float:
    if len(set(true.tolist())) < 2 or len(set(said.tolist())) < 2:
        return 0.0
    value = float(measure(true, said).statistic)  # type: ignore[operator]
    # Of answers that differ by less than a float can tell, the spread underflows.
    return value if np.isfinite(value) else 0.0
