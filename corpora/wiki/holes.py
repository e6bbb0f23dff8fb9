"""What is left of a paragraph where a template, a formula or a note was taken out of it.

`베를린({{소리|x.ogg}})은` loses its brackets too, `1945년 <ref>...</ref>.` the space before its period. Where the
sentence lacks what was there (`인구는 {{인구}}명이다.`) a `corpora.clean.HOLE` stays, for which the filter drops it.
"""

from __future__ import annotations

import re

from corpora.clean import HOLE
from corpora.wiki.names import FORMULA, GONE, NOTE, VISIBLE

_SOFT = VISIBLE + NOTE + GONE
_ANY = re.compile(f"[{_SOFT}{FORMULA}]")
_BRACKET = re.compile(r"[()（）\[\]［］〔〕]")
_PAIRS = {")": "(", "）": "（", "]": "[", "］": "［", "〕": "〔"}
#: Brackets deeper than this are left as they are.
_DEEPEST = 12
_SEPARATOR = re.compile(r"([,，;；、/·])")
_EMPTY = re.compile(r"[\s~∼〜–—:：=-]*")
_LABEL = re.compile(r"\s*[가-힣A-Za-z][가-힣A-Za-z ]{0,11}[:：]\s*")

_RUN = re.compile(f"[{_SOFT}](?:\\s?[{_SOFT}])*+")
_PARTICLES = (
    "이다|이며|이고|이었다|이었으며|였다|이라|이라는|이라고|인|을|를|은|는|와|과|로|으로|에|에서|의|명|개|년|월|일|원"
    "|미터|킬로미터|제곱킬로미터|%"
)
_LACKING = re.compile(
    # At the head of a word that goes on: 인구는 □명이다. (But 독일□의, where it stands for a note.)
    rf"(?:^|(?<=[\s(\[“‘\"'「『《〈])){VISIBLE}(?=[가-힣%℃°㎢㎡]|km|m[²³\s]|cm)"
    # Before a particle that stands alone: 인구는 □ 이다.
    rf"|(?:^|(?<=\s)){VISIBLE}(?=\s(?:{_PARTICLES})(?:[\s.,]|$))"
    # After a particle that wants more: 인구는 □.
    rf"|(?<=[은는을를의]\s){VISIBLE}(?=[.,!?]|$)"
    rf"|(?<=[은는을를]\s){GONE}(?=[가-힣])"
)
_FORMULAS = re.compile(f"{FORMULA}+")
_JOINS = re.compile(rf"\s*{GONE}(?=[가-힣])")
_BEFORE_MARK = re.compile(rf"\s*[{_SOFT}]\s?(?=\.(?!\.)|[,;!?)\]}}」』》〉”’）］。、])")
_ELSEWHERE = re.compile(rf"\s*[{_SOFT}]\s?")
_AT_HEAD = re.compile(rf"^\s*[{_SOFT}][\s,.;:·)]*")


def close_holes(paragraph: str) -> str:
    """The paragraph without stand-ins, white space collapsed; `corpora.clean.HOLE` where its sentence is not sound.

    >>> close_holes(f"베를린({VISIBLE}, 1900년)은 수도 {NOTE}.")
    '베를린(1900년)은 수도.'
    >>> close_holes(f"인구는 {VISIBLE}명이다.") == f"인구는 {HOLE}명이다."
    True
    """
    text = " ".join(paragraph.split())
    if not _ANY.search(text):
        return text
    text = _RUN.sub(_merged, _brackets(text)).strip()
    text = _LACKING.sub(HOLE, text)
    text = _AT_HEAD.sub("", text)
    text = _JOINS.sub("", text)
    text = _BEFORE_MARK.sub("", text)
    text = _ELSEWHERE.sub(lambda run: " " if " " in run[0] else "", text)
    return " ".join(_FORMULAS.sub(HOLE, text).split())


def _merged(run: re.Match[str]) -> str:
    """One stand-in for several side by side, the one that says most; a space among them goes in front."""
    mark = next(mark for mark in (VISIBLE, GONE, NOTE) if mark in run[0])
    return f" {mark}" if " " in run[0] else mark


def _brackets(text: str) -> str:
    """Brackets that a removal emptied go, and with the parts that it emptied the separators."""
    pieces: list[str] = []
    opened: list[int] = []
    place = 0
    for match in _BRACKET.finditer(text):
        pieces.append(text[place : match.start()])
        place = match.end()
        mark = match[0]
        if mark in _PAIRS:
            if opened and pieces[opened[-1]] == _PAIRS[mark]:
                begin = opened.pop()
                pieces[begin:] = [_bracketed(pieces[begin], "".join(pieces[begin + 1 :]), mark)]
                continue
        elif len(opened) < _DEEPEST:
            opened.append(len(pieces))
        pieces.append(mark)
    pieces.append(text[place:])
    return "".join(pieces)


def _bracketed(opening: str, content: str, closing: str) -> str:
    if not _ANY.search(content):
        return opening + content + closing
    parts = _SEPARATOR.split(content)
    kept = [index for index in range(0, len(parts), 2) if not _emptied(parts[index])]
    if not any(parts[index].strip(_SOFT + " ") for index in kept):
        return GONE
    shown = "".join(("" if index == kept[0] else parts[index - 1]) + parts[index] for index in kept)
    return opening + shown.strip(" " + _SOFT if not _LACKING.match(shown.strip()) else " ") + closing


def _emptied(part: str) -> bool:
    """Whether nothing but a label (`한자: `) is left of a part from which something was removed."""
    rest = re.sub(f"[{_SOFT}]", "", part)
    return rest != part and bool(_EMPTY.fullmatch(rest) or _LABEL.fullmatch(rest))
