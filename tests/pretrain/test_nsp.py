"""Pair planning against the slow, obvious reference, and what any plan must hold to."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pretrain.draws import PAIRS
from pretrain.nsp import ALONE, NEXT, OTHER, draw_plan, frame_of, lengths_of
from pretrain.settings import ExamplesSettings
from pretrain.tokens import TokenStore
from tests.conftest import EXAMPLES
from tests.pretrain.reference import Ways, plan_of, stream

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


def examples_settings(block: int = 16, share: float = 0.5, **changes: Any) -> ExamplesSettings:
    return dataclasses.replace(EXAMPLES, block_size=block, nsp_probability=share, **changes)


def tokens_of(store: TokenStore, row: np.void) -> tuple[list[int], list[int]]:
    """A row's segments."""
    a, b = (
        store.ids[row[start] : row[start] + row[length]].tolist()
        for start, length in (("a_start", "a_len"), ("b_start", "b_len"))
    )
    return a, b


@settings(max_examples=400, deadline=None)
@given(
    corpora,
    st.integers(8, 40),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.sampled_from(["nsp", "sop", "none"]),
    st.sampled_from(["text", "documents"]),
    st.integers(0, 99),
)
def test_equal_to_the_reference(lengths, block, short, share, objective, random_segments, seed) -> None:
    documents = numbered(lengths)
    store = store_of(documents)
    chosen = examples_settings(
        block,
        share,
        short_seq_probability=short,
        objective=objective,
        random_segments=random_segments,
        seed=seed,
    )
    ways = Ways(block - frame_of(chosen), short, share, objective, random_segments == "documents")
    for epoch in (0, 3):
        plan = draw_plan(store, chosen, epoch)
        expected = plan_of(documents, ways, stream(seed, PAIRS, epoch))
        assert len(plan) == len(expected)
        for row, example in zip(plan, expected, strict=True):
            assert tokens_of(store, row) == (example.a, example.b or [])
            assert row["label"] == (ALONE if example.b is None else int(example.other))


@settings(max_examples=200, deadline=None)
@given(corpora, st.integers(8, 40), st.sampled_from(["nsp", "sop", "none"]), st.integers(0, 99))
def test_what_every_example_holds_to(lengths, block, objective, seed) -> None:
    documents = numbered(lengths)
    store = store_of(documents)
    plan = draw_plan(store, examples_settings(block, objective=objective, seed=seed), 0)
    document_of = np.repeat(np.arange(len(documents)), [sum(document) for document in lengths])
    assert (plan["a_len"] >= 1).all() and (lengths_of(plan) <= block).all()
    for row in plan:
        a, b = tokens_of(store, row)
        places = [set(document_of[segment]) for segment in (a, b) if segment]
        assert all(len(place) == 1 for place in places), "no segment crosses documents"
        if row["label"] == ALONE:
            assert not b and (objective == "none" or len(documents[places[0].pop()]) == 1)
        elif objective == "nsp":
            assert (places[0] != places[1]) == (row["label"] == OTHER)
        if row["label"] == NEXT:
            assert b[0] > a[-1] and places[0] == places[1]
        if objective == "sop" and row["label"] == OTHER:
            assert a[0] > b[-1] and places[0] == places[1]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.lists(st.integers(1, 12), min_size=2, max_size=30), min_size=2, max_size=6),
    st.integers(8, 40),
    st.sampled_from(["nsp", "sop", "none"]),
    st.integers(0, 99),
)
def test_a_document_that_can_fills_its_blocks(lengths, block, objective, seed) -> None:
    """Only text that is not there leaves a block short: that of A's document, or of a random B's."""
    documents = numbered(lengths)
    store = store_of(documents)
    chosen = examples_settings(block, objective=objective, short_seq_probability=0.0, seed=seed)
    sizes = [sum(document) for document in lengths]
    document_of = np.repeat(np.arange(len(documents)), sizes)
    target = block - frame_of(chosen)
    for row in draw_plan(store, chosen, 0):
        a, b = tokens_of(store, row)
        filled = len(a) + len(b) == target
        short_document = sizes[document_of[a[0]]] < target
        short_other = row["label"] == OTHER and objective == "nsp" and sizes[document_of[b[0]]] < target - len(a)
        assert filled or short_document or short_other


@pytest.mark.parametrize("objective", ["nsp", "sop", "none"])
def test_text_that_fits_is_used_whole(objective: str) -> None:
    """With a block longer than any document all its text is some example's first or true next segment."""
    generator = np.random.default_rng(0)
    for seed in range(50):
        lengths = [generator.integers(1, 12, generator.integers(1, 9)).tolist() for _ in range(5)]
        store = store_of(numbered(lengths))
        plan = draw_plan(store, examples_settings(200, objective=objective, short_seq_probability=0.0, seed=seed), 0)
        used = np.zeros(len(store.ids), bool)
        for row in plan:
            a, b = tokens_of(store, row)
            used[a] = True
            if row["label"] == NEXT or objective == "sop":
                used[b] = True
        assert used.all()


def test_pure_in_seed_and_epoch() -> None:
    store = store_of(numbered([[5] * 20] * 20))
    first = draw_plan(store, examples_settings(seed=1), 2)
    assert (draw_plan(store, examples_settings(seed=1), 2) == first).all()
    assert not np.array_equal(draw_plan(store, examples_settings(seed=1), 3), first)
    assert not np.array_equal(draw_plan(store, examples_settings(seed=2), 2), first)


WITHOUT_RANDOM = (
    examples_settings(share=0.0),
    examples_settings(objective="sop"),
    examples_settings(objective="none"),
)


