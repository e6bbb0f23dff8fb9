"""The pair plan: which two segments make each next-sentence example of an epoch.

The published algorithm of BERT (Devlin et al. 2018; `create_pretraining_data.py`), drawn over the token store's
offsets by a compiled loop instead of over copies of the tokens:

* whole sentences are gathered until they reach the target length, the block less [CLS] and two [SEP];
* they are cut into A and B at a random sentence end; with `nsp_probability`, and always when there is only one
  sentence, B is drawn from another document instead, and the sentences that were meant for B are put back to be
  used next;
* a pair that is too long loses tokens one by one from its longer segment, at the front or the back by a coin;
* with `short_seq_probability` a document is cut at a random shorter length.

One thing differs: the random B begins at a sentence drawn uniformly from all *text* of other documents, not from a
uniformly drawn document. A quarter of a wiki's articles are stubs, which would otherwise be every fourth negative.
It also never draws the document itself, where the original may after ten tries.

A plan is pure in (seed, epoch): each document's draws are a stream of its own.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.errors import InputError
from pretrain.draws import PAIRS, below, child, stream, unit
from pretrain.settings import ExamplesSettings
from pretrain.tokens import TokenStore

#: One example: two runs of tokens in the store. B is a random one, not the one that follows A, if `is_random_next`.
PAIR = np.dtype([("a_start", "<i8"), ("b_start", "<i8"), ("a_len", "<i4"), ("b_len", "<i4"), ("is_random_next", "<i1")])
#: [CLS] and two [SEP].
FRAME = 3

PairPlan = NDArray[np.void]


def draw_plan(store: TokenStore, settings: ExamplesSettings, epoch: int) -> PairPlan:
    """The pairs of an epoch, (examples,) of `PAIR`, in the order of the corpus.

    Raises InputError if next-sentence pairs are wanted and there is no second document to draw from.
    """
    if settings.nsp_probability > 0 and store.document_count < 2:
        raise InputError(
            f"{store.document_count} document: a random next segment comes from another document, so at least 2 are "
            "needed. Separate documents by blank lines, or set corpus.layout=lines if each line is one, or train "
            "without random pairs by examples.nsp_probability=0"
        )
    arguments = (
        store.sentences,
        store.documents,
        settings.block_size - FRAME,
        settings.short_seq_probability,
        settings.nsp_probability,
        stream(settings.seed, PAIRS, epoch),
    )
    nothing = np.zeros(0, PAIR)
    plan = np.zeros(_plan(*arguments, nothing), PAIR)
    _plan(*arguments, plan)
    return plan


@njit(cache=True)
def _plan(sentences, documents, longest, short_probability, random_probability, key, plan):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Fill `plan`, or only count when it is empty. Returns the number of pairs."""
    count = 0
    write = len(plan) > 0
    for document in range(len(documents) - 1):
        draws = child(key, np.uint64(document))
        drawn = np.uint64(0)
        first, last = documents[document], documents[document + 1]
        others = len(sentences) - 1 - (last - first)
        target = longest
        if unit(child(draws, drawn)) < short_probability:
            target = 2 + below(child(draws, drawn + np.uint64(1)), longest - 1)
        drawn += np.uint64(2)
        begin = first
        while begin < last:
            end = _gather(sentences, begin, last, target)
            size = end - begin
            cut = begin + 1
            if size > 1:
                cut += below(child(draws, drawn), size - 1)
            is_random = size == 1 or unit(child(draws, drawn + np.uint64(1))) < random_probability
            a_start, a_end = sentences[begin], sentences[cut]
            if is_random and random_probability > 0 and others > 0:
                b_first = below(child(draws, drawn + np.uint64(2)), others)
                if b_first >= first:
                    b_first += last - first
                b_limit = documents[np.searchsorted(documents, b_first, side="right")]
                b_last = _gather(sentences, b_first, b_limit, max(target - (a_end - a_start), 1))
                begin = cut
            else:
                is_random = False
                b_first, b_last = cut, end
                begin = end
            drawn += np.uint64(3)
            b_start, b_end = sentences[b_first], sentences[b_last]
            if b_end == b_start:
                continue  # a single sentence and no random partner wanted: there is no pair to make
            while (a_end - a_start) + (b_end - b_start) > longest:
                front = unit(child(draws, drawn)) < 0.5
                drawn += np.uint64(1)
                if a_end - a_start > b_end - b_start:
                    if front:
                        a_start += 1
                    else:
                        a_end -= 1
                elif front:
                    b_start += 1
                else:
                    b_end -= 1
            if write:
                plan[count].a_start = a_start
                plan[count].a_len = a_end - a_start
                plan[count].b_start = b_start
                plan[count].b_len = b_end - b_start
                plan[count].is_random_next = is_random
            count += 1
    return count


@njit(cache=True, inline="always")
def _gather(sentences, begin, limit, target):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The end of the fewest sentences from `begin` that hold `target` tokens; one at least, none past `limit`."""
    end = begin + 1
    while end < limit and sentences[end] - sentences[begin] < target:
        end += 1
    return end
