"""Scores as tables, for the terminal (`pipeline.console.table`) and for Markdown (`tokenizer.markdown.table`).

Each function gives (columns, rows) of plain words; `markdown` makes Markdown of them in which names from data do
nothing but show.
"""

from __future__ import annotations

from collections.abc import Sequence

from finetune.scoring.intervals import Spread, spread
from finetune.scoring.mistakes import Mistake, one_line
from finetune.scoring.scores import ClassScores, Scores
from tokenizer import markdown as md

#: Columns and rows of a table.
Table = tuple[Sequence[str], Sequence[tuple[str, ...]]]
#: Characters of a class's name that are shown.
NAME = 40
#: Classes of the largest confusion matrix that is written out; of more, the most frequent confusions are.
MATRIX = 12
#: Confusions that are listed.
MOST = 20


def measures_table(scores: Scores) -> Table:
    """Each measure of one set of answers."""
    return ("measure", "value"), [(name, f"{value:.4f}") for name, value in scores.measures.items()]


def seeds_table(parts: dict[str, Sequence[Scores]]) -> Table:
    """Each measure of each part (dev, test) over its seeds."""
    columns = ("part", "measure", "mean", "std", "95% CI of the mean", "n")
    rows = []
    for part, runs in parts.items():
        for name in runs[0].measures if runs else ():
            rows.append((part, name, *_cells(spread([scores.measures[name] for scores in runs]))))
    return columns, rows


def classes_table(scores: Scores) -> Table:
    """Each class, and the rows of it in the truth; its number is what a picture may call it."""
    return ("#", "class", "precision", "recall", "F1", "rows"), [
        (str(number), one_line(each.name, NAME), *(f"{share:.3f}" for share in _shares(each)), f"{each.rows:,}")
        for number, each in enumerate(scores.classes, 1)
    ]


def confusion_table(scores: Scores) -> Table:
    """The confusion matrix, a true class a row; for the terminal and for few classes."""
    names = [one_line(each.name, NAME) for each in scores.classes]
    rows = [(name, *(f"{count:,}" for count in row)) for name, row in zip(names, scores.confusion, strict=True)]
    return ("true \\ answered", *names), rows


def confusions_table(scores: Scores, most: int = MOST) -> Table:
    """The pairs of classes that are confused most often, with the share of the true class's rows."""
    names = [one_line(each.name, NAME) for each in scores.classes]
    found = [
        (count, true, said)
        for true, row in enumerate(scores.confusion)
        for said, count in enumerate(row)
        if count and true != said
    ]
    found.sort(key=lambda pair: (-pair[0], pair[1:]))
    return ("true", "answered", "rows", "of the true"), [
        (names[true], names[said], f"{count:,}", f"{count / sum(scores.confusion[true]):.0%}")
        for count, true, said in found[:most]
    ]


def mistakes_table(mistakes: Sequence[Mistake]) -> Table:
    """Wrong answers, as they come."""
    return ("row", "truth", "answer", "confidence", "text"), [
        (each.place, each.truth, each.answer, f"{each.confidence:.3f}", each.text) for each in mistakes
    ]


def markdown(table: Table) -> list[str]:
    """Lines of Markdown; all cells and columns show as they are."""
    columns, rows = table
    return md.table([md.cell(column) for column in columns], [tuple(map(md.cell, row)) for row in rows])


def _shares(each: ClassScores) -> tuple[float, float, float]:
    return each.precision, each.recall, each.f1


def _cells(found: Spread) -> tuple[str, ...]:
    if found.deviation is None:
        return f"{found.mean:.4f}", "-", "none of one seed", str(found.n)
    return f"{found.mean:.4f}", f"{found.deviation:.4f}", f"{found.low:.4f} to {found.high:.4f}", str(found.n)
