"""Minimal pairs: sentences judged by reading them, and rules that real text must obey whatever is found."""

import csv
import re
import unicodedata
from functools import partial
from pathlib import Path

import pytest

from probes.analysis import analyse
from probes.grammar_pairs import GLUED_ON, TORN, grammar_pairs
from probes.josa_pairs import josa_pairs
from probes.pairs import ANOTHER_READING, TOO_LONG, LeftOut, Pair, find_pairs, has_reading

CASES = [
    tuple(row.values()) for row in csv.DictReader(Path(__file__).with_name("josa_cases.tsv").open(), delimiter="\t")
]


def made(sentence: str, make=josa_pairs) -> list[Pair]:
    (tokens,) = analyse([sentence])
    return [one for one in make(sentence, tokens) if isinstance(one, Pair)]


def reasons(sentence: str, make=grammar_pairs) -> list[str]:
    (tokens,) = analyse([sentence])
    return [one.reason for one in make(sentence, tokens) if isinstance(one, LeftOut)]


@pytest.mark.parametrize(("sentence", "noun", "particle", "wrong"), CASES, ids=[f"{c[1]}{c[2]}" for c in CASES])
def test_sentences_judged_by_reading(sentence: str, noun: str, particle: str, wrong: str) -> None:
    sound = [pair for pair in made(sentence) if not has_reading(pair)]
    if wrong == "left out":
        place = sentence.find(noun + particle)
        assert not [pair for pair in sound if pair.boundary == place + len(noun) and place >= 0]
        assert not [pair for pair in sound if (pair.noun, pair.form) == (noun, particle)]
    else:
        expected = sentence.replace(noun + particle, wrong, 1)
        assert expected != sentence
        (pair,) = [pair for pair in sound if pair.wrong == expected]
        assert pair.noun == noun and particle.startswith(pair.form)
        assert pair.sentence == sentence and sentence[: pair.boundary].endswith(noun)


def test_more_than_one_reading() -> None:
    """What the analyser reads in another way is left out, now and then without need."""
    for sentence in ("그는 건축이 좋다.", "저기 사람이 산이다.", "오래된 창이고 문이다."):
        assert any(map(has_reading, made(sentence))), sentence
    assert [pair.wrong for pair in made("사실이라고 믿는다.") if has_reading(pair)] == []


def test_the_cases_are_many() -> None:
    assert len(CASES) >= 60 and len(set(CASES)) == len(CASES)
    assert sum(wrong == "left out" for *_, wrong in CASES) >= 25


def test_pairs_of_real_text(held_out_lines: list[str]) -> None:
    """Nothing else changes, the noun ends as the form asks for, one pair a sentence, the same each time."""
    found = find_pairs(held_out_lines, 200, [josa_pairs, grammar_pairs])
    assert found == find_pairs(held_out_lines, 200, [josa_pairs, grammar_pairs])
    assert len(found.pairs) > 50
    sentences = [pair.sentence for pair in found.pairs]
    assert len(set(sentences)) == len(sentences) and set(sentences) <= set(held_out_lines)
    for pair in found.pairs:
        assert pair.wrong != pair.sentence
        if pair.kind == "josa":
            assert pair.wrong[: pair.boundary] == pair.sentence[: pair.boundary]
            assert abs(len(pair.wrong) - len(pair.sentence)) <= 1
            assert pair.wrong[-1] == pair.sentence[-1]
            closed = len(unicodedata.normalize("NFD", pair.noun[-1])) == 3
            rieul = unicodedata.normalize("NFD", pair.noun[-1])[-1] == "\u11af"
            if "가" <= pair.noun[-1] <= "힣":
                allowed = ("은", "이", "을", "과", "아") if closed else ("는", "가", "를", "와", "랑", "야", "로")
                allowed += ("로",) if rieul else ("으로",) if closed else ()
                assert pair.form.startswith(allowed)
        elif pair.boundary >= 0:
            assert pair.wrong.replace(" ", "") == pair.sentence.replace(" ", "")


def test_one_form_has_no_more_than_its_turn() -> None:
    nouns = ("학교", "나라", "바다", "회사", "영화", "도시", "기차", "버스", "가수", "의사", "배우", "나무")
    often = [f"우리 {noun}는 매우 크다." for noun in nouns]
    seldom = [f"우리 {noun}은 매우 크다." for noun in ("사람", "선생님", "가방")]
    found = find_pairs([*often, *seldom], 6, [josa_pairs])
    assert sorted(pair.form for pair in found.pairs) == ["는"] * 3 + ["은"] * 3
    found = find_pairs([*often, *seldom], 10, [josa_pairs])
    assert sorted(pair.form for pair in found.pairs) == ["는"] * 7 + ["은"] * 3, "as far as the text allows"
    assert len({pair.sentence for pair in found.pairs}) == 10


