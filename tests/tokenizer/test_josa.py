"""Where a noun and its josa meet: found by a (fake) analyser, kept or cut by a tokenizer."""

import random
from collections.abc import Iterable, Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from tokenizer.josa import JosaCase, cases_of, find_cases, kept, spread
from tokenizer.morphemes import Morpheme, analyse
from tokenizer.wordpiece import SPECIAL_TOKENS, build_tokenizer


def parsed(tagged: str) -> tuple[str, list[Morpheme]]:
    """`나라/NNG 는/JX|밥/NNG` as a text and its morphemes: | is a space, + shares the last character."""
    text, morphemes = "", []
    for place, eojeol in enumerate(tagged.split("|")):
        text += " " if place else ""
        for part in eojeol.split():
            surface, tag = part.split("/")
            start = len(text) - (surface == "+")
            text += surface.removeprefix("+")
            morphemes.append(Morpheme(tag, start, len(text)))
    return text, morphemes


@pytest.mark.parametrize(
    ("tagged", "expected"),
    [
        ("학교/NNG 에서/JKB", [("학교에서", 2)]),
        ("학교/NNG 에서/JKB 만/JX", [("학교에서만", 2)]),
        ("학생/NNG 들/XSN 이/JKS|온다/VV", [("학생들이", 3)]),
        ("나/NP +/JX", []),  # 난: they share a syllable
        ("누구/NP +/JKO", []),  # 누굴
        ("밥/NNG|을/JKO", []),  # a particle that stands alone
        ("학생/NNG 이/VCP 다/EF", []),  # the copula
        ("읽/VV 기/ETN 에/JKB", []),
        ("빨리/MAG 는/JX", []),
        ("1/SN 년/NNB 에/JKB", []),
        ("BERT/SL 는/JX", []),
        ("(/SSO 서울/NNP 은/JX", []),
        ("서울/NNP )/SSC 은/JX", []),
        ("서울/NNP 은/JX ,/SP", [("서울은,", 2)]),
        ("물/NNG 이/JKS 불/NNG 을/JKO", [("물이불을", 1)]),
        ("나/NP +/JX 집/NNG 에/JKB", []),  # the first boundary counts, and there is none
        ("집/NNG 에/JKB|책/NNG 을/JKO", [("집에", 1), ("책을", 1)]),
    ],
)
def test_cases_by_hand(tagged: str, expected: list[tuple[str, int]]) -> None:
    assert list(cases_of(*parsed(tagged))) == [JosaCase(*case) for case in expected]


def fake(texts: Iterable[str]) -> Iterator[list[Morpheme]]:
    """Every eojeol that ends in 는 is a noun and a josa."""
    for text in texts:
        found, start = [], 0
        for eojeol in text.split(" "):
            end = start + len(eojeol)
            if eojeol.endswith("는"):
                found += [Morpheme("NNG", start, end - 1), Morpheme("JX", end - 1, end)]
            start = end + 1
        yield found


SENTENCES = [f"{'가' * (1 + number % 7)}는 간다" for number in range(3000)]


def test_all_cases_in_the_order_of_the_text() -> None:
    assert find_cases(SENTENCES, 10_000, fake) == [JosaCase(s.split()[0], len(s.split()[0]) - 1) for s in SENTENCES]
    assert find_cases([], 10, fake) == []


def test_a_limit_takes_them_evenly_and_reads_little() -> None:
    read = []

    def watched(texts: Iterable[str]) -> Iterator[list[Morpheme]]:
        for text in texts:
            read.append(text)
            yield from fake([text])

    sentences = [f"{chr(0xAC00 + number)}는" for number in range(3000)]
    cases = find_cases(sentences, 100, watched)
    places = [ord(case.eojeol[0]) - 0xAC00 for case in cases]
    assert len(cases) == 100 and places == sorted(set(places)) and len(read) <= 256
    thirds = [sum(third * 1000 <= place < (third + 1) * 1000 for place in places) for third in range(3)]
    assert min(thirds) >= 32, thirds


@given(st.integers(0, 2000), st.integers(0, 2000))
def test_every_beginning_of_the_order_is_even(number: int, first: int) -> None:
    order = list(spread(number))
    assert sorted(order) == list(range(number))
    some = sorted(order[:first])
    gaps = {after - before for before, after in pairwise(some)}
    assert len(gaps) <= 3
    if len(some) > 1:
        assert max(gaps) <= 4 * number / len(some)


