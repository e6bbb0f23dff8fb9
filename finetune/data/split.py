"""Dev and test sets out of the training rows: stratified, and decided by the texts themselves.

Rows that have their first text in common (a premise with its hypotheses, a passage with its questions, a text that
stands twice) are one group and fall on one side, so that nothing is judged on what was trained on. Neither the order of
the rows nor a library's generator matters, only (texts, targets, share, seed): groups are drawn by a keyed hash.

Strata are labels; for numbers, bins of equal size; for sets of labels and for entities, the rarest of a row (rare ones
are what a plain draw loses; Sechidis et al. 2011 begin with them too); for questions, whether there is an answer.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from finetune.data.duplicates import folded
from finetune.data.rows import Answer, Row, Rows, Span
from pipeline.errors import InputError

#: Bins of a regression's targets.
BINS = 10
_NONE = ""


@dataclass(frozen=True)
class Split:
    """Three sets of rows; dev or test is empty where none was asked for."""

    train: Rows
    dev: Rows
    test: Rows


def split_rows(rows: Rows, dev: float, test: float, seed: int) -> Split:
    """About `dev` and `test` of the rows as sets of their own (shares of all rows, 0 for none), the rest to train on.

    Raises InputError if there are too few different first texts.
    """
    if min(dev, test) < 0 or dev + test >= 1:
        raise InputError(f"shares of dev ({dev}) and test ({test}) are 0 or more and leave something to train on")
    kept, tested = split_off(rows, test, seed) if test else (list(range(len(rows))), [])
    rest = rows.pick(kept)
    trained, judged = split_off(rest, dev / (1 - test), seed) if dev else (list(range(len(rest))), [])
    return Split(rest.pick(trained), rest.pick(judged), rows.pick(tested))


def split_off(rows: Rows, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Places of the rows that stay and of those that are held, both ascending; about `share` of each stratum is held.

    A stratum with two or more groups has at least one on each side, and no label is held entirely if it has two groups.
    Raises InputError if nothing could be held.
    """
    strata = strata_of(rows.rows)
    groups: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows.rows):
        groups[folded(row.text)].append(place)
    frequency = Counter(strata)
    by_stratum: dict[str, list[str]] = defaultdict(list)
    for group, places in groups.items():
        by_stratum[_stratum([strata[place] for place in places], frequency)].append(group)
    held: set[str] = set()
    for stratum in sorted(by_stratum):
        held.update(_drawn(by_stratum[stratum], groups, share, seed))
    _give_back(held, groups, strata, seed)
    if not held:
        raise InputError(
            f"{rows.path}: no stratum has two different first texts, so no rows can be held back; give a file of them"
        )
    taken = sorted(place for group in held for place in groups[group])
    out = set(taken)
    return [place for place in range(len(rows)) if place not in out], taken


def strata_of(rows: Sequence[Row]) -> list[str]:
    """The stratum of each row."""
    numbers = sorted(row.target for row in rows if isinstance(row.target, float))
    edges = sorted({numbers[len(numbers) * part // BINS] for part in range(1, BINS)}) if numbers else []
    frequency = Counter(name for row in rows for name in _names(row))
    return [_one(row, edges, frequency) for row in rows]


def _one(row: Row, edges: Sequence[float], frequency: Mapping[str, int]) -> str:
    target = row.target
    if isinstance(target, str):
        return target
    if isinstance(target, float):
        return f"{bisect_right(edges, target):02d}"
    return min(_names(row), key=lambda name: (frequency[name], name), default=_NONE)


def _names(row: Row) -> set[str]:
    """Labels of a set of labels, types of entities; whether a question has an answer."""
    if not isinstance(row.target, tuple):
        return set()
    return {
        each.label if isinstance(each, Span) else "answer" if isinstance(each, Answer) else each for each in row.target
    }


def _stratum(strata: Sequence[str], frequency: Mapping[str, int]) -> str:
    """The stratum that most rows of a group have, of several the rarest."""
    counts = Counter(strata)
    return min(counts, key=lambda name: (-counts[name], frequency[name], name))


def _drawn(names: Sequence[str], groups: Mapping[str, Sequence[int]], share: float, seed: int) -> list[str]:
    wanted = max(1, round(share * sum(len(groups[name]) for name in names)))
    drawn: list[str] = []
    rows = 0
    for name in sorted(names, key=lambda name: _draw(name, seed))[:-1]:
        if rows >= wanted:
            break
        drawn.append(name)
        rows += len(groups[name])
    return drawn


def _give_back(held: set[str], groups: Mapping[str, Sequence[int]], strata: Sequence[str], seed: int) -> None:
    """A label of which all groups are held cannot be learned: the first of them goes back to train."""
    of_label: dict[str, set[str]] = defaultdict(set)
    for group, places in groups.items():
        for place in places:
            of_label[strata[place]].add(group)
    for label in sorted(of_label):
        if of_label[label] <= held:
            held.discard(min(of_label[label], key=lambda name: _draw(name, seed)))


def _draw(text: str, seed: int) -> bytes:
    return blake2b(text.encode(), digest_size=16, key=str(seed).encode()).digest()
