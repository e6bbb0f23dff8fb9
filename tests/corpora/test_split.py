"""The split goes by each document's own text."""

import random

import pytest

from corpora.split import LEAST_HELD_OUT, draw, split_documents

DOCUMENTS = [[f"문서 {number}의 첫 문장.", f"둘째 문장 {number}."] for number in range(2000)]


def sides(documents, held_out=0.1, seed=0):
    split = {"train": [], "heldout": []}
    for side, document in split_documents(documents, held_out, seed, list):
        split[side].append(tuple(document))
    return split


def test_every_document_goes_to_one_side_at_about_the_rate() -> None:
    split = sides(DOCUMENTS)
    assert sorted(split["train"] + split["heldout"]) == sorted(map(tuple, DOCUMENTS))
    assert 150 < len(split["heldout"]) < 250


def test_neither_order_nor_neighbours_matter() -> None:
    expected = set(sides(DOCUMENTS)["heldout"])
    shuffled = random.Random(1).sample(DOCUMENTS, len(DOCUMENTS))
    assert set(sides(shuffled)["heldout"]) == expected
    assert set(sides(DOCUMENTS[:1000])["heldout"]) == expected & set(map(tuple, DOCUMENTS[:1000]))


def test_a_document_that_stands_twice_stays_on_one_side() -> None:
    split = sides(DOCUMENTS + DOCUMENTS)
    assert set(split["train"]).isdisjoint(split["heldout"])


def test_the_seed_moves_it() -> None:
    assert set(sides(DOCUMENTS, seed=1)["heldout"]) != set(sides(DOCUMENTS)["heldout"])


@pytest.mark.parametrize("count", range(8))
@pytest.mark.parametrize("seed", range(5))
def test_a_small_corpus_keeps_enough_on_both_sides(count: int, seed: int) -> None:
    split = sides(DOCUMENTS[:count], held_out=1e-9, seed=seed)
    enough = count >= 2 * LEAST_HELD_OUT
    assert len(split["heldout"]) == (LEAST_HELD_OUT if enough else 0)
    assert len(split["train"]) + len(split["heldout"]) == count
    if enough:
        by_draw = sorted(DOCUMENTS[:count], key=lambda document: draw(document, seed))
        assert set(split["heldout"]) == set(map(tuple, by_draw[:LEAST_HELD_OUT]))


def test_nothing_is_held_out_if_nothing_is_asked_for() -> None:
    assert sides(DOCUMENTS, held_out=0.0)["heldout"] == []
