"""Exposure: how far above chance a model ranks a secret among others of the same form.

Carlini et al. 2019 (The Secret Sharer) rank a canary among all secrets of its form by perplexity: exposure is log2 of
their number less log2 of the rank. Here it is adapted to masked models, and estimated:

* The secret is hidden as a whole, what stands around is shown. Its pieces are asked for from left to right, those
  before shown, those behind masked. A piece that goes over its edge (`##88이`) is hidden with it.
* The rank is that among `count` drawn at random, not among all, so that exposure ends at log2(count + 1): a secret at
  the end is known as well as this can tell, or better. Nothing is extrapolated.
* The masks tell the number of pieces, and a secret of few pieces costs less. So those are drawn that have as many
  pieces as the secret (others are drawn again), and all are compared by the mean of the log-probabilities of their
  pieces. A vocabulary that was learned from the secret may have it as an entry, and no other of its form is as short:
  then those stand in that come nearest, and `alike` tells how many were as long. That the secret is an entry says by
  itself that it stood in the text.

A secret that is itself drawn at random and was never seen has any rank with equal probability: its exposure is 1.44
bits (1 / ln 2) on average, and above 5 bits once in 32. Ties count against the secret, so a model that says the same of
all exposes nothing.

`rebuilt` is the attack itself: nothing is known but the text around and the number of pieces, and the likeliest piece
is put in place after place.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from numpy.random import Generator
from scipy.stats import t as student

from probes.model import MaskedModel, Query
from probes.spelling import SPACE
from tokenizer.wordpiece import PREFIX

#: Drawn for each one that is wanted, at most.
_DRAWS = 30

#: Parts of a secret that are rare in other text.
_PARTS = re.compile(r"[0-9]{4,}|[^\W\d_]{4,}")

Draw = Callable[[Generator], str]
Ids = tuple[int, ...]


@dataclass(frozen=True)
class Exposure:
    """The rank of a secret, from 1, of so many (itself one of them); its pieces, and their mean log-probability (nats).

    alike: how many of the others have as many pieces. rebuilt: what the model itself puts in its place, in as many
    pieces; extracted: this is the secret.
    """

    rank: int
    of: int
    alike: int
    pieces: int
    score: float
    rebuilt: str
    extracted: bool

    @property
    def bits(self) -> float:
        """log2(of) - log2(rank): 0 for the last, the most for the first."""
        return math.log2(self.of) - math.log2(self.rank)


@dataclass(frozen=True)
class Hidden:
    """The ids around what is hidden, and its own."""

    before: Ids
    secret: Ids
    behind: Ids

    def query(self, shown: int, mask: int) -> Query:
        """So many places shown, and the next one asked for."""
        masks = [mask] * (len(self.secret) - shown)
        return Query((*self.before, *self.secret[:shown], *masks, *self.behind), (len(self.before) + shown,))


def chance_bits(of: int) -> float:
    """The mean exposure of a secret that is nothing to the model, ranked among `of`: near 1 / ln 2.

    >>> round(chance_bits(1001), 2), chance_bits(1)
    (1.44, 0.0)
    """
    return math.log2(of) - math.lgamma(of + 1) / math.log(2) / of


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high): the 95 % confidence interval by Student's t; all of it for a single value."""
    count = len(values)
    mean = sum(values) / count
    if count < 2:
        return mean, -math.inf, math.inf
    deviation = math.sqrt(sum((value - mean) ** 2 for value in values) / (count - 1))
    reach = float(student.ppf(0.975, count - 1)) * deviation / math.sqrt(count)
    return mean, mean - reach, mean + reach


def expose(
    model: MaskedModel, parts: tuple[str, str], secret: str, draw: Draw, count: int, generator: Generator
) -> Exposure | None:
    """The rank of a secret between `parts` among `count` that `draw` makes (fewer, if there are no more).

    None if the model cannot spell it. A text that is too long is cut, first behind the secret, then far before it.
    """
    (hidden,) = _hide(model, parts, [secret])
    if hidden is None:
        return None
    others = _others(model, parts, secret, hidden, draw, count, generator)
    own, *scores = _scores(model, [hidden, *others])
    rebuilt = likeliest(model, hidden)
    return Exposure(
        rank=1 + sum(score >= own for score in scores),
        of=1 + len(scores),
        alike=sum(len(other.secret) == len(hidden.secret) for other in others),
        pieces=len(hidden.secret),
        score=own,
        rebuilt=joined(model, rebuilt),
        extracted=rebuilt == hidden.secret,
    )


