"""Minimal pairs about more than a josa's form, where a rule makes them without a doubt.

* Spacing: a josa torn off its noun (학교 에서), and one glued to the next word (학교에서공부했다). Only josa that are
  no word when they stand alone: 가 (go), 은 (silver), 만 (ten thousand), 도, 과, 의 are.
* Negative polarity: 결코, 별로, 아무도 and 전혀 need a negation. The only one of the sentence is taken away:
  없다 -> 있다, 안 왔다 -> 왔다, 좋지 않았다 -> 좋았다. Not in questions, which ask without one, and not where 전혀
  stands before what denies by its sense (전혀 다르다).
* Honorifics: a subject with 께서 needs 시. The only one of the sentence is taken from the first predicate behind it:
  오셨다 -> 왔다. Not where 시 honours the listener (가세요), nor beside words that honour by themselves (계시다).

Words are put together by the analyser and analysed again: what does not come back as it was meant is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from probes.analysis import Token, analyse, join
from probes.josa_pairs import NOUNS, noun_before
from probes.pairs import LeftOut, Pair


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Josa that are torn off: alone they are no word.
TORN = _words("을 를 에 에서 에게 에게서 한테 으로 으로서 으로써 으로부터 로부터 부터 까지 처럼 조차 께서 마다")
#: Josa that are glued on: what follows is another word, never a part of one.
GLUED_ON = _words("을 를 에서 에게 한테 으로 까지 부터 처럼")
_WORDS = frozenset({"NNG", "NNP", "VV", "VA", "MAG"})
_PREDICATES = frozenset({"VV", "VA", "XSV", "XSA", "VX"})
#: Morphemes that deny, as (form, part).
_NEGATIONS = frozenset(
    {
        ("않", "VX"),
        ("못하", "VX"),
        ("못하", "VV"),
        ("못하", "VA"),
        ("못", "MAG"),
        ("안", "MAG"),
        ("없", "VA"),
        ("없", "VV"),
        ("없이", "MAG"),
        ("아니", "VCN"),
        ("아니", "MAG"),
        ("아니", "IC"),
        ("아니하", "VX"),
        ("말", "VX"),
        ("모르", "VV"),
        ("못되", "VA"),
        ("못나", "VA"),
    }
)
#: Beside these 전혀 needs no negation.
_DENY_BY_SENSE = _words("다르 새롭 모르 없 싫 틀리 무관 별개 딴판 반대 상관없 불가능 부족 의외 엉뚱 낯설 어긋나 멀")
_ASKING = ("까", "나", "냐", "니", "가", "지", "래")
#: Words that honour by themselves.
_HONOURING = _words("계시 드시 주무시 잡수시 돌아가시 모시 편찮으시 자시")
#: Endings with which 시 honours the listener.
_TO_LISTENER = ("어요", "ᆸ시오", "소서", "ᆯ까요", "지요", "죠")

UNSURE = "removing it leaves no word that is sure"
LICENSED = "something else denies too, or nothing does"
QUESTION = "a question needs no negation"
HONOURED = "more than one thing honours"


def grammar_pairs(text: str, tokens: Sequence[Token]) -> Iterator[Pair | LeftOut]:
    """All candidates of a sentence: spacing, negative polarity, honorifics."""
    yield from _spacing(text, tokens)
    yield from _polarity(text, tokens)
    yield from _honorific(text, tokens)


def _spacing(text: str, tokens: Sequence[Token]) -> Iterator[Pair]:
    for place in range(1, len(tokens)):
        before, josa = tokens[place - 1], tokens[place]
        form = text[josa.start : josa.end]
        if before.part not in NOUNS or before.end != josa.start or not josa.part.startswith("J"):
            continue
        noun = noun_before(text, tokens, place - 1)
        if form in TORN:
            wrong = f"{text[: josa.start]} {text[josa.start :]}"
            yield Pair("josa torn off", text, wrong, noun, "torn off", form, josa.start)
        if form in GLUED_ON and place + 1 < len(tokens) and text[josa.end : josa.end + 1] == " ":
            after = tokens[place + 1]
            hangul = "가" <= text[after.start] <= "힣" and text[after.start] not in "서써"
            if after.start == josa.end + 1 and after.part in _WORDS and hangul:
                wrong = text[: josa.end] + text[josa.end + 1 :]
                yield Pair("josa glued on", text, wrong, noun, "glued on", form, josa.start)


def _polarity(text: str, tokens: Sequence[Token]) -> Iterator[Pair | LeftOut]:
    item = _polar_item(text, tokens)
    if item is None:
        return
    place, word = item
    denying = [number for number, token in enumerate(tokens) if (token.form, token.part) in _NEGATIONS]
    apart = any(token.part.startswith("S") for token in tokens[place : denying[0]]) if denying else True
    if len(denying) != 1 or denying[0] < place or apart:
        yield LeftOut(LICENSED, word)
    elif "?" in text or any(token.part == "EF" and token.form.rstrip("요").endswith(_ASKING) for token in tokens):
        yield LeftOut(QUESTION, word)
    elif word == "전혀" and any(token.form in _DENY_BY_SENSE for token in tokens[place:] if token.form != "없"):
        yield LeftOut(LICENSED, word)
    else:
        wrong = _affirmed(text, tokens, denying[0])
        if wrong is None:
            yield LeftOut(UNSURE, word)
        else:
            yield Pair("negative polarity", text, wrong, "", word, word, -1)


def _polar_item(text: str, tokens: Sequence[Token]) -> tuple[int, str] | None:
    """Place and form of the first that begins an eojeol and is no predicate itself (별로다, 별로...)."""
    for place, (token, following) in enumerate(pairwise(tokens)):
        if text[: token.start][-1:].strip() or following.part == "VCP" or following.part.startswith("S"):
            continue
        if token.part == "MAG" and token.form in ("전혀", "결코", "별로"):
            return place, token.form
        if (token.form, token.part, following.form, following.part) == ("아무", "NP", "도", "JX"):
            return place, "아무도"
    return None


def _affirmed(text: str, tokens: Sequence[Token], place: int) -> str | None:
    token = tokens[place]
    if token.form == "없" and text[token.start] == "없" and text[: token.start][-1:] in (" ", ""):
        return f"{text[: token.start]}있{text[token.start + 1 :]}"
    after = tokens[place + 1] if place + 1 < len(tokens) else None
    linked = place > 1 and (tokens[place - 1].form, tokens[place - 1].part) == ("지", "EC")
    if linked and tokens[place - 2].part in _PREDICATES and text[tokens[place - 1].end : token.start] in ("", " "):
        if token.part == "VX" and token.form in ("않", "못하"):
            return _joined(text, tokens, place - 2, place + 1)
        # 듣지 못했다, as the analyser has it in some places: an adverb and 하.
        if (token.form, token.part) == ("못", "MAG") and after and after.form == "하" and after.start == token.end:
            return _joined(text, tokens, place - 2, place + 2)
        return None
    alone = token.part == "MAG" and token.form in ("안", "못") and after and after.part in ("VV", "VA")
    if alone and after and text[token.end : after.start] in ("", " "):
        return text[: token.start] + text[after.start :]
    return None


def _honorific(text: str, tokens: Sequence[Token]) -> Iterator[Pair | LeftOut]:
    subjects = [place for place, token in enumerate(tokens) if (token.form, token.part) == ("께서", "JKS")]
    if not subjects:
        return
    honoured = [place for place, token in enumerate(tokens) if token.form in ("시", "으시") and token.part == "EP"]
    behind = [place for place in range(subjects[0], len(tokens)) if tokens[place].part in ("VV", "VA", "XSV", "XSA")]
    lexical = any(token.form in _HONOURING for token in tokens)
    if len(subjects) != 1 or len(honoured) != 1 or lexical:
        yield LeftOut(HONOURED, text[:20])
        return
    rest = honoured[0] + 1
    to_listener = rest < len(tokens) and tokens[rest].form.startswith(_TO_LISTENER)
    own = bool(behind) and honoured[0] == behind[0] + 1 and not to_listener
    wrong = _joined(text, tokens, behind[0], rest) if own else None
    if wrong is None:
        yield LeftOut(UNSURE, text[:20])
    else:
        yield Pair("honorific", text, wrong, "", "께서 ... 시", "시", -1)


def _joined(text: str, tokens: Sequence[Token], stem: int, rest: int) -> str | None:
    """`text` with the stem's token followed at once by the endings from `rest` on.

    None if the rest of the sentence or the ending is read otherwise then, or the word is in no dictionary.
    """
    end = rest
    while end < len(tokens) and tokens[end].part.startswith("E") and tokens[end].start <= tokens[end - 1].end:
        end += 1
    if end == rest:
        return None
    parts = [tokens[stem], *tokens[rest:end]]
    wrong = text[: tokens[stem].start] + join(parts) + text[tokens[end - 1].end :]
    (found,) = analyse([wrong])
    behind = len(tokens) - end
    word = found[stem : len(found) - behind]
    meant = [*tokens[:stem], *tokens[end:]]
    same = [*map(_same, found[:stem]), *map(_same, found[len(found) - behind :])] == [*map(_same, meant)]
    ends = bool(word) and all(token.known for token in word) and _same(word[-1]) == _same(parts[-1])
    return wrong if same and ends else None


def _same(token: Token) -> tuple[str, str]:
    """Endings that are one, whatever stands before them: 은 and ᆫ, 는다 and ᆫ다."""
    form = {"는다": "다", "ᆫ다": "다", "ᆫ": "은", "ᆯ": "을", "어": "아"}.get(token.form, token.form)
    return form.removeprefix("으") if token.part.startswith("E") and len(form) > 1 else form, token.part
