"""Fill-mask as Korean needs it: the best pieces for every [MASK] of a text, the best words for every [GAP].

`probes.texts` says what a text may be, `probes.spelling` how it is spelled, `probes.spans` how words are found.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

from torch import Tensor

from pipeline.console import visible
from pipeline.errors import InputError
from probes.model import MaskedModel, Query
from probes.spans import MOST_PIECES, best_words
from probes.texts import Gapped, cut_at_gaps, split_at_gaps, unknown_characters


@dataclass(frozen=True)
class Guess:
    """What may fill one gap: a piece as the vocabulary has it, or a word; the pieces of a word; its probability."""

    piece: str
    probability: float
    pieces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The best guesses for each gap of a text, best first, and what to know about the input.

    pieces: what the model reads, one mask for each gap. unknown: how many of them are [UNK]; unknown_characters: why.
    """

    text: str
    pieces: tuple[str, ...]
    gaps: tuple[tuple[Guess, ...], ...]
    unknown: int
    unknown_characters: tuple[str, ...] = ()


def encode(model: MaskedModel, text: str) -> list[int]:
    """Ids of `text` with [CLS] and [SEP], one mask for each gap.

    Raises InputError if it holds no gap, holds a mistyped one, or is too long for the model.
    """
    return _ids(model, text, cut_at_gaps(model, text))


def fill(model: MaskedModel, text: str, top: int = 5) -> Answer:
    """The `top` most probable pieces or words for every gap of `text`; while one is filled, the others are masks."""
    gapped = cut_at_gaps(model, text)
    ids = _ids(model, text, gapped)
    names = model.tokenizer.convert_ids_to_tokens
    places = tuple(place for place, number in enumerate(ids) if number == model.mask)
    (scores,) = model.log_probabilities([Query(tuple(ids), places)])
    gaps = [
        _words(model, gapped, gap, top) if whole else _pieces(model, scores[gap], top)
        for gap, whole in enumerate(gapped.whole)
    ]
    unknown = ids.count(model.tokenizer.unk_token_id)
    characters = unknown_characters(model, gapped.parts) if unknown else ()
    return Answer(text, tuple(names(ids)), tuple(gaps), unknown, characters)


def _pieces(model: MaskedModel, scores: Tensor, top: int) -> tuple[Guess, ...]:
    best = scores.exp().topk(min(top, len(scores)))
    # Matrices are often longer than the vocabulary: such an entry has no name.
    names = model.tokenizer.convert_ids_to_tokens(best.indices.tolist())
    return tuple(Guess(name or "", share) for name, share in zip(names, best.values.tolist(), strict=True))


def _words(model: MaskedModel, gapped: Gapped, gap: int, top: int) -> tuple[Guess, ...]:
    names = model.tokenizer.convert_ids_to_tokens
    return tuple(
        Guess(word.text, word.probability, tuple(names(list(word.ids))))
        for word in best_words(model, gapped.parts, gap, top)
    )


def _ids(model: MaskedModel, text: str, gapped: Gapped) -> list[int]:
    ids = model.spelling.around(gapped.parts, [[model.mask]] * len(gapped.whole))
    more = MOST_PIECES - 1 if any(gapped.whole) else 0
    if model.limit and len(ids) + more > model.limit:
        raise InputError(
            f"the text is {len(ids) + more} tokens long{' with a word in its gap' if more else ''}, "
            f"the model reads at most {model.limit}: {_where_to_cut(model, text, model.limit - more)}"
        )
    return ids


def _where_to_cut(model: MaskedModel, text: str, most: int) -> str:
    """Behind which word the text has to end, or else at which one to begin, to keep its gaps in `most` tokens."""
    words = [found.span() for found in re.finditer(r"\S+", text)]
    gaps = len(split_at_gaps(model, text).whole)

    def long(text: str) -> bool:
        parts = split_at_gaps(model, text).parts
        return len(model.spelling.around(parts, [[model.mask]] * (len(parts) - 1))) > most

    def keeps(text: str) -> bool:
        return len(split_at_gaps(model, text).whole) == gaps

    cut = bisect_left(words, True, key=lambda word: long(text[: word[1]]))
    head = text[: words[cut - 1][1]] if cut else ""
    if keeps(head):
        return f"end it behind {visible(head[-20:])!r} (character {len(head):,})"
    cut = bisect_left(words, True, key=lambda word: not long(text[word[0] :]))
    tail = text[words[cut][0] :] if cut < len(words) else ""
    if keeps(tail):
        return f"begin it at {visible(tail[:20])!r} (character {len(text) - len(tail) + 1:,})"
    return "shorten it"