@pytest.mark.parametrize(("random_segments", "of_short_ones"), [("text", 0.1), ("documents", 0.5)])
def test_what_the_random_partner_is_uniform_over(random_segments: str, of_short_ones: float) -> None:
    """Documents of 1 and of 9 sentences: the long ones hold nine times the text."""
    store = store_of(numbered([[3]] * 50 + [[3] * 9] * 50))
    starts = []
    for epoch in range(40):
        chosen = examples_settings(8, 1.0, short_seq_probability=0.0, random_segments=random_segments)
        plan = draw_plan(store, chosen, epoch)
        starts.append(plan["b_start"][plan["label"] == OTHER])
    drawn = np.concatenate(starts)
    # A B of 3 tokens is cut to 1 or 2: its sentence is what counts.
    counts = np.bincount(drawn // 3, minlength=500)
    assert counts.sum() > 15_000
    assert abs(counts[:50].sum() / counts.sum() - of_short_ones) < 0.01
    for part in (counts[:50], counts[50:]):
        assert part.std() < 1.2 * part.mean() ** 0.5, "as even as chance"


@pytest.mark.parametrize("objective", ["nsp", "sop"])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_the_share_of_random_pairs(share: float, objective: str) -> None:
    """Exact to a few pairs, whatever the corpus, as long as one-sentence documents leave room for it."""
    generator = np.random.default_rng(1)
    lengths = [generator.integers(1, 40, generator.integers(2, 30)).tolist() for _ in range(300)]
    store = store_of(numbered(lengths))
    label = draw_plan(store, examples_settings(64, share, objective=objective), 0)["label"]
    assert abs((label == OTHER).mean() - share) < 0.003 and (label >= 0).all()


def test_one_sentence_documents_are_made_up_for() -> None:
    generator = np.random.default_rng(2)
    lengths = [generator.integers(1, 40, generator.integers(2, 30)).tolist() for _ in range(300)]
    store = store_of(numbered(lengths + [[9]] * 600))
    plan = draw_plan(store, examples_settings(64), 0)
    single = plan["a_start"] >= store.sentences[-601]
    assert single.sum() == 600 and (plan["label"][single] == OTHER).all()
    assert abs((plan["label"] == OTHER).mean() - 0.5) < 0.005
    assert (plan["label"][~single] == OTHER).mean() < 0.45


def test_too_many_one_sentence_documents() -> None:
    store = store_of(numbered([[4, 4, 4]] * 10 + [[9]] * 600))
    plan = draw_plan(store, examples_settings(64), 0)
    assert (plan["label"] == OTHER).sum() == 600, "the others are all true ones, and that is still not half"


def test_one_sentence_documents_alone() -> None:
    store = store_of(numbered([[4], [5], [6]]))
    plan = draw_plan(store, examples_settings(), 0)
    assert len(plan) == 3 and (plan["label"] == OTHER).all()
    for chosen in WITHOUT_RANDOM:
        plan = draw_plan(store, chosen, 0)
        assert len(plan) == 3 and (plan["label"] == ALONE).all() and not plan["b_len"].any(), "their text is not lost"


def test_a_lone_last_sentence_is_as_often_a_true_one() -> None:
    """A sentence, and one that is left alone when the first pair was random: BERT could only give it a random B."""
    store = store_of(numbered([[7, 7]] * 400))
    labels = []
    for epoch in range(10):
        plan = draw_plan(store, examples_settings(40, short_seq_probability=0.0), epoch)
        # A first pair is of both sentences or of the first one and a random B; in the latter case there is another.
        second = np.flatnonzero((plan["label"][:-1] == OTHER) & (plan["a_start"][:-1] % 14 == 0)) + 1
        assert (plan["a_start"][second] // 14 == plan["a_start"][second - 1] // 14).all()
        labels.append(plan["label"][second])
    drawn = np.concatenate(labels)
    assert len(drawn) > 1500 and abs(drawn.mean() - 0.5) < 0.05


@pytest.mark.parametrize(("copies", "same"), [(0, [False, False]), (1, [True, True]), (2, [False, True])])
def test_duplicate_epochs(copies: int, same: list[bool]) -> None:
    store = store_of(numbered([[5] * 20] * 20))
    plans = [draw_plan(store, examples_settings(duplicate_epochs=copies), epoch) for epoch in range(3)]
    assert [np.array_equal(plans[0], later) for later in plans[1:]] == same


def test_one_document_is_told() -> None:
    store = store_of(numbered([[4, 4, 4]]))
    with pytest.raises(
        InputError, match=r"the text is 1 document\(s\): .*blank lines.*corpus\.layout=lines.*examples\.objective=none"
    ):
        draw_plan(store, examples_settings(), 0)
    for chosen in WITHOUT_RANDOM:
        plan = draw_plan(store, dataclasses.replace(chosen, short_seq_probability=0.0), 0)
        assert len(plan) == 1 and lengths_of(plan)[0] == 12 + frame_of(chosen)


@pytest.mark.parametrize("objective", ["nsp", "sop", "none"])
def test_a_sentence_longer_than_the_block(objective: str) -> None:
    store = store_of(numbered([[50_000], [3, 50_000, 4]]))
    plan = draw_plan(store, examples_settings(128, objective=objective, short_seq_probability=0.0), 0)
    assert len(plan) >= 2 and (lengths_of(plan) <= 128).all() and (plan["a_len"] >= 1).all()


def test_nothing_to_plan() -> None:
    store = store_of([])
    assert len(draw_plan(store, examples_settings(objective="none"), 0)) == 0
