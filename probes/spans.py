"""A whole word as the gap: one to four pieces, found by beam search, and lengths made comparable.

For each number of pieces as many masks are filled, from the left. The sum of the log-probabilities is that of the word
*given* its number of pieces: it says nothing of the number itself, and being a sum it favours few; their mean (length
normalisation in X-FACTR, Jiang et al. 2020) favours many. What knows the number is the text around: with a mask too
few, what stands beside the gap is not what the model expects there. So the two tokens beside the gap are asked for as
well, each hidden by turns with the word filled in. A word's score is the sum over its pieces plus these two.

P@1 on 1,200 held-out eojeols of film reviews, beam 5, for a 2-layer model and for a weaker one: this score 10.8 % and
2.5 %, the sum 9.8 % and 2.0 %, the mean 8.8 % and 0.7 %; were the number of pieces known, the sum had 11.7 % and 2.0 %.
The mean is worse beyond chance; the sum may not be (p = 0.09 and 0.26), but it nearly always answers one piece. Filling
the most confident mask first was no better (37 of 400, leftmost first 39), and its sum depends on the order taken.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from probes.model import MaskedModel, Query

#: Pieces that a word may have.
MOST_PIECES = 4
#: Beginnings of words that are followed up at each step.
BEAM = 5


@dataclass(frozen=True)
class Word:
    """A word for a gap, its pieces' ids, and its probability."""

    text: str
    ids: tuple[int, ...]
    probability: float


@dataclass(frozen=True)
class Spelled:
    """A word for a gap: its pieces' ids, and log-probabilities in nats.

    costs: of each piece, given those before it. beside: of the tokens beside the gap, each hidden by turns, added up.
    """

    ids: tuple[int, ...]
    costs: tuple[float, ...]
    beside: float = 0.0

    @property
    def total(self) -> float:
        """The log-probability of the word given its number of pieces, nats."""
        return sum(self.costs)

    @property
    def score(self) -> float:
        """What words of different numbers of pieces are compared by, nats."""
        return self.total + self.beside


def best_words(model: MaskedModel, parts: Sequence[str], gap: int, top: int, beam: int = BEAM) -> list[Word]:
    """The `top` words for gap number `gap` of a text's parts, best first; a word spelled in two ways counts once.

    The probability is exp(score) over the sum for all words. That sum is estimated: words of a number of pieces that
    were not looked at are taken to suit what stands beside them as well as those found do on average. Before that
    every number of pieces is held for equally likely: how often each occurs (known from other text) changed nothing.
    """
    words: list[Spelled] = []
    suiting: list[float] = []
    for found in candidates(model, parts, gap, max(beam, top)):
        words += found
        suiting.append(_log_sum([one.score for one in found]) - _log_sum([one.total for one in found]))
    all_words = _log_sum(suiting)
    best: dict[str, Word] = {}
    for one in sorted(words, key=lambda one: (-one.score, one.ids)):
        text = model.spelling.word(one.ids)
        best.setdefault(text, Word(text, one.ids, math.exp(one.score - all_words)))
    return list(best.values())[:top]


def _log_sum(logs: Sequence[float]) -> float:
    return float(torch.tensor(logs, dtype=torch.float64).logsumexp(0))


def candidates(model: MaskedModel, parts: Sequence[str], gap: int, beam: int = BEAM) -> Iterator[list[Spelled]]:
    """For one piece, two, ... the best words by `total`, at most `beam`, with what stands beside them judged, too."""
    for pieces in range(1, MOST_PIECES + 1):
        found = spelled(model, parts, gap, pieces, beam)
        if found:
            beside = _beside(model, parts, gap, found)
            yield [replace(one, beside=cost) for one, cost in zip(found, beside, strict=True)]


def _beside(model: MaskedModel, parts: Sequence[str], gap: int, words: Sequence[Spelled]) -> list[float]:
    """Of words of one length, the log-probabilities of the tokens beside the gap, each hidden by turns, added up."""
    queries: list[Query] = []
    wanted: list[list[int]] = []
    for word in words:
        ids, places = _with_masks(model, parts, gap, len(word.ids))
        shown = _filled(ids, places, word.ids)
        for place in (places[0] - 1, places[-1] + 1):
            # Nothing is learned from what frames every text, nor from another gap.
            if 0 < place < len(ids) - 1 and ids[place] != model.mask:
                queries.append(Query((*shown[:place], model.mask, *shown[place + 1 :]), (place,)))
                wanted.append([shown[place]])
    found = iter(model.truths(queries, wanted))
    each = len(queries) // len(words)
    return [sum(next(found)[0] for _ in range(each)) for _ in words]


def spelled(model: MaskedModel, parts: Sequence[str], gap: int, pieces: int, beam: int = BEAM) -> list[Spelled]:
    """The most probable words of so many pieces for gap number `gap`, at most `beam`, best first.

    As many masks stand in the gap, and one in each other gap. They are filled from the left; the sum of the costs is
    the log-probability of the word given its number of pieces (chain rule).
    """
    ids, places = _with_masks(model, parts, gap, pieces)
    found = [Spelled((), ())]
    for step, allowed in enumerate(_allowed(model, parts, gap, pieces)):
        queries = [Query(_filled(ids, places, one.ids), (places[step],)) for one in found]
        scores = torch.cat([scores[:, : len(allowed)] for scores in model.log_probabilities(queries)])
        found = _best(found, scores.cpu(), allowed, beam)
        if not found:
            break
    return found


def _allowed(model: MaskedModel, parts: Sequence[str], gap: int, pieces: int) -> list[Tensor]:
    """Of each piece of a word for the gap, which entries it may be: (entries,) bool."""
    spelling = model.spelling
    glued = not spelling.begins_word(parts[gap]) or (not parts[gap] and gap > 0)
    allowed = [spelling.continuations if glued else spelling.beginnings, *[spelling.continuations] * (pieces - 1)]
    # Hanja stand alone: what letters stand beside is joined to them on that side.
    follows = parts[gap + 1][:1].isalnum()
    return [entries & spelling.joined if glued or follows or pieces > 1 else entries for entries in allowed]


def _with_masks(model: MaskedModel, parts: Sequence[str], gap: int, pieces: int) -> tuple[list[int], list[int]]:
    """(ids of the text with so many masks in the gap and one in each other, the places of the former)."""
    fillings = [[model.mask] * (pieces if number == gap else 1) for number in range(len(parts) - 1)]
    ids = model.spelling.around(parts, fillings)
    masks = [place for place, number in enumerate(ids) if number == model.mask]
    return ids, masks[gap : gap + pieces]


def _filled(ids: Sequence[int], places: Sequence[int], filling: Sequence[int]) -> tuple[int, ...]:
    shown = list(ids)
    for place, number in zip(places, filling, strict=False):
        shown[place] = number
    return tuple(shown)


def _best(found: list[Spelled], scores: Tensor, allowed: Tensor, beam: int) -> list[Spelled]:
    """The best of all words of `found` with one more piece; scores (words, entries), nats."""
    before = torch.tensor([one.total for one in found], dtype=torch.float64)
    totals = (scores.double() + before[:, None]).masked_fill(~allowed, -torch.inf).flatten()
    best = totals.topk(min(beam, len(totals)))
    words = []
    for number, total in zip(best.indices.tolist(), best.values.tolist(), strict=True):
        if total > -torch.inf:
            row, entry = divmod(number, len(allowed))
            words.append(Spelled((*found[row].ids, entry), (*found[row].costs, float(scores[row, entry]))))
    return words
