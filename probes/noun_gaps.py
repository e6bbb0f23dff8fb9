"""Gaps made of held-out text by rule, for models that nobody has written questions for.

An eojeol's noun before its particles becomes the gap, and the candidates are nouns that stand before the same
particles elsewhere in the text, so that neither the consonant rule of 은/는 nor the kind of word tells them apart. They
are drawn as often as they occur, so that to know frequent words is not enough.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.errors import InputError
from probes.gaps import GAP, Gap
from tokenizer.morphemes import Morpheme, analyse

#: Candidates of an item, its answer among them, and the fewest of which it is made.
CANDIDATES, _FEWEST = 100, 20
#: Sentences that are analysed to draw items from: some seconds' work.
_SENTENCES = 8000
_NOUNS = ("NNG", "NNP", "XSN")
_SYLLABLES = re.compile("[가-힣]{2,}")


class _Noun(NamedTuple):
    """Where a noun stands, and the particles glued to it."""

    sentence: int
    start: int
    noun: str
    ending: str


def held_out_gaps(documents: Sequence[Sequence[str]], items: int, seed: int) -> tuple[Gap, ...]:
    """At most `items` gaps of these documents, one a sentence, in the order of the text: a function of the seed.

    Raises InputError if there is too little text: no noun with 19 others before the same particles.
    """
    sentences = [sentence for document in documents for sentence in document]
    draw = np.random.Generator(np.random.Philox(seed))
    read = sorted(draw.permutation(len(sentences))[:_SENTENCES].tolist())
    nouns = [
        noun
        for number, morphemes in zip(read, analyse(sentences[number] for number in read), strict=True)
        for noun in _nouns(number, sentences[number], morphemes)
    ]
    by_ending: dict[str, list[str]] = defaultdict(list)
    for noun in nouns:
        by_ending[noun.ending].append(noun.noun)
    kinds = {ending: len(set(found)) for ending, found in by_ending.items()}
    chosen: dict[int, tuple[int, _Noun]] = {}
    for number in draw.permutation(len(nouns)).tolist():
        noun = nouns[number]
        # A noun that stands there twice is copied, not known.
        if kinds[noun.ending] >= _FEWEST and sentences[noun.sentence].count(noun.noun) == 1 and len(chosen) < items:
            chosen.setdefault(noun.sentence, (number, noun))
    if not chosen:
        raise InputError(
            f"too little held-out text to make gaps of: no noun has {_FEWEST - 1} others before the same particles; "
            "name more with --text, or items of your own with --cloze"
        )
    gaps = []
    for number, noun in sorted(chosen.values(), key=lambda found: found[1]):
        text, answer = sentences[noun.sentence], noun.noun
        gap = text[: noun.start] + GAP + text[noun.start + len(answer) :]
        own = np.random.Generator(np.random.Philox(key=[seed, number + 1]))
        others = _drawn(by_ending[noun.ending], answer, own)
        gaps.append(Gap(f"{noun.sentence}:{noun.start}", gap, (answer,), (answer, *others)))
    return tuple(gaps)


def _drawn(words: Sequence[str], answer: str, draw: np.random.Generator) -> list[str]:
    found = dict.fromkeys(words[place] for place in draw.permutation(len(words)).tolist())
    found.pop(answer)
    return list(found)[: CANDIDATES - 1]


def _nouns(number: int, sentence: str, morphemes: Sequence[Morpheme]) -> Iterator[_Noun]:
    """Nouns of two or more syllables, from an eojeol's beginning to its particles, with nothing but these behind."""
    if GAP in sentence:
        return
    for match in re.finditer(r"[가-힣]+", sentence):
        # Not 3월에 or KBS에서: what is in front belongs to the word.
        start, end = match.span()
        if sentence[max(start - 1, 0) : start].isalnum() or sentence[end : end + 1].isalnum():
            continue
        inside = [one for one in morphemes if start <= one.start and one.end <= end]
        nouns = [one for one in inside if one.tag in _NOUNS]
        particles = inside[len(nouns) :]
        if not nouns or not particles or inside[: len(nouns)] != nouns:
            continue
        boundary = particles[0].start
        places = [place for one in inside for place in range(one.start, one.end)]
        noun = sentence[start:boundary]
        if (
            all(one.tag.startswith("J") and one.start < one.end for one in particles)
            and places == list(range(start, end))
            and _SYLLABLES.fullmatch(noun)
        ):
            yield _Noun(number, start, noun, sentence[boundary:end])
