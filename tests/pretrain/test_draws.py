"""Draws against Python integers, and their evenness."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pretrain import draws
from tests.pretrain import reference

u64 = st.integers(0, 2**64 - 1)


@given(u64, st.integers(0, 2**63), st.integers(1, 2**31))
def test_against_python_integers(key: int, index: int, bound: int) -> None:
    draw = np.uint64(draws.child(np.uint64(key), np.uint64(index)))
    assert int(draw) == reference.child(key, index)
    assert draws.unit(draw) == reference.unit(int(draw))
    assert draws.below(draw, bound) == int(reference.unit(int(draw)) * bound) < bound


@given(st.integers(-(2**63), 2**63 - 1), st.lists(st.integers(0, 1000), max_size=3))
def test_streams(seed: int, path: list[int]) -> None:
    assert int(draws.stream(seed, *path)) == reference.stream(seed, *path)


def test_many_at_once_are_those_one_by_one() -> None:
    keys = np.array([0, 1, 2**64 - 1], np.uint64)
    table = draws.children(keys, 5)
    assert table.tolist() == [[reference.child(int(key), index) for index in range(5)] for key in keys]
    assert draws.units(table).tolist() == [[reference.unit(value) for value in row] for row in table.tolist()]


def test_evenness() -> None:
    keys = np.array([draws.stream(seed, 1, 2) for seed in range(1000)], np.uint64)
    numbers = draws.units(draws.children(keys, 100))
    counts, _ = np.histogram(numbers, bins=20, range=(0, 1))
    chi_square = ((counts - 5000) ** 2 / 5000).sum()
    assert chi_square < 43.8, "19 degrees of freedom, one in a thousand"
    assert abs(np.corrcoef(numbers[:-1].ravel(), numbers[1:].ravel())[0, 1]) < 0.015, "neighbouring seeds"
    assert abs(np.corrcoef(numbers[:, :-1].ravel(), numbers[:, 1:].ravel())[0, 1]) < 0.015, "neighbouring draws"


@given(u64, st.integers(1, 300))
def test_a_permutation_of_any_size(key: int, size: int) -> None:
    order = draws.permuted(np.uint64(key), size, np.arange(size))
    assert sorted(order.tolist()) == list(range(size))


def test_permutation() -> None:
    key, all_of_them = draws.stream(3, 1), np.arange(1000)
    order = draws.permuted(key, 1000, all_of_them)
    assert draws.permuted(key, 1000, np.array([7, 999, 7])).tolist() == order[[7, 999, 7]].tolist(), "each by itself"
    assert not (draws.permuted(draws.stream(3, 2), 1000, all_of_them) == order).all()
    large = draws.permuted(key, 2**40 + 1, np.arange(1000) * 2**30)
    assert len(set(large.tolist())) == 1000 and large.max() > 2**39, "never held"


def test_a_permutation_is_even() -> None:
    """Each place gets each element as often, neighbours part, and two places are as good as independent."""
    size, tries = 20, 20_000
    orders = np.array([draws.permuted(draws.stream(seed, 5), size, np.arange(size)) for seed in range(tries)])
    for place in (0, 1, size - 1):
        counts = np.bincount(orders[:, place], minlength=size)
        assert ((counts - tries / size) ** 2 / (tries / size)).sum() < 43.8, "19 degrees of freedom, one in a thousand"
    pairs = np.bincount(orders[:, 3] * size + orders[:, 4], minlength=size**2)
    expected = tries / (size * (size - 1))
    assert ((pairs[pairs > 0] - expected) ** 2 / expected).sum() < 470, "379 degrees of freedom, one in a thousand"
    assert abs(np.corrcoef(orders[:, :-1].ravel(), orders[:, 1:].ravel())[0, 1] + 1 / (size - 1)) < 0.005
