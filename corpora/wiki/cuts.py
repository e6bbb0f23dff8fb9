"""What is done to a page's markup before the parser sees it, each step in linear time.

MediaWiki itself takes comments and tags such as `<ref>` out before it looks at links and templates, so this comes
first here too. It also makes the parser safe and fast: at an opening mark that is never closed mwparserfromhell reads
on to the end of the page and comes back, once for each (100 kB of `{{a|` take it three minutes), and most of a page
is templates that show no prose. What is left for it has only marks that close.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from corpora.wiki.brackets import match_brackets
from corpora.wiki.names import (
    BLOCK_TAGS,
    BREAK,
    CLOSER,
    DROPPED_TAGS,
    FORMULA,
    FORMULA_TAGS,
    HEADING,
    HIDE,
    ITEM,
    ITEM_TAGS,
    JOINED,
    KEPT_TAGS,
    LINE,
    NOTE,
    OPENER,
    SKIPPED_SECTIONS,
    STAND_INS,
    TABLE,
    UNSEEN_TAGS,
    VISIBLE,
)

#: Links and templates on one page. The parser takes a tenth of a millisecond for each; the largest lists have 10,000.
_MOST = 60_000
#: Characters shown of what does not close.
_SHOWN = 200

_FOREIGN = re.compile(f"[{STAND_INS}\ufffc\r]")
_HEADING = re.compile(r"^(=[^\n]*=|==[^\n]*)[^\S\n]*$", re.MULTILINE)
_MARKS_IN_HEADING = re.compile(r"<[^<>]*>|\[\[(?:[^\[\]|]*\|)?|\]\]|\{\{[^{}]*\}\}|'{2,}|[\s:.]|^[\dIVX]+\.|[\[\]]")
_TAG = re.compile(r"<(/?)([a-zA-Z]+[1-6]?)\b([^<>]*)>")
_REF = re.compile(r"<ref\b[^<>]*(?<!/)>|</ref\s*>", re.IGNORECASE)
#: `<Time>` without an end is the name of a magazine.
_NAMES_LIKE_TITLES = (KEPT_TAGS | DROPPED_TAGS | FORMULA_TAGS) - {"references"}
_SCRIPT = re.compile(r"<(su[bp])>\s*([-+−0-9]{1,6})\s*</\1>", re.IGNORECASE)
_SUPERSCRIPT = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
_SUBSCRIPT = str.maketrans("0123456789+-−", "₀₁₂₃₄₅₆₇₈₉₊₋₋")
_TABLE = re.compile(r"[\s:*#]*\{\|(?!\})")
# |}} ends a template, |}}} a table at a template's end.
_TABLE_END = re.compile(r"\s*\|\}(?!\}(?!\}))")
_BOLD_AFTER = re.compile(rf"^[{VISIBLE}{NOTE} ]+(?=''')", re.MULTILINE)
#: The parser takes `[mailto:` for the beginning of a link too.
_SCHEMES = (
    "bitcoin|ftps?|geo|git|gopher|https?|ircs?|magnet|mailto|mms|news|nntp|redis|sftp|sips?|sms|ssh|svn|telnet|tel|urn"
    "|worldwind|xmpp"
)
_WEB = re.compile(rf"\[(?:(?:{_SCHEMES}):|//)[^\s\[\]]*+[^\S\n]*+([^\[\]\n]*+)(\]?)", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<![a-zA-Z])(?:https?|ftps?)://[^\s\[\]{}|<>\"'가-힣()]*+")
_SWITCH = re.compile(r"__[A-Z가-힣]{2,30}__")
_LIST_MARKS = re.compile(r"^[^\S\n]*+[*#:;][*#:; \t]*+", re.MULTILINE)
_RULE = re.compile(r"^-{4,}", re.MULTILINE)
_LINES = re.compile(rf"{LINE}\s*(?:{LINE}\s*)+")


def prepare(markup: str) -> tuple[str, list[tuple[str, str]]]:
    """Markup in which only links, kept templates and entities are left for the parser; and what was taken out."""
    dropped: list[tuple[str, str]] = []
    text = cut_comments(_FOREIGN.sub("", markup), dropped)
    if "__" in text:
        text = _SWITCH.sub("", text)
    text = _sections(text, dropped)
    text = _tags(text).replace("<", "<".translate(HIDE))
    text = _tables(text)
    if text.count("{{") + text.count("[[") > _MOST:
        return "", [*dropped, ("broken_markup", _FOREIGN.sub("", text[:_SHOWN]))]
    text = match_brackets(text)
    text = _BOLD_AFTER.sub("", text)
    text = _WEB.sub(_web_label, text)
    text = _ADDRESS.sub(VISIBLE, text)
    text = _LIST_MARKS.sub(ITEM, _RULE.sub(BREAK, text))
    return _LINES.sub(BREAK, text).replace(LINE, " ").replace("{|", TABLE), dropped


def cut_comments(text: str, dropped: list[tuple[str, str]]) -> str:
    """Without comments; one that has a line to itself goes with the line, and one that never closes takes the rest."""
    begin = text.find("<!--")
    if begin < 0:
        return text
    pieces, place = [], 0
    while begin >= 0:
        pieces.append(text[place:begin])
        end = text.find("-->", begin + 4)
        if end < 0:
            dropped.append(("broken_markup", text[begin : begin + _SHOWN]))
            return "".join(pieces)
        place = end + 3
        if text[begin - 1 : begin] in ("", "\n") and text[place : place + 1] == "\n":
            place += 1
        begin = text.find("<!--", place)
    pieces.append(text[place:])
    return "".join(pieces)


def _sections(text: str, dropped: list[tuple[str, str]]) -> str:
    """Headings become marks; sections that hold no prose go, with those below them."""
    pieces, place, skipping = [], 0, 0
    for match in _HEADING.finditer(text):
        line = match[1].strip()
        level = min(len(line) - len(line.lstrip("=")), len(line) - len(line.rstrip("=")) or 6, 6)
        title = line[level:].partition("=" * level)[0].strip()
        if not skipping:
            pieces.append(text[place : match.start()])
        place = match.end()
        if skipping and level > skipping:
            continue
        skipping = level if _holds_no_prose(title) else 0
        if skipping:
            dropped.append(("skipped_section", title))
        pieces.append(f"\n{HEADING}\n")
    if not skipping:
        pieces.append(text[place:])
    return "".join(pieces)


def _holds_no_prose(heading: str) -> bool:
    if len(heading) > 100:
        return False
    bare = _MARKS_IN_HEADING.sub("", heading).casefold()
    return bare in SKIPPED_SECTIONS or all(part in SKIPPED_SECTIONS for part in JOINED.split(bare))


def _tags(text: str) -> str:
    """Without tags that the wiki knows. `<The Sun>`, the title of a song, is none."""
    text = _SCRIPT.sub(_script, text)
    pieces: list[str] = []
    place, unclosed = 0, set[str]()
    while match := _TAG.search(text, place):
        pieces.append(text[place : match.start()])
        place = match.end()
        closing, name, rest = match[1], match[2].lower(), match[3]
        if closing or rest.endswith("/"):
            pieces.append(_mark(match[0], name, bool(closing)))
        elif match[2][0].isupper() and name in _NAMES_LIKE_TITLES and not _closes(text, name, place, unclosed):
            pieces.append(match[0])
        elif name == "ref":
            end = _REF.search(text, place) if name not in unclosed else None
            if end is None or not end[0].startswith("</"):
                # Read on: what the note says would otherwise be lost with the sentences up to the next note's end.
                pieces.append(OPENER)
                if end is None:
                    unclosed.add(name)
            else:
                pieces.append(NOTE)
                place = end.end()
        elif name in FORMULA_TAGS or name in DROPPED_TAGS or name == "nowiki":
            end = _closes(text, name, place, unclosed)
            if end is None:
                pieces.append(_mark(match[0], name, closing=False))
            else:
                pieces.append(_content_mark(name, text[place : end.start()]))
                place = end.end()
        else:
            pieces.append(_mark(match[0], name, closing=False))
    pieces.append(text[place:])
    return "".join(pieces)


def _closes(text: str, name: str, place: int, unclosed: set[str]) -> re.Match[str] | None:
    """The tag that ends what `name` began before `place`; tables hold tables.

    A name that has no end from here on joins `unclosed`, so that it is looked for once.
    """
    if name in unclosed:
        return None
    depth = 1
    pattern = rf"<(/?){name}\b[^<>]*>" if name == "table" else rf"<(/){name}\s*>"
    for match in re.compile(pattern, re.IGNORECASE).finditer(text, place):
        depth += -1 if match[1] else 1
        if not depth:
            return match
    unclosed.add(name)
    return None


def _mark(tag: str, name: str, closing: bool) -> str:
    """What is left of a tag alone."""
    if name == "br":
        return LINE
    if name in BLOCK_TAGS:
        return BREAK
    if name in ITEM_TAGS:
        return "" if closing else f"{BREAK}\n{ITEM}"
    if name == "ref":
        return CLOSER if closing else NOTE
    return "" if name in KEPT_TAGS or name in DROPPED_TAGS or name in FORMULA_TAGS or name == "nowiki" else tag


def _content_mark(name: str, content: str) -> str:
    """What is left of a tag that went with its content."""
    if name == "nowiki":
        return content.translate(HIDE)
    if name in FORMULA_TAGS:
        # Code of several lines stands for itself.
        return BREAK if "\n" in content.strip() and name in ("source", "syntaxhighlight") else FORMULA
    return NOTE if name in UNSEEN_TAGS else BREAK


def _script(match: re.Match[str]) -> str:
    return match[2].translate(_SUPERSCRIPT if match[1].lower() == "sup" else _SUBSCRIPT)


def _tables(text: str) -> str:
    """Without `{| ... |}`. Of a table that does not end in its section only the lines that look like one go."""
    if "{|" not in text:
        return text
    lines: list[str] = []
    inside: list[str] = []
    depth = 0
    for line in text.split("\n"):
        if _TABLE.match(line):
            depth += 1
            inside.append("|")
        elif not depth:
            lines.append(line)
        elif line == HEADING:
            lines += ["", *_prose_of(inside), line]
            depth, inside = 0, []
        elif end := _TABLE_END.match(line):
            depth -= 1
            inside.append("|")
            if not depth:
                lines += ["", line[end.end() :]]
                inside = []
        else:
            inside.append(line)
    return "\n".join([*lines, "", *_prose_of(inside)])


def _prose_of(table: list[str]) -> Iterator[str]:
    return (line for line in table if not line.lstrip().startswith(("|", "!")))


def _web_label(match: re.Match[str]) -> str:
    if not match[2]:
        return OPENER + match[1]
    return match[1].strip() or NOTE


def unescape(entity: str) -> str:
    """The character of an HTML entity; a stand-in of ours cannot be smuggled in.

    >>> unescape("&amp;"), unescape("&#xE000;")
    ('&', '')
    """
    return _FOREIGN.sub("", html.unescape(entity))
