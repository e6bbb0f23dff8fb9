"""How much of the gold came back from an extraction, in characters; used by `wiki_dump.py`.

    precision = true / extracted characters        recall = true / gold characters

Spaces do not count, and neither does where sentences were cut. Within an aligned pair of documents a sentence that
came back as it was is true; what remains on both sides is compared by its longest common subsequence. That credits
letters which happen to agree, so `exact`, the characters of whole sentences alone, is given beside it as the floor.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from wiki_decoys import DECOY

#: Examples kept of what is missing and of what is too much.
EXAMPLES = 200
#: Documents without one sentence in common are taken for the same if this much of the shorter one is in the other.
_ALIKE = 0.7
#: A sentence that stands in more documents says nothing about which is which.
_COMMON = 50
_LEAK = re.compile(rf"{DECOY}([가-힣]+)")

Document = Sequence[str]


@dataclass
class Score:
    """Characters without spaces; documents of either side that have no partner; decoys that leaked, by construct."""

    gold: int = 0
    extracted: int = 0
    true: int = 0
    exact: int = 0
    lost_documents: int = 0
    stray_documents: int = 0
    leaks: Counter[str] = field(default_factory=Counter)
    missing: list[str] = field(default_factory=list)
    surplus: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        """Share of what was extracted that is gold."""
        return self.true / max(1, self.extracted)

    @property
    def recall(self) -> float:
        """Share of the gold that was extracted."""
        return self.true / max(1, self.gold)


def score(gold: Sequence[Document], extracted: Sequence[Document]) -> Score:
    """Compare an extraction with the gold.

    >>> result = score([["비가 왔다.", "길이 젖었다."]], [["비가 왔다.", "길이 말랐다."]])
    >>> result.gold, result.true, result.exact
    (11, 9, 5)
    """
    told = Score(gold=sum(map(_length, gold)), extracted=sum(map(_length, extracted)))
    partners = align(gold, extracted)
    for place, document in enumerate(extracted):
        partner = partners[place]
        _compare([] if partner is None else gold[partner], document, told)
        told.leaks.update(construct for sentence in document for construct in _LEAK.findall(sentence))
    told.stray_documents = sum(partner is None for partner in partners)
    for lost in set(range(len(gold))) - set(partners):
        told.lost_documents += 1
        _compare(gold[lost], [], told)
    return told


def align(gold: Sequence[Document], extracted: Sequence[Document]) -> list[int | None]:
    """For each extracted document the number of the gold document it is, None for a stray one; one to one.

    Sentences in common decide, weighed by their length; where there are none, a neighbour in the same order that is
    much alike.
    """
    where: defaultdict[str, set[int]] = defaultdict(set)
    for number, document in enumerate(gold):
        for sentence in document:
            where[_squeeze(sentence)].add(number)
    votes: Counter[tuple[int, int]] = Counter()
    for place, document in enumerate(extracted):
        for sentence in map(_squeeze, document):
            numbers = where.get(sentence, set())
            for number in numbers if len(numbers) <= _COMMON else ():
                votes[place, number] += len(sentence)
    partners: list[int | None] = [None] * len(extracted)
    taken: set[int] = set()
    # Equal votes (a document that is there twice): in order.
    for (place, number), _ in sorted(votes.items(), key=lambda vote: (-vote[1], vote[0])):
        if partners[place] is None and number not in taken:
            partners[place] = number
            taken.add(number)
    following = 0
    for place, partner in enumerate(partners):
        if partner is None and following < len(gold) and following not in taken:
            sides = _squeeze("".join(gold[following])), _squeeze("".join(extracted[place]))
            if common_length(*sides) >= _ALIKE * min(map(len, sides)):
                partners[place] = following
                taken.add(following)
        if (found := partners[place]) is not None:
            following = found + 1
    return partners


def common_length(one: str, other: str) -> int:
    """Length of the longest common subsequence: the bit-parallel rule of Hyyrö (2004), a row of bits as one integer.

    >>> common_length("가나다라", "나가다마라")
    3
    """
    places: defaultdict[str, int] = defaultdict(int)
    for place, letter in enumerate(one):
        places[letter] |= 1 << place
    mask = (1 << len(one)) - 1
    row = mask
    for letter in other:
        hits = row & places.get(letter, 0)
        row = ((row + hits) | (row - hits)) & mask
    return len(one) - row.bit_count()


def _compare(gold: Document, extracted: Document, told: Score) -> None:
    """Add one pair of documents to the score; an empty one stands for no partner."""
    wanted, found = Counter(map(_squeeze, gold)), Counter(map(_squeeze, extracted))
    exact = sum(len(sentence) * count for sentence, count in (wanted & found).items())
    missing, surplus = _rest(gold, found), _rest(extracted, wanted)
    told.exact += exact
    told.true += exact + common_length(_squeeze("".join(missing)), _squeeze("".join(surplus)))
    told.missing += missing[: EXAMPLES - len(told.missing)]
    told.surplus += surplus[: EXAMPLES - len(told.surplus)]


def _rest(sentences: Document, others: Counter[str]) -> list[str]:
    """The sentences that have no equal among the others, in order."""
    left = others.copy()
    rest = []
    for sentence in sentences:
        squeezed = _squeeze(sentence)
        if left[squeezed]:
            left[squeezed] -= 1
        else:
            rest.append(sentence)
    return rest


def _squeeze(text: str) -> str:
    return "".join(text.split())


def _length(document: Document) -> int:
    return sum(len(_squeeze(sentence)) for sentence in document)