def longest_match(vocabulary: set[str], word: str) -> list[int] | None:
    """The places where pieces begin, by the definition of WordPiece; None for an [UNK]."""
    starts, place = [], 0
    while place < len(word):
        prefix = "##" if place else ""
        ends = [end for end in range(len(word), place, -1) if prefix + word[place:end] in vocabulary]
        if not ends:
            return None
        starts.append(place)
        place = ends[0]
    return starts


@given(
    st.sets(st.tuples(st.sampled_from(["", "##"]), st.text("가나는", min_size=1, max_size=3))),
    st.lists(st.text("가나", min_size=1, max_size=4), min_size=1),
)
def test_kept_is_longest_match(pairs: set[tuple[str, str]], nouns: list[str]) -> None:
    entries = {prefix + text for prefix, text in pairs}
    cases = [JosaCase(noun + "는", len(noun)) for noun in nouns]
    found = kept(build_tokenizer([*SPECIAL_TOKENS, *sorted(entries)]), cases)
    expected = [case.boundary in (longest_match(entries, case.eojeol) or []) for case in cases]
    assert (found.cases, found.kept) == (len(cases), sum(expected))
    assert found.share == sum(expected) / len(expected)


def test_examples_are_the_most_frequent() -> None:
    tokenizer = build_tokenizer([*SPECIAL_TOKENS, "집", "##에", "나는", "길에"])
    cases = [JosaCase("집에", 1)] * 2 + [JosaCase("길에", 1)] * 3 + [JosaCase("나는", 1)] + [JosaCase("뷁은", 1)] * 5
    found = kept(tokenizer, cases)
    assert (found.cases, found.kept) == (11, 2)
    assert [(e.case.eojeol, e.pieces, e.count) for e in found.good] == [("집에", ("집", "##에"), 2)]
    assert [(e.case.eojeol, e.pieces, e.count) for e in found.bad] == [
        ("뷁은", ("[UNK]",), 5),
        ("길에", ("길에",), 3),
        ("나는", ("나는",), 1),
    ]
    shuffled = random.Random(0).sample(cases, len(cases))
    assert kept(tokenizer, shuffled) == found
    assert kept(tokenizer, []).share == 0


def test_word_marks_in_front() -> None:
    """SentencePiece's way: ▁ before a word, nothing before what continues it."""
    pieces = [("[UNK]", 0.0), ("▁", -5.0), ("▁학교", -2.0), ("에서", -2.0), ("▁길에", -2.0), ("서", -3.0)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    found = kept(tokenizer, [JosaCase("학교에서", 2), JosaCase("길에서", 1), JosaCase("집에서", 1)])
    assert [example.case.eojeol for example in found.good] == ["집에서", "학교에서"]
    assert [example.pieces for example in found.bad] == [("▁길에", "서")]


def test_pieces_of_bytes_that_hold_half_a_character() -> None:
    spelled = pre_tokenizers.ByteLevel(add_prefix_space=False).pre_tokenize_str("집에")[0][0]
    assert len(spelled) == 6
    halves = [spelled[:4], spelled[4:]]  # 집 and the first byte of 에 | the rest of 에
    merges = [(spelled[:n], spelled[n]) for n in (1, 2, 3)] + [(spelled[4], spelled[5])]
    names = sorted({*spelled, *(a + b for a, b in merges)})
    tokenizer = Tokenizer(models.BPE({name: number for number, name in enumerate(names)}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    assert tokenizer.encode("집에").tokens == halves
    assert kept(tokenizer, [JosaCase("집에", 1)]).kept == 0


def test_a_normaliser_that_changes_lengths() -> None:
    """Offsets are places in the eojeol as it stood."""
    tokenizer = build_tokenizer([*SPECIAL_TOKENS, "집", "##에"])
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.NFC()])
    assert kept(tokenizer, [JosaCase("집에", 1)]).kept == 1


def test_the_real_analyser() -> None:
    pytest.importorskip("kiwipiepy")
    sentences = ["난 학교에서 BERT를 배웠다.", "이순신은 조선 중기의 무신이다.", "학생들에게 나라는 무엇인가?"]
    cases = find_cases(sentences, 100, analyse)
    assert [f"{case.eojeol[: case.boundary]}|{case.eojeol[case.boundary :]}" for case in cases] == [
        "학교|에서",
        "이순신|은",
        "중기|의",
        "학생들|에게",
        "나라|는",
    ]
