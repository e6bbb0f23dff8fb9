"""Noise in texts that people export, crawl and paste, and what it was: each a pure function from text to text.

URLs, e-mail addresses and telephone numbers are found by the rules of the corpus stage (`corpora.privacy`,
`corpora.patterns`) and become its placeholders, which our vocabularies keep whole.
"""

from __future__ import annotations

import ast
import html
import re
import warnings
from collections.abc import Iterable

import regex

from corpora import patterns
from corpora.privacy import PLACEHOLDERS, find_personal

#: One bytes literal and nothing else, as `str(bytes)` in Python writes it into a CSV file.
_LITERAL = re.compile(r"""b'(?:[^'\\\n]|\\.)*+'|b"(?:[^"\\\n]|\\.)*+\"""")
#: Bytes of a cut character at the end of a text that was shortened by bytes.
_CUT = 3

_SIMPLE = {
    "n": "\n",
    "r": "\n",
    "t": "\t",
    "v": " ",
    "f": " ",
    "b": " ",
    "a": " ",
    "0": " ",
    "/": "/",
    "'": "'",
    '"': '"',
}
_ESCAPE = re.compile(
    r"(?P<bytes>(?:\\x[0-9A-Fa-f]{2})++)|(?P<units>(?:\\u[0-9A-Fa-f]{4})++)|\\U(?P<point>[0-9A-Fa-f]{8})"
    r"""|\\(?P<simple>[nrtvfba0/'"])|(?P<backslash>\\\\)"""
)
_BREAKS = re.compile("(?<![ \t])[ \t]*+[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]++[ \t]*+")

#: Names of HTML's elements: <기생충>, <Parasite> and a<b are not markup.
_ELEMENTS = (
    "a abbr address area article aside audio b base bdi bdo big blockquote body br button canvas caption center cite "
    "code col colgroup data dd del details dfn dialog dir div dl dt em embed fieldset figcaption figure font footer "
    "form frame frameset h[1-6] head header hr html i iframe img input ins kbd label legend li link main map mark meta "
    "nav noscript object ol optgroup option p param picture pre q rp rt ruby s samp script section select small source "
    "span strike strong style sub summary sup svg table tbody td template textarea tfoot th thead time title tr tt u "
    "ul var video wbr"
).replace(" ", "|")
#: Those of them that stand inside words and lines.
_INLINE = (
    "a abbr b bdi bdo big cite code data del dfn em font i ins kbd mark q s samp small span strike strong sub sup tt u "
    "var wbr"
).replace(" ", "|")
_HIDDEN = re.compile(r"<(?P<kind>!--|(?:script|style)\b[^<>]{0,2000}>)|<!doctype\b[^<>]{0,500}>", re.I)
_CLOSED = {
    "!--": re.compile("-->"),
    "script": re.compile(r"</script\s*+>", re.I),
    "style": re.compile(r"</style\s*+>", re.I),
}
_ATTRIBUTES = r"(?:\s[^<>]{0,2000})?/?"
_INLINE_TAG = re.compile(rf"</?(?:{_INLINE}){_ATTRIBUTES}>", re.I)
_TAG = re.compile(rf"</?(?:{_ELEMENTS}){_ATTRIBUTES}>", re.I)

#: What stays: letters, marks, digits, spaces, and what sentences are written with. Placeholders keep their brackets.
_SPECIAL = regex.compile(r"""[^\p{L}\p{M}\p{N}\s.,!?'"“”‘’()\[\]~…·:;%&+/@_₩$€°-]+""")


def decode_bytes(text: str) -> str:
    r"""A text that is one Python bytes literal, decoded; any other as it is. Nothing is evaluated but that literal.

    UTF-8 (a character cut off at the end is dropped), else CP949, else what of it is UTF-8.

    >>> decode_bytes(r"b'\xed\x95\x9c\xea\xb5\xad\n'")
    '한국\n'
    """
    stripped = text.strip()
    if not stripped.isascii() or not _LITERAL.fullmatch(stripped):
        return text
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of escapes that are none, as \d
        try:
            raw = ast.literal_eval(stripped)
        except (ValueError, SyntaxError):  # a \x without its digits
            return text
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and error.start >= len(raw) - _CUT:
            return str(raw[: error.start], "utf-8")
    try:
        return str(raw, "cp949")
    except UnicodeDecodeError:
        return str(raw, "utf-8", "replace")


