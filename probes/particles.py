"""Which form of a particle a noun takes: 학교는 but 사람은, 서울로 but 부산으로.

The last sound decides: a vowel, a final ㄹ, or another final consonant. A Hangul syllable tells it by the arithmetic
of its code point (The Unicode Standard 3.12). Digits are read as Sino-Korean numerals, whose last digit tells the last
sound: a final 0 is 영, 공, 십, 백, 천, 만 or 억 and ends in a consonant, unless it is 조 or more. Latin letters are
read by their names where nothing else can be meant: capitals of which none is a vowel (KBS, HTML, FM). Hanja, other
words in Latin letters and marks are read in more than one way, so nothing is said of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Sound = Literal["vowel", "ㄹ", "consonant"]

_FIRST, _LAST, _FINALS, _RIEUL = ord("가"), ord("힣"), 28, 8
#: 영 일 이 삼 사 오 육 칠 팔 구.
_DIGITS: tuple[Sound, ...] = (
    "consonant",
    "ㄹ",
    "vowel",
    "consonant",
    "vowel",
    "vowel",
    "consonant",
    "ㄹ",
    "ㄹ",
    "vowel",
)
#: 엘, 엠, 엔, 알; the names of all others end in a vowel.
_LETTERS: dict[str, Sound] = {"L": "ㄹ", "M": "consonant", "N": "consonant", "R": "ㄹ"}
_NUMBER = re.compile(r"[0-9]+(?:[.,][0-9]+)*")
_ACRONYM = re.compile(r"[BCDFGHJKLMNPQRSTVWXZ]{2,5}")
#: 조 and more: 12 zeros. 조 ends in a vowel, 경 and 해 do not agree with each other.
_TRILLIONS = re.compile(r"[0,]*(?:0,?){12}$")


def last_sound(noun: str) -> Sound | None:
    """What `noun` ends in when it is read aloud; None where that is not certain.

    >>> last_sound("학교"), last_sound("서울"), last_sound("부산")
    ('vowel', 'ㄹ', 'consonant')
    >>> last_sound("10"), last_sound("KBS"), last_sound("NATO")
    ('consonant', 'vowel', None)
    """
    if not noun:
        return None
    place = ord(noun[-1]) - _FIRST
    if 0 <= place <= _LAST - _FIRST:
        final = place % _FINALS
        return "vowel" if final == 0 else "ㄹ" if final == _RIEUL else "consonant"
    if _NUMBER.fullmatch(noun):
        return None if _TRILLIONS.search(noun) else _DIGITS[int(noun[-1])]
    if _ACRONYM.fullmatch(noun):
        return _LETTERS.get(noun[-1], "vowel")
    return None


@dataclass(frozen=True)
class Alternation:
    """A particle with two forms, and the tags (Sejong) that it carries.

    name: its row in tables, as grammars write it: 은/는. `stem`: the forms differ by an 이 that was a copula's. It may
    be kept after a vowel (가수이며), so only its loss after a consonant is wrong. `light`: a final ㄹ counts as a vowel
    (서울로).
    """

    name: str
    after_consonant: str
    after_vowel: str
    tags: frozenset[str]
    stem: bool = False
    light: bool = False

    def form(self, sound: Sound) -> str:
        """The form that follows this sound."""
        open_ = sound == "vowel" or (self.light and sound == "ㄹ")
        return self.after_vowel if open_ else self.after_consonant

    def other(self, form: str) -> str:
        """The form that is not `form`."""
        return self.after_vowel if form == self.after_consonant else self.after_consonant


def _forms(pairs: str, tags: str, name: str = "", *, stem: bool = False, light: bool = False) -> Iterable[Alternation]:
    for pair in pairs.split():
        closed, open_ = pair.split("/")
        yield Alternation(name or pair, closed, open_, frozenset(tags.split()), stem, light)


#: 이요 and 이여 are left out: 책요 is said beside 책이요, and 이여 is the copula of some dialects.
ALTERNATIONS: tuple[Alternation, ...] = (
    *_forms("은/는 은커녕/는커녕", "JX", "은/는"),
    *_forms("이/가", "JKS JKC"),
    *_forms("을/를", "JKO"),
    *_forms("과/와", "JC JKB"),
    *_forms("으로/로 으로서/로서 으로써/로써 으로부터/로부터", "JKB", "으로/로", light=True),
    *_forms("이랑/랑", "JC JKB"),
    *_forms("아/야", "JKV"),
    *_forms("이나/나 이며/며", "JC JX", stem=True),
    *_forms("이란/란 이라도/라도 이라고/라고 이나마/나마 이야말로/야말로 이든/든 이든지/든지", "JX", stem=True),
)
#: The copula's row in tables.
COPULA = "이다"


def alternation(form: str, tag: str) -> Alternation | None:
    """The particle that has this form and tag; None for one that has a single form (에서) or another tag."""
    for found in ALTERNATIONS:
        if tag in found.tags and form in (found.after_consonant, found.after_vowel):
            return found
    return None


def without_copula(ending: str) -> str | None:
    """What stands for 이 and this ending where the 이 is dropped or drawn together, as only a vowel allows.

    None where nothing is wrong with it (이요, 요).

    >>> [without_copula(ending) for ending in ("다", "었다", "에요", "어서", "요")]
    ['다', '였다', '예요', '여서', None]
    """
    if ending[:1] == "요":
        return None
    if ending.startswith(("었", "어")):
        return ("였" if ending[0] == "었" else "여") + ending[1:]
    return "예" + ending[1:] if ending.startswith("에요") else ending
