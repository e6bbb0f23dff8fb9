"""Korean sentence splitting by rule, in time linear in the length of the text.

A sentence ends

* at `.`, `!`, `?`, `。` with the quotes, brackets, footnote marks and emoticons that follow, when white space comes;
* there too when Hangul follows at once, at an ellipsis, and at emoticons or runs of jamo (재밌어요 ㅋㅋ 또 볼래요), if a
  word that can be final stands before: people write 재밌다.또 볼래, but also 그는... 떠났다, 진짜 ㅋㅋ 웃겼다;
* at a space without any mark, only after an ending that is hardly ever anything else: 좋았습니다 강추, 봤어요 또 볼래요.

It does not end

* inside a quotation, a title or brackets: "왔다. 봤다."라고 말했다;
* before what carries the sentence on: "왔다." 라고 / 하고 / 며 ..., 왔다 갔다, 있다 해도;
* after a number that stands alone, an item's letter, an initial or an abbreviation: 1592. 4. 13., 가. 신청, Dr. 김.

Where it cannot tell, it does not cut: for next-sentence prediction a cut within a sentence does more harm than two
sentences in one. The answer depends on the paragraph alone, and `" ".join(split_sentences(t)) == t` up to missing
spaces at joins. benchmarks/sentences.py measures it, and tests/corpora/sentence_cases.txt says what is expected.
"""

from __future__ import annotations

import re


def _syllables(final: str) -> str:
    """Every Hangul syllable that closes with one of the consonants `final`."""
    order = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
    return "".join(chr(code) for code in range(0xAC00, 0xD7A4) if order[(code - 0xAC00) % 28] in final)


_PAST = _syllables("ㅆ")

#: Words that can be final, told by their last syllables; looked for before an ellipsis, an emoticon, an unspaced mark.
_FINAL = re.compile(
    r"(?:(?<=[가-힣])(?:(?<![바보마])다|(?<![필중주수])요|(?<![다처마])음|(?<![게타책])임|(?<!니)까"
    r"|(?<![는은런인까왠쩐든던버])지|[죠네함됨슴듯냐])|[네어아세해예에]여|니당|구나|더라|[다라]니|영화|드라마"
    rf"|[{_PAST}없좋같](?:어|군|당)|[이하는]군)$"
)
#: Endings that close a sentence even without a mark. Reviews have them so in 95 of 100 places, hardly any other text.
_BARE = (
    rf"(?:(?<=[{_PAST}{_syllables('ㅂㅄㄶㅀㅌㅍ')}는한된좋])(?!(?<=[왔갔])다\s+[가갔간갈와왔온올오])다"
    rf"|(?<=[{_syllables('ㅂ')}]니)다|(?<=[{_syllables('ㄱㄴㄹㅁㅂㅅㅇㅊㅌㅍ')}]이)다"
    r"|(?<=[어여아해세예에네군지와워봐줘져켜쳐려셔겨껴돼래까걸든대나])요|(?<=더라[고구])요|(?<=영화)다|(?<=최고)다"
    rf"|(?<=[{_PAST}이거하되없좋같맞])죠|(?<=[{_PAST}없좋같])네|(?<=[{re.sub('[있밌잇]', '', _PAST)}])어"
    rf"|(?<=[{_PAST}없])음(?!\s+(?:더?\s?좋|하|해|어[땠떨쩔]|싶|알\s|처[분리]|결정|기록|짐작|추론))"
    r"|(?<=[거것작고로])임|(?<=[만천])함)"
)
#: What may follow such an ending within the sentence: 있다 해도, 봤다 싶다, 죽었다 깨어나도, 있다 는 것, 좋다 정말.
_GOES_ON = (
    r"(?:이?라[고는며면던지 ]|이?란\s|(?:고|는|며|면|면서|지만|만|던|거나|든지|던지|등|등의|등이|뿐|수|같은)[\s을를가]"
    r"|[가-힣]{1,6}다\s하[는느길더고며]|하[는던느고며면여더니길겠였기자]|하지(?!만)|한다|했|해[서도]|할(?:지|수록|\s(?!말))|함[을은]|한\s(?:것|뒤|후|다음)"
    r"|싶|보[니면]\s|보여진|못해|말[았고]|마는|치[고자면]|쳐도|여[겨긴]|생각[하한했돼된]|주장|말했|말하[고며였는]|깨어나"
    r"|(?:정말|진짜|진심|참|꼭|역시|뭐|완전|절대)(?:으?로)?[^\w]*+$)"
)