def undo_escapes(text: str) -> str:
    r"""Backslash escapes written out as characters: \n, \t, \", \u and \x (runs of \x are UTF-8 bytes if they can be).

    A path such as C:\new is taken for one too: leave the step out where texts hold paths.

    >>> undo_escapes(r"\uac00\xeb\x82\x98\t\"다\"")
    '가나\t"다"'
    """
    return _ESCAPE.sub(_escaped, text) if "\\" in text else text


def _escaped(match: re.Match[str]) -> str:
    if found := match["bytes"]:
        raw = bytes.fromhex(found.replace("\\x", ""))
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            return raw.decode("latin-1")
    if found := match["units"]:
        units = bytes.fromhex(found.replace("\\u", ""))
        return units.decode("utf-16-be", "replace")
    if found := match["point"]:
        code = int(found, 16)
        return chr(code) if code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else match.group()
    return "\\" if match["backslash"] else _SIMPLE[match["simple"]]


def undo_entities(text: str) -> str:
    """HTML entities as characters: &amp; &lt; &nbsp; &#44032;

    >>> undo_entities("A&amp;B &#44032;")
    'A&B 가'
    """
    return html.unescape(text) if "&" in text else text


def cut_markup(text: str) -> str:
    """HTML tags, comments, scripts and styles removed; a tag inside a word leaves no space, others leave one.

    >>> cut_markup("<p>아주 <b>좋</b>다<br/>정말</p> <기생충> 3<b 2")
    ' 아주 좋다 정말  <기생충> 3<b 2'
    """
    if "<" not in text:
        return text
    return _TAG.sub(" ", _INLINE_TAG.sub("", _cut_hidden(text)))


def _cut_hidden(text: str) -> str:
    """Without what no page shows: comments, scripts, styles, the doctype. What is never closed stays."""
    pieces: list[str] = []
    last = 0
    unclosed: set[str] = set()
    for match in _HIDDEN.finditer(text):
        kind = next((name for name in _CLOSED if (match["kind"] or "").lower().startswith(name)), "")
        if match.start() < last or kind in unclosed:
            continue
        closed = _CLOSED[kind].search(text, match.end()) if kind else match
        if closed is None:
            unclosed.add(kind)
            continue
        pieces += (text[last : match.start()], " ")
        last = closed.end()
    return "".join((*pieces, text[last:]))


def join_lines(text: str) -> str:
    r"""Line breaks of every kind as one space each run.

    >>> join_lines("첫 줄 \r\n\n 둘째 줄")
    '첫 줄 둘째 줄'
    """
    return _BREAKS.sub(" ", text)


def mark_urls(text: str) -> str:
    """URLs as [URL].

    >>> mark_urls("https://a.kr/b?c=1 을 보라")
    '[URL] 을 보라'
    """
    if "://" not in (view := patterns.normalise(text)) and "www." not in view.lower():
        return text
    return _replaced(text, (match.span() for match in patterns.URL.finditer(view)), PLACEHOLDERS["url"])


def mark_emails(text: str) -> str:
    """E-mail addresses as [EMAIL], hidden ones too.

    >>> mark_emails("kim@example.com 또는 kim 골뱅이 naver.com")
    '[EMAIL] 또는 [EMAIL]'
    """
    return _mark(text, "email")


def mark_phones(text: str) -> str:
    """Telephone numbers as [PHONE].

    >>> mark_phones("문의 02-123-4567, 010 1234 5678")
    '문의 [PHONE], [PHONE]'
    """
    return _mark(text, "phone")


def cut_special(text: str) -> str:
    """Characters that are neither letters, digits nor punctuation of sentences, each run as a space.

    >>> cut_special("★최고★ 100% 만족!! ㅎㅎ😀")
    ' 최고  100% 만족!! ㅎㅎ '
    """
    return str(_SPECIAL.sub(" ", text))


def _mark(text: str, kind: str) -> str:
    found = ((finding.start, finding.end) for finding in find_personal(text) if finding.kind == kind)
    return _replaced(text, found, PLACEHOLDERS[kind])


def _replaced(text: str, places: Iterable[tuple[int, int]], put: str) -> str:
    pieces: list[str] = []
    last = 0
    for start, end in places:
        pieces += (text[last:start], put)
        last = end
    return "".join((*pieces, text[last:])) if pieces else text