def in_vocabulary(model: MaskedModel, secret: str) -> bool:
    """Whether a part of a secret, four digits or letters or more, is an entry of the vocabulary, marked or not."""
    entries = model.tokenizer.get_vocab()
    return any(mark + part in entries for part in _PARTS.findall(secret) for mark in ("", PREFIX, SPACE))


def joined(model: MaskedModel, ids: Sequence[int]) -> str:
    """Pieces as they read, without what marks them and without spaces."""
    mark = PREFIX if model.spelling.is_wordpiece else SPACE
    return "".join(piece.removeprefix(mark) for piece in model.tokenizer.convert_ids_to_tokens(list(ids)))


def _others(
    model: MaskedModel, parts: tuple[str, str], secret: str, hidden: Hidden, draw: Draw, count: int, rng: Generator
) -> list[Hidden]:
    """`count` others, each once; such as have as many pieces first, then those that come nearest, as drawn."""
    seen, found = {secret}, dict[Hidden, int]()
    for _ in range(_DRAWS):
        new = [one for one in dict.fromkeys(draw(rng) for _ in range(count)) if one not in seen]
        seen.update(new)
        for other in _hide(model, parts, new):
            if other and other != hidden:
                found[other] = abs(len(other.secret) - len(hidden.secret))
        if sum(not distance for distance in found.values()) >= count:
            break
    return sorted(found, key=lambda other: found[other])[:count]


def _hide(model: MaskedModel, parts: tuple[str, str], secrets: Sequence[str]) -> list[Hidden | None]:
    """Each secret as it is spelled between the parts; None where a character is unknown, or it leaves no room."""
    if not secrets:
        return []
    before, behind = parts
    special = set(model.tokenizer.all_special_ids)
    found: list[Hidden | None] = []
    encodings = model.tokenizer([f"{before}{secret}{behind}" for secret in secrets]).encodings
    for secret, encoding in zip(secrets, encodings, strict=True):
        ids = tuple(encoding.ids)
        start, end = len(before), len(before) + len(secret)
        inside = [place for place, (left, right) in enumerate(encoding.offsets) if left < end and right > start]
        first, last = (inside[0], inside[-1] + 1) if inside else (0, 0)
        known = inside and special.isdisjoint(ids[first:last])
        found.append(_fitted(Hidden(ids[:first], ids[first:last], ids[last:]), model.limit) if known else None)
    return found


def _fitted(hidden: Hidden, limit: int | None) -> Hidden | None:
    """Without what the model has no room for: what stands behind goes first, then what is far before; None if that is
    not enough."""
    before, behind = hidden.before, hidden.behind
    over = len(before) + len(hidden.secret) + len(behind) - limit if limit else 0
    if over <= 0:
        return hidden
    # The frame, [CLS] and [SEP], stays.
    cut = min(over, len(behind) - 1)
    behind = (*behind[: len(behind) - 1 - cut], behind[-1])
    over -= cut
    if over > len(before) - 1:
        return None
    return replace(hidden, before=(before[0], *before[1 + over :]), behind=behind)


def _scores(model: MaskedModel, all_hidden: Sequence[Hidden]) -> list[float]:
    """Mean log-probabilities of a piece, nats; inputs that several share are read once."""
    follows: dict[Query, dict[int, None]] = {}
    for hidden in all_hidden:
        for place, piece in enumerate(hidden.secret):
            follows.setdefault(hidden.query(place, model.mask), {})[piece] = None
    answers = model.choices(list(follows), [list(pieces) for pieces in follows.values()])
    known = {
        (query, piece): cost
        for (query, pieces), costs in zip(follows.items(), answers, strict=True)
        for piece, cost in zip(pieces, costs, strict=True)
    }
    return [
        sum(known[hidden.query(place, model.mask), piece] for place, piece in enumerate(hidden.secret))
        / len(hidden.secret)
        for hidden in all_hidden
    ]


def likeliest(model: MaskedModel, hidden: Hidden) -> Ids:
    """The likeliest piece in each place of what is hidden, from the left; no special or added entry."""
    pieces = model.spelling.pieces
    found: Ids = ()
    while len(found) < len(hidden.secret):
        shown = replace(hidden, secret=(*found, *hidden.secret[len(found) :]))
        (scores,) = model.log_probabilities([shown.query(len(found), model.mask)])
        # Matrices are often longer than the vocabulary.
        allowed = scores[0, : len(pieces)].cpu().masked_fill(~pieces, -torch.inf)
        found = (*found, int(allowed.argmax()))
    return found