_CLOSERS = "\"'”’」』》〉>)]}】〕）"
_PAIRS = dict(zip("“‘「『《〈<([{【〔（", "”’」』》〉>)]}】〕）", strict=True))
#: A quotation longer than this is taken for a stray mark, so that one lost quote does not swallow a page.
_LONGEST_QUOTE = 400
_MARKS = r"[.!?…。！？]"
_EMOTICON = (
    r"(?:[ㅋㅎㅠㅜㅡ][ㄱ-ㅣ]*+|[ㄱ-ㅎ]{2,}+|\^[\^_.ㅡㅁㅇoO-]{0,3}\^*+|~++|;{2,}+|[♥♡❤★☆♪♬👍]\ufe0f?|[:=]-?[)D(]|>[_.]?<"
    r"|-_-;*+|T_T|[\U0001f600-\U0001f64f\U0001f900-\U0001f9ff])"
)
_FOOTNOTE = r"(?:(?:\[[^\[\]]{1,8}\]){1,9}|[¹²³⁰-⁹]{1,3}|\d{1,2}\)|[*†]|\([^()]{1,30}\)(?=\s))"
# Whatever it begins it also matches, and runs are possessive: a line of a million dots is read once.
_STOP = re.compile(
    rf"(?:(?P<mark>{_MARKS}++)(?P<close>[{re.escape(_CLOSERS)}]*+)(?:{_FOOTNOTE})?+|(?P<emoticon>{_EMOTICON}))"
    rf"(?P<tail>(?:\s?{_EMOTICON}|{_MARKS})*+)(?P<space>\s++|$|(?=[가-힣])|(?P<none>))"
    rf"|{_BARE}\s++(?=[가-힣A-Za-z0-9])(?!{_GOES_ON})"
)
_BRACKET = re.compile("[" + re.escape("".join(_PAIRS) + "".join(_PAIRS.values()) + "\"'") + "]")
#: What carries a quotation or a question on, and what does so only after a closing mark.
_CARRIES_ON = re.compile(r"이?라(?:고|는|며|면|던)|이?란\s|하(?:고|며|는|면서|던)")
_SAID = re.compile(r"하(?:더|시|자|니|였)|했|한다|말[했하]|외[쳤치]|물[었으]|대?답[했하]|소리[쳤치]|중얼|속삭")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"'“‘])(?:(?:[A-Za-z]\.)*[A-Za-z]|Ph\.D|Dr|Mrs?|Ms|St|Mt|Jr|Sr|Prof|Gen|Sgt|Lt|Col|Capt|Rev|No|Op|vs|[Vv]ol"
    r"|pp|ver|feat|ft|[Ff]ig|cf|ca|etc|al|Inc|Ltd|Co|Corp|Ave|Blvd)$"
)
_NUMBER = re.compile(r"(?:^|[\s(\"'“‘])[\d.]+$")
_ITEM = re.compile(r"[(\"'“‘]?(?:[가나다라마바사ㄱ-ㅎⅠ-Ⅻ]|[IVX]{1,4}|제\d{1,4}[조장절항편관])")
#: How far back these look: longer than any of them.
_REACH = 12


