"""Pseudo-log-likelihood: what a sentence costs a masked language model, each token asked for with the others seen.

`within_word` (Kauf and Ivanova 2023) also hides the pieces to the right within the same word: else a rare word, of
which each piece gives the others away, seems cheap. `each` (Salazar et al. 2020) hides one piece at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pipeline.errors import InputError
from probes.model import MaskedModel, Query

Way = Literal["within_word", "each"]


@dataclass(frozen=True)
class Likelihood:
    """A sentence's pieces, without [CLS] and [SEP], and what each costs: log-probabilities in nats."""

    pieces: tuple[str, ...]
    costs: tuple[float, ...]

    @property
    def total(self) -> float:
        """The sum over all pieces, nats."""
        return sum(self.costs)


def log_likelihoods(model: MaskedModel, texts: Sequence[str], way: Way = "within_word") -> list[Likelihood]:
    """Of each text; raises InputError for a text that is too long for the model.

    A text of n pieces is read n times.
    """
    queries: list[Query] = []
    wanted: list[tuple[int]] = []
    pieces: list[tuple[str, ...]] = []
    for text in texts:
        encoding = model.tokenizer(text).encodings[0]
        ids, words = encoding.ids, encoding.word_ids
        if model.limit and len(ids) > model.limit:
            raise InputError(f"{text[:40]!r}... is {len(ids)} tokens long, the model reads at most {model.limit}")
        asked = [place for place, special in enumerate(encoding.special_tokens_mask) if not special]
        for place in asked:
            hidden = {
                other
                for other in asked
                if other == place or (way == "within_word" and other > place and words[other] == words[place])
            }
            shown = tuple(model.mask if other in hidden else number for other, number in enumerate(ids))
            queries.append(Query(shown, (place,)))
            wanted.append((ids[place],))
        pieces.append(tuple(encoding.tokens[place] for place in asked))
    costs = iter(model.truths(queries, wanted))
    return [Likelihood(own, tuple(next(costs)[0] for _ in own)) for own in pieces]
