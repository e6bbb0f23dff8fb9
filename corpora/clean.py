"""Cleaning a line and judging a sentence. A filter answers keep or a reason, and every reason is counted."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import regex

from corpora.privacy import PLACEHOLDERS
from corpora.settings import CorpusSettings

#: Stands where something that cannot be text was: a formula, a figure, a template of a wiki.
HOLE = "\ufffc"

#: Control, format (zero-width, direction), private-use, unassigned: never text. Tab and line ends are spaces.
_NOT_TEXT = regex.compile(r"[\p{C}--[\t\n\v\f\r\x1c-\x1f\x85]]+", regex.VERSION1)
_LETTERS = regex.compile(r"\p{L}+")
_HANGUL = regex.compile(r"\p{Hangul}+")
_PLACEHOLDER = regex.compile("|".join(map(regex.escape, PLACEHOLDERS.values())))


def clean_line(line: str) -> str:
    r"""NFC, no control or zero-width characters, runs of any white space as one space, none at the ends.

    NFC first: the same syllable typed on a Mac arrives as separate jamo, and would be another word.

    >>> clean_line("\t한글은\u3000\u200b우리\u00a0글자다. ")
    '한글은 우리 글자다.'
    """
    text = _NOT_TEXT.sub("", line)
    if not text.isascii():
        # After the removal: a zero-width space may stand between two jamo of one syllable.
        text = unicodedata.normalize("NFC", text)
    return " ".join(text.split())


def shorten_repeats(text: str, most: int) -> str:
    """Runs of one character, or of a pair of them, cut to `most`; digits are left alone, and 0 leaves all.

    >>> shorten_repeats("ㅋㅋㅋㅋㅋㅋ 웃기다!!!!! 10000원 ㅠㅜㅠㅜㅠㅜㅠㅜ", 3)
    'ㅋㅋㅋ 웃기다!!! 10000원 ㅠㅜㅠㅜㅠㅜ'
    """
    return _repeats(most).sub(lambda run: run["unit"] * most, text) if most else text


@lru_cache
def _repeats(most: int) -> re.Pattern[str]:
    # The look-ahead, which almost every place fails, makes it five times as fast.
    return re.compile(rf"(?=(.).?\1)(?P<unit>[^\s\d]{{1,2}}?)(?P=unit){{{most},}}+")


def _enough_hangul(text: str, share: float) -> bool:
    """Whether `share` of the letters are Hangul; most sentences show it without a count of the letters."""
    return sum(map(len, _HANGUL.findall(text))) >= share * len(text) or hangul_share(text) >= share


def hangul_share(text: str) -> float:
    """Share of Hangul among the letters of `text`, 0 if it has no letters.

    >>> hangul_share("BERT 모델"), hangul_share("1592.")
    (0.3333333333333333, 0.0)
    """
    letters = sum(map(len, _LETTERS.findall(text)))
    return sum(map(len, _HANGUL.findall(text))) / letters if letters else 0.0


class Filter:
    """Judges cleaned sentences by a recipe's settings."""

    def __init__(self, settings: CorpusSettings) -> None:
        self._settings = settings
        self._boilerplate = [regex.compile(pattern) for pattern in settings.boilerplate]

    def judge(self, sentence: str) -> str | None:
        """None to keep a sentence, else why not, in the word that reports use."""
        settings = self._settings
        length = len(sentence)
        if length < settings.min_chars:
            return "too_short"
        if length > settings.max_chars:
            return "too_long"
        if HOLE in sentence:
            return "hole"
        # A placeholder is not the writer's Latin.
        letters = _PLACEHOLDER.sub("", sentence) if "[" in sentence else sentence
        if not _enough_hangul(letters, settings.min_hangul):
            return "little_hangul"
        if any(pattern.search(sentence) for pattern in self._boilerplate):
            return "boilerplate"
        return None
