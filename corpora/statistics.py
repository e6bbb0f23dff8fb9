"""What a finished corpus consists of: characters by script, sentences by length, documents by source."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from corpora.document import Document
from corpora.scripts import script_of

#: Upper bounds of the length classes, in characters.
LENGTHS = (10, 20, 40, 80, 160, 320, 640, 1280)

#: Characters counted at once.
_BLOCK = 1 << 20


@dataclass
class Statistics:
    """Counted document by document; `scripts()` and `lengths()` give what a report shows."""

    documents: Counter[str] = field(default_factory=Counter)
    sentences: Counter[str] = field(default_factory=Counter)
    characters: Counter[str] = field(default_factory=Counter)
    _codes: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0x110000, np.int64))
    _lengths: Counter[int] = field(default_factory=Counter)
    _held: list[str] = field(default_factory=list)
    _held_characters: int = 0

    def add(self, document: Document, source: str) -> None:
        """Count one document."""
        sizes = list(map(len, document))
        self.documents[source] += 1
        self.sentences[source] += len(sizes)
        self.characters[source] += sum(sizes)
        self._lengths.update(sizes)
        self._held += document
        self._held_characters += sum(sizes)
        if self._held_characters >= _BLOCK:
            self._count()

    def _count(self) -> None:
        found = np.bincount(np.frombuffer("".join(self._held).encode("utf-32-le"), np.uint32))
        self._codes[: len(found)] += found
        self._held, self._held_characters = [], 0

    def scripts(self) -> dict[str, int]:
        """Characters by script, the most frequent script first."""
        self._count()
        scripts: Counter[str] = Counter()
        for code in np.flatnonzero(self._codes):
            scripts[script_of(chr(code))] += int(self._codes[code])
        return dict(sorted(scripts.items(), key=lambda item: (-item[1], item[0])))

    def lengths(self) -> dict[str, int]:
        """Sentences by length class: `11-20` counts those of 11 to 20 characters."""
        names = [f"{low + 1}-{high}" for low, high in zip((0, *LENGTHS), LENGTHS, strict=False)] + [f">{LENGTHS[-1]}"]
        classes = dict.fromkeys(names, 0)
        for length, count in self._lengths.items():
            classes[names[int(np.searchsorted(LENGTHS, length))]] += count
        return classes
