"""Cleaning and judging."""

import dataclasses
import re
import unicodedata
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.clean import Filter, clean_line, hangul_share, shorten_repeats
from tests.conftest import CORPUS

SETTINGS = dataclasses.replace(
    CORPUS, min_chars=5, max_chars=20, min_hangul=0.5, boilerplate=["무단 ?전재", "^기사제보"]
)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (unicodedata.normalize("NFD", "한글은 글자다."), "한글은 글자다."),
        ("\ufeff한\u200b글\u00ad", "한글"),
        ("가\x00나\x07다\x1b[31m", "가나다[31m"),
        (" 가\t\t나\u3000다\u00a0라\u2028마\x0b바\r", "가 나 다 라 마 바"),
        ("\u1112\u200b\u1161\u11ab글", "한글"),
        ("\ue000가\U000f0000", "가"),
        ("ㅋㅋㅋ ㅠㅠ 漢字 😀 ①", "ㅋㅋㅋ ㅠㅠ 漢字 😀 ①"),
        ("ｆｕｌｌ　ｗｉｄｔｈ", "ｆｕｌｌ ｗｉｄｔｈ"),
        ("\u200b \t", ""),
    ],
)
def test_clean_line(raw: str, clean: str) -> None:
    assert clean_line(raw) == clean


@given(st.text(max_size=60))
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    cleaned = clean_line(text)
    assert clean_line(cleaned) == cleaned
    assert unicodedata.is_normalized("NFC", cleaned)
    # An oracle by category: nothing of C* is left (Cn apart: this Python may know fewer characters than the library).
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Co", "Cs") for character in cleaned)
    assert " ".join(cleaned.split()) == cleaned


@pytest.mark.parametrize(
    ("sentence", "reason"),
    [
        ("한글은 글자다.", None),
        ("네.", "too_short"),
        ("가" * 21, "too_long"),
        ("This is not it.", "little_hangul"),
        ("1592. 4. 13.", "little_hangul"),
        ("가나 abc", "little_hangul"),
        ("가나다 abc", None),
        ("ㅋㅋㅋㅋㅋ", None),
        ("가나 [PHONE]", None),
        ("가나 [OTHER]", "little_hangul"),
        ("함수 \ufffc는 미분된다.", "hole"),
        ("무단전재 금지한다.", "boilerplate"),
        ("기사제보는 이리로.", "boilerplate"),
        ("우리 기사제보는 저리.", None),
    ],
)
def test_judge(sentence: str, reason: str | None) -> None:
    assert Filter(SETTINGS).judge(sentence) == reason


def test_hangul_share_by_an_obvious_count() -> None:
    text = "한글 ㅋ abc 漢 12 й"
    letters = [character for character in text if character.isalpha()]
    hangul = [character for character in letters if "HANGUL" in unicodedata.name(character)]
    assert hangul_share(text) == len(hangul) / len(letters)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("ㅋㅋㅋㅋㅋㅋ", "ㅋㅋ"),
        ("ㅋㅋ", "ㅋㅋ"),
        ("ㅠㅜㅠㅜㅠㅜ", "ㅠㅜㅠㅜ"),
        ("하하하하 웃음", "하하 웃음"),
        ("정말!!!!!", "정말!!"),
        ("10000000원", "10000000원"),
        ("가 가 가 가", "가 가 가 가"),
        ("ㅋㅋㅋㅎㅎㅎ", "ㅋㅋㅎㅎ"),
        ("😀😀😀😀", "😀😀"),
    ],
)
def test_repeats_are_shortened(text: str, short: str) -> None:
    assert shorten_repeats(text, 2) == short
    assert shorten_repeats(text, 0) == text


@given(st.text("ㅋㅠ가a!1 ", max_size=40), st.integers(1, 4))
def test_without_pairs_only_runs_are_cut(text: str, most: int) -> None:
    def runs(of: str) -> list[tuple[str, int]]:
        return [(key, len(list(group))) for key, group in groupby(of)]

    short = shorten_repeats(text, most)
    unpaired = not re.search(r"([^\s\d]{2})\1", text)
    if unpaired:
        cut = [(key, count if key in "1 " else min(count, most)) for key, count in runs(text)]
        assert short == "".join(key * count for key, count in cut)


def test_boilerplate_expressions_do_not_change_each_other() -> None:
    keep = Filter(dataclasses.replace(SETTINGS, boilerplate=["(광고)", r"(.)\1\1", "(?x) 무 단 # 전재"]))
    assert keep.judge("오늘은 하하하 웃었다.") == "boilerplate" and keep.judge("글을 무단 전재했다.") == "boilerplate"
    assert keep.judge("오늘은 하하 웃었다.") is None
