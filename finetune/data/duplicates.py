"""The same text again: inside one set of rows, and of the test set in the training set.

Two texts are the same if they are equal after NFKC and with runs of white space as one space. That is exact but for
what nobody sees; texts that are nearly the same are not looked for.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace

from finetune.data.rows import Row, Rows

Key = tuple[str, str | None]


@dataclass(frozen=True)
class Overlap:
    """What train shares with test, as row places and counts.

    train: places of training rows that stand in test. test: how many test rows stand in train. otherwise: how many of
    these stand in train with another target too. first: how many test rows have a first text (premise, passage) of a
    training row; the same as `test` where a row is one text.
    """

    train: tuple[int, ...]
    test: int
    otherwise: int
    first: int


def folded(text: str) -> str:
    """A text as it is compared."""
    return " ".join(text.split() if text.isascii() else unicodedata.normalize("NFKC", text).split())


def key_of(row: Row) -> Key:
    """Both texts of a row as they are compared."""
    return folded(row.text), None if row.pair is None else folded(row.pair)


def drop_duplicates(rows: Rows) -> tuple[Rows, int]:
    """Rows without those that have the texts and the target of an earlier one, and how many these were.

    The same text with another target stays: which of them is right is not known here.
    """
    seen: set[tuple[Key, object]] = set()
    kept: list[Row] = []
    for row in rows.rows:
        if (key := (key_of(row), row.target)) not in seen:
            seen.add(key)
            kept.append(row)
    return replace(rows, rows=tuple(kept)), len(rows) - len(kept)


def contradictions(rows: Rows) -> list[tuple[str, str]]:
    """Places of two rows with the same texts and different targets, for each such text once, in order."""
    first: dict[Key, Row] = {}
    told: dict[Key, tuple[str, str]] = {}
    for row in rows.rows:
        earlier = first.setdefault(key := key_of(row), row)
        if earlier.target != row.target:
            told.setdefault(key, (earlier.place, row.place))
    return list(told.values())


def find_overlap(train: Rows, test: Rows) -> Overlap:
    """Which rows stand in both."""
    targets: dict[Key, set[object]] = {}
    firsts: set[str] = set()
    keys = [key_of(row) for row in train.rows]
    for key, row in zip(keys, train.rows, strict=True):
        targets.setdefault(key, set()).add(row.target)
        firsts.add(key[0])
    tested = [key_of(row) for row in test.rows]
    shared = [(key, row) for key, row in zip(tested, test.rows, strict=True) if key in targets]
    there = {key for key, _ in shared}
    return Overlap(
        train=tuple(place for place, key in enumerate(keys) if key in there),
        test=len(shared),
        otherwise=sum(bool(targets[key] - {row.target}) for key, row in shared),
        first=sum(key[0] in firsts for key in tested),
    )


def exclude(train: Rows, overlap: Overlap) -> Rows:
    """The training rows that do not stand in test."""
    out = set(overlap.train)
    return train.pick(place for place in range(len(train)) if place not in out)
