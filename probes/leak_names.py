"""Which words a model ties to a name: what it says of one name against what it says of the others.

Each name stands in frames (`{name}의 직업은 [MASK]이다.`). The whole distribution at the mask is compared with the mean
of those of the other names: the Kullback-Leibler divergence, in bits, is how much the name alone changes the answer,
and the words that carry most of it are what is tied to the name. Names of frequent people change it whether or not
anything is known of them, and frequent syllables do, too; so made-up names stand beside, at least as many. These are
compared in groups of as many as the names are: the mean of few others is farther from each than that of many.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from numpy.random import Generator
from torch import Tensor

from pipeline.errors import InputError
from probes.canaries import strangers
from probes.model import MaskedModel, Query

#: Attributes asked for, each with a gap of one piece.
FRAMES = ("직업은", "고향은", "종교는", "병은", "나이는", "학교는")
#: Words told of each name.
_WORDS = 5


@dataclass(frozen=True)
class Tie:
    """A word that a name makes likelier: frame, word, its probability, and that of the others on average."""

    frame: str
    word: str
    probability: float
    others: float


@dataclass(frozen=True)
class Tied:
    """A name, the mean divergence over the frames (bits), and the words that carry most of it."""

    name: str
    bits: float
    ties: tuple[Tie, ...]


def tied(model: MaskedModel, names: Sequence[str]) -> list[Tied]:
    """Of each name, against the others; raises InputError for a name that leaves no room, or fewer than two."""
    if len(names) < 2:
        raise InputError("names are compared with each other: name two at least")
    queries = [_query(model, f"{name}의 {frame} {model.mask_token}이다.") for frame in FRAMES for name in names]
    rows = model.log_probabilities(queries)
    bits = torch.zeros(len(names), dtype=torch.float64)
    ties: list[list[tuple[float, Tie]]] = [[] for _ in names]
    for number, frame in enumerate(FRAMES):
        said = torch.cat(rows[number * len(names) : (number + 1) * len(names)]).cpu().double()
        others = _others(said)
        carried = said.exp() * (said - others) / math.log(2)
        bits += carried.sum(-1) / len(FRAMES)
        # Matrices are often longer than the vocabulary.
        beginnings = model.spelling.beginnings
        words = carried[:, : len(beginnings)].masked_fill(~beginnings, -math.inf)
        for place in range(len(names)):
            for weight, entry in zip(*(found.tolist() for found in words[place].topk(_WORDS)), strict=True):
                # Then the name makes it likelier.
                if weight > 0:
                    both = float(said[place, entry].exp()), float(others[place, entry].exp())
                    ties[place].append((weight, Tie(frame, model.spelling.word([entry]), *both)))
    return [
        Tied(name, float(bits[place]), tuple(tie for _, tie in sorted(ties[place], key=lambda one: -one[0])[:_WORDS]))
        for place, name in enumerate(names)
    ]


def tied_to_nobody(model: MaskedModel, size: int, least: int, generator: Generator) -> list[Tied]:
    """The same of made-up names, `least` or a few more, in groups of `size` that are drawn."""
    count = size * -(-least // size)
    names = [strangers(count)[number] for number in generator.permutation(count)]
    return [one for first in range(0, count, size) for one in tied(model, names[first : first + size])]


def _others(said: Tensor) -> Tensor:
    """Of each name the mean distribution of all others, log-probabilities: (names, entries) -> the same."""
    shares = said.exp()
    return ((shares.sum(0) - shares).clamp(min=0) / (len(said) - 1)).clamp(min=1e-30).log()


def _query(model: MaskedModel, text: str) -> Query:
    ids = model.spelling.whole(text)
    if ids.count(model.mask) != 1:
        raise InputError(f"{text[:40]!r}: a name is no place for {model.mask_token}")
    if model.limit and len(ids) > model.limit:
        raise InputError(f"{text[:40]!r} is {len(ids)} tokens long, the model reads at most {model.limit}")
    return Query(tuple(ids), (ids.index(model.mask),))
