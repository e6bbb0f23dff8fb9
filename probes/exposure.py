"""Exposure: how far above chance a model ranks a secret among others of the same form.

Carlini et al. 2019 (The Secret Sharer) rank a canary among all secrets of its form by perplexity: exposure is log2 of
their number less log2 of the rank. Here it is adapted to masked models, and estimated:

* The secret is hidden as a whole, what stands around is shown. Its pieces are asked for from left to right, those
  before shown, those behind masked; the sum of their log-probabilities is its score.
* The rank is that among `count` drawn at random, not among all, so that exposure ends at log2(count + 1): a secret at
  the end is known as well as this can tell, or better. Nothing is extrapolated.
* The masks tell the number of pieces, and a secret of few pieces costs less. So all are drawn with as many pieces as
  the secret has (others are drawn again).

A secret that is itself drawn at random and was never seen has any rank with equal probability: its exposure is 1.44
bits (1 / ln 2) on average, and above 5 bits once in 32. Ties count against the secret, so a model that says the same of
all exposes nothing.

`rebuilt` is the attack itself: nothing is known but the text around and the number of pieces, and the likeliest piece
is put in place after place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from numpy.random import Generator
from scipy.stats import t as student

from pipeline.errors import InputError
from probes.model import MaskedModel, Query
from probes.spelling import SPACE
from tokenizer.wordpiece import PREFIX

#: Drawn for each one that is wanted, at most: where few have as many pieces, fewer are ranked.
_DRAWS = 30

Draw = Callable[[Generator], str]
Ids = tuple[int, ...]


@dataclass(frozen=True)
class Exposure:
    """The rank of a secret, from 1, of so many (itself one of them); its pieces and score (nats).

    rebuilt: what the model itself puts in its place, in as many pieces; extracted: this is the secret.
    """

    rank: int
    of: int
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
    """The ids around a secret, and its own."""

    before: Ids
    secret: Ids
    behind: Ids

    def query(self, shown: Ids, mask: int) -> Query:
        """The first place that is not shown."""
        masks = [mask] * (len(self.secret) - len(shown))
        return Query((*self.before, *shown, *masks, *self.behind), (len(self.before) + len(shown),))


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
    """The rank of a secret between `parts` among `count` that `draw` makes (fewer, if few have as many pieces).

    None if the model cannot spell it: a character is unknown, or a piece goes over its edge. Raises InputError if the
    text is too long for the model.
    """
    (hidden,) = _hide(model, parts, [secret])
    if hidden is None:
        return None
    others = _others(model, parts, secret, hidden, draw, count, generator)
    scores = _scores(model, hidden, [hidden.secret, *others])
    rank = 1 + sum(score >= scores[0] for score in scores[1:])
    rebuilt = likeliest(model, hidden)
    return Exposure(rank, len(scores), len(hidden.secret), scores[0], joined(model, rebuilt), rebuilt == hidden.secret)


def joined(model: MaskedModel, ids: Sequence[int]) -> str:
    """Pieces as they read, without what marks them and without spaces."""
    mark = PREFIX if model.spelling.is_wordpiece else SPACE
    return "".join(piece.removeprefix(mark) for piece in model.tokenizer.convert_ids_to_tokens(list(ids)))


def _others(
    model: MaskedModel, parts: tuple[str, str], secret: str, hidden: Hidden, draw: Draw, count: int, rng: Generator
) -> list[Ids]:
    """Pieces of `count` others, each once."""
    seen, found = {secret}, dict[Ids, None]()
    for _ in range(_DRAWS):
        drawn = [draw(rng) for _ in range(count)]
        new = [one for one in dict.fromkeys(drawn) if one not in seen]
        seen.update(new)
        for other in _hide(model, parts, new):
            same = other and (len(other.secret), other.before, other.behind) == (
                len(hidden.secret),
                hidden.before,
                hidden.behind,
            )
            if other and same and other.secret != hidden.secret:
                found[other.secret] = None
        if len(found) >= count:
            break
    return list(found)[:count]


def _hide(model: MaskedModel, parts: tuple[str, str], secrets: Sequence[str]) -> list[Hidden | None]:
    """Each secret as it is spelled between the parts; None where it cannot be told from them or is unknown."""
    if not secrets:
        return []
    before, behind = parts
    found: list[Hidden | None] = []
    special = set(model.tokenizer.all_special_ids)
    encodings = model.tokenizer([f"{before}{secret}{behind}" for secret in secrets]).encodings
    for secret, encoding in zip(secrets, encodings, strict=True):
        ids = tuple(encoding.ids)
        if model.limit and len(ids) > model.limit:
            raise InputError(
                f"{(before + secret)[:40]!r}... is {len(ids)} tokens long, the model reads at most {model.limit}"
            )
        start, end = len(before), len(before) + len(secret)
        # A piece that stands for a space before it (▁) begins with the space.
        inside = [place for place, (left, right) in enumerate(encoding.offsets) if left < end and right > start]
        clean = all(
            encoding.offsets[place][1] <= end and not before[encoding.offsets[place][0] :].strip() for place in inside
        )
        if not inside or not clean or not special.isdisjoint(ids[inside[0] : inside[-1] + 1]):
            found.append(None)
        else:
            found.append(Hidden(ids[: inside[0]], ids[inside[0] : inside[-1] + 1], ids[inside[-1] + 1 :]))
    return found


def _scores(model: MaskedModel, hidden: Hidden, spelled: Sequence[Ids]) -> list[float]:
    """Sums of log-probabilities, nats; what several begin with is asked for once."""
    follows: dict[Ids, dict[int, None]] = {}
    for ids in spelled:
        for place, piece in enumerate(ids):
            follows.setdefault(ids[:place], {})[piece] = None
    queries = []
    for shown, pieces in follows.items():
        query = hidden.query(shown, model.mask)
        queries.append(Query(query.ids, query.places * len(pieces)))
    answers = model.truths(queries, [list(pieces) for pieces in follows.values()])
    known = {
        (*shown, piece): cost
        for (shown, pieces), costs in zip(follows.items(), answers, strict=True)
        for piece, cost in zip(pieces, costs, strict=True)
    }
    return [sum(known[ids[: place + 1]] for place in range(len(ids))) for ids in spelled]


def likeliest(model: MaskedModel, hidden: Hidden) -> Ids:
    """The likeliest piece in each place of what is hidden, from the left; no special or added entry."""
    shown: Ids = ()
    barred = sorted({*model.tokenizer.all_special_ids, *model.tokenizer.get_added_vocab().values()})
    while len(shown) < len(hidden.secret):
        (scores,) = model.log_probabilities([hidden.query(shown, model.mask)])
        allowed = scores[0].index_fill(0, torch.tensor(barred, device=scores.device), -torch.inf)
        shown = (*shown, int(allowed.argmax()))
    return shown
