"""The plan of an epoch: which segments of text make each example.

The published algorithm of BERT (Devlin et al. 2018; `create_pretraining_data.py`), drawn over the token store's
offsets by a compiled loop instead of over copies of the tokens:

* whole sentences are gathered until they reach the target length, the block less its special tokens;
* they are cut into A and B at a random sentence end; with `nsp_probability` B is drawn from another document instead,
  and the sentences that were meant for B are put back to be used next;
* an example that is too long loses tokens one by one from its longer segment, at the front or the back by a coin;
* with `short_seq_probability` a document is cut at a random shorter length.

What it did badly is done otherwise:

* Where a document ends short of the target, A begins earlier, and so does a random B: blocks are full wherever the
  document is long enough. The last sentence of a document, left alone, follows the one before it as often as not; BERT
  could only give it a random B.
* Of all pairs `nsp_probability` are random: what one-sentence documents have too many of, the others have too few.
* The random B is found by a sentence drawn uniformly from all *text* of other documents (`random_segments = "text"`),
  not by a uniformly drawn document: a quarter of a wiki's articles are stubs, which would be every fourth negative. It
  never is from the document itself, where the original may after ten tries.

With the objective `sop` (Lan et al. 2020, ALBERT) B always follows A, and `nsp_probability` of the pairs are swapped.
With `none` (Liu et al. 2019, RoBERTa: DOC-SENTENCES) an example is one segment: a sentence that is cut off at its end
is put back and begins the next one.

A plan is pure in (seed, epoch): each document's draws are a stream of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.errors import InputError
from pretrain.draws import PAIRS, below, child, stream, unit
from pretrain.settings import ExamplesSettings
from pretrain.tokens import TokenStore

#: One example: one or two runs of tokens in the store, and its label.
PAIR = np.dtype([("a_start", "<i8"), ("b_start", "<i8"), ("a_len", "<i4"), ("b_len", "<i4"), ("label", "<i1")])
#: Labels: B follows A; it does not (a random one, or the two are swapped); there is no B.
NEXT, OTHER, ALONE = 0, 1, -100

PairPlan = NDArray[np.void]

#: Labels may be ahead of their share by so many pairs, or behind, before a draw is overruled: 0.3 % of 1,300 pairs.
_LEEWAY = 4.0
#: The search for the share of random pairs ends when it moves less than this.
_NEAR = 1e-3


def frame_of(settings: ExamplesSettings) -> int:
    """Special tokens of a full example: [CLS] and two [SEP], or one where there is no B."""
    return 2 if settings.objective == "none" else 3


def lengths_of(plan: PairPlan) -> NDArray[np.int32]:
    """Tokens of each example, special ones too: (examples,)."""
    lengths: NDArray[np.int32] = plan["a_len"] + plan["b_len"] + np.int32(2) + (plan["b_len"] > 0)
    return lengths


def draw_plan(
    store: TokenStore,
    settings: ExamplesSettings,
    epoch: int,
    new: Callable[[int], PairPlan] = lambda examples: np.zeros(examples, PAIR),
) -> PairPlan:
    """The examples of an epoch, (examples,) of `PAIR`, in the order of the corpus, in the array that `new` makes.

    Raises InputError if next-sentence pairs are wanted and there is no second document to draw from.
    """
    random = settings.objective == "nsp" and settings.nsp_probability > 0
    if random and store.document_count < 2:
        raise InputError(
            f"the text is {store.document_count} document(s): a random next segment comes from another document, so at "
            "least 2 are needed. Separate documents by blank lines, or set corpus.layout=lines if each line is one, or "
            "train without random pairs by examples.objective=sop, examples.objective=none or "
            "examples.nsp_probability=0"
        )
    key = stream(settings.seed, PAIRS, epoch % settings.duplicate_epochs if settings.duplicate_epochs else epoch)
    offsets = store.sentences, store.documents
    lengths = settings.block_size - frame_of(settings), settings.short_seq_probability
    nothing = np.zeros(0, PAIR)
    if settings.objective == "none":
        plan = new(int(_segments(*offsets, *lengths, key, nothing)))
        _segments(*offsets, *lengths, key, plan)
        return plan
    kind = settings.objective == "sop", random, settings.random_segments == "documents"

    def draw(share: float, plan: PairPlan) -> int:
        return int(_pairs(*offsets, lengths, kind, share, key, plan))

    # A document of one sentence can only have a random B. How many other pairs there are depends a little on how many
    # of them are random (their sentences are put back), so the share of those is searched for.
    alone = int((np.diff(store.documents) == 1).sum()) if random else 0
    share = settings.nsp_probability
    examples = draw(share, nothing)
    for _ in range(8 if alone else 0):
        free = max(examples - alone, 1)
        wanted = max(0.0, settings.nsp_probability - (1 - settings.nsp_probability) * alone / free)
        if abs(wanted - share) < _NEAR:
            break
        share = wanted
        examples = draw(share, nothing)
    plan = new(examples)
    draw(share, plan)
    return plan


@njit(cache=True)
def _segments(sentences, documents, longest, short_probability, key, plan):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """One segment an example: fill `plan`, or only count when it is empty; returns the number of examples."""
    count = 0
    write = len(plan) > 0
    for document in range(len(documents) - 1):
        of_document = child(key, np.uint64(document))
        first, last = documents[document], documents[document + 1]
        target = _target(of_document, longest, short_probability)
        number = np.uint64(2)
        begin = first
        while begin < last:
            end = _gather(sentences, begin, last, target)
            reached = _reach(sentences, first, begin, end, target)
            start, size = sentences[reached], min(sentences[end] - sentences[reached], target)
            cut_off = sentences[end] - start - size
            if reached < begin:
                start += cut_off  # what is in front was in the example before
            elif end == last or end == begin + 1:
                start += below(child(of_document, number), cut_off + 1)
            elif cut_off > 0:
                end -= 1  # put back
            if write:
                _write(plan, count, start, start + size, start + size, start + size, ALONE)
            number += np.uint64(1)
            count += 1
            begin = end
    return count


@njit(cache=True)
def _pairs(sentences, documents, lengths, kind, share, key, plan):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Two segments an example: fill `plan`, or only count when it is empty; returns the number of examples.

    `kind`: whether `share` of the pairs are swapped, or else have a random B; whether any B is random; and found by
    documents. Pairs of one-sentence documents are not part of the `share`.
    """
    longest, short_probability = lengths
    swapped, random, by_document = kind
    count = 0
    write = len(plan) > 0
    ahead = 0.0  # how many labels are OTHER beyond their share
    for document in range(len(documents) - 1):
        of_document = child(key, np.uint64(document))
        first, last = documents[document], documents[document + 1]
        target = _target(of_document, longest, short_probability)
        number = np.uint64(2)
        begin = first
        while begin < last:
            draws = child(of_document, number)
            end = _gather(sentences, begin, last, target)
            if end == begin + 1 and end < last:
                end += 1  # a sentence that fills the block alone still has one that follows it
            other = random
            if last - first > 1:
                other = (unit(child(draws, np.uint64(1))) < share or ahead <= -_LEEWAY) and ahead < _LEEWAY
                ahead += (1.0 if other else 0.0) - share
            if end - begin > 1:
                cut = begin + 1 + below(child(draws, np.uint64(0)), end - begin - 1)
                a_first = _reach(sentences, first, begin, end, target)
            elif begin > first and (swapped or not other):
                cut = begin  # the last sentence, left alone, follows what is before it
                a_first = _reach(sentences, first, begin - 1, end, target)
            else:
                a_first, cut = begin, end
            b_first, b_last = cut, end
            begin = end
            if other and not swapped:
                begin = cut  # what was meant for B is put back
                if write:
                    room = max(target - (sentences[cut] - sentences[a_first]), 1)
                    b_first, b_last = _another(sentences, documents, document, room, by_document, draws)
            if write:
                a_start, a_end, b_start, b_end = fit(
                    sentences[a_first], sentences[cut], sentences[b_first], sentences[b_last], longest, draws
                )
                if b_end == b_start:
                    _write(plan, count, a_start, a_end, b_start, b_end, ALONE)
                elif other and swapped:
                    _write(plan, count, b_start, b_end, a_start, a_end, OTHER)
                else:
                    _write(plan, count, a_start, a_end, b_start, b_end, OTHER if other else NEXT)
            number += np.uint64(1)
            count += 1
    return count


