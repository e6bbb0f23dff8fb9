"""Korean sentence splitting by rule, in time linear in the length of the text.

A sentence ends at `.`, `!`, `?`, `。` or an ellipsis (with the quotes and brackets that close there) when white space
follows, and, because people write 재밌다.또 볼래, at a period between a final ending (다, 요, 죠, 까 ...) and
Hangul. It does not end

* inside a quotation or brackets: "왔다. 봤다."라고 말했다;
* before what carries the quotation on: "왔다." 라고 / 하고 / 며 ...;
* after a number that stands alone, an initial or an abbreviation: 1592. 4. 13., J. 로빈슨, Dr. 김;
* at an ellipsis that does not follow a final ending: 그는... 떠났다.

The answer depends on the paragraph alone, and `" ".join(split_sentences(t)) == t` up to missing spaces at joins.
"""

from __future__ import annotations

import re

#: Syllables that a sentence can end in before its mark; what precedes an ellipsis or an unspaced period must be one.
_FINAL = "다요죠까네군음함임됨슴니라자지"
_CLOSERS = "\"'”’」』》〉)]}】"
_PAIRS = {
    "“": "”",
    "‘": "’",
    "「": "」",
    "『": "』",
    "《": "》",
    "〈": "〉",
    "(": ")",
    "[": "]",
    "{": "}",
    "【": "】",
}
#: A quotation longer than this is taken for a stray mark, so that one lost quote does not swallow a page.
_LONGEST_QUOTE = 400

# The look-behind and the possessive runs keep a line of a million dots linear.
_MARK = re.compile(
    rf"(?<![.!?…。！？])(?P<mark>[.!?…。！？]++)(?P<close>[{re.escape(_CLOSERS)}]*+)(?P<space>\s++|$|(?=[가-힣]))"
)
_BRACKET = re.compile("[" + re.escape("".join(_PAIRS) + "".join(_PAIRS.values()) + '"') + "]")
_CARRIES_ON = re.compile(r"이?라(?:고|는|며|면서|던)|하고|하며|하는")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“‘])(?:[A-Za-z]|Dr|Mr|Mrs|Ms|St|Jr|Sr|Prof|No|vs|vol|pp|Fig|cf|ca|etc|al|Inc|Ltd|Co|Corp)$"
)
_NUMBER = re.compile(r"(?:^|[\s(\"'“‘])[\d.]+$")
#: How far back the two look: longer than any of them.
_REACH = 12


def split_sentences(paragraph: str) -> list[str]:
    """The sentences of a cleaned paragraph, without white space at their ends.

    >>> split_sentences('비가 왔다. "우산은 있어? 없어."라고 물었다. 3.5 km를 걸었다!')
    ['비가 왔다.', '"우산은 있어? 없어."라고 물었다.', '3.5 km를 걸었다!']
    """
    inside = _quoted(paragraph)
    span = 0
    sentences: list[str] = []
    begin = 0
    for match in _MARK.finditer(paragraph):
        while span < len(inside) and inside[span][1] <= match.start("mark"):
            span += 1
        if span < len(inside) and inside[span][0] < match.start("mark"):
            opening, closing = inside[span]
            # "왔다." at the head of a sentence may be one; in the midst of another (그는 "가자!" 외쳤다) it is not.
            if match.end("close") < closing or opening > begin:
                continue
        if not _ends_sentence(paragraph, match):
            continue
        sentence = paragraph[begin : match.end("close")].strip()
        if sentence:
            sentences.append(sentence)
        begin = match.end()
    rest = paragraph[begin:].strip()
    if rest:
        sentences.append(rest)
    return sentences


def _ends_sentence(text: str, match: re.Match[str]) -> bool:
    mark, start = match["mark"], match.start("mark")
    before = text[start - 1] if start else " "
    if not match["space"]:
        if match.end() == len(text):
            return True
        # No space: only 다.그, with nothing closed in between ("왔다."고 goes on).
        return not match["close"] and mark in (".", "!", "?") and before in _FINAL and _is_long_word(text, start)
    if "…" in mark or mark.startswith(".."):
        return before in _FINAL or mark[-1] in "!?"
    if match["close"] and _CARRIES_ON.match(text, match.end()):
        return False
    if mark == "." and not match["close"]:
        if before.isdigit():
            return not _number_goes_on(text, start, match.end())
        return not _ABBREVIATION.search(text, max(0, start - _REACH), start)
    return True


def _is_long_word(text: str, end: int) -> bool:
    """Whether a Hangul word of two syllables or more ends at `end`: 했다. but not the 가.나.다. of a list."""
    return end >= 2 and "가" <= text[end - 2] <= "힣"


def _number_goes_on(text: str, mark: int, after: int) -> bool:
    """A digit follows `1592. `, or the number stands alone: a date (4. 13. 왜군이) or a list's number (1. 머리말)."""
    return text[after : after + 1].isdigit() or bool(_NUMBER.search(text, max(0, mark - _REACH), mark))


def _quoted(text: str) -> list[tuple[int, int]]:
    """Spans (opening mark, place after the closing mark) that are properly closed, outermost ones, in order.

    One pass with a stack; an opening mark that never closes, or closes too far on, is forgotten.
    """
    spans: list[tuple[int, int]] = []
    stack: list[tuple[str, int]] = []
    for match in _BRACKET.finditer(text):
        mark, place = match.group(), match.start()
        while stack and place - stack[0][1] > _LONGEST_QUOTE:
            del stack[0]
        if mark == '"':
            opened = next((i for i in range(len(stack) - 1, -1, -1) if stack[i][0] == '"'), -1)
            if opened < 0:
                stack.append(('"', place))
                continue
        elif mark in _PAIRS:
            stack.append((_PAIRS[mark], place))
            continue
        else:
            opened = next((i for i in range(len(stack) - 1, -1, -1) if stack[i][0] == mark), -1)
            if opened < 0:
                continue
        start = stack[opened][1]
        del stack[opened:]
        while spans and spans[-1][0] > start:
            spans.pop()
        spans.append((start, place + 1))
    return spans
