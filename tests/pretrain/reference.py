"""Slow and obvious versions of what pretrain/ compiles or vectorises: plain Python integers and lists of tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

MASK64 = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


def mixed(value: int) -> int:
    """splitmix64's finaliser in Python integers."""
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK64
    return value ^ (value >> 31)


def child(key: int, index: int) -> int:
    return mixed((key + (index + 1) * GOLDEN) & MASK64)


def unit(draw: int) -> float:
    return (draw >> 11) / 2**53


def stream(seed: int, *path: int) -> int:
    key = mixed(seed & MASK64)
    for index in path:
        key = child(key, index)
    return key


class Draws:
    """The draws of one stream, one after another."""

    def __init__(self, key: int) -> None:
        self.key, self.next = key, 0

    def unit(self, ahead: int = 0) -> float:
        return unit(child(self.key, self.next + ahead))

    def below(self, bound: int, ahead: int = 0) -> int:
        return int(self.unit(ahead) * bound)


@dataclass
class Example:
    """A pair as tokens."""

    a: list[int]
    b: list[int]
    is_random_next: bool


def pairs_of(
    documents: list[list[list[int]]], longest: int, short: float, random_share: float, key: int
) -> Iterator[Example]:
    """BERT's `create_instances_from_document` for every document, in lists of sentences of token ids."""
    sentences = [(number, place) for number, document in enumerate(documents) for place in range(len(document))]
    for number, document in enumerate(documents):
        draws = Draws(child(key, number))
        others = [(d, p) for d, p in sentences if d != number]
        target = longest
        if draws.unit() < short:
            target = 2 + draws.below(longest - 1, ahead=1)
        draws.next += 2
        begin = 0
        while begin < len(document):
            chunk = []
            while begin + len(chunk) < len(document) and (not chunk or sum(map(len, chunk)) < target):
                chunk.append(document[begin + len(chunk)])
            a_size = 1 if len(chunk) == 1 else 1 + draws.below(len(chunk) - 1)
            a = [token for sentence in chunk[:a_size] for token in sentence]
            is_random = len(chunk) == 1 or draws.unit(ahead=1) < random_share
            if is_random and random_share > 0 and others:
                other, place = others[draws.below(len(others), ahead=2)]
                b: list[int] = []
                for sentence in documents[other][place:]:
                    b += sentence
                    if len(b) >= max(target - len(a), 1):
                        break
                begin += a_size  # the rest of the chunk is put back
            else:
                is_random = False
                b = [token for sentence in chunk[a_size:] for token in sentence]
                begin += len(chunk)
            draws.next += 3
            if not b:
                continue
            while len(a) + len(b) > longest:
                longer = a if len(a) > len(b) else b
                del longer[0 if draws.unit() < 0.5 else -1]
                draws.next += 1
            yield Example(a, b, is_random)


def masked(
    ids: list[int],
    special: list[bool],
    key: int,
    mask_id: int,
    words: list[int],
    rates: tuple[float, float, float],
) -> tuple[list[int], list[int]]:
    """One example's masked inputs and labels, token by token."""
    inputs, labels = list(ids), [-100] * len(ids)
    chosen, replaced, randomised = rates
    for place, token in enumerate(ids):
        numbers = [unit(child(key, 3 * place + which)) for which in range(3)]
        if special[place] or numbers[0] >= chosen:
            continue
        labels[place] = token
        if numbers[1] < replaced:
            inputs[place] = mask_id
        elif numbers[1] < replaced + randomised:
            inputs[place] = words[int(numbers[2] * len(words))]
    return inputs, labels
