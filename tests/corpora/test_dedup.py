"""Duplicates, beside an oracle that compares everything with everything."""

import dataclasses
import random
from itertools import combinations

import numpy as np
import pytest

import corpora.dedup
from corpora.dedup import LEAST_SHINGLES, SHINGLE, Marks, decide, mark, signature

WORDS = [f"{a}{b}{c}" for a in "가나다라마" for b in "바사아자차" for c in "카타파하거너더"]


def essay(seed: int, words: int = 200) -> list[str]:
    generator = random.Random(seed)
    return [" ".join(generator.choices(WORDS, k=10)) + "다." for _ in range(words // 10)]


def shingles(document: list[str]) -> set[str]:
    text = "".join("".join(document).split())
    return {text[place : place + SHINGLE] for place in range(len(text) - SHINGLE + 1)}


def jaccard(one: list[str], other: list[str]) -> float:
    a, b = shingles(one), shingles(other)
    return len(a & b) / len(a | b)


def edited(document: list[str], seed: int, share: float) -> list[str]:
    generator = random.Random(seed)
    return [
        " ".join("바뀐말" if generator.random() < share else word for word in sentence.split()) for sentence in document
    ]


def joined(marks: list[Marks]) -> Marks:
    return Marks(*(np.concatenate([getattr(part, name.name) for part in marks]) for name in dataclasses.fields(Marks)))


def in_parts(documents: list[list[str]], size: int, near: bool) -> Marks:
    return joined([mark(documents[start : start + size], near=near) for start in range(0, len(documents), size)])


def test_exact_copies_go_and_the_first_stays() -> None:
    documents = [["가다."], ["나다.", "다다."], ["가다."], ["나다."], ["나다.", "다다."]]
    for size in (1, 2, 5):
        verdict = decide(in_parts(documents, size, near=False), 1.0, 0)
        assert verdict.exact.tolist() == [False, False, True, False, True]
        assert not verdict.near.any() and not verdict.repeated.any()
    assert not decide(in_parts(documents, 2, near=False), 0.0, 0).exact.any(), "0 keeps everything"


@pytest.mark.parametrize("copies", [1, 2, 3])
@pytest.mark.parametrize("bucket", [10, 1_000_000])
def test_repeated_sentences_as_an_obvious_loop_counts_them(
    monkeypatch: pytest.MonkeyPatch, copies: int, bucket: int
) -> None:
    monkeypatch.setattr(corpora.dedup, "_BUCKET", bucket)
    generator = random.Random(1)
    documents = [[f"{generator.randrange(12)}번이다." for _ in range(generator.randrange(1, 6))] for _ in range(60)]
    verdict = decide(in_parts(documents, 7, near=False), 1.0, copies)
    seen: dict[str, int] = {}
    expected, kept = [], set()
    for document in documents:
        again = tuple(document) in kept
        kept.add(tuple(document))
        for sentence in document:
            if again:
                expected.append(False)  # gone with its document, it neither counts nor is counted
                continue
            seen[sentence] = seen.get(sentence, 0) + 1
            expected.append(seen[sentence] > copies)
    assert verdict.repeated.tolist() == expected and any(expected)


def test_near_copies_as_comparing_all_pairs_finds_them() -> None:
    """The oracle knows the true similarities; near the threshold an estimate may go either way."""
    documents = []
    for seed in range(40):
        documents.append(essay(seed))
        for number, share in enumerate((0.0, 0.01, 0.04, 0.15, 0.5)):
            documents.append(edited(documents[-1 - number], seed * 10 + number, share))
    documents = [[*document, f"{place}번째 글이다."] for place, document in enumerate(documents)]
    verdict = decide(in_parts(documents, 17, near=True), 0.8, 0)
    assert not verdict.exact.any()
    clear = missed = 0
    for first, second in combinations(range(len(documents)), 2):
        similarity = jaccard(documents[first], documents[second])
        together = verdict.copy_of[first] == verdict.copy_of[second]
        if similarity >= 0.92:
            clear += 1
            missed += not together
        if similarity < 0.5 and together:
            raise AssertionError(f"{first} and {second} were taken for copies at {similarity:.2f}")
    assert clear >= 80 and missed <= 0.02 * clear
    assert (verdict.copy_of <= np.arange(len(documents))).all(), "the first of a group stays"


def test_spacing_makes_no_difference() -> None:
    document = essay(1)
    assert np.array_equal(signature("".join(document)), signature("".join(document).replace(" ", "")))


def test_short_documents_are_compared_for_exact_copies_alone() -> None:
    short = ["".join(WORDS)[: LEAST_SHINGLES + SHINGLE - 2]]
    verdict = decide(in_parts([short, [short[0] + " "], essay(1), essay(2)], 4, near=True), 0.8, 0)
    assert not verdict.near.any()


def test_an_estimate_is_close_to_the_truth() -> None:
    errors = []
    for seed in range(30):
        one, other = essay(seed, 400), edited(essay(seed, 400), seed, 0.05)
        estimate = (signature("".join(one)) == signature("".join(other))).mean()
        errors.append(estimate - jaccard(one, other))
    assert abs(np.mean(errors)) < 0.03 and np.std(errors) < 0.08


def test_nothing_to_compare() -> None:
    for near in (False, True):
        verdict = decide(joined([mark([], near=near), mark([["가다."]], near=near)]), 0.8 if near else 1.0, 1)
        assert verdict.exact.tolist() == [False] and verdict.near.tolist() == [False]
