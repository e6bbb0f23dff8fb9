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
    """The draws of one stream."""

    def __init__(self, key: int) -> None:
        self.key = key

    def unit(self, number: int) -> float:
        return unit(child(self.key, number))

    def below(self, number: int, bound: int) -> int:
        return int(self.unit(number) * bound)


@dataclass
class Example:
    """One or two segments as tokens; `b` is None where there is none. `other`: B is random, or the two are swapped."""

    a: list[int]
    b: list[int] | None
    other: bool


@dataclass
class Ways:
    """How examples are made: text tokens of a full one, and the recipe's values."""

    longest: int
    short: float
    share: float
    objective: str = "nsp"
    by_document: bool = False


def flat(sentences: list[list[int]]) -> list[int]:
    return [token for sentence in sentences for token in sentence]


def chunk_end(document: list[list[int]], begin: int, target: int) -> int:
    """Sentences from `begin` until they hold `target` tokens."""
    end = begin + 1
    while end < len(document) and len(flat(document[begin:end])) < target:
        end += 1
    return end


def reached_back(document: list[list[int]], begin: int, end: int, target: int) -> int:
    while begin > 0 and len(flat(document[begin:end])) < target:
        begin -= 1
    return begin


def target_of(draws: Draws, ways: Ways) -> int:
    return 2 + draws.below(1, ways.longest - 1) if draws.unit(0) < ways.short else ways.longest


def segments_of(documents: list[list[list[int]]], ways: Ways, key: int) -> Iterator[Example]:
    """One segment an example: whole sentences; one that is cut off is put back."""
    for number, document in enumerate(documents):
        draws = Draws(child(key, number))
        target = target_of(draws, ways)
        begin = 0
        example = 2
        while begin < len(document):
            end = chunk_end(document, begin, target)
            earlier = reached_back(document, begin, end, target)
            text = flat(document[earlier:end])
            over = max(len(text) - target, 0)
            if earlier < begin:
                yield Example(text[over:], None, False)
            elif end == len(document) or end - begin == 1:
                skipped = draws.below(example, over + 1)
                yield Example(text[skipped : skipped + len(text) - over], None, False)
            else:
                yield Example(text[: len(text) - over], None, False)
                end -= 1 if over else 0
            example += 1
            begin = end


def another(documents: list[list[list[int]]], number: int, room: int, ways: Ways, draws: Draws) -> list[int]:
    """A random second segment."""
    if ways.by_document:
        others = [other for other in range(len(documents)) if other != number]
        other = others[draws.below(2, len(others))]
        place = draws.below(3, len(documents[other]))
    else:
        places = [(d, s) for d, document in enumerate(documents) if d != number for s in range(len(document))]
        other, place = places[draws.below(2, len(places))]
    end = chunk_end(documents[other], place, room)
    return flat(documents[other][reached_back(documents[other], place, end, room) : end])


def fitted(a: list[int], b: list[int], longest: int, draws: Draws) -> None:
    """Drop tokens of the longer one, in place."""
    drawn = 4
    while len(a) + len(b) > longest:
        longer = a if len(a) > len(b) else b
        del longer[0 if draws.unit(drawn) < 0.5 else -1]
        drawn += 1


def pairs_of(documents: list[list[list[int]]], ways: Ways, key: int, free_share: float) -> Iterator[Example]:
    """BERT's `create_instances_from_document`, mended, in lists of sentences of token ids.

    `free_share` of the pairs of documents with more than one sentence are random or swapped, never more than about
    four away from it.
    """
    swaps = ways.objective == "sop"
    ahead = 0.0
    for number, document in enumerate(documents):
        target = target_of(Draws(child(key, number)), ways)
        begin, pair = 0, 2
        while begin < len(document):
            draws = Draws(child(child(key, number), pair))
            pair += 1
            end = chunk_end(document, begin, target)
            if end - begin == 1:
                end = min(end + 1, len(document))
            if len(document) == 1:
                other = not swaps and ways.share > 0
            else:
                other = draws.unit(1) < free_share
                if ahead >= 4:
                    other = False
                elif ahead <= -4:
                    other = True
                ahead += other - free_share
            earlier = reached_back(document, begin, end, target)
            if end - begin > 1:
                cut = begin + 1 + draws.below(0, end - begin - 1)
            elif begin > 0 and (swaps or not other):
                cut = begin
                earlier = reached_back(document, begin - 1, end, target)
            else:
                cut, earlier = end, begin
            a, b = flat(document[earlier:cut]), flat(document[cut:end])
            begin = end
            if other and not swaps:
                b = another(documents, number, max(target - len(a), 1), ways, draws)
                begin = cut
            fitted(a, b, ways.longest, draws)
            if not b:
                yield Example(a, None, False)
            elif other and swaps:
                yield Example(b, a, True)
            else:
                yield Example(a, b, other)


def plan_of(documents: list[list[list[int]]], ways: Ways, key: int) -> list[Example]:
    """Every example of an epoch."""
    if ways.objective == "none":
        return list(segments_of(documents, ways, key))
    alone = sum(len(document) == 1 for document in documents)
    share = ways.share
    examples = list(pairs_of(documents, ways, key, share))
    if ways.objective == "nsp" and ways.share > 0 and alone:
        for _ in range(8):
            free = max(len(examples) - alone, 1)
            wanted = max(0.0, ways.share - (1 - ways.share) * alone / free)
            if abs(wanted - share) < 0.001:
                break
            share = wanted
            examples = list(pairs_of(documents, ways, key, share))
    return examples


@dataclass
class Masks:
    """How an example is masked: shares of tokens that are chosen, and of those masked and made random."""

    chosen: float
    replaced: float
    randomised: float
    whole_word: bool = False
    fixed: bool = False


def words_of(special: list[bool], continuing: list[bool], whole_word: bool) -> list[list[int]]:
    """Places of each word; of each token, if words are not kept together."""
    words: list[list[int]] = []
    for place, is_special in enumerate(special):
        if is_special:
            continue
        if whole_word and continuing[place] and place > 0 and not special[place - 1]:
            words[-1].append(place)
        else:
            words.append([place])
    return words


def masked(
    ids: list[int],
    special: list[bool],
    continuing: list[bool],
    key: int,
    mask_id: int,
    pool: list[int],
    masks: Masks,
) -> tuple[list[int], list[int]]:
    """One example's masked inputs and labels, word by word."""
    inputs, labels = list(ids), [-100] * len(ids)
    words = words_of(special, continuing, masks.whole_word)
    draw_of = {word[0]: unit(child(key, 3 * word[0])) for word in words}
    if masks.fixed:
        left = max(1, int(masks.chosen * sum(map(len, words)) + 0.5))
        ordered = sorted(words, key=lambda word: draw_of[word[0]])
        chosen = []
        for word in ordered:
            if len(word) <= left:
                chosen.append(word)
                left -= len(word)
        chosen = chosen or [ordered[0][:left]]
    else:
        chosen = [word for word in words if draw_of[word[0]] < masks.chosen]
    for place in (place for word in chosen for place in word):
        labels[place] = ids[place]
        treatment = unit(child(key, 3 * place + 1))
        if treatment < masks.replaced:
            inputs[place] = mask_id
        elif treatment < masks.replaced + masks.randomised:
            inputs[place] = pool[int(unit(child(key, 3 * place + 2)) * len(pool))]
    return inputs, labels
