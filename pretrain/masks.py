"""Which tokens of a batch are predicted, and what stands in their place: compiled, a function of keys. No torch here.

Each draw is a hash of (the example's key, the token's place): the same example of the same epoch is masked the same way
in any batch, process or resumed run, whatever the padding. Of the chosen tokens 80 % become [MASK], 10 % a random
token, 10 % stay. Random tokens are real vocabulary: never a special or an unused entry, or a placeholder of personal
data.

With `whole_word` the pieces of an eojeol are chosen together, by the draw of its first piece; each is then replaced or
kept by itself, as in BERT's own whole-word code. What continues an eojeol is told by the vocabulary: `##` pieces, or in
a vocabulary of SentencePiece pieces those without `▁`. A punctuation mark is a word of its own only in the former.

With `fixed` an example has as many chosen tokens as its length times the rate, rounded, and at least one, instead of as
many as the draws give: those whose draws are the smallest. Whole words are taken in the order of their draws while they
fit; if none does, the beginning of the first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from corpora.privacy import PLACEHOLDERS
from pretrain.draws import child, unit

#: Label of positions that are not predicted.
IGNORED = -100
_UNUSED = re.compile(r"\[unused\d+\]")


@dataclass(frozen=True)
class MaskTable:
    """What masking knows of a vocabulary: the id of [MASK], ids that may replace a token, (vocabulary,) flags of pieces
    that continue a word."""

    mask_id: int
    random_ids: NDArray[np.int64]
    continues: NDArray[np.bool_]

    @classmethod
    def of(cls, vocabulary: Mapping[str, int], mask_id: int, special_ids: Iterable[int]) -> MaskTable:
        """From piece -> id and the ids of special tokens."""
        special = set(special_ids)
        ids = [
            number
            for piece, number in vocabulary.items()
            if number not in special and not _UNUSED.fullmatch(piece) and piece not in PLACEHOLDERS.values()
        ]
        marked = any(piece.startswith("▁") and len(piece) > 1 for piece in vocabulary)
        continues = np.zeros(max(vocabulary.values()) + 1, np.bool_)
        for piece, number in vocabulary.items():
            inside = not piece.startswith("▁") if marked else piece.startswith("##") and len(piece) > 2
            continues[number] = inside and number not in special and piece not in PLACEHOLDERS.values()
        return cls(mask_id, np.asarray(sorted(ids), np.int64), continues)


@dataclass(frozen=True)
class Masking:
    """Share of tokens to choose, of these replaced by [MASK] and by a random token; by eojeols; so many in each."""

    rate: float = 0.15
    mask: float = 0.8
    random: float = 0.1
    whole_word: bool = False
    fixed: bool = False


def mask_tokens(
    ids: NDArray[np.int64],
    special: NDArray[np.bool_],
    keys: NDArray[np.uint64],
    table: MaskTable,
    masking: Masking,
    labels: NDArray[np.int64],
) -> None:
    """Mask `ids` (n, width) in place, never where `special` (n, width), and fill `labels` (n, width): keys (n,)."""
    _mask(
        ids,
        special,
        keys,
        table.mask_id,
        table.random_ids,
        table.continues,
        (masking.rate, masking.mask, masking.mask + masking.random),
        masking.whole_word,
        masking.fixed,
        labels,
    )


@njit(cache=True, nogil=True)
def _mask(ids, special, keys, mask_id, random_ids, continues, rates, whole_word, fixed, labels):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    rate, masked, replaced = rates
    width = ids.shape[1]
    draws = np.empty(width)
    chosen = np.empty(width, np.bool_)
    for row in range(len(ids)):
        key = keys[row]
        words, tokens = _draw(ids[row], special[row], key, continues, whole_word, draws)
        if fixed:
            _choose(draws, words, max(1, int(rate * tokens + 0.5)), chosen)
        for place in range(width):
            if fixed:
                if not chosen[place]:
                    labels[row, place] = IGNORED
                    continue
            elif draws[place] >= rate:
                labels[row, place] = IGNORED
                continue
            labels[row, place] = ids[row, place]
            treatment = unit(child(key, np.uint64(3 * place + 1)))
            if treatment < masked:
                ids[row, place] = mask_id
            elif treatment < replaced:
                number = int(unit(child(key, np.uint64(3 * place + 2))) * len(random_ids))
                ids[row, place] = random_ids[number]


@njit(cache=True, nogil=True, inline="always")
def _draw(ids, special, key, continues, whole_word, draws):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Each token's draw, that of its word's first piece; 1 for special ones. Returns how many words and tokens."""
    words = tokens = 0
    inside = False
    for place in range(len(ids)):
        if special[place]:
            draws[place] = 1.0
            inside = False
            continue
        tokens += 1
        if whole_word and inside and continues[ids[place]]:
            draws[place] = draws[place - 1]
        else:
            draws[place] = unit(child(key, np.uint64(3 * place)))
            words += 1
        inside = True
    return words, tokens


@njit(cache=True, nogil=True)
def _choose(draws, words, wanted, chosen):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The `wanted` tokens with the smallest draws; words (neighbours of one draw) whole, while they fit."""
    width = len(draws)
    firsts = np.empty(words, np.int64)
    sizes = np.empty(words, np.int64)
    found = -1
    for place in range(width):
        chosen[place] = False
        if draws[place] == 1.0:
            continue
        if place == 0 or draws[place - 1] != draws[place]:
            found += 1
            firsts[found], sizes[found] = place, 0
        sizes[found] += 1
    of_words = draws[firsts]
    # The smallest draws are looked for among those below a bound, which is raised if they were too few: sorting all
    # made masking take more than twice as long.
    bound = 2.0 * wanted / max(len(draws), 1)
    while True:
        below_it = np.flatnonzero(of_words < bound)
        left = wanted
        for number in below_it[np.argsort(of_words[below_it])]:
            if sizes[number] <= left:
                left -= sizes[number]
                chosen[firsts[number] : firsts[number] + sizes[number]] = True
            if left == 0:
                return
        if len(below_it) == words:
            break
        bound *= 2.0  # those below the last one come first again, and are chosen again
    if left == wanted and words:  # every word is longer than that: of one, as much as is wanted
        number = np.argmin(of_words)
        chosen[firsts[number] : firsts[number] + wanted] = True
