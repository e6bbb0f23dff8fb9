"""Cleaning and judging."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corpora.clean import clean_line, hangul_share, judge
from corpora.settings import CorpusSettings

SETTINGS = CorpusSettings(
    layout="auto", min_chars=5, max_chars=20, min_hangul=0.5, held_out=0.1, shard_megabytes=1, seed=0
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
    ],
)
def test_judge(sentence: str, reason: str | None) -> None:
    assert judge(sentence, SETTINGS) == reason


def test_hangul_share_by_an_obvious_count() -> None:
    text = "한글 ㅋ abc 漢 12 й"
    letters = [character for character in text if character.isalpha()]
    hangul = [character for character in letters if "HANGUL" in unicodedata.name(character)]
    assert hangul_share(text) == len(hangul) / len(letters)
