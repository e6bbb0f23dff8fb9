"""Given candidates for the gap of a text, scored as wholes and ranked.

A candidate of k pieces stands at k masked places. Its score is the sum of the log-probabilities of its pieces, asked
from left to right: those before are shown, it and those behind are masked (`within_word` of `probes.likelihood`, Kauf
and Ivanova 2023). What stands around is as `probes.spelling` has it: what is glued to the gap continues the word.

So the model is told how many pieces a candidate has, and the fillings of one number of pieces share a probability of 1
whatever the number is. Three ways to compare candidates of different numbers:

* `sum`: as they are. That two places are masked is taken for granted, and costs the longer one nothing.
* `mean`: over the number of pieces. A second piece mostly follows from the first, so longer ones gain.
* `share`: a candidate's share among those of as many pieces, times the share of these among all candidates. No number
  of pieces gains; but of a single one with its number nothing is asked.

Ties count against the answer, so a model that cannot tell one from another earns nothing. A candidate that the
vocabulary cannot spell ([UNK]), or not in `MOST_PIECES`, never wins, and is counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import InputError
from probes.gaps import GAP, Gap
from probes.model import MaskedModel, Query

Way = Literal["sum", "mean", "share"]
WAYS: tuple[Way, ...] = get_args(Way)
#: Pieces beyond which a candidate is not asked about.
MOST_PIECES = 16
#: Inputs asked at once: the probabilities of 32,000 entries for each are 33 MB.
_QUERIES = 256


@dataclass(frozen=True)
class Score:
    """A candidate, the number of its pieces and the sum of their log-probabilities (nats; -inf: not spelled)."""

    candidate: str
    pieces: int
    total: float


@dataclass(frozen=True)
class Marked:
    """A gap with the scores of its candidates, in their order.

    open_rank: of an answer of one piece among all entries of the vocabulary, from 1; None if no answer is one piece.
    cut: tokens of the text that the model has no room for.
    """

    gap: Gap
    scores: tuple[Score, ...]
    open_rank: int | None
    cut: int

    def values(self, way: Way) -> list[float]:
        """What the candidates are ranked by, in their order; higher is better."""
        if way == "sum":
            return [score.total for score in self.scores]
        if way == "mean":
            return [score.total / max(score.pieces, 1) for score in self.scores]
        sizes = np.array([score.pieces for score in self.scores])
        totals = np.array([score.total for score in self.scores])
        found = np.full(len(sizes), -math.inf)
        for size in {score.pieces for score in self.scores if score.total > -math.inf}:
            own = (sizes == size) & (totals > -math.inf)
            found[own] = totals[own] - np.logaddexp.reduce(totals[own]) + math.log(own.sum())
        return [float(value) for value in found]

    def rank(self, way: Way) -> int:
        """The rank of the best answer among the candidates, from 1; other answers do not stand in its way."""
        values = self.values(way)
        right = [value for value, score in zip(values, self.scores, strict=True) if score.candidate in self.gap.answers]
        wrong = [
            value for value, score in zip(values, self.scores, strict=True) if score.candidate not in self.gap.answers
        ]
        best = max(right)
        return 1 + sum(value >= best for value in wrong)

    def best(self, way: Way, count: int) -> list[Score]:
        """The best candidates, best first."""
        values = self.values(way)
        order = sorted(range(len(values)), key=lambda place: -values[place])
        return [self.scores[place] for place in order[:count] if values[place] > -math.inf]

    @property
    def unspelled(self) -> tuple[str, ...]:
        """Candidates that cannot be spelled."""
        return tuple(score.candidate for score in self.scores if score.total == -math.inf)


@dataclass(frozen=True)
class _Asked:
    """A gap in pieces: what is before and behind it, and the ids of each candidate; () for one that is not spelled."""

    gap: Gap
    before: tuple[int, ...]
    behind: tuple[int, ...]
    spelled: tuple[tuple[int, ...], ...]
    cut: int

    def steps(self) -> dict[tuple[int, tuple[int, ...]], None]:
        """(pieces, those of them that are shown), each once: what has to be asked."""
        return dict.fromkeys((len(ids), ids[:shown]) for ids in self.spelled for shown in range(len(ids)))

    def query(self, pieces: int, shown: tuple[int, ...], mask: int) -> Query:
        masks = [mask] * (pieces - len(shown))
        return Query((*self.before, *shown, *masks, *self.behind), (len(self.before) + len(shown),))


def mark(model: MaskedModel, gaps: Sequence[Gap]) -> Iterator[Marked]:
    """Each gap with its scores, in order; raises InputError for a text that holds the model's own mask besides."""
    waiting: list[_Asked] = []
    inputs = 0
    for gap in gaps:
        waiting.append(_asked(model, gap))
        inputs += len(waiting[-1].steps())
        if inputs >= _QUERIES:
            yield from _marked(model, waiting)
            waiting, inputs = [], 0
    yield from _marked(model, waiting)


