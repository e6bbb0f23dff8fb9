"""Randomness as a function: a draw is a hash of what it is for, (seed, epoch, example, place), not a generator's state.

So any example, mask or step can be drawn again alone, in any order, in any process, and a run's whole random state
is one integer. The hash is splitmix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators"),
whose finaliser passes the usual statistical test suites.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_30, _27, _31, _11 = (np.uint64(shift) for shift in (30, 27, 31, 11))
_UNIT = 2.0**-53
#: Rounds of the permutation. Four make it look random from outside (Luby, Rackoff 1988); small domains want more.
_ROUNDS = 8

#: uint64, alone or as an array: numba compiles one version for each.
UInt = Any

#: Streams of one seed that must not meet.
PAIRS, ORDER, MASKS, DROPOUT, WEIGHTS, EVALUATION, SHOWN = range(7)


@njit(cache=True, inline="always")
def mixed(value: UInt) -> UInt:
    """splitmix64's finaliser, a bijection of 64-bit numbers; of each element of an array."""
    value = (value ^ (value >> _30)) * _MIX_1
    value = (value ^ (value >> _27)) * _MIX_2
    return value ^ (value >> _31)


@njit(cache=True, inline="always")
def child(key: np.uint64, index: UInt) -> UInt:
    """The `index`-th draw of the stream `key`; also the key of a stream of its own."""
    return mixed(key + (index + np.uint64(1)) * _GOLDEN)


@njit(cache=True, inline="always")
def unit(draw: np.uint64) -> float:
    """A draw as a number in [0, 1), on the grid of 2**-53."""
    return float(draw >> _11) * _UNIT


@njit(cache=True, inline="always")
def below(draw: np.uint64, bound: int) -> int:
    """A draw as an integer in [0, bound); the bias is under bound / 2**53."""
    return int(unit(draw) * bound)


def stream(seed: int, *path: int) -> np.uint64:
    """The key of a stream: `stream(seed, MASKS, epoch)`. Negative seeds count too."""
    # Compiled functions hand back Python integers, which do not fit their 64-bit arguments again.
    key = np.uint64(mixed(np.uint64(seed & 0xFFFFFFFFFFFFFFFF)))
    for index in path:
        key = np.uint64(child(key, np.uint64(index)))
    return key


def children(keys: NDArray[np.uint64], count: int) -> NDArray[np.uint64]:
    """Draws 0..count-1 of each key: keys (n,) -> (n, count)."""
    steps = (np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN)[None, :]
    return np.asarray(mixed(keys[:, None] + steps))


def units(draws: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Draws as numbers in [0, 1), same shape."""
    return (draws >> _11).astype(np.float64) * _UNIT


def permuted(key: np.uint64, size: int, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """What stands at some `positions` (n,) of a random order of 0..size-1, a function of `key` alone: (n,).

    A Feistel network walked until it stays below `size` (Black, Rogaway 2002, "Ciphers with arbitrary finite domains"):
    each position is found by itself, and the order is never held.
    """
    found: NDArray[np.int64] = _walk(key, size, np.ascontiguousarray(positions, np.int64))
    return found


@njit(cache=True, nogil=True)
def _walk(key, size, positions):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    half = np.uint64(1)  # bits of each half: the network's domain is less than four times `size`
    while np.uint64(1) << (np.uint64(2) * half) < np.uint64(size):
        half += np.uint64(1)
    mask = (np.uint64(1) << half) - np.uint64(1)
    found = np.empty(len(positions), np.int64)
    for place in range(len(positions)):
        value = np.uint64(positions[place])
        while True:
            left, right = value >> half, value & mask
            for turn in range(_ROUNDS):
                left, right = right, left ^ (child(child(key, np.uint64(turn)), right) & mask)
            value = (left << half) | right
            if value < np.uint64(size):
                break
        found[place] = value
    return found
