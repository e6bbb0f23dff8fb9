"""What a set of answers scored: one shape for all kinds of tasks."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.errors import InputError

#: Measures that are better when lower: nothing is chosen by them.
LOWER_IS_BETTER = frozenset({"mse", "mae"})


@dataclass(frozen=True)
class ClassScores:
    """One class (or one kind of entity); shares in [0, 1], `rows` of it are in the truth."""

    name: str
    precision: float
    recall: float
    f1: float
    rows: int


@dataclass(frozen=True)
class Scores:
    """Scores of a set of rows.

    measures: name -> value in the order in which they are shown: shares in [0, 1], correlations in [-1, 1]. The first
        is the one to choose by.
    confusion: how often each class (row) was answered as each (column), in the order of `classes`; () where there is
        nothing of the kind.
    """

    measures: dict[str, float]
    rows: int
    classes: tuple[ClassScores, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()

    @property
    def choice(self) -> float:
        """The measure to choose by; higher is better."""
        return next(iter(self.measures.values()))

    def led_by(self, name: str) -> Scores:
        """The same with the measure `name` first; raises InputError if there is none of the name."""
        if name not in self.measures:
            raise InputError(
                f"finetune.choice: no measure {name!r} for this task; there are: {', '.join(self.measures)}"
            )
        if name in LOWER_IS_BETTER:
            raise InputError(f"finetune.choice {name!r} is better when lower: choose by another measure")
        return replace(self, measures={name: self.measures[name], **self.measures})
