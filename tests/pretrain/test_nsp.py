"""Pair planning against the slow, obvious reference, and what any plan must hold to."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pretrain.draws import PAIRS
from pretrain.nsp import FRAME, draw_plan
from pretrain.settings import ExamplesSettings
from pretrain.tokens import TokenStore
from tests.pretrain.reference import pairs_of, stream

corpora = st.lists(
    st.lists(st.integers(1, 12), min_size=1, max_size=8), min_size=2, max_size=6
)  # documents as lengths of sentences


def store_of(documents: list[list[list[int]]]) -> TokenStore:
    ids = [token for document in documents for sentence in document for token in sentence]
    sentences = np.cumsum([0, *(len(sentence) for document in documents for sentence in document)])
    ends = np.cumsum([0, *(len(document) for document in documents)])
    return TokenStore(np.asarray(ids, "<u4"), sentences, ends, (Path(), "", 0, 0))


def numbered(lengths: list[list[int]]) -> list[list[list[int]]]:
    """Documents whose tokens are 0, 1, 2, ... so that any token says where it is from."""
    counter = iter(range(10**6))
    return [[[next(counter) for _ in range(length)] for length in document] for document in lengths]


def examples_settings(
    block: int = 16, short: float = 0.1, random_share: float = 0.5, seed: int = 0
) -> ExamplesSettings:
    return ExamplesSettings(block_size=block, short_seq_probability=short, nsp_probability=random_share, seed=seed)


@settings(max_examples=300, deadline=None)
@given(
    corpora,
    st.integers(8, 40),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.integers(0, 99),
)
def test_equal_to_the_reference(lengths, block, short, random_share, seed) -> None:
    documents = numbered(lengths)
    store = store_of(documents)
    chosen = examples_settings(block, short, random_share, seed)
    for epoch in (0, 3):
        plan = draw_plan(store, chosen, epoch)
        expected = list(pairs_of(documents, block - FRAME, short, random_share, stream(seed, PAIRS, epoch)))
        assert len(plan) == len(expected)
        for row, example in zip(plan, expected, strict=True):
            a = store.ids[row["a_start"] : row["a_start"] + row["a_len"]].tolist()
            b = store.ids[row["b_start"] : row["b_start"] + row["b_len"]].tolist()
            assert (a, b, bool(row["is_random_next"])) == (example.a, example.b, example.is_random_next)


@settings(max_examples=200, deadline=None)
@given(corpora, st.integers(8, 40), st.integers(0, 99))
def test_what_every_pair_holds_to(lengths, block, seed) -> None:
    documents = numbered(lengths)
    store = store_of(documents)
    plan = draw_plan(store, examples_settings(block, seed=seed), 0)
    document_of = np.repeat(np.arange(len(documents)), [sum(document) for document in lengths])
    assert (plan["a_len"] >= 1).all() and (plan["b_len"] >= 1).all()
    assert (plan["a_len"] + plan["b_len"] <= block - FRAME).all()
    for row in plan:
        a, b = (document_of[row[s] : row[s] + row[n]] for s, n in (("a_start", "a_len"), ("b_start", "b_len")))
        assert len(set(a)) == len(set(b)) == 1, "no segment crosses documents"
        assert (a[0] != b[0]) == bool(row["is_random_next"])
        if not row["is_random_next"]:
            assert row["b_start"] >= row["a_start"] + row["a_len"]


@settings(max_examples=100, deadline=None)
@given(corpora, st.integers(0, 99))
def test_text_that_fits_is_used_whole(lengths, seed) -> None:
    """With a block longer than any document every token of every document is some pair's first or true next segment."""
    store = store_of(numbered(lengths))
    plan = draw_plan(store, examples_settings(200, short=0.0, seed=seed), 0)
    used = np.zeros(len(store.ids), bool)
    for row in plan:
        used[row["a_start"] : row["a_start"] + row["a_len"]] = True
        if not row["is_random_next"]:
            used[row["b_start"] : row["b_start"] + row["b_len"]] = True
    assert used.all()


def test_pure_in_seed_and_epoch() -> None:
    store = store_of(numbered([[5] * 20] * 20))
    first = draw_plan(store, examples_settings(seed=1), 2)
    assert (draw_plan(store, examples_settings(seed=1), 2) == first).all()
    assert not np.array_equal(draw_plan(store, examples_settings(seed=1), 3), first)
    assert not np.array_equal(draw_plan(store, examples_settings(seed=2), 2), first)


def test_the_random_partner_is_uniform_over_the_other_text() -> None:
    """Documents of 1 and of 9 sentences: the long ones are drawn nine times as often, their sentences evenly."""
    lengths = [[3]] * 50 + [[3] * 9] * 50
    store = store_of(numbered(lengths))
    starts = []
    for epoch in range(40):
        plan = draw_plan(store, examples_settings(block=8, short=0.0, random_share=1.0), epoch)
        starts.append(plan["b_start"][plan["is_random_next"] == 1])
    drawn = np.concatenate(starts)
    # A B of 3 tokens is cut to 1 or 2: its sentence is what counts.
    counts = np.bincount(drawn // 3, minlength=500)
    assert counts.sum() > 15_000
    assert abs(counts[:50].sum() / counts.sum() - 0.1) < 0.01
    assert counts.std() < 1.2 * counts.mean() ** 0.5, "as even as chance"


def test_the_share_of_random_pairs() -> None:
    store = store_of(numbered([[4] * 50] * 60))
    for share in (0.2, 0.5):
        plan = np.concatenate([draw_plan(store, examples_settings(64, 0.0, share), epoch) for epoch in range(5)])
        # Only a document's last lone sentence is forced to be random; of fifty sentences that is a few per cent.
        assert share - 0.02 < plan["is_random_next"].mean() < share + 0.08


def test_one_sentence_documents() -> None:
    store = store_of(numbered([[4], [5], [6]]))
    plan = draw_plan(store, examples_settings(), 0)
    assert len(plan) == 3 and plan["is_random_next"].all()
    assert len(draw_plan(store, examples_settings(random_share=0.0), 0)) == 0


def test_one_document_is_told() -> None:
    store = store_of(numbered([[4, 4, 4]]))
    with pytest.raises(
        InputError, match=r"1 document: .*blank lines.*corpus\.layout=lines.*examples\.nsp_probability=0"
    ):
        draw_plan(store, examples_settings(), 0)
    plan = draw_plan(store, examples_settings(random_share=0.0, short=0.0), 0)
    assert len(plan) == 1 and not plan["is_random_next"].any()


def test_a_sentence_longer_than_the_block() -> None:
    store = store_of(numbered([[50_000], [3, 50_000]]))
    plan = draw_plan(store, examples_settings(128, short=0.0), 0)
    assert len(plan) >= 2 and (plan["a_len"] + plan["b_len"] <= 125).all() and (plan["a_len"] >= 1).all()