def test_a_rare_form_is_not_robbed_of_its_sentence() -> None:
    """The first sentence has the only 이랑: 는 takes another one."""
    found = find_pairs(["바다는 형이랑 갔다.", "나라는 크다.", "학교는 멀다."], 2, [josa_pairs])
    assert sorted(pair.form for pair in found.pairs) == ["는", "이랑"]


def test_what_does_not_fit_is_counted() -> None:
    lines = ["바다는 넓다.", "바다는 매우 깊고 푸르며 넓다.", "그는 건축이 좋아서 유학을 갔다."]
    found = find_pairs(lines, 5, [josa_pairs], lambda text: len(text) < 15)
    assert [pair.wrong for pair in found.pairs] == ["바다은 넓다."]
    assert found.left_out[TOO_LONG] == 2
    longer = find_pairs(["우리 시인이다."], 5, [josa_pairs], lambda text: text != "우리 시인다.")
    assert longer.pairs == () and longer.left_out == {TOO_LONG: 1}, "the wrong one has to be read too"
    assert find_pairs(["건축이 좋다."], 5, [josa_pairs]).left_out[ANOTHER_READING] == 1


@pytest.mark.parametrize(
    ("sentence", "wrong"),
    [
        ("그는 전혀 놀라지 않았다.", "그는 전혀 놀랐다."),
        ("그 영화는 결코 지루하지 않다.", "그 영화는 결코 지루하다."),
        ("나는 그 노래를 별로 좋아하지 않는다.", "나는 그 노래를 별로 좋아한다."),
        ("그 소식은 전혀 듣지 못했다.", "그 소식은 전혀 들었다."),
        ("방에는 아무도 없었다.", "방에는 아무도 있었다."),
        ("아무도 안 왔다.", "아무도 왔다."),
        ("할아버지께서 어제 오셨다.", "할아버지께서 어제 왔다."),
        ("선생님께서 책을 읽으셨다.", "선생님께서 책을 읽었다."),
        ("어머니께서 만드신 음식이다.", "어머니께서 만든 음식이다."),
    ],
)
def test_grammar_by_hand(sentence: str, wrong: str) -> None:
    found = [pair for pair in made(sentence, grammar_pairs) if pair.boundary < 0]
    assert [pair.wrong for pair in found] == [wrong]


@pytest.mark.parametrize(
    "sentence",
    [
        "두 사람은 전혀 다르지 않다.",  # 전혀 다르다 is right
        "별로 없지 않을까?",  # a question
        "별로라서 기대하지 않았다.",  # a predicate itself
        "내용은 별로, 음악은 나쁘지 않다.",  # denies something else
        "아무도 모르지 않았다.",  # two negations
        "아무도 오지 않았고 연락도 없었다.",
        "할머니께서 방에 계셨다.",  # honours by itself
        "선생님께서 쓴 책을 읽어 보세요.",  # honours the listener
        "할머니께서 오셔서 말씀하셨다.",  # twice
        "그는 학교에 오지 않았다.",  # nothing that needs it
    ],
)
def test_grammar_that_is_not_touched(sentence: str) -> None:
    assert [pair.wrong for pair in made(sentence, grammar_pairs) if pair.boundary < 0] == []


def test_spacing() -> None:
    found = made("아이들은 학교에서 수학을 배운다.", grammar_pairs)
    assert [(pair.kind, pair.noun, pair.wrong) for pair in found] == [
        ("josa torn off", "학교", "아이들은 학교 에서 수학을 배운다."),
        ("josa glued on", "학교", "아이들은 학교에서수학을 배운다."),
        ("josa torn off", "수학", "아이들은 학교에서 수학 을 배운다."),
        ("josa glued on", "수학", "아이들은 학교에서 수학을배운다."),
    ]
    assert made("비가 오고 산은 높고 나도 책만 읽는다.", grammar_pairs) == [], "가, 은, 도, 만 are words of their own"
    assert not TORN & {
        "가",
        "은",
        "는",
        "이",
        "도",
        "만",
        "과",
        "의",
        "로",
        "보다",
        "하고",
        "밖에",
        "같이",
        "마저",
        "와",
    }
    assert not GLUED_ON & {"은", "는", "이", "가", "도", "만", "의", "과", "와", "로"}


def test_no_maker_trips_over_odd_text() -> None:
    for text in (
        "",
        " ",
        "은",
        "는 는 는",
        "이다",
        "ㅋㅋ가",
        "가" * 300,
        "'는",
        "1,000,000,000,000은",
        "\U0001f600가",
        "아무",
        "별로",
    ):
        for make in (partial(made, make=josa_pairs), partial(made, make=grammar_pairs)):
            for pair in make(text):
                assert re.sub(r"\s", "", pair.wrong)