@njit(cache=True, inline="always")
def _target(of_document, longest, short_probability):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The tokens that examples of a document are to hold."""
    if unit(child(of_document, np.uint64(0))) < short_probability:
        return 2 + below(child(of_document, np.uint64(1)), longest - 1)
    return longest


@njit(cache=True, inline="always")
def _gather(sentences, begin, limit, target):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """The end of the fewest sentences from `begin` that hold `target` tokens; one at least, none past `limit`."""
    end = begin + 1
    while end < limit and sentences[end] - sentences[begin] < target:
        end += 1
    return end


@njit(cache=True, inline="always")
def _reach(sentences, first, begin, end, target):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Where the sentences up to `end` have to begin to hold `target` tokens: not after `begin`, not before `first`."""
    while begin > first and sentences[end] - sentences[begin] < target:
        begin -= 1
    return begin


@njit(cache=True)
def _another(sentences, documents, document, room, by_document, draws):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Sentences of another document that hold `room` tokens, if it does: (first, last)."""
    first, last = documents[document], documents[document + 1]
    if by_document:
        other = below(child(draws, np.uint64(2)), len(documents) - 2)
        if other >= document:
            other += 1
        size = documents[other + 1] - documents[other]
        begin = documents[other] + below(child(draws, np.uint64(3)), size)
    else:
        begin = below(child(draws, np.uint64(2)), len(sentences) - 1 - (last - first))
        if begin >= first:
            begin += last - first
        other = np.searchsorted(documents, begin, side="right") - 1
    end = _gather(sentences, begin, documents[other + 1], room)
    return _reach(sentences, documents[other], begin, end, room), end


@njit(cache=True)
def fit(a_start, a_end, b_start, b_end, longest, draws):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
    """Both segments, the longer one shortened token by token until they fit."""
    drawn = np.uint64(4)
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
    return a_start, a_end, b_start, b_end


@njit(cache=True, inline="always")
def _write(plan, place, a_start, a_end, b_start, b_end, label):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    plan[place].a_start = a_start
    plan[place].a_len = a_end - a_start
    plan[place].b_start = b_start
    plan[place].b_len = b_end - b_start
    plan[place].label = label
