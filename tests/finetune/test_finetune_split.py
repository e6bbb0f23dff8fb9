"""The dev set: stratified, disjoint, a function of texts and seed, no text on both sides."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from finetune.split import split_dev

TEXTS = [f"문장 {number}" for number in range(200)]
LABELS = ["드문" if number % 10 == 0 else "흔한" for number in range(200)]


def test_it_keeps_the_shares_of_the_labels() -> None:
    train, dev = split_dev(TEXTS, LABELS, 0.2, seed=0)
    assert sorted(train + dev) == list(range(200))
    assert Counter(LABELS[place] for place in dev) == {"드문": 4, "흔한": 36}


def test_it_depends_on_the_seed_and_not_on_the_order() -> None:
    _, dev = split_dev(TEXTS, LABELS, 0.2, seed=0)
    assert (_, dev) == split_dev(TEXTS, LABELS, 0.2, seed=0)
    assert dev != split_dev(TEXTS, LABELS, 0.2, seed=1)[1]
    _, mirrored = split_dev(TEXTS[::-1], LABELS[::-1], 0.2, seed=0)
    assert {TEXTS[::-1][place] for place in mirrored} == {TEXTS[place] for place in dev}


def test_a_label_with_one_text_is_trained_on() -> None:
    train, dev = split_dev(["가", "나", "다", "다"], ["x", "x", "y", "y"], 0.5, seed=0)
    assert {2, 3} <= set(train)
    assert len(dev) == 1


@given(
    st.lists(st.tuples(st.sampled_from("가나다라마바"), st.sampled_from("xyz")), min_size=1, max_size=40),
    st.floats(0.01, 0.99),
    st.integers(0, 9),
)
def test_always_disjoint_and_no_label_leaves_train(rows, share, seed) -> None:
    texts, labels = zip(*rows, strict=True)
    train, dev = split_dev(texts, labels, share, seed)
    assert sorted(train + dev) == list(range(len(rows)))
    assert {labels[place] for place in train} == set(labels)
    assert not {rows[place] for place in train} & {rows[place] for place in dev}
