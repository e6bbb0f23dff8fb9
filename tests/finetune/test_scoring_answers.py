"""Exact match and F1 of answers: torchmetrics' SQuAD over characters, KorQuAD's and KLUE's words, josa."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.text import squad

from finetune.scoring.answers import klue_form, korquad_form, score_answer, score_answers
from finetune.scoring.particles import readings

HANGUL = st.text("가나다라 ", min_size=1, max_size=8).filter(str.strip)


def spaced(text: str) -> str:
    """Each character a word, so that a score of words is one of characters."""
    return " ".join(korquad_form(text).replace(" ", ""))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.lists(HANGUL, min_size=1, max_size=3), HANGUL), min_size=1, max_size=5))
def test_torchmetrics_agrees_on_characters(rows: list[tuple[list[str], str]]) -> None:
    said = [{"id": str(n), "prediction_text": spaced(answer)} for n, (_, answer) in enumerate(rows)]
    true = [
        {"id": str(n), "answers": {"text": [spaced(text) for text in accepted], "answer_start": [0] * len(accepted)}}
        for n, (accepted, _) in enumerate(rows)
    ]
    measures = score_answers([accepted for accepted, _ in rows], [answer for _, answer in rows]).measures
    assert measures["f1"] == pytest.approx(float(squad(said, true)["f1"]) / 100, abs=1e-5)
    # Words as they are, for there a space is one.
    for row, (_, answer) in enumerate(rows):
        said[row]["prediction_text"] = answer
        true[row]["answers"]["text"] = rows[row][0]
    assert measures["em"] == pytest.approx(float(squad(said, true)["exact_match"]) / 100, abs=1e-5)


@settings(max_examples=100, deadline=None)
@given(HANGUL, HANGUL)
def test_rouge_w_is_the_longest_stretch(true: str, said: str) -> None:
    one, other = " ".join(true.split()), " ".join(said.split())
    stretches = {one[a:b] for a in range(len(one)) for b in range(a + 1, len(one) + 1)}
    longest = max((len(each) for each in stretches if each in other), default=0)
    precision, recall = longest / len(other), longest / len(one)
    expected = 2 * precision * recall / (precision + recall) if longest else 0
    assert score_answer([true], said)["rouge_w"] == pytest.approx(expected)


def test_long_answers_keep_frequent_characters() -> None:
    text = "가나" * 200
    assert score_answer([text], "다" + text)["rouge_w"] == pytest.approx(2 * 400 / 801)


@pytest.mark.parametrize(
    ("true", "said", "f1", "em"),
    [
        ("《난중일기》", "난중일기", 1, 1),
        ("‘세종’(世宗)", "세종 世宗", 1, 1),
        ("KBS 1TV", "kbs 1tv", 1, 1),
        ("3.1 운동", "31 운동", 1, 1),
        ("3.1운동", "31 운동", 1, 0),  # F1 leaves spaces out, exact match does not
        ("이순신은", "이순신", 6 / 7, 0),
        ("세종", "태조", 0, 0),
        ("나나", "나", 2 / 3, 0),  # characters as often as they occur
    ],
)
def test_korquads_characters(true: str, said: str, f1: float, em: float) -> None:
    found = score_answer([true], said)
    assert (found["f1"], found["em"]) == pytest.approx((f1, em))


def test_klues_form_keeps_what_its_pattern_misses() -> None:
    assert score_answer(["《난중일기》"], "난중일기", klue_form)["em"] == 0
    assert score_answer(["《난중일기》"], "난중일기", korquad_form)["em"] == 1
    assert score_answer(["'난중일기'"], "난중일기", klue_form)["em"] == 1


def test_the_best_of_several_and_no_answer() -> None:
    measures = score_answers([["조선", "조선 시대"], [], []], ["조선 시대", "", "조선"]).measures
    assert measures["em"] == measures["f1"] == measures["rouge_w"] == pytest.approx(2 / 3)
    assert score_answer(["조선"], "")["f1"] == 0
    with pytest.raises(ValueError, match="no rows"):
        score_answers([], [])


@pytest.mark.parametrize(
    ("true", "said", "same"),
    [
        ("이순신", "이순신은", True),
        ("이순신이", "이순신은", True),  # neither is bare
        ("부산", "부산에서는", True),
        ("KBS", "KBS는", True),
        ("1592년", "1592년에", True),
        ("이순신", "'이순신'은", True),  # a space where the mark was
        ("결과", "결과는", True),  # 결과 could be 결 and 과: what is read so stands beside the word itself
        ("Apple", "Apple에서", True),
        ("서울", "서울로", True),
        ("부산", "부산로", False),  # 으로 after this consonant
        ("국", "국가", False),  # 이 after a consonant
        ("사", "사과", False),  # 와 after a vowel
        ("제주", "제주도", False),
        ("대", "대만", False),
        ("하", "하나", False),
        ("이순신", "이순신과 원균", False),  # only at the end
        ("Apple", "Apple은", False),  # nobody knows how it is read
    ],
)
def test_josa_are_taken_off_where_they_fit(true: str, said: str, same: bool) -> None:
    found = score_answer([true], said)
    assert (found["em"], found["em_no_josa"]) == (0, same)
    assert (found["f1_no_josa"] == 1) == same
    assert score_answer([said], true)["em_no_josa"] == same, "it does not matter which of them has it"


@settings(max_examples=200, deadline=None)
@given(st.text("은는이가을를의에서로도결과 '1K", max_size=8))
def test_readings_begin_the_text(text: str) -> None:
    found = readings(text)
    assert found[0] == text
    assert len(set(found)) == len(found)
    assert all(text.startswith(each) and each for each in found[1:])


@settings(max_examples=100, deadline=None)
@given(HANGUL, HANGUL)
def test_without_josa_is_never_worse(true: str, said: str) -> None:
    found = score_answer([true], said)
    assert found["em_no_josa"] >= found["em"]
    assert found["f1_no_josa"] >= found["f1"] >= found["em"]
