"""Combinations of settings: `finetune.epochs=2,4 finetune.learning_rate=1e-4,3e-4` is four of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import product

from pipeline.errors import InputError

SECTION = "finetune."
#: What decides which rows dev has and what is measured on it: scores would not be of the same thing.
FIXED = ("seed", "seeds", "dev_share", "test_share", "exclude_overlap", "choice", "cleaning")

#: `section.key=value` for each setting of the grid.
Combination = tuple[str, ...]


def combinations(grid: Sequence[str]) -> list[Combination]:
    """All of them, the last setting changing fastest.

    Raises InputError for what is not `finetune.key=value,value`, a key or a value twice, and keys of `FIXED`.

    >>> combinations(["finetune.epochs=2,4", "finetune.batch_size=8"])
    [('finetune.epochs=2', 'finetune.batch_size=8'), ('finetune.epochs=4', 'finetune.batch_size=8')]
    """
    if not grid:
        raise InputError("--grid names nothing: write finetune.learning_rate=1e-4,3e-4 finetune.epochs=2,4")
    axes: dict[str, list[str]] = {}
    for each in grid:
        key, equals, text = each.partition("=")
        values = [value.strip() for value in text.split(",")]
        if not equals or not key.startswith(SECTION) or not all(values):
            raise InputError(f"--grid {each}: write it as finetune.key=value,value, for example finetune.epochs=2,4")
        if key.removeprefix(SECTION) in FIXED:
            raise InputError(f"--grid {each}: with another {key} dev is not the same, so nothing can be chosen by it")
        if key in axes or len(set(values)) < len(values):
            raise InputError(f"--grid {each}: {key} or one of its values is given twice")
        axes[key] = values
    return [tuple(f"{key}={value}" for key, value in zip(axes, one, strict=True)) for one in product(*axes.values())]


def some_of(all_of_them: Sequence[Combination], most: int, seed: int) -> list[Combination]:
    """At most so many, drawn by `seed`, in their order."""
    if len(all_of_them) <= most:
        return list(all_of_them)
    places = sorted(random.Random(seed).sample(range(len(all_of_them)), most))
    return [all_of_them[place] for place in places]
