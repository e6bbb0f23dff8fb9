"""What a ladder's cells came to, and whether two of them differ by more than chance.

Chance has two sources, and a difference is called one only if it stands against both: other test rows (paired bootstrap
over the answers of the kept seeds), and other seeds (Welch's interval of the difference of means).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
from scipy.stats import ttest_1samp, ttest_ind

from finetune.data.known import find_task
from finetune.data.rows import Rows
from finetune.kinds.every import kind_of
from finetune.kinds.kind import Said
from finetune.publish import METRICS
from finetune.results import PREDICTIONS, read_predictions, read_runs
from finetune.scoring.intervals import LEVEL, RESAMPLES, Difference, paired_bootstrap, spread
from finetune.taskfile import read_task

#: Resamples of a measure that has to be scored anew for each, which takes milliseconds a time.
FEWER = 200


@dataclass(frozen=True)
class Cell:
    """A model on a task: the measure to choose by on test, of each seed; the kept seed's answers."""

    task: str
    measure: str
    values: tuple[float, ...]
    kept: float
    rows: Rows
    said: list[Said]
    names: tuple[str, ...]

    def __str__(self) -> str:
        found = spread(self.values)
        return f"{found.mean:.4f}" + (f" +- {found.deviation:.4f}" if found.deviation is not None else "")


@dataclass(frozen=True)
class Compared:
    """A cell minus another of the same task: means, by rows (None: answers are not to the same rows), and the interval
    by seeds (None: neither has a second one)."""

    value: float
    by_rows: Difference | None
    by_seeds: tuple[float, float] | None

    @property
    def verdict(self) -> str:
        """In plain words."""
        if self.by_rows is None and self.by_seeds is None:
            return "not known"
        rows_hold = self.by_rows is not None and not self.by_rows.clear
        seeds_hold = self.by_seeds is not None and self.by_seeds[0] <= 0 <= self.by_seeds[1]
        if rows_hold or seeds_hold:
            what = " and of ".join(name for name, held in (("rows", rows_hold), ("seeds", seeds_hold)) if held)
            return f"within noise (of {what})"
        if self.by_rows is not None and (self.by_rows.value > 0) != (self.value > 0):
            return "within noise (the kept seeds say the opposite of the means)"
        return "better" if self.value > 0 else "worse"


def read_cell(folder: Path) -> Cell:
    """What a fine-tuning or a head on features left in its folder."""
    task, metrics = read_task(folder), json.loads((folder / METRICS).read_text("utf-8"))
    runs, choice = read_runs(metrics["runs"]), metrics["choice"]
    values = tuple(run.test.measures[choice] for run in runs if run.test is not None)
    kind = find_task(task.task).kind
    rows, said = read_predictions(folder / PREDICTIONS, kind, task.names)
    return Cell(task.task, choice, values, values[metrics["chosen"]], rows, said, task.names)


def compare(cell: Cell, first: Cell, seed: int = 0) -> Compared:
    """`cell` minus `first`; both are of one task."""
    value = fmean(cell.values) - fmean(first.values)
    same = [(row.name, row.text, row.pair, row.target) for row in cell.rows.rows] == [
        (row.name, row.text, row.pair, row.target) for row in first.rows.rows
    ]
    comparable = same and cell.measure == first.measure and cell.names == first.names and len(cell.rows) > 1
    return Compared(value, _by_rows(cell, first, seed) if comparable else None, by_seeds(cell.values, first.values))


def by_seeds(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float] | None:
    """The 95 % interval of the difference of means over seeds; a model of one value (it draws nothing) is a constant.

    >>> by_seeds([0.8], [0.7]) is None
    True
    """
    difference = fmean(ours) - fmean(theirs)
    several = [values for values in (ours, theirs) if len(values) > 1]
    if not several:
        return None
    if not any(stdev(values) for values in several):
        return difference, difference
    if len(several) == 2:
        found = ttest_ind(ours, theirs, equal_var=False).confidence_interval(LEVEL)
        return float(found.low), float(found.high)
    drawn, constant, sign = (ours, theirs[0], 1) if len(ours) > 1 else (theirs, ours[0], -1)
    found = ttest_1samp([sign * (value - constant) for value in drawn], 0.0).confidence_interval(LEVEL)
    return float(found.low), float(found.high)


def _by_rows(cell: Cell, first: Cell, seed: int) -> Difference:
    own, other = _row_values(cell), _row_values(first)
    if own is not None and other is not None:
        return paired_bootstrap(own, own, other, lambda _, values: fmean(values), seed=seed)
    kind, names, measure = kind_of(cell.task), cell.names, cell.measure
    if kind.name == "classification" and measure == "macro_f1":
        place = {name: number for number, name in enumerate(names)}
        truth = [place[row.label] for row in cell.rows.rows]
        ours, theirs = ([place[str(one.answer)] for one in each.said] for each in (cell, first))
        return paired_bootstrap(truth, ours, theirs, macro_f1, seed=seed)

    def scored(places: Sequence[int], said: Sequence[Said]) -> float:
        return kind.score(cell.rows.pick(places), said, names).measures[measure]

    resamples = RESAMPLES if kind.name == "regression" else FEWER
    return paired_bootstrap(range(len(cell.rows)), cell.said, first.said, scored, seed=seed, resamples=resamples)


def macro_f1(truth: Sequence[int], answers: Sequence[int]) -> float:
    """As `scoring.labels.score_classes` has it, and a hundred times as fast.

    >>> round(macro_f1([0, 0, 1, 2], [0, 1, 1, 1]), 4)
    0.3889
    """
    true, said = np.asarray(truth), np.asarray(answers)
    size = int(max(true.max(), said.max())) + 1
    both = np.bincount(true, minlength=size) + np.bincount(said, minlength=size)
    hits = np.bincount(true[true == said], minlength=size)
    return float((2 * hits[both > 0] / both[both > 0]).mean())


def _row_values(cell: Cell) -> list[float] | None:
    """What each row adds to a measure that is a mean over rows; None of other measures."""
    kind = kind_of(cell.task)
    if cell.measure in ("accuracy", "exact_match") and kind.name != "qa":
        return [
            float(_as_set(one.answer) == _as_set(row.target))
            for row, one in zip(cell.rows.rows, cell.said, strict=True)
        ]
    if kind.name == "qa":
        return [
            kind.score(cell.rows.pick([place]), [one], cell.names).measures[cell.measure]
            for place, one in enumerate(cell.said)
        ]
    return None


def _as_set(target: object) -> object:
    return frozenset(target) if isinstance(target, tuple) else target
