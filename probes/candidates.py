"""Given candidates for the gap of a text, scored as wholes and ranked.

A candidate of k pieces stands at k masked places. Its score is the sum of the log-probabilities of its pieces, asked
from left to right: those before are shown, it and those behind are masked (`within_word` of `probes.likelihood`, Kauf
and Ivanova 2023). What stands around is as `probes.spelling` has it: what is glued to the gap continues the word.

So the model is told how many pieces a candidate has, and some candidates are frequent, or short, whatever the text is.
Three ways to compare them:

* `sum`: as they are.
* `mean`: over the number of pieces.
* `gain`: the sum, less that of the same candidate in the gap's eojeol alone (`[MASK]을`): what the rest of the text
  says for it (Holtzman et al. 2021, domain-conditional pointwise mutual information). In a gap that stands for itself
  with nothing around it all gains are 0.

`sum` all but forbids answers of several pieces: of 400 gaps in held-out Wikipedia text (2 layers of 128, 99 candidates,
1.9 pieces on average) what came first was always one piece, and no answer of more ever did. By `mean` it is 1.4 pieces.
On the same text (250 gaps) MRR is 0.104, 0.113 and 0.128 in the order above; on the facts of the sample, asked of a
model of the sample, 0.351, 0.406 and 0.284: alone, an eojeol is no text as such small models know it. `mean` is worst
nowhere, so it is the one to quote; all three are reported. Shares among the candidates of as many pieces, so that no
number of pieces gains, did worse than `mean` on both (0.098 to 0.107, 0.325 to 0.406).

Ties count against the answer, so a model that cannot tell one from another earns nothing. A candidate that the
vocabulary cannot spell ([UNK]), or not in `MOST_PIECES`, never wins, and is counted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from pipeline.errors import InputError
from probes.gaps import GAP, Gap
from probes.model import MaskedModel, Query

Way = Literal["sum", "mean", "gain"]
WAYS: tuple[Way, ...] = get_args(Way)
#: Pieces beyond which a candidate is not asked about.
MOST_PIECES = 16
#: Inputs for which gaps are gathered, so that inputs of about one length are asked together.
_QUERIES = 256

Ids = tuple[int, ...]


@dataclass(frozen=True)
class Score:
    """A candidate, the number of its pieces, and sums of their log-probabilities (nats): in the text, and in the gap's
    eojeol alone. -inf in the text, 0 alone and no pieces, if it is not spelled."""

    candidate: str
    pieces: int
    total: float
    alone: float

    def by(self, way: Way) -> float:
        """What it is ranked by; higher is better."""
        if way == "gain":
            return self.total - self.alone
        return self.total / max(self.pieces, 1) if way == "mean" else self.total


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

    def rank(self, way: Way) -> int:
        """The rank of the best answer among the candidates, from 1; other answers do not stand in its way."""
        best = max(score.by(way) for score in self.scores if score.candidate in self.gap.answers)
        return 1 + sum(score.by(way) >= best for score in self.scores if score.candidate not in self.gap.answers)

    def best(self, way: Way, count: int) -> list[Score]:
        """The best candidates, best first."""
        spelled = [score for score in self.scores if score.pieces]
        return sorted(spelled, key=lambda score: -score.by(way))[:count]

    @property
    def unspelled(self) -> tuple[str, ...]:
        """Candidates that cannot be spelled."""
        return tuple(score.candidate for score in self.scores if not score.pieces)


@dataclass(frozen=True)
class _Place:
    """What stands before and behind a gap, special tokens included, and the tokens there was no room for."""

    before: Ids
    behind: Ids
    cut: int

    def query(self, pieces: int, shown: Ids, mask: int) -> Query:
        """The first place that is not shown, of so many."""
        masks = [mask] * (pieces - len(shown))
        return Query((*self.before, *shown, *masks, *self.behind), (len(self.before) + len(shown),))


@dataclass(frozen=True)
class _Asked:
    """A gap, its place in the text and in its eojeol alone, and the ids of each candidate; () for one not spelled."""

    gap: Gap
    text: _Place
    alone: _Place
    spelled: tuple[Ids, ...]


def mark(model: MaskedModel, gaps: Sequence[Gap]) -> Iterator[Marked]:
    """Each gap with its scores, in order.

    Raises InputError for a text that holds the model's own mask besides, and for a vocabulary of bytes, in which a word
    is not spelled alike behind a space and without one.
    """
    if not model.spelling.marks_words:
        raise InputError(
            f"the pieces of {model.folder} are neither WordPiece's (##) nor SentencePiece's (▁), so that it cannot be "
            "told how a candidate is spelled in a gap"
        )
    waiting: list[_Asked] = []
    inputs = 0
    known: dict[tuple[_Place, Ids], float] = {}
    for gap in gaps:
        waiting.append(_asked(model, gap))
        inputs += len(_steps(waiting[-1].spelled))
        if inputs >= _QUERIES:
            yield from _marked(model, waiting, known)
            waiting, inputs = [], 0
    yield from _marked(model, waiting, known)


def _asked(model: MaskedModel, gap: Gap) -> _Asked:
    before, behind = gap.text.split(GAP)
    spelled = tuple(tuple(_spell(model, before, candidate)) for candidate in gap.candidates)
    longest = max(1, *map(len, spelled))
    left, right = re.findall(r"\S*$", before)[0], re.findall(r"^\S*", behind)[0]
    return _Asked(gap, _place(model, gap, before, behind, longest), _place(model, gap, left, right, longest), spelled)


def _place(model: MaskedModel, gap: Gap, before: str, behind: str, longest: int) -> _Place:
    """Where candidates stand; a text that leaves no room for the longest is cut on both sides, far from the gap."""
    ids = model.spelling.whole(before + model.mask_token + behind)
    if ids.count(model.mask) != 1:
        raise InputError(f"{gap.name}: {gap.text[:40]!r}... holds {model.mask_token} besides the gap: leave it out")
    special, place = set(model.tokenizer.all_special_ids), ids.index(model.mask)
    first = 1 if place and ids[0] in special else 0
    last = len(ids) - 1 if place < len(ids) - 1 and ids[-1] in special else len(ids)
    left, right = ids[first:place], ids[place + 1 : last]
    cut = 0
    if model.limit:
        room = max(model.limit - first - (len(ids) - last) - longest, 0)
        # Half of the room on either side, and what one side leaves.
        kept_right = min(len(right), max(room // 2, room - len(left)))
        kept_left = min(len(left), room - kept_right)
        cut = len(left) + len(right) - kept_left - kept_right
        left, right = left[len(left) - kept_left :], right[:kept_right]
    return _Place((*ids[:first], *left), (*right, *ids[last:]), cut)


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


#: (pieces, those of them that are shown) -> piece that follows -> its log-probability (nats).
Costs = dict[tuple[int, Ids], dict[int, float]]


def _steps(spelled: Iterable[Ids]) -> dict[tuple[int, Ids], dict[int, None]]:
    """(pieces, those of them that are shown), each once, and the pieces that follow: what has to be asked."""
    steps: dict[tuple[int, Ids], dict[int, None]] = {}
    for ids in spelled:
        for shown, piece in enumerate(ids):
            steps.setdefault((len(ids), ids[:shown]), {})[piece] = None
    return steps


def _marked(model: MaskedModel, waiting: Sequence[_Asked], known: dict[tuple[_Place, Ids], float]) -> Iterator[Marked]:
    """`known`: scores in an eojeol alone, which many texts share."""
    wanted: dict[_Place, dict[Ids, None]] = {}
    for asked in waiting:
        new = (ids for ids in asked.spelled if ids and (asked.alone, ids) not in known)
        wanted.setdefault(asked.alone, {}).update(dict.fromkeys(new))
    for (place, ids), costs in zip(wanted.items(), _costs(model, list(wanted.items())), strict=True):
        known.update({(place, one): _total(costs, one) for one in ids})
    found = _costs(model, [(asked.text, asked.spelled) for asked in waiting])
    for asked, costs, open_rank in zip(waiting, found, _open_ranks(model, waiting), strict=True):
        scores = tuple(
            Score(candidate, len(ids), _total(costs, ids), known[asked.alone, ids])
            if ids
            else Score(candidate, 0, -math.inf, 0.0)
            for candidate, ids in zip(asked.gap.candidates, asked.spelled, strict=True)
        )
        yield Marked(asked.gap, scores, open_rank, asked.text.cut)


def _costs(model: MaskedModel, asked: Sequence[tuple[_Place, Iterable[Ids]]]) -> list[Costs]:
    """Of each place, what each step of its candidates costs; only these are kept of the scores of all entries."""
    steps = [_steps(spelled) for _, spelled in asked]
    queries = [place.query(*step, model.mask) for (place, _), own in zip(asked, steps, strict=True) for step in own]
    wanted = [list(pieces) for own in steps for pieces in own.values()]
    found = iter(zip(wanted, model.choices(queries, wanted), strict=True))
    return [{step: dict(zip(*next(found), strict=True)) for step in own} for own in steps]


def _total(costs: Costs, ids: Ids) -> float:
    return sum(costs[len(ids), ids[:shown]][piece] for shown, piece in enumerate(ids))


def _open_ranks(model: MaskedModel, waiting: Sequence[_Asked]) -> list[int | None]:
    single = [
        {
            ids[0]
            for candidate, ids in zip(asked.gap.candidates, asked.spelled, strict=True)
            if len(ids) == 1 and candidate in asked.gap.answers
        }
        for asked in waiting
    ]
    queries = [asked.text.query(1, (), model.mask) for asked, ids in zip(waiting, single, strict=True) if ids]
    rows = iter(model.log_probabilities(queries))
    return [_open_rank(next(rows)[0], ids) if ids else None for ids in single]


def _open_rank(row: Tensor, answers: set[int]) -> int:
    right = torch.zeros(len(row), dtype=torch.bool, device=row.device)
    right[list(answers)] = True
    return 1 + int((row[~right] >= row[right].max()).sum())
