"""Cleaning a line and judging a sentence. A filter answers keep or a reason, and every reason is counted."""

from __future__ import annotations

import unicodedata

import regex

from corpora.settings import CorpusSettings

#: Control, format (zero-width, direction), private-use, unassigned: never text. Tab and line ends are spaces.
_NOT_TEXT = regex.compile(r"[\p{C}--[\t\n\v\f\r\x1c-\x1f\x85]]+", regex.VERSION1)
_LETTERS = regex.compile(r"\p{L}+")
_HANGUL = regex.compile(r"\p{Hangul}+")


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


def judge(sentence: str, settings: CorpusSettings) -> str | None:
    """None to keep a cleaned sentence, else why not, in the word that reports use."""
    length = len(sentence)
    if length < settings.min_chars:
        return "too_short"
    if length > settings.max_chars:
        return "too_long"
    if hangul_share(sentence) < settings.min_hangul:
        return "little_hangul"
    return None


def hangul_share(text: str) -> float:
    """Share of Hangul among the letters of `text`, 0 if it has no letters.

    >>> hangul_share("BERT 모델"), hangul_share("1592.")
    (0.3333333333333333, 0.0)
    """
    letters = sum(map(len, _LETTERS.findall(text)))
    return sum(map(len, _HANGUL.findall(text))) / letters if letters else 0.0
