"""The rule of the last sound, against tables written by hand and against Unicode's own decomposition."""

import unicodedata

import pytest

from probes.particles import ALTERNATIONS, alternation, last_sound, without_copula

#: noun -> what is written behind it, as dictionaries and grammars have it.
BY_HAND = {
    "나무": "는 가 를 와 로 랑 야",
    "사람": "은 이 을 과 으로 이랑 아",
    "물": "은 이 을 과 로 이랑 아",
    "지하철": "은 이 을 과 로 이랑 아",
    "값": "은 이 을 과 으로 이랑 아",
    "여덟": "은 이 을 과 으로 이랑 아",
    "삶": "은 이 을 과 으로 이랑 아",
    "부엌": "은 이 을 과 으로 이랑 아",
    "개울": "은 이 을 과 로 이랑 아",
    "회의": "는 가 를 와 로 랑 야",
    "웨이": "는 가 를 와 로 랑 야",
    "힣": "은 이 을 과 으로 이랑 아",
    "가": "는 가 를 와 로 랑 야",
}
DIGITS = dict(zip("0123456789", "영일이삼사오육칠팔구", strict=True))
NUMBERS = {
    "10": "십",
    "2024": "이천이십사",
    "100": "백",
    "1,000": "천",
    "3.5": "삼점오",
    "20000": "이만",
    "37": "삼십칠",
}
ACRONYMS = {"KBS": "에스", "MBC": "씨", "FM": "엠", "HTML": "엘", "XML": "엘", "PCR": "알", "CNN": "엔", "TV": "브이"}


@pytest.mark.parametrize("noun", BY_HAND)
def test_forms_by_hand(noun: str) -> None:
    sound = last_sound(noun)
    assert sound is not None
    names = ("은/는", "이/가", "을/를", "과/와", "으로/로", "이랑/랑", "아/야")
    forms = [next(one for one in ALTERNATIONS if one.name == name).form(sound) for name in names]
    assert " ".join(forms) == BY_HAND[noun]


def test_every_syllable_as_unicode_decomposes_it() -> None:
    """NFD writes a final consonant as a third letter; 8 of the 28 ways to end are checked to be no plain ㄹ."""
    counts = {"vowel": 0, "ㄹ": 0, "consonant": 0}
    for code in range(0xAC00, 0xD7A4):
        letters = unicodedata.normalize("NFD", chr(code))
        name = unicodedata.name(letters[2]) if len(letters) == 3 else ""
        expected = "vowel" if not name else "ㄹ" if name == "HANGUL JONGSEONG RIEUL" else "consonant"
        assert last_sound("가" + chr(code)) == expected, chr(code)
        counts[expected] += 1
    assert counts == {"vowel": 399, "ㄹ": 399, "consonant": 399 * 26}


@pytest.mark.parametrize(("written", "read"), [*DIGITS.items(), *NUMBERS.items(), *ACRONYMS.items()])
def test_what_is_read_aloud(written: str, read: str) -> None:
    assert last_sound(written) == last_sound(read)


@pytest.mark.parametrize(
    "noun",
    ["", "NATO", "NAVER", "iPhone", "A", "km", "金", "50%", "ㅋㅋ", "4-1", "1,000,000,000,000", "3,", "C++", "１"],
)
def test_what_is_not_certain(noun: str) -> None:
    assert last_sound(noun) is None


def test_particles_with_two_forms() -> None:
    for one in ALTERNATIONS:
        for form in (one.after_consonant, one.after_vowel):
            assert one.other(one.other(form)) == form != one.other(form)
            assert all(alternation(form, tag) == one for tag in one.tags)
    for form, tag in (
        ("에서", "JKB"),
        ("는", "ETM"),
        ("은", "ETM"),
        ("이", "MM"),
        ("을", "ETM"),
        ("가", "VV"),
        ("의", "JKG"),
    ):
        assert alternation(form, tag) is None


def test_forms_of_the_copula() -> None:
    """학생이다 -> *학생다, 학생이었다 -> *학생였다, 학생이에요 -> *학생예요; 학생요 is said."""
    expected = {"다": "다", "라고": "라고", "었다": "였다", "에요": "예요", "어서": "여서", "고": "고", "요": None}
    assert {ending: without_copula(ending) for ending in expected} == expected
