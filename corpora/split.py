"""Train and held-out documents: decided by a document's own text, so neither order nor neighbours matter.

The same document twice falls on the same side, and adding text moves nothing that was there; except in a corpus so
small that too few documents are drawn, where the lowest draws fill up.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from itertools import chain, islice
from typing import TypeVar

from corpora.document import Document

Item = TypeVar("Item")

#: Held-out next-sentence pairs need a second document to draw from.
LEAST_HELD_OUT = 2


def draw(document: Document, seed: int) -> float:
    """A number in [0, 1) that depends on the document's text and the seed."""
    digest = blake2b("\n".join(document).encode(), digest_size=8, key=str(seed).encode()).digest()
    return int.from_bytes(digest, "big") / 2**64


def split_documents(
    items: Iterable[Item], held_out: float, seed: int, document_of: Callable[[Item], Document]
) -> Iterator[tuple[str, Item]]:
    """(split, item) for every item that has a document, `held_out` of them in "heldout".

    A small corpus may draw fewer than `LEAST_HELD_OUT`; then the documents with the lowest draws go there. They are
    kept back till the end, so one pass is enough. Of fewer than twice as many documents none is held out.
    """
    remaining = iter(items)
    first = list(islice(remaining, 2 * LEAST_HELD_OUT))
    if len(first) < 2 * LEAST_HELD_OUT:
        yield from (("train", item) for item in first)
        return
    lowest: list[tuple[float, int, Item]] = []
    chosen = total = 0
    for item in chain(first, remaining):
        total += 1
        number = draw(document_of(item), seed)
        if number < held_out:
            chosen += 1
            yield "heldout", item
            continue
        heapq.heappush(lowest, (-number, -total, item))
        if len(lowest) > LEAST_HELD_OUT:
            yield "train", heapq.heappop(lowest)[2]
    missing = max(0, LEAST_HELD_OUT - chosen) if held_out else 0
    given = {place for _, place, _ in heapq.nlargest(missing, lowest)}
    for _, place, item in sorted(lowest, key=lambda entry: -entry[1]):
        yield ("heldout" if place in given else "train"), item