def split_sentences(paragraph: str) -> list[str]:
    """The sentences of a cleaned paragraph, without white space at their ends.

    >>> split_sentences('비가 왔다. "우산은 있어? 없어."라고 물었다. 3.5 km를 걸었다!')
    ['비가 왔다.', '"우산은 있어? 없어."라고 물었다.', '3.5 km를 걸었다!']
    >>> split_sentences("재밌어요 ㅋㅋ 또 볼래요 강추!")
    ['재밌어요 ㅋㅋ', '또 볼래요', '강추!']
    """
    inside = _quoted(paragraph)
    span = 0
    sentences: list[str] = []
    begin = 0
    for match in _STOP.finditer(paragraph):
        start = match.start()
        while span < len(inside) and inside[span][1] <= start:
            span += 1
        if span < len(inside) and inside[span][0] < start:
            opening, closing = inside[span]
            # "왔다." at the head of a sentence may be one; in the midst of another (그는 "가자!" 외쳤다) it is not.
            if match["mark"] is None or match.end("close") < closing or opening > begin:
                continue
        if not _ends_sentence(paragraph, match, begin):
            continue
        sentence = paragraph[begin : match.end()].strip()
        if sentence:
            sentences.append(sentence)
        begin = match.end()
    rest = paragraph[begin:].strip()
    if rest:
        sentences.append(rest)
    return sentences


def _ends_sentence(text: str, match: re.Match[str], begin: int) -> bool:
    mark, start, end = match["mark"], match.start(), match.end()
    if match["none"] is not None:
        return False
    if mark is None:
        if match["emoticon"] is None:
            return True
        return _is_final(text, start - text[start - 1 : start].isspace()) and not _CARRIES_ON.match(text, end)
    close = match["close"]
    if not match["space"] and end < len(text):
        # No space: only 다.그, with nothing closed in between ("왔다."고 goes on).
        return not close and _is_final(text, start) and not _CARRIES_ON.match(text, end)
    if "…" in mark or mark.startswith(".."):
        return mark[-1] in "!?" or _is_final(text, start)
    if close and (_CARRIES_ON.match(text, end) or _SAID.match(text, end)):
        return False
    if mark[-1] in "?!" and _CARRIES_ON.match(text, end):
        return False
    return mark != "." or bool(close) or not _is_short(text, start, end, begin)


def _is_final(text: str, end: int) -> bool:
    return bool(_FINAL.search(text, max(0, end - _REACH), end))


def _is_short(text: str, mark: int, after: int, begin: int) -> bool:
    """Whether the period at `mark` belongs to a number, an item's letter or an abbreviation, not to a sentence.

    A digit follows `1592. `, or the number stands alone: a date (4. 13. 왜군이) or a list's number (1. 머리말).
    """
    if text[mark - 1 : mark].isdigit():
        return text[after : after + 1].isdigit() or bool(_NUMBER.search(text, max(0, mark - _REACH), mark))
    if mark - begin < _REACH and _ITEM.fullmatch(text, begin, mark):
        return True
    return bool(_ABBREVIATION.search(text, max(0, mark - _REACH), mark))


def _quoted(text: str) -> list[tuple[int, int]]:
    """Spans (opening mark, place after the closing mark) that are properly closed, outermost ones, in order.

    One pass with a stack; an opening mark that never closes, or closes too far on, is forgotten. Straight quotes and
    angle brackets are told by the white space beside them, so that I'm, '90, 5'10" and a < b open nothing.
    """
    spans: list[tuple[int, int]] = []
    stack: list[tuple[str, int]] = []
    for match in _BRACKET.finditer(text):
        mark, place = match.group(), match.start()
        while stack and place - stack[0][1] > _LONGEST_QUOTE:
            del stack[0]
        opened = next((i for i in range(len(stack) - 1, -1, -1) if stack[i][0] == mark), -1)
        if mark in _PAIRS or (opened < 0 and mark in "\"'"):
            if mark not in "'<" or _opens(text, place):
                stack.append((_PAIRS.get(mark, mark), place))
            continue
        if opened < 0:
            continue
        start = stack[opened][1]
        del stack[opened:]
        while spans and spans[-1][0] > start:
            spans.pop()
        spans.append((start, place + 1))
    return spans


def _opens(text: str, place: int) -> bool:
    return not text[place - 1 : place].isalnum() and not text[place + 1 : place + 2].isspace()