def _asked(model: MaskedModel, gap: Gap) -> _Asked:
    before, behind = gap.text.split(GAP)
    ids = model.spelling.whole(before + model.mask_token + behind)
    if ids.count(model.mask) != 1:
        raise InputError(f"{gap.name}: {gap.text[:40]!r}... holds {model.mask_token} besides the gap: leave it out")
    spelled = tuple(tuple(_spell(model, before, candidate)) for candidate in gap.candidates)
    place, longest = ids.index(model.mask), max(map(len, spelled))
    special = set(model.tokenizer.all_special_ids)
    first = 1 if ids[0] in special and place else 0
    last = len(ids) - 1 if ids[-1] in special and place < len(ids) - 1 else len(ids)
    left, right = ids[first:place], ids[place + 1 : last]
    cut = 0
    if model.limit:
        room = max(model.limit - first - (len(ids) - last) - max(longest, 1), 0)
        # Half of the room on either side, and what one side leaves.
        kept_right = min(len(right), max(room // 2, room - len(left)))
        kept_left = min(len(left), room - kept_right)
        cut = len(left) + len(right) - kept_left - kept_right
        left, right = left[len(left) - kept_left :], right[:kept_right]
    return _Asked(gap, (*ids[:first], *left), (*right, *ids[last:]), spelled, cut)


def _spell(model: MaskedModel, before: str, candidate: str) -> list[int]:
    """Ids of a candidate behind the text `before`; [] if the vocabulary cannot spell it."""
    ids: list[int] = []
    rest = candidate
    if model.spelling.is_wordpiece and before[-1:].isalnum():
        ids, rest = model.spelling.glued(candidate)
    elif not model.spelling.is_wordpiece and before[-1:].strip():
        # Pieces mark the beginning of a word, and this is none.
        word, _, rest = candidate.partition(" ")
        ids = [piece.id for piece in model.tokenizer.backend_tokenizer.model.tokenize(word)]
    ids = ids + list(model.tokenizer.encode(rest, add_special_tokens=False)) if rest else ids
    most = min(MOST_PIECES, model.limit - 3) if model.limit else MOST_PIECES
    # [UNK] is one of these.
    return [] if len(ids) > most or not set(ids).isdisjoint(model.tokenizer.all_special_ids) else ids


def _marked(model: MaskedModel, waiting: Sequence[_Asked]) -> Iterator[Marked]:
    queries = [asked.query(*step, model.mask) for asked in waiting for step in asked.steps()]
    found = iter(model.log_probabilities(queries))
    for asked in waiting:
        rows = {step: next(found)[0] for step in asked.steps()}
        scores = tuple(
            Score(candidate, len(ids), _total(rows, ids))
            for candidate, ids in zip(asked.gap.candidates, asked.spelled, strict=True)
        )
        yield Marked(asked.gap, scores, _open_rank(asked, rows.get((1, ()))), asked.cut)


def _total(rows: dict[tuple[int, tuple[int, ...]], Tensor], ids: tuple[int, ...]) -> float:
    if not ids:
        return -math.inf
    return sum(float(rows[len(ids), ids[:shown]][piece]) for shown, piece in enumerate(ids))


def _open_rank(asked: _Asked, row: Tensor | None) -> int | None:
    single = {
        ids[0]
        for candidate, ids in zip(asked.gap.candidates, asked.spelled, strict=True)
        if len(ids) == 1 and candidate in asked.gap.answers
    }
    if row is None or not single:
        return None
    right = torch.zeros(len(row), dtype=torch.bool)
    right[list(single)] = True
    return 1 + int((row.cpu()[~right] >= row.cpu()[right].max()).sum())
