"""Korean sentence splitting by rule, in time linear in the length of the text.

A sentence ends

* at `.`, `!`, `?`, `。` with the quotes, brackets, footnote marks and emoticons that follow, when white space comes;
* there too when Hangul follows at once, at an ellipsis, and at an emoticon or a run of jamo, if the word before can be
  final: people write 재밌다.또 볼래, 재밌어요 ㅋㅋ 또 볼래요, but also 그는... 떠났다, 진짜 ㅋㅋ 웃겼다;
* at a space without any mark, only after an ending that is hardly ever anything else: 좋았습니다 강추, 봤어요 또 봐요.

It does not end

* inside a quotation, a title or brackets: "왔다. 봤다."라고 말했다;
* before what carries the sentence on: "왔다." 라고 / 하고 / 며 ..., 왔다 갔다, 있다 해도;
* after a number that stands alone, an item's letter, an initial or an abbreviation: 1592. 4. 13., 가. 신청, Dr. 김.

Where it cannot tell it does not cut: for next-sentence prediction a cut within a sentence does more harm than two
sentences in one. The answer depends on the paragraph alone, and `" ".join(split_sentences(t)) == t` up to missing
spaces at joins. benchmarks/sentences.py measures it; tests/corpora/sentence_cases.txt says what is expected.
"""

from __future__ import annotations

import re


def _syllables(consonants: str, without: str = "") -> str:
    """Every Hangul syllable that closes with one of `consonants`, but for some."""
    order = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
    closed = (chr(code) for code in range(0xAC00, 0xD7A4) if order[(code - 0xAC00) % 28] in consonants)
    return "".join(syllable for syllable in closed if syllable not in without)


def _one_of(words: str) -> str:
    """A pattern for one of several, which white space separates."""
    return f"(?:{'|'.join(words.split())})"


_PAST = _syllables("ㅆ")
#: Before 다: adjectives (무섭다, 좋다), not verbs whose 다 may stand for 다가 (잡다 놓쳤다).
_ADJECTIVE = _syllables("ㅂ", without="잡입집뽑씹업줍굽눕접좁돕") + "없같많않찮싫옳높깊싶좋"
#: Before 이다: what can close a noun, not the stem of a verb (벌이다 졌다).
_NOUN = _syllables("ㄱㄴㄹㅁㅂㅅㅇㅊㅌㅍ", without="벌줄높먹죽속직들붙덮녹섞묶썩끓울볶숙접엮낚박석")

#: Words that can be final, told by their last syllables: before an ellipsis, an emoticon, a mark without a space.
_FINAL = re.compile(
    r"(?:(?<=[가-힣])(?:(?<![바보마])다|(?<![필중주수])요|(?<![다처마])음|(?<![게타책])임|(?<!니)까"
    r"|(?<![는은런인까왠쩐든던버])지|[죠네함됨슴듯냐])"
    rf"|[네어아세해예에]여|[{_PAST}없좋같](?:어|군|당)|[이하는]군|[아어마해봐워줘져려]라"
    rf"|{_one_of('니당 구나 더라 다니 라니 영화 드라마 꿀잼 노잼 존잼 대박 강추 명작 걸작 졸작')})$"
)
#: Endings that close a sentence even without a mark: in film reviews, at 115 of 120 places looked at.
_BARE = (
    rf"(?:(?<=[{_PAST}{_ADJECTIVE}는한된])(?<!왔다갔)(?!(?<=[왔갔])다\s+[가갔간갈와왔온올오])다"
    rf"|(?<=[{_syllables('ㅂ')}]니)다|(?<=[{_NOUN}]이)다|(?<=영화)다|(?<=최고)다"
    r"|(?<=[어여아해세예에네군지와워봐줘져켜쳐려셔겨껴돼래까걸든대나])요|(?<=더라[고구])요"
    rf"|(?<=[{_PAST}이거하되없좋같맞])죠|(?<=[{_PAST}없좋같])네|(?<=[{_syllables('ㅆ', without='있밌잇')}])어"
    rf"|(?<=[{_PAST}없])음|(?<=[거것작고로])임|(?<=[만천])함)"
)
#: What may follow such an ending within the sentence: 있다 해도, 봤다 싶다, 죽었다 깨어나도, 있다 는 것, 좋다 정말.
_GOES_ON = (
    r"(?:이?라[고는며면던지 ]|이?란\s"
    rf"|{_one_of('고 는 며 면 면서 지만 만 던 거나 든지 던지 등 등의 등이 뿐 수 같은 고도')}[\s을를가]"
    r"|하[는던느고며면여더니길겠였기자]|하지(?!만)|한다|했|해[서도]|할(?:지|수록|\s(?!말))|함[을은]|한\s[것뒤후]"
    r"|[가-힣]{1,6}다\s하[는느길더고며]|보[니면]\s|말[았고]|치[고자면]|여[겨긴기겼]|것[은을이]|생각[하한합했돼된]"
    rf"|{_one_of('싶 보여진 못해 마는 쳐도 주장 말했 말하고 말하며 말하였 말하는 깨어나')}"
    rf"|{_one_of('정말 진짜 진심 참 꼭 역시 뭐 완전 절대')}(?:으?로)?[^\w]*+$"
    # 봤음 좋겠다, 했음 더 좋았을 텐데: here 음 is 으면.
    r"|(?<=음\s)(?:더?\s?좋|하|해|어[땠떨쩔]|알\s|처[분리]|결정|기록|짐작|추론|[^.!?]{1,40}(?:텐데|을\s?것|을걸|뻔)))"
)

