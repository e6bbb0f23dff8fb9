"""Minimal pairs of josa: the form that the noun's last sound asks for, against the other one.

Only what the analyser tags as a particle or as the copula's 이 behind a noun: an adnominal 은, 는, 을 (먹은, 가는)
is an ending, 이 before a noun a determiner. What could be right both ways is left out and counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from probes.analysis import Token
from probes.pairs import LeftOut, Pair
from probes.particles import COPULA, Alternation, Sound, alternation, last_sound, without_copula

#: Tags of a noun's last morpheme.
NOUNS = frozenset({"NNG", "NNP", "NNB", "NR", "NP", "XSN"})
#: What else may be read as a noun, and what closes a quotation or brackets behind one.
_WRITTEN = frozenset({"SN", "SL", "SH", "SW", "W_HASHTAG", "W_SERIAL"})
_MARKS = frozenset({"SSC", "SO", "SF", "SP", "SE"})

SHARED = "noun and josa share a syllable"
MARK = "a mark stands between noun and josa"
READING = "how the noun is read is not certain"
BREAKS = "the sentence itself breaks the rule"
BOTH = "after a vowel the copula's 이 may stand or fall"
GLUED = "more is glued to the josa"
ROAD = "a name with 로 could be a road's"
NAME = "아 or 야 before a title belongs to a name"
SAID = "both forms are said (이요, 요)"

_HANGUL = re.compile("[가-힣]+")
#: 정민아 씨 is called 정민아.
_TITLES = frozenset({"씨", "님", "양", "군"})
#: Where a number or an acronym begins: at the text's beginning, behind a space or an opening mark.
_OPEN = re.compile(r"(?:^|[\s(\[<《〈「『'\"‘“])$")


def josa_pairs(text: str, tokens: Sequence[Token]) -> Iterator[Pair | LeftOut]:
    """Every josa with two forms and every copula behind a noun in `text`: a pair, or why there is none."""
    for place in range(1, len(tokens)):
        before, josa = tokens[place - 1], tokens[place]
        # A josa without its boundary has one form only: 난, 날, 뭘; 게 (것이).
        if josa.part not in ("JX", "JKS", "JKC", "JKO", "JKB", "JC", "JKV", "VCP"):
            continue
        found = None if josa.part == "VCP" else alternation(text[josa.start : josa.end], josa.part)
        drawn = josa.form in ("\u11ab", "\u11af")
        if found is None and josa.part != "VCP" and not drawn:
            continue
        if before.part not in NOUNS | _WRITTEN | _MARKS:
            continue
        yield _at(text, tokens, place, found)


def noun_before(text: str, tokens: Sequence[Token], place: int) -> str:
    """The noun that ends with the token at `place`: it and the Hangul nouns and prefixes glued before it."""
    start = tokens[place].start
    if _HANGUL.fullmatch(text, start, tokens[place].end):
        for token in reversed(tokens[:place]):
            glued = token.end == start and token.part in NOUNS | {"XPN"}
            if not glued or not _HANGUL.fullmatch(text, token.start, token.end):
                break
            start = token.start
    return text[start : tokens[place].end]


def _at(text: str, tokens: Sequence[Token], place: int, found: Alternation | None) -> Pair | LeftOut:
    before, josa = tokens[place - 1], tokens[place]
    noun = noun_before(text, tokens, place - 1)
    sound = _sound(text, before, noun)
    spelled = text[before.start : josa.end]
    if before.part in _MARKS:
        return LeftOut(MARK, spelled)
    if before.end > josa.start:
        return LeftOut(SHARED, spelled)
    if before.end < josa.start:
        return LeftOut(BREAKS, spelled)
    if sound is None:
        return LeftOut(READING, spelled)
    if josa.part == "VCP":
        return _copula(text, tokens, place, noun, sound)
    return LeftOut(SHARED, spelled) if found is None else _particle(text, tokens, place, noun, sound, found)


def _sound(text: str, before: Token, noun: str) -> Sound | None:
    if before.part in NOUNS or _OPEN.search(text[: before.start]):
        return last_sound(noun)
    return None


def _particle(
    text: str, tokens: Sequence[Token], place: int, noun: str, sound: Sound, found: Alternation
) -> Pair | LeftOut:
    josa = tokens[place]
    form = text[josa.start : josa.end]
    spelled = noun + form
    if found.stem and sound == "vowel":
        return LeftOut(BOTH, spelled)
    if form != found.form(sound):
        return LeftOut(BREAKS, spelled)
    if not _ends(text, tokens, place):
        return LeftOut(GLUED, spelled)
    if found.light and sound == "consonant" and tokens[place - 1].part == "NNP":
        return LeftOut(ROAD, spelled)
    name = f"{found.name} after ㄹ" if found.light and sound == "ㄹ" else found.name
    if josa.part == "JKV" and place + 1 < len(tokens) and tokens[place + 1].form in _TITLES:
        return LeftOut(NAME, spelled)
    wrong = text[: josa.start] + found.other(form) + text[josa.end :]
    return Pair("josa", text, wrong, noun, name, form, josa.start)


def _copula(text: str, tokens: Sequence[Token], place: int, noun: str, sound: Sound) -> Pair | LeftOut:
    copula = tokens[place]
    ending = _ending(text, tokens, place)
    if sound == "vowel":
        return LeftOut(BOTH, noun + ending)
    if copula.start == copula.end or text[copula.start] in "여예":
        return LeftOut(BREAKS, noun + ending)
    if text[copula.start] != "이" or (place + 1 < len(tokens) and tokens[place + 1].start < copula.end):
        return LeftOut(SHARED, noun + ending)
    if len(ending) == 1:
        return LeftOut(GLUED, noun + ending)
    short = without_copula(ending[1:])
    if short is None:
        return LeftOut(SAID, noun + ending)
    wrong = text[: copula.start] + short + text[copula.start + len(ending) :]
    return Pair("josa", text, wrong, noun, COPULA, "이", copula.start)


def _ending(text: str, tokens: Sequence[Token], place: int) -> str:
    """The copula with the endings that are glued to it: 이었다, 이라고."""
    start, end = tokens[place].start, tokens[place].end
    for token in tokens[place + 1 :]:
        if token.start > end or not token.part.startswith("E"):
            break
        end = max(end, token.end)
    return text[start:end]


def _ends(text: str, tokens: Sequence[Token], place: int) -> bool:
    """Whether a josa ends its eojeol, but for other particles, a copula and marks."""
    end = tokens[place].end
    if place + 1 == len(tokens) or tokens[place + 1].start > end:
        return True
    part = tokens[place + 1].part
    return part.startswith(("J", "S")) and part not in _WRITTEN
