"""Sentence splitting, hard cases first. Each case is its own expected answer: ` | ` marks the boundaries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.sentences import split_sentences

CASES = [
    "비가 왔다. | 길이 젖었다.",
    "갈까? | 가자! | 좋아.",
    "마침표가 없는 마지막 문장. | 그냥 끝남",
    # quotations and brackets
    "“왔다. 봤다. 이겼다.”라고 말했다. | 그리고 떠났다.",
    '"우산은 있어? 없어."라고 물었다. | 아무도 답하지 않았다.',
    '그는 "가자!" 하고 외쳤다. | 모두 일어섰다.',
    '그는 "가자!" 외쳤다. | 모두 일어섰다.',
    '"어디 가니?" | "학교에 간다."',
    '"왔다." 라고 그가 말했다. | 문이 닫혔다.',
    "그는 (1592년에 태어났다. 맞다.) 장군이었다. | 끝이다.",
    "법률 제1조(목적. 이 법은 정한다.)에 따른다. | 시행한다.",
    "『토지. 그 땅』은 소설이다. | 길다.",
    "‘안 돼.’ | 그는 생각했다.",
    # numbers, dates, lists, abbreviations
    "1592. 4. 13. 왜군이 왔다. | 전쟁이었다.",
    "2022. 9. 1.부터 시행한다. | 끝.",
    "원주율은 3.14이다. | 끝이 없다.",
    "3.1 운동은 1919년에 일어났다. | 만세를 불렀다.",
    "J. K. 롤링이 썼다. | 재미있다.",
    "Dr. 김이 왔다. | 반가웠다.",
    "버전 2.0.1을 썼다. | 잘 된다.",
    "www.example.com에 있다. | 들어가 보라.",
    "A사 vs. B사의 대결이다. | 누가 이길까?",
    # ellipses
    "그는... 떠났다. | 나는 남았다.",
    "그는… 떠났다. | 나는 남았다.",
    "비가 왔다... | 길이 젖었다…. | 그랬다.",
    "정말?! | 그래!!! | 좋아요~!",
    # no space after the period
    "재미있다. | 또 보고 싶다. | 강추!",
    "가.나.다의 순서로 적는다. | 쉽다.",
    # other scripts and marks
    "我은 나다。 | 그렇다。",
    "Hello world. | 안녕하세요.",
    "정말 좋다！ | 그렇지？ | 응.",
    # unbalanced marks do not swallow the rest
    '그는 "가자고 했다. | 모두 일어섰다. | 떠났다.',
    "괄호(를 닫지 않았다. | 그래도 나뉜다.",
    "닫기만) 했다. | 그래도 나뉜다.",
]


@pytest.mark.parametrize("case", CASES)
def test_hard_cases(case: str) -> None:
    expected = case.split(" | ")
    assert split_sentences(" ".join(expected)) == expected


def test_a_period_without_a_space() -> None:
    assert split_sentences("재미있다.또 볼래요!정말이다.") == ["재미있다.", "또 볼래요!", "정말이다."]
    assert split_sentences('"왔다."고 했다.') == ['"왔다."고 했다.']


@pytest.mark.parametrize("text", ["", "다", ".", "...", "?!", '"', ")", "(((", "가"])
def test_scraps(text: str) -> None:
    assert split_sentences(text) == ([text] if text else [])


@given(st.text(alphabet='가다요. !?"“”()「」…1aA,~', max_size=80))
def test_nothing_is_lost_and_nothing_is_empty(text: str) -> None:
    sentences = split_sentences(text)
    assert all(sentence == sentence.strip() and sentence for sentence in sentences)
    assert "".join("".join(sentences).split()) == "".join(text.split())


@given(
    st.lists(
        st.sampled_from(["비가 왔다.", "정말 갈까?", "그는 “간다.”라고 했다.", "3.5 km였다."]),
        min_size=1,
        max_size=6,
    )
)
def test_a_sentence_is_split_no_further(sentences: list[str]) -> None:
    assert split_sentences(" ".join(sentences)) == sentences
    assert all(split_sentences(sentence) == [sentence] for sentence in sentences)


@pytest.mark.parametrize(
    "unit", ["비가 왔다. ", ".", "….", "(", '"', "“", "1. ", '."', "가", "다.", "(a. ", ".)", "! "], ids=repr
)
def test_a_line_of_a_million_characters(unit: str) -> None:
    """Linear time: anything quadratic would sit here for minutes."""
    text = unit * (1_000_000 // len(unit)) + "x"
    assert "".join("".join(split_sentences(text)).split()) == "".join(text.split())