_CLOSERS = "\"'”’」』》〉>)]}】〕）"
_PAIRS = dict(zip("“‘「『《〈<([{【〔（", "”’」』》〉>)]}】〕）", strict=True))
#: A quotation longer than this is taken for a stray mark, so that one lost quote does not swallow a page.
_LONGEST_QUOTE = 400
#: Marks open at once; more are strays too, and would cost time.
_DEEPEST = 16
_MARKS = r"[.!?…。！？]"
_EMOTICON = (
    r"(?:[ㅋㅎㅠㅜㅡ][ㄱ-ㅣ]*+|[ㄱ-ㅎ]{2,}+|\^[\^_.ㅡㅁㅇoO-]{0,3}\^*+|~++|;{2,}+|[♥♡❤★☆♪♬]\ufe0f?"
    r"|[:=]-?[)D]|>[_.]?<|-_-;*+|T_T|[\U0001f300-\U0001f64f\U0001f900-\U0001f9ff])"
)
_FOOTNOTE = r"(?:(?:\[[^\[\]]{1,8}\]){1,9}|[¹²³⁰-⁹]{1,3}|(?<!\d\.)\d{1,2}\)|[*†]|\([^()]{1,30}\)(?=\s))"
# Runs are possessive, and what begins with a mark or an emoticon always matches: a line of a million dots is read once.
_STOP = re.compile(
    rf"(?:(?P<mark>{_MARKS}++)(?P<close>[{re.escape(_CLOSERS)}]*+)(?:{_FOOTNOTE})?+|(?P<emoticon>{_EMOTICON}))"
    rf"{_MARKS}*+(?:\s?{_EMOTICON}{_MARKS}*+)*+(?P<space>\s++|$|(?=[가-힣])|(?P<none>))"
    rf"|(?P<bare>{_BARE})\s++(?=[가-힣A-Za-z0-9])(?!{_GOES_ON})"
)
# What _STOP can begin with: a class in front lets the search skip ordinary text, seven times as fast as _STOP alone.
_BEGINS = re.compile(
    r"[다요죠네어음임함.!?…。！？ㄱ-ㅣ^~;♥♡❤★☆♪♬:=>T\-\U0001f300-\U0001f64f\U0001f900-\U0001f9ff]"
    r"(?:(?<![다요죠네어음임함])|(?=\s))"
)
_BRACKET = re.compile("[" + re.escape("".join(_PAIRS) + "".join(_PAIRS.values()) + "\"'") + "]")
#: What carries a quotation or a question on; what does so where no space stands before; and after a closing mark only.
_CARRIES_ON = re.compile(r"이?라(?:고|는|며|면|던)|이?란\s|하(?:고|며|는|면서|던)")
_CLINGS = re.compile(rf"{_CARRIES_ON.pattern}|(?:[은는을를의에로고며도]|에서는?|에게|지만)\s")
_SAID = re.compile(
    rf"하[더시자니였]|물[었으]|{_one_of('했 한다 말했 말하 외쳤 외치 답했 대답 소리쳤 소리치 중얼 속삭')}"
)
#: Before a period that ends nothing: an initial, an abbreviation or, where people pause with periods, a particle.
_SHORT = re.compile(
    rf"{_one_of('에서 에게 지만 으며 면서 려고')}$"
    r"|(?:^|[\s(\"'“‘])(?:(?:[A-Za-z]\.)*[A-Za-z]|Ph\.D|[Vv]ol|[Ff]ig|"
    + _one_of(
        "Dr Mr Mrs Ms St Mt Jr Sr Prof Gen Sgt Lt Col Capt Rev No Op vs pp ver feat ft cf ca etc al Inc Ltd Co Corp"
    )
    + ")$"
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
    sentences: list[str] = []
    begin = 0
    for end in [*_ends(paragraph), len(paragraph)]:
        sentence = paragraph[begin:end].strip()
        if sentence:
            sentences.append(sentence)
        begin = end
    return sentences


def _ends(text: str) -> list[int]:
    """Places after which a new sentence begins, in order."""
    inside = _quoted(text)
    span = begin = read = 0
    ends: list[int] = []
    # An end in a bare 다 waits for the mark that closes what follows: 담갔다 꺼내면 빛깔이 오래간다. has 다 for 다가.
    waiting: list[int] = []
    for candidate in _BEGINS.finditer(text):
        start = candidate.start()
        match = _STOP.match(text, start) if start >= read else None
        if match is None:
            continue
        read = match.end()
        while span < len(inside) and inside[span][1] <= start:
            span += 1
        if span < len(inside) and inside[span][0] < start:
            opening, closing = inside[span]
            # "왔다." at the head of a sentence may be one; in the midst of another (그는 "가자!" 외쳤다) it is not.
            if match["mark"] is None or match.end("close") < closing or opening > begin:
                continue
        if not _ends_sentence(text, match, begin):
            continue
        if match["bare"] == "다" and text[start - 1] != "니":
            waiting.append(read)
            continue
        if text[start - 1 : start + 1] != "다.":
            ends += waiting
        waiting = []
        ends.append(read)
        begin = read
    return ends + waiting


def _ends_sentence(text: str, match: re.Match[str], begin: int) -> bool:
    if match["none"] is not None:
        return False
    if match["mark"] is not None:
        return _ends_at_mark(text, match, begin)
    return match["emoticon"] is None or _ends_at_emoticon(text, match)


def _ends_at_mark(text: str, match: re.Match[str], begin: int) -> bool:
    mark, close, start, end = match["mark"], match["close"], match.start(), match.end()
    if not match["space"] and end < len(text):
        # No space: only 다.그, with nothing closed in between ("왔다."고 goes on).
        return not close and _is_final(text, start) and not _CLINGS.match(text, end)
    if "…" in mark or mark.startswith(".."):
        return mark[-1] in "!?" or _is_final(text, start)
    if close:
        return not _CARRIES_ON.match(text, end) and not _SAID.match(text, end)
    if mark == ".":
        return not _is_short(text, start, end, begin)
    return not _CARRIES_ON.match(text, end)


def _ends_at_emoticon(text: str, match: re.Match[str]) -> bool:
    start, end = match.start(), match.end()
    if _CLINGS.match(text, end):
        return False
    if match["space"] and any(mark in match.group() for mark in "!?。！？"):
        return True
    spaced = text[start - 1 : start].isspace()
    # A wave between spaces is a range: 서울 ~ 부산.
    return not (spaced and match["emoticon"] == "~") and _is_final(text, start - spaced)


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
    return bool(_SHORT.search(text, max(0, mark - _REACH), mark))


def _quoted(text: str) -> list[tuple[int, int]]:
    """Spans (opening mark, place after the closing mark) that are properly closed, outermost ones, in order.

    One pass with a stack; an opening mark that never closes, or closes too far on, is forgotten.
    """
    spans: list[tuple[int, int]] = []
    stack: list[tuple[str, int]] = []
    for match in _BRACKET.finditer(text):
        mark, place = match.group(), match.start()
        if len(stack) > _DEEPEST or (stack and place - stack[0][1] > _LONGEST_QUOTE):
            stack = [entry for entry in stack[-_DEEPEST:] if place - entry[1] <= _LONGEST_QUOTE]
        if mark in _PAIRS:
            if mark != "<" or _opens(text, place):
                stack.append((_PAIRS[mark], place))
            continue
        if mark == "'" and _opens(text, place):
            stack.append((mark, place))
            continue
        opened = next((depth for depth in range(len(stack) - 1, -1, -1) if stack[depth][0] == mark), None)
        if opened is not None:
            start = stack[opened][1]
            del stack[opened:]
            while spans and spans[-1][0] > start:
                spans.pop()
            spans.append((start, place + 1))
        elif mark == '"':
            stack.append((mark, place))
    return spans


def _opens(text: str, place: int) -> bool:
    """Whether a mark that is a quote or something else (I'm, 5'10", a < b, >_<) opens: 'so' and <so>."""
    before, after = text[place - 1 : place], text[place + 1 : place + 2]
    if after.isspace():
        return False
    return (
        not before or before.isspace() or before in _PAIRS or before == '"' or (text[place] == "<" and before.isalnum())
    )
