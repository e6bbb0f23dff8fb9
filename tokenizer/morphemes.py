"""Where the morphemes of Korean text meet, found by the analyser kiwipiepy.

The analyser is needed while a vocabulary is learned and judged, never where it is used. A boundary is a place between
two characters where one morpheme ends and the next begins; morphemes that share a syllable (했 = 하 + 었) have none.

Words are analysed one by one, each distinct word once, without their sentences: that is less work by an order of
magnitude, does not depend on the order of the text, and the boundaries before particles that the analyser finds in
whole held-out sentences are kept all the same (97 of 100, docs/LOG.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache, partial
from itertools import pairwise
from operator import attrgetter
from typing import Any, NamedTuple

from pipeline.executor import Pool, in_batches, ordered_map

#: Words handed to a worker at once: a second's work.
_BATCH = 10_000


class Morpheme(NamedTuple):
    """A morpheme of a text: its part of speech (Sejong tag set) and its characters' places, `text[start:end]`."""

    tag: str
    start: int
    end: int


def analyse(texts: Iterable[str]) -> Iterator[list[Morpheme]]:
    """The morphemes of each text, in order."""
    for tokens in _analyser().tokenize(iter(texts)):
        yield [Morpheme(token.tag, token.start, token.start + token.len) for token in tokens]


def boundaries(morphemes: Sequence[Morpheme]) -> tuple[int, ...]:
    """Places where a morpheme begins and none goes on.

    >>> boundaries([Morpheme("NNG", 0, 2), Morpheme("XSV", 2, 3), Morpheme("EP", 2, 3), Morpheme("EF", 3, 4)])
    (2, 3)
    """
    return tuple(later.start for _, later in _meetings(morphemes))


def particle_boundaries(morphemes: Sequence[Morpheme]) -> tuple[int, ...]:
    """Boundaries before a particle, the first where several follow each other (학교|에서는).

    >>> particle_boundaries([Morpheme("NNG", 0, 2), Morpheme("JKB", 2, 4), Morpheme("JX", 4, 5)])
    (2,)
    """
    return tuple(
        later.start
        for earlier, later in _meetings(morphemes)
        if later.tag.startswith("J") and not earlier.tag.startswith("J")
    )


def split_words_apart(
    words: Iterable[str],
    pool: Pool,
    particles_alone: bool,
    progress: Callable[[float], None] = lambda words: None,
) -> dict[str, tuple[int, ...]]:
    """The boundaries in each word that has any, all of them or those before particles."""
    split = partial(_split_batch, find=particle_boundaries if particles_alone else boundaries)
    places: dict[str, tuple[int, ...]] = {}
    for found, done in ordered_map(pool, split, in_batches(words, _BATCH)):
        places.update(found)
        progress(done)
    return places


def _split_batch(
    words: Sequence[str], find: Callable[[Sequence[Morpheme]], tuple[int, ...]]
) -> tuple[dict[str, tuple[int, ...]], int]:
    found = zip(words, map(find, analyse(words)), strict=True)
    return {word: places for word, places in found if places}, len(words)


def _meetings(morphemes: Sequence[Morpheme]) -> Iterator[tuple[Morpheme, Morpheme]]:
    """Morphemes that follow each other without a syllable in common.

    A dropped copula (친구|라고) has no characters and meets nothing. Now and then the analyser names a morpheme before
    one that begins earlier: hence in the order of their places.
    """
    spelled = sorted((one for one in morphemes if one.start < one.end), key=attrgetter("start", "end"))
    reached = 0
    for earlier, later in pairwise(spelled):
        reached = max(reached, earlier.end)
        if later.start >= reached:
            yield earlier, later


@lru_cache(maxsize=1)
def _analyser() -> Any:  # one a process: it takes seconds and half a gigabyte to load
    from kiwipiepy import Kiwi

    return Kiwi(num_workers=1)
