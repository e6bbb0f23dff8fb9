"""A dev set out of the training rows: stratified by label, and decided by the texts themselves.

Neither the order of the rows nor a library's generator matters, only (texts, labels, share, seed). The same
text under the same label always falls on one side, so that the best epoch is not chosen on what was trained
on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from hashlib import blake2b


def split_dev(texts: Sequence[str], labels: Sequence[str], share: float, seed: int) -> tuple[list[int], list[int]]:
    """Places of the training and of the dev rows, both ascending; about `share` of each label's rows are dev.

    A label with two or more different texts has at least one on each side; one with a single text is trained
    on only.

    >>> split_dev(["좋다", "멋지다", "나쁘다", "싫다"], ["긍정", "긍정", "부정", "부정"], share=0.5, seed=0)
    ([0, 2], [1, 3])
    """
    places: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for place, (text, label) in enumerate(zip(texts, labels, strict=True)):
        places[label][text].append(place)
    dev: set[int] = set()
    for by_text in places.values():
        wanted = max(1, round(share * sum(map(len, by_text.values()))))
        taken: list[int] = []
        for text in sorted(by_text, key=lambda text: _draw(text, seed))[:-1]:
            if len(taken) >= wanted:
                break
            taken += by_text[text]
        dev.update(taken)
    return [place for place in range(len(texts)) if place not in dev], sorted(dev)


def _draw(text: str, seed: int) -> bytes:
    return blake2b(text.encode(), digest_size=16, key=str(seed).encode()).digest()
