"""Rows of a plan to arrays, and the order in which an epoch visits them. No torch here.

[CLS] a ... [SEP] b ... [SEP] [PAD] ...
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pretrain.draws import ORDER, below, child, permuted, stream
from pretrain.nsp import PairPlan, lengths_of
from pretrain.tokens import TokenStore
from tokenizer.wordpiece import CLS, PAD, SEP

Ids = NDArray[np.int64]
Arrays = dict[str, Ids]
_FIELDS = ("input_ids", "token_type_ids", "attention_mask", "special_tokens_mask")
#: Lengths that batches are grouped by: at block 512 one of a bin is at most seven tokens longer than another.
BINS = 64


@dataclass(frozen=True)
class FrameIds:
    """Ids of the tokens that frame a pair."""

    cls: int
    sep: int
    pad: int

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> FrameIds:
        """Those of a tokenizer of ours."""
        vocabulary = tokenizer.get_vocab()
        return cls(vocabulary[CLS], vocabulary[SEP], vocabulary[PAD])


def assemble(
    store: TokenStore, rows: PairPlan, frame: FrameIds, multiple: int = 1, empty: Callable[..., Ids] = np.empty
) -> Arrays:
    """Examples of some plan rows, padded to the longest of them, or on to a multiple of so many tokens.

    Returns int64 arrays made by `empty(shape, dtype)`: `input_ids`, `token_type_ids`, `attention_mask`,
    `special_tokens_mask` of shape (n, width), and `next_sentence_label` (n,): 0 where B follows A, 1 where it does not,
    -100 where there is no B.
    """
    rows = np.ascontiguousarray(rows)
    width = -(-int(lengths_of(rows).max()) // multiple) * multiple
    arrays = {name: empty((len(rows), width), np.int64) for name in _FIELDS}
    arrays["next_sentence_label"] = empty(len(rows), np.int64)
    _fill(store.ids, rows, frame.cls, frame.sep, frame.pad, *arrays.values())
    return arrays


@njit(cache=True, nogil=True)
def _fill(ids, rows, cls_id, sep_id, pad_id, input_ids, token_types, attention, special, labels):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for row in range(len(rows)):
        a_len, b_len = rows[row].a_len, rows[row].b_len
        a_start, b_start = rows[row].a_start, rows[row].b_start
        labels[row] = rows[row].label
        input_ids[row, 0] = cls_id
        special[row, 0] = 1
        for place in range(a_len):
            input_ids[row, 1 + place] = ids[a_start + place]
            special[row, 1 + place] = 0
        begin = end = 2 + a_len
        input_ids[row, begin - 1] = sep_id
        special[row, begin - 1] = 1
        if b_len:
            for place in range(b_len):
                input_ids[row, begin + place] = ids[b_start + place]
                special[row, begin + place] = 0
            end += b_len + 1
            input_ids[row, end - 1] = sep_id
            special[row, end - 1] = 1
        input_ids[row, end:] = pad_id
        special[row, end:] = 1
        token_types[row, :begin] = 0
        token_types[row, begin:end] = 1
        token_types[row, end:] = 0
        attention[row, :end] = 1
        attention[row, end:] = 0


@dataclass(frozen=True)
class ByLength:
    """Rows of a plan by their length: `rows` (examples,), those of bin b from `bounds[b]` to `bounds[b + 1]`."""

    rows: NDArray[np.integer]
    bounds: NDArray[np.int64]


def by_length(plan: PairPlan, block_size: int) -> ByLength:
    """Rows of a plan in bins of equal width, shortest first."""
    bins = (lengths_of(plan) - 1) // -(-block_size // BINS)
    counts = np.bincount(bins, minlength=BINS)
    return ByLength(np.argsort(bins, kind="stable"), np.concatenate([[0], np.cumsum(counts)]))


@dataclass(frozen=True)
class EpochOrder:
    """Which examples each step of an epoch takes: a function of (seed, epoch, step), found for any step at once.

    An epoch has `steps` steps of `batch_size` examples whatever its plan's length: plans of different epochs differ
    by a few examples, and with a fixed number the position in the data is one integer, the global step. A remainder is
    left out, a missing few are taken from the order's beginning again.

    With `bins` a step takes examples of about one length, and the steps come in a random order: the same examples, in
    other company.
    """

    examples: int
    batch_size: int
    steps: int
    seed: int
    epoch: int
    bins: ByLength | None = None

    def rows(self, step: int) -> NDArray[np.int64]:
        """Row numbers of a step's global batch, (batch_size,)."""
        key = stream(self.seed, ORDER, self.epoch)
        places = np.arange(self.batch_size, dtype=np.int64)
        if self.bins is None:
            return permuted(key, self.examples, (step * self.batch_size + places) % self.examples)
        turn = int(permuted(stream(self.seed, ORDER, self.epoch, 0), self.steps, np.array([step]))[0])
        # From a place that each epoch draws anew, or the remainder would always be of the longest.
        first = int(below(np.uint64(child(key, np.uint64(1))), self.examples))
        return self._binned((first + turn * self.batch_size + places) % self.examples)

    def _binned(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """What stands at some positions when the rows of each bin are in a random order of their own."""
        assert self.bins is not None
        rows, bounds = self.bins.rows, self.bins.bounds
        found = np.empty_like(positions)
        of_bin = np.searchsorted(bounds, positions, side="right") - 1
        for number in np.unique(of_bin):
            first, last = bounds[number], bounds[number + 1]
            here = of_bin == number
            key = stream(self.seed, ORDER, self.epoch, 1, int(number))
            found[here] = rows[first + permuted(key, int(last - first), positions[here] - first)]
        return found


def share_of(rows: NDArray[np.int64], rank: int, processes: int, micro_batch: int) -> list[NDArray[np.int64]]:
    """This process's part of a global batch, in micro-batches: rows (n,) -> lists of at most `micro_batch` rows.

    Contiguous parts, so the union over processes is the global batch in order whatever their number.
    """
    mine = np.array_split(rows, processes)[rank]
    return [mine[begin : begin + micro_batch] for begin in range(0, len(mine), micro_batch)]
