"""Rows of a pair plan to arrays, and the order in which an epoch visits them. No torch here.

[CLS] a ... [SEP] b ... [SEP] [PAD] ...
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pretrain.draws import ORDER, permutation, stream
from pretrain.nsp import FRAME, PairPlan
from pretrain.tokens import TokenStore
from tokenizer.wordpiece import CLS, PAD, SEP

Arrays = dict[str, NDArray[np.int64]]


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


def assemble(store: TokenStore, rows: PairPlan, frame: FrameIds) -> Arrays:
    """Examples of some plan rows, padded to the longest of them.

    Returns int64 arrays: `input_ids`, `token_type_ids`, `attention_mask`, `special_tokens_mask` of shape (n,
    width), and `next_sentence_label` (n,), 0 where B follows A and 1 where it is a random one.
    """
    rows = np.ascontiguousarray(rows)
    width = int((rows["a_len"] + rows["b_len"]).max()) + FRAME
    shape = (len(rows), width)
    arrays = {
        "input_ids": np.full(shape, frame.pad, np.int64),
        "token_type_ids": np.zeros(shape, np.int64),
        "attention_mask": np.zeros(shape, np.int64),
        "special_tokens_mask": np.ones(shape, np.int64),
    }
    _fill(store.ids, rows, frame.cls, frame.sep, *arrays.values())
    return {**arrays, "next_sentence_label": rows["is_random_next"].astype(np.int64)}


@njit(cache=True)
def _fill(ids, rows, cls_id, sep_id, input_ids, token_types, attention, special):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for row in range(len(rows)):
        a_len, b_len = rows[row].a_len, rows[row].b_len
        a_start, b_start = rows[row].a_start, rows[row].b_start
        end = a_len + b_len + 3
        input_ids[row, 0] = cls_id
        for place in range(a_len):
            input_ids[row, 1 + place] = ids[a_start + place]
            special[row, 1 + place] = 0
        input_ids[row, 1 + a_len] = sep_id
        for place in range(b_len):
            input_ids[row, 2 + a_len + place] = ids[b_start + place]
            special[row, 2 + a_len + place] = 0
        input_ids[row, end - 1] = sep_id
        for place in range(2 + a_len, end):
            token_types[row, place] = 1
        for place in range(end):
            attention[row, place] = 1


@dataclass(frozen=True)
class EpochOrder:
    """Which examples each step of an epoch takes: a function of (seed, epoch, step).

    An epoch has `steps` steps of `batch_size` examples whatever its plan's length: plans of different epochs differ
    by a few pairs, and with a fixed number the position in the data is one integer, the global step. A remainder is
    left out, a missing few are taken from the order's beginning again.
    """

    examples: int
    batch_size: int
    steps: int
    seed: int
    epoch: int

    def rows(self, first_step: int = 0) -> Iterator[NDArray[np.int64]]:
        """Row numbers of each step's global batch, (batch_size,), from `first_step` of the epoch on."""
        order = permutation(stream(self.seed, ORDER, self.epoch), self.examples)
        for step in range(first_step, self.steps):
            yield order.take(range(step * self.batch_size, (step + 1) * self.batch_size), mode="wrap")


def share_of(rows: NDArray[np.int64], rank: int, processes: int, micro_batch: int) -> list[NDArray[np.int64]]:
    """This process's part of a global batch, in micro-batches: rows (n,) -> lists of at most `micro_batch` rows.

    Contiguous parts, so the union over processes is the global batch in order whatever their number.
    """
    mine = np.array_split(rows, processes)[rank]
    return [mine[begin : begin + micro_batch] for begin in range(0, len(mine), micro_batch)]
