"""Dev and test out of train: stratified, disjoint, a function of texts and seed, no first text on two sides."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune.data.duplicates import contradictions, drop_duplicates, exclude, find_overlap
from finetune.data.rows import Answer, Row, Rows, Span
from finetune.data.split import split_off, split_rows
from pipeline.errors import InputError


def rows_of(*rows) -> Rows:
    """(text, target) or (text, pair, target)."""
    made = []
    for number, row in enumerate(rows, 1):
        text, pair, target = row if len(row) == 3 else (row[0], None, row[1])
        made.append(Row(text, pair, target, f"line {number}", f"line {number}"))
    return Rows(Path("train.tsv"), tuple(made))


MANY = rows_of(*((f"문장 {number}", "드문" if number % 10 == 0 else "흔한") for number in range(200)))


def labels(rows: Rows) -> Counter:
    return Counter(row.target for row in rows.rows)


def test_it_keeps_the_shares_of_the_labels() -> None:
    split = split_rows(MANY, dev=0.2, test=0.1, seed=0)
    assert labels(split.dev) == {"드문": 4, "흔한": 36}
    assert labels(split.test) == {"드문": 2, "흔한": 18}
    assert labels(split.train) == {"드문": 14, "흔한": 126}
    assert {row for part in (split.train, split.dev, split.test) for row in part.rows} == set(MANY.rows)


def test_it_depends_on_the_seed_and_not_on_the_order() -> None:
    kept, held = split_off(MANY, 0.2, seed=0)
    assert (kept, held) == split_off(MANY, 0.2, seed=0)
    assert held != split_off(MANY, 0.2, seed=1)[1]
    mirrored = Rows(MANY.path, MANY.rows[::-1])
    texts = {MANY.rows[place].text for place in held}
    assert {mirrored.rows[place].text for place in split_off(mirrored, 0.2, seed=0)[1]} == texts


def test_what_is_drawn_stays_the_same() -> None:
    """The draw is part of what published scores mean: it must not move with a version of anything."""
    rows = rows_of(*((f"문장 {number}", "가나"[number % 2]) for number in range(20)))
    assert split_off(rows, 0.2, seed=7)[1] == GOLDEN


GOLDEN = [1, 2, 7, 16]


def test_a_premise_and_a_passage_fall_on_one_side() -> None:
    nli = rows_of(*((f"전제 {n}", f"가설 {m}", "ABC"[m]) for n in range(100) for m in range(3)))
    split = split_rows(nli, dev=0.1, test=0.2, seed=3)
    sides = [{row.text for row in part.rows} for part in (split.train, split.dev, split.test)]
    assert list(map(len, sides)) == [70, 10, 20]
    assert not sides[0] & sides[1] | sides[0] & sides[2] | sides[1] & sides[2]
    assert labels(split.dev) == {"A": 10, "B": 10, "C": 10}
    qa = rows_of(*((f"지문 {n}", f"물음 {m}", (Answer("지문", 0),)) for n in range(30) for m in range(1 + n % 5)))
    split = split_rows(qa, dev=0.2, test=0, seed=3)
    assert not {row.text for row in split.train.rows} & {row.text for row in split.dev.rows}
    assert 0.15 < len(split.dev) / len(qa) < 0.3


def test_the_same_text_in_other_spaces_is_one_group() -> None:
    rows = rows_of(
        *((text, "x") for n in range(20) for text in (f"문장 {n}번", f"문장  {n}번 ", f"문장 {n}번".replace("1", "１")))
    )
    kept, held = split_off(rows, 0.3, seed=0)
    assert not {place // 3 for place in kept} & {place // 3 for place in held}


def test_numbers_are_stratified_by_bins() -> None:
    rows = rows_of(*((f"문장 {n}", 5.0 if n % 2 else n / 40) for n in range(200)))
    dev = split_rows(rows, dev=0.2, test=0, seed=1).dev
    assert sum(row.target == 5.0 for row in dev.rows) == 20
    low = sorted(row.target for row in dev.rows if row.target < 5)
    assert all(sum(start <= value < start + 1 for value in low) == 4 for start in range(5))


def test_rare_labels_of_sets_and_entities_are_on_both_sides() -> None:
    sets = rows_of(*((f"문장 {n}", ("흔한", "드문") if n < 4 else ("흔한",)) for n in range(100)))
    split = split_rows(sets, dev=0.25, test=0, seed=5)
    assert sum("드문" in row.target for row in split.dev.rows) == 1
    spans = rows_of(*((f"문장 {n}", (Span(0, 1, "가"), Span(2, 3, "나" if n < 8 else "가"))) for n in range(80)))
    split = split_rows(spans, dev=0.25, test=0, seed=5)
    assert sum(row.target[1].label == "나" for row in split.dev.rows) == 2
    none = rows_of(*((f"지문 {n}", "물음", () if n < 40 else (Answer("지", 0),)) for n in range(80)))
    assert sum(not row.target for row in split_rows(none, dev=0.1, test=0, seed=5).dev.rows) == 4


def test_a_label_with_one_text_is_trained_on() -> None:
    kept, held = split_off(rows_of(("가", "x"), ("나", "x"), ("다", "y"), ("다", "y")), 0.5, seed=0)
    assert {2, 3} <= set(kept)
    assert len(held) == 1


def test_too_little_to_split() -> None:
    with pytest.raises(InputError, match=r"train.tsv: no stratum has two different first texts"):
        split_off(rows_of(("가", "x"), ("나", "y")), 0.5, seed=0)
    with pytest.raises(InputError, match="shares of dev"):
        split_rows(MANY, dev=0.5, test=0.5, seed=0)


@given(
    st.lists(st.tuples(st.sampled_from("가나다라마바"), st.sampled_from("xyz")), min_size=1, max_size=40),
    st.floats(0.01, 0.99),
    st.integers(0, 9),
)
def test_always_disjoint_and_no_label_leaves_train(pairs, share, seed) -> None:
    rows = rows_of(*pairs)
    try:
        kept, held = split_off(rows, share, seed)
    except InputError:
        return
    assert sorted(kept + held) == list(range(len(rows)))
    assert {rows.rows[place].target for place in kept} == {row.target for row in rows.rows}
    assert not {rows.rows[place].text for place in kept} & {rows.rows[place].text for place in held}


def test_duplicates_of_test_are_found_and_excluded() -> None:
    train = rows_of(("좋다", "1"), ("ＡＢ  나", "0"), ("싫다", "0"), ("좋다 ", "0"), ("새것", "1"))
    test = rows_of(("좋다", "1"), ("AB 나", "1"), ("다른 것", "0"))
    overlap = find_overlap(train, test)
    assert (overlap.train, overlap.test, overlap.otherwise, overlap.first) == ((0, 1, 3), 2, 2, 2)
    left = exclude(train, overlap)
    assert left.texts == ["싫다", "새것"]
    assert find_overlap(left, test).test == 0


def test_pairs_are_the_same_by_both_texts() -> None:
    train, test = rows_of(("전제", "하나", "A")), rows_of(("전제", "둘", "A"), ("전제", "하나", "A"))
    overlap = find_overlap(train, test)
    assert (overlap.test, overlap.first) == (1, 2)


def test_duplicates_and_contradictions_inside() -> None:
    rows = rows_of(("좋다", "1"), ("좋다", "0"), (" 좋다", "1"), ("싫다", "0"), ("좋다", "0"))
    assert contradictions(rows) == [("line 1", "line 2")]
    left, dropped = drop_duplicates(rows)
    assert ([row.place for row in left.rows], dropped) == (["line 1", "line 2", "line 4"], 2)
