"""The analyser as probes need it: the morphemes of a sentence with their dictionary forms, and words made of morphemes.

`tokenizer.morphemes` knows places and tags only. Tags are Sejong's; an irregular stem has `-I` behind its tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple


class Token(NamedTuple):
    """A morpheme: dictionary form, tag, its characters' places `text[start:end]`, and whether dictionaries have it."""

    form: str
    tag: str
    start: int
    end: int
    known: bool

    @property
    def part(self) -> str:
        """The tag without what it says of irregular stems."""
        return self.tag.partition("-")[0]


def analyse(texts: Iterable[str]) -> Iterator[list[Token]]:
    """The morphemes of each text, in order."""
    for tokens in _analyser().tokenize(iter(texts)):
        yield [Token(one.form, one.tag, one.start, one.start + one.len, not one.oov) for one in tokens]


def join(tokens: Sequence[Token]) -> str:
    """The word that these morphemes make: 오 + 었 + 다 -> 왔다."""
    return str(_analyser().join([(token.form, token.tag) for token in tokens]))


@lru_cache(maxsize=1)
def _analyser() -> Any:  # takes seconds and half a gigabyte to load
    from kiwipiepy import Kiwi

    return Kiwi(num_workers=1)
