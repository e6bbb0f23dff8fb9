"""Characters by script, as reports and the vocabulary's coverage name them."""

from __future__ import annotations

import unicodedata

import regex

_HANJA = ("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "CJK RADICAL", "KANGXI")
_SCRIPTS = {"LATIN": "Latin", "FULLWIDTH LATIN": "Latin", "HIRAGANA": "kana", "KATAKANA": "kana"}
# Older signs that are only sometimes drawn as pictures count too (❤, ☺), but not ©, ™ and arrows.
_EMOJI = regex.compile(
    r"[\p{Emoji_Presentation}\p{Emoji_Modifier}]|[\u2600-\U0010FFFF&&\p{Extended_Pictographic}]", regex.V1
)


def script_of(character: str) -> str:
    """The script, as the report names it.

    >>> [script_of(character) for character in "한ㅋ漢aのЖ7. 😀+"]
    ['Hangul', 'jamo', 'Hanja', 'Latin', 'kana', 'other letters', 'digits', 'punctuation', 'spaces', 'emoji', 'symbols']
    """
    name = unicodedata.name(character, "")
    category = unicodedata.category(character)
    if name.startswith("HANGUL SYLLABLE"):
        return "Hangul"
    if name.startswith(("HANGUL", "HALFWIDTH HANGUL")):
        return "jamo"
    if name.startswith(_HANJA):
        return "Hanja"
    for start, script in _SCRIPTS.items():
        if name.startswith(start):
            return script
    if _EMOJI.match(character):
        return "emoji"
    kinds = {"L": "other letters", "M": "other letters", "N": "digits", "P": "punctuation", "Z": "spaces"}
    return kinds.get(category[0], "symbols")
