"""What is learned: three sets of labelled texts and the names of the classes.

The best epoch is chosen on dev, and test is looked at once. Published scores for Korean encoders choose on
test where no dev set exists (KoELECTRA's NSMC configuration); here one is carved from train instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finetune.readers import Rows, read_rows
from finetune.settings import FinetuneSettings
from finetune.split import split_dev
from pipeline.errors import InputError


@dataclass(frozen=True)
class Files:
    """Where the labelled texts lie, and in which columns; `dev` None has it carved from train."""

    train: Path
    dev: Path | None
    test: Path
    text: str
    label: str

    def named(self) -> dict[str, Path]:
        """Role -> file, of those that are given."""
        given = {"train": self.train, "dev": self.dev, "test": self.test}
        return {role: path for role, path in given.items() if path is not None}


@dataclass(frozen=True)
class Classification:
    """Single texts, each of one class. A class's id is its place in `names`."""

    names: tuple[str, ...]
    train: Rows
    dev: Rows
    test: Rows
    notes: tuple[str, ...]

    def ids(self, rows: Rows) -> list[int]:
        """The class ids of rows."""
        number = {name: place for place, name in enumerate(self.names)}
        return [number[label] for label in rows.labels]


def read_classification(files: Files, settings: FinetuneSettings) -> Classification:
    """Read and check all files; `notes` are sentences that the user should see.

    Raises InputError for what `read_rows` raises, fewer than two classes, a class that train does not have,
    and a train file too small to carve dev from.
    """
    read = {role: read_rows(path, files.text, files.label) for role, path in files.named().items()}
    train, test = read["train"], read["test"]
    names = class_names(train.labels)
    if len(names) < 2:
        raise InputError(f"{train.path}: every row is labelled {names[0]!r}; a classifier needs two classes or more")
    for role in read:
        _check_labels(read[role], train, names)
    notes = [
        *map(_skipped_note, (rows for rows in read.values() if rows.skipped)),
        *_overlap_notes(train, test),
    ]
    if "dev" in read:
        return Classification(names, train, read["dev"], test, tuple(notes))
    kept, held = split_dev(train.texts, train.labels, settings.dev_share, settings.seed)
    if not held:
        raise InputError(f"{train.path}: no label has two different texts, so no dev set can be held back; give --dev")
    return Classification(names, train.pick(kept), train.pick(held), test, tuple(notes))


def class_names(labels: tuple[str, ...]) -> tuple[str, ...]:
    """The different labels in order: by value where all are whole numbers (2 before 10), else by code point.

    >>> class_names(("10", "2", "10"))
    ('2', '10')
    """
    names = set(labels)
    if all(name.isascii() and name.removeprefix("-").isdigit() for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _check_labels(rows: Rows, train: Rows, names: tuple[str, ...]) -> None:
    known = set(names)
    for label, line in zip(rows.labels, rows.lines, strict=True):
        if label not in known:
            shown = ", ".join(map(repr, names[:10])) + (" ..." if len(names) > 10 else "")
            raise InputError(
                f"{rows.path}, line {line}: label {label!r} does not occur in {train.path} ({shown}), "
                "so it cannot be learned"
            )


def _skipped_note(rows: Rows) -> str:
    lines = ", ".join(map(str, rows.skipped[:3])) + (", ..." if len(rows.skipped) > 3 else "")
    return f"{rows.path}: {len(rows.skipped):,} rows without text skipped (line {lines})"


def _overlap_notes(train: Rows, test: Rows) -> list[str]:
    seen = set(train.texts)
    shared = sum(text in seen for text in test.texts)
    return [f"{shared:,} of {len(test):,} test texts also stand in {train.path.name}"] if shared else []
