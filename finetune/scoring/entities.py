"""Scores of named entities: whole entities, and characters as KLUE counts them.

An entity is right if its kind and all of its characters are. Spaces do not count: an entity is compared by the
characters other than white space that it covers, and KLUE's data tag no spaces either. So entities are stretches of
characters whatever the vocabulary, and F1 of them is a set intersection.

KLUE's two measures (Park et al. 2021, arXiv:2105.09680, NER) are the macro F1 of entities, over kinds, and the macro F1
of characters, over their tags (B-PS, I-PS, ...), without O. The published baseline code
(KLUE-benchmark/KLUE-baseline, klue_baseline/metrics/functional.py) takes O into the latter against the paper's words
(pull request 7 there); `char_macro_f1_with_o` is that figure, to compare with figures quoted from it.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence

from sklearn.metrics import f1_score

from finetune.data.rows import Span
from finetune.scoring.scores import ClassScores, Scores

#: An entity of all rows: (row, its kind, place of its first character other than space, place behind its last).
Entity = tuple[int, str, int, int]
_OUTSIDE = "O"


def score_entities(truth: Sequence[Sequence[Span]], answers: Sequence[Sequence[Span]], texts: Sequence[str]) -> Scores:
    """Scores of the entities of all texts, shares in [0, 1]; `classes` are the kinds, in `rows` their entities.

    `entity_f1`, `entity_precision`, `entity_recall` count all entities alike; `entity_macro_f1` is the mean
    over the kinds that occur in truth or answers, `char_macro_f1` over the tags that do. Without any they are 0.
    Entities of a text do not overlap. Raises ValueError if there are no texts or if the numbers differ.
    """
    if not texts:
        raise ValueError("no rows to score")
    true, said, true_tags, said_tags = set[Entity](), set[Entity](), list[str](), list[str]()
    for row, (spans, given, text) in enumerate(zip(truth, answers, texts, strict=True)):
        places = [place for place, character in enumerate(text) if not character.isspace()]
        for entities, found, tags in ((spans, true, true_tags), (given, said, said_tags)):
            bare = set(_bare(row, entities, places))
            found |= bare
            tags += _tags(bare, len(places))
    counts = [Counter(kind for _, kind, _, _ in entities) for entities in (true, said, true & said)]
    kinds = sorted({*counts[0], *counts[1]})
    classes = tuple(ClassScores(kind, *_prf(*(count[kind] for count in counts)), counts[0][kind]) for kind in kinds)
    by_tag = _tag_f1(true_tags, said_tags)
    precision, recall, f1 = _prf(*(count.total() for count in counts))
    return Scores(
        {
            "entity_f1": f1,
            "entity_macro_f1": _mean(each.f1 for each in classes),
            "char_macro_f1": _mean(value for tag, value in by_tag.items() if tag != _OUTSIDE),
            "char_macro_f1_with_o": _mean(by_tag.values()),
            "entity_precision": precision,
            "entity_recall": recall,
        },
        len(texts),
        classes,
    )


def _bare(row: int, spans: Iterable[Span], places: Sequence[int]) -> Iterable[Entity]:
    """Entities by the characters that are no spaces; `places` are those of the text. What is all spaces is none."""
    for span in spans:
        start, end = bisect_left(places, span.start), bisect_left(places, span.end)
        if start < end:
            yield row, span.label, start, end


def _tags(entities: Iterable[Entity], length: int) -> list[str]:
    tags = [_OUTSIDE] * length
    for _, kind, start, end in entities:
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tags


def _tag_f1(true: Sequence[str], said: Sequence[str]) -> dict[str, float]:
    """F1 of each tag that occurs; tags as numbers, for scikit-learn takes its time over strings."""
    tags = sorted({*true, *said})
    number = {tag: place for place, tag in enumerate(tags)}
    coded = ([number[tag] for tag in of] for of in (true, said))
    each = f1_score(*coded, labels=range(len(tags)), average=None, zero_division=0) if tags else []
    return {tag: float(value) for tag, value in zip(tags, each, strict=True)}


def _prf(true: int, said: int, right: int) -> tuple[float, float, float]:
    return right / max(said, 1), right / max(true, 1), 2 * right / max(true + said, 1)


def _mean(values: Iterable[float]) -> float:
    kept = list(values)
    return sum(kept) / max(len(kept), 1)
