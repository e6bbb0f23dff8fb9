"""Rows of a task: text, what is to be said of it, and where it stands in its file.

One shape for all tasks, so that cleaning, splitting, encoding and reporting are written once. What a target is depends
on the kind of task:

* classification: the label, a `str`
* multilabel: the labels, a `tuple[str, ...]` (none is allowed)
* regression: a `float`
* ner: entities, a `tuple[Span, ...]`, in their order, not overlapping
* qa: the accepted answers, a `tuple[Answer, ...]`; `text` is the passage, `pair` the question

`None` where a row is to be answered and nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Span:
    """An entity: characters `start` to `end` (behind its last) of a row's text, and what it is."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class Answer:
    """An answer as it stands in a row's text, from character `start`."""

    text: str
    start: int


Target = str | float | tuple[str, ...] | tuple[Span, ...] | tuple[Answer, ...]


@dataclass(frozen=True)
class Row:
    """`pair` is the second text, of tasks on two. `place` says where it stands: `line 7`, `record 3`, `pos/12.txt`.

    name: what the file itself calls it (a question's id), else the place.
    """

    text: str
    pair: str | None
    target: Target | None
    place: str
    name: str

    @property
    def label(self) -> str:
        """The target of a classification."""
        if not isinstance(self.target, str):
            raise TypeError(f"{self.place}: {self.target!r} is no label")
        return self.target


@dataclass(frozen=True)
class Rows:
    """The rows of one file, or of a part of it; `skipped` are the places of rows left out for having no text.

    notes: sentences on what was mended in reading, for the user to see.
    """

    path: Path
    rows: tuple[Row, ...]
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def pick(self, places: Iterable[int]) -> Rows:
        """The rows at these places, as a set of its own."""
        return Rows(self.path, tuple(self.rows[place] for place in places))

    @property
    def texts(self) -> Sequence[str]:
        """First texts, in order."""
        return [row.text for row in self.rows]
