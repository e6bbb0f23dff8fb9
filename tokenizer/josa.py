"""Whether a vocabulary cuts a noun from its josa: 학교에서 as 학교 + ##에서, not as 학 + ##교에 + ##서.

A case is an eojeol of held-out text in which the analyser finds a noun directly followed by a particle. A noun is what
carries one of `NOUNS`: common, proper, dependent nouns, numerals, pronouns, and the suffix that ends a derived noun
(학생들, 선생님). Left out are

* nominalised verbs (ETN, 읽기에): not nouns, and 기에, 음에 are confused with endings;
* the copula (VCP, 학생이다), which is no particle;
* eojeols in which anything but Hangul syllables stands before the boundary: marks and Hanja are cut off whatever the
  vocabulary, digits and Latin letters nearly always;
* eojeols in which noun and particle share a syllable (나는 -> 난, 것이 -> 게): there is no boundary to keep.

What follows the boundary stays as it stands (학교에서, 학교에서만!): that is what the tokenizer meets.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from tokenizers import Tokenizer

from pipeline.executor import in_batches
from tokenizer.morphemes import Morpheme, analyse

#: Tags (Sejong) of a noun's last morpheme. Particles are the tags that begin with J.
NOUNS = frozenset({"NNG", "NNP", "NNB", "NR", "NP", "XSN"})
#: Examples of each kind that are kept for the report.
EXAMPLES = 20
#: Sentences analysed at once. kiwipiepy reads a few ahead, so the last batch is not all waste.
_BATCH = 256

_EOJEOL = re.compile(r"\S+")
_SYLLABLES = re.compile("[가-힣]+")

Analyse = Callable[[Iterable[str]], Iterator[list[Morpheme]]]


class JosaCase(NamedTuple):
    """An eojeol, and the place in it where the particle begins: `eojeol[:boundary]` ends in a noun."""

    eojeol: str
    boundary: int


@dataclass(frozen=True)
class JosaExample:
    """A case, what the tokenizer makes of it, and how often it occurs among the cases."""

    case: JosaCase
    pieces: tuple[str, ...]
    count: int


@dataclass(frozen=True)
class JosaKept:
    """In how many cases a piece begins where the particle does; the most frequent of either kind as examples."""

    cases: int
    kept: int
    good: tuple[JosaExample, ...]
    bad: tuple[JosaExample, ...]

    @property
    def share(self) -> float:
        """Kept over cases."""
        return self.kept / max(self.cases, 1)


def find_cases(sentences: Sequence[str], limit: int, analyser: Analyse = analyse) -> list[JosaCase]:
    """Up to `limit` cases, taken evenly over the sentences, in the order of the text.

    Analyses no more sentences than it needs: kiwipiepy reads about a thousand a second. An eojeol that occurs often is
    a case as often.
    """
    found: list[tuple[int, JosaCase]] = []
    for places in in_batches(spread(len(sentences)), _BATCH):
        texts = [sentences[place] for place in places]
        for place, text, morphemes in zip(places, texts, analyser(texts), strict=True):
            found += [(place, case) for case in cases_of(text, morphemes)]
            if len(found) >= limit:
                return [case for _, case in sorted(found[:limit], key=lambda item: item[0])]
    return [case for _, case in sorted(found, key=lambda item: item[0])]


def cases_of(text: str, morphemes: Sequence[Morpheme]) -> Iterator[JosaCase]:
    """The cases of one sentence, at most one an eojeol: its first noun with a particle.

    >>> list(cases_of("집에서 책을", [Morpheme("NNG", 0, 1), Morpheme("JKB", 1, 3), Morpheme("NNG", 4, 5)]))
    [JosaCase(eojeol='집에서', boundary=1)]
    """
    spans = [eojeol.span() for eojeol in _EOJEOL.finditer(text)]
    done = -1
    for noun, particle in pairwise(morphemes):
        if noun.tag not in NOUNS or not particle.tag.startswith("J"):
            continue
        place = bisect_right(spans, (particle.start, len(text))) - 1
        if place <= done:
            continue
        done = place
        start, end = spans[place]
        if noun.end == particle.start < particle.end and _SYLLABLES.fullmatch(text, start, particle.start):
            yield JosaCase(text[start:end], particle.start - start)


def spread(number: int) -> Iterator[int]:
    """`range(number)` in an order whose every beginning lies evenly over it, the same on every machine.

    By the fractional parts of the golden ratio's multiples, as in Fibonacci hashing: neighbours among the first n lie
    at most three different distances apart (Slater's three gap theorem).

    >>> list(spread(8))
    [0, 5, 2, 7, 4, 1, 6, 3]
    """
    turns = np.arange(number, dtype=np.uint64) * np.uint64(2654435769) % np.uint64(2**32)
    yield from map(int, np.argsort(turns, kind="stable"))


def kept(tokenizer: Tokenizer, cases: Sequence[JosaCase]) -> JosaKept:
    """Tokenize the eojeol of every case and see whether pieces meet at its boundary; an [UNK] over it does not.

    Each eojeol is a text of its own, as WordPiece and SentencePiece have it anyway.
    """
    counts = sorted(Counter(cases).items(), key=lambda item: (-item[1], item[0]))
    good: list[JosaExample] = []
    bad: list[JosaExample] = []
    found = 0
    for batch in in_batches(counts, _BATCH):
        encodings = tokenizer.encode_batch([case.eojeol for case, _ in batch], add_special_tokens=False)
        for (case, count), encoding in zip(batch, encodings, strict=True):
            meets = _meet(encoding.offsets, case.boundary)
            found += count * meets
            examples = good if meets else bad
            if len(examples) < EXAMPLES:
                examples.append(JosaExample(case, tuple(encoding.tokens), count))
    return JosaKept(len(cases), found, tuple(good), tuple(bad))


def _meet(spans: Sequence[tuple[int, int]], boundary: int) -> bool:
    """A piece begins there and none goes on: a piece of bytes may hold one character's end and the next one's start."""
    begins = any(start == boundary for start, _ in spans)
    return begins and not any(start < boundary < end for start, end in spans)
