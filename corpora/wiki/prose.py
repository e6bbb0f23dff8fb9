"""Wikitext of Korean Wikipedia to running text, by rule.

`corpora.wiki.cuts` takes out what the parser need not see, mwparserfromhell parses the rest, and the tree is walked:
links show their label, templates what `corpora.wiki.names` says. Lines are joined to paragraphs, and what is no prose
(lists of names, captions, tables) is left out with a reason. Pure: the answer depends on the markup alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import mwparserfromhell
from mwparserfromhell.nodes import ExternalLink, Heading, HTMLEntity, Node, Tag, Template, Text, Wikilink
from mwparserfromhell.parser import ParserError
from mwparserfromhell.wikicode import Wikicode

from corpora.wiki.cuts import cut_comments, prepare, unescape
from corpora.wiki.holes import close_holes
from corpora.wiki.names import (
    BREAK,
    CLOSER,
    DISAMBIGUATION,
    FORMULA,
    GONE,
    ITEM,
    LANGUAGE_SHOWN,
    NOTE,
    OPENER,
    SHOWN,
    STAND_INS,
    TABLE,
    UNHIDE,
    UNITS,
    VISIBLE,
    template_name,
)

_TEMPLATE = re.compile(r"\{\{([^{}|\n]{1,60}+)(?=[|}\n])")
_TITLE = re.compile(r".*\((?:동음이의어?|동명이인)\)\s*")
_FIELD = re.compile(r"\{(unit:)?([^{}]+)\}")
_FIELDS_APART = re.compile(r"(\{[^{}]+\})")
_QUOTES = re.compile(r"'{2,}")
_STAND_IN = re.compile(f"[{STAND_INS}]")
_MARKS = f"{VISIBLE}{FORMULA}{NOTE}{GONE}{ITEM}{OPENER}{CLOSER} "
_ANY_MARK = re.compile(f"[{_MARKS.strip()}]")
#: `</x>` is markup, even if no wiki knows it; `<The Sun>` without it is not.
_CLOSING_TAG = re.compile(r"</([a-zA-Z]{1,20})\s*>")
_ANY_TAG = re.compile(r"</?([a-zA-Z]{1,20})\b[^<>]*>")
_LEFT_OVER = re.compile(r"\[\[|\]\]|\{\{|\}\}|</?ref(?![a-zA-Z])", re.IGNORECASE)

_CLOSING = r"[\"'”’」』》〉)\]）］]*"
_FINAL = "다요죠까네군음함임됨슴니라자지오소"
#: Where a sentence ends: 했다. 할까? 했다(1990년). 했다.”
_END = re.compile(rf"[{_FINAL}](?:\.|…)|[?!。！？]|[)\]”’\"」』》〉]\.(?=\s|$)")
_ENDS = re.compile(rf"(?:[.?!。！？…]){_CLOSING}[{VISIBLE}{NOTE}\s]*$")
#: What makes a sentence of a list's item: fewer endings, for 과학자. and 가평군. end items too.
_WHOLE = re.compile(rf"[다요죠까음함임됨]{_CLOSING}[.?!。！？…]+{_CLOSING}$")


@dataclass(frozen=True)
class Prose:
    """The running text of a page, and what was taken out of it."""

    #: One paragraph each, white space collapsed, not yet split into sentences. `corpora.clean.HOLE` stands where a
    #: sentence lacks what a template or a formula showed.
    paragraphs: list[str]
    #: (reason, text): broken_markup, fragment, list_item or skipped_section (its heading).
    dropped: list[tuple[str, str]]


def is_disambiguation(title: str, markup: str) -> bool:
    """Whether a page only lists the meanings of its title, by its templates or its title. Does not parse.

    >>> is_disambiguation("배", "{{다른 뜻}}\\n'''배'''는 과일이다."), is_disambiguation("배", "* 과일\\n{{동음이의}}")
    (False, True)
    """
    if _TITLE.fullmatch(title):
        return True
    return any(
        DISAMBIGUATION.fullmatch(template_name(match[1])) for match in _TEMPLATE.finditer(cut_comments(markup, []))
    )


def to_prose(markup: str) -> Prose:
    """The paragraphs of a page that are running text.

    >>> to_prose("'''베를린'''({{llang|de|Berlin}})은 [[독일|독일국]]의 수도이다.<ref>책</ref>\\n\\n* 미테").paragraphs
    ['베를린(Berlin)은 독일국의 수도이다.']
    """
    text, dropped = prepare(markup)
    try:
        code = mwparserfromhell.parse(text, skip_style_tags=True)
    except ParserError as error:
        return Prose([], [*dropped, ("broken_markup", f"{error}: {_STAND_IN.sub('', text[:200])}")])
    shown: list[str] = []
    _show(code, shown)
    lines = _QUOTES.sub("", "".join(shown)).replace(BREAK, "\n\n").split("\n")
    page = _Page(dropped=dropped)
    page.read(lines)
    return Prose(page.paragraphs, page.dropped)


def _show(code: Wikicode, shown: list[str]) -> None:
    """Append what a reader sees of parsed markup. `prepare` bounds the depth."""
    for node in code.nodes:
        if isinstance(node, Text):
            shown.append(node.value)
        elif isinstance(node, Wikilink):
            _show_link(node, shown)
        elif isinstance(node, Template):
            shown.append(_rendered(node))
        else:
            _show_rare(node, shown)


def _show_rare(node: Node, shown: list[str]) -> None:
    if isinstance(node, HTMLEntity):
        shown.append(" ".join(unescape(str(node)).splitlines()))
    elif isinstance(node, ExternalLink):
        if node.title:
            _show(node.title, shown)
        else:
            shown.append(VISIBLE)
    elif isinstance(node, Tag):
        if node.contents:
            _show(node.contents, shown)
    elif isinstance(node, Heading):
        shown.append(BREAK)


def _show_link(link: Wikilink, shown: list[str]) -> None:
    if link.text is not None and link.text.nodes:
        _show(link.text, shown)
        return
    title = _text(link.title).strip()
    shown.append(title.removeprefix(":").removeprefix("#"))


def _text(code: Wikicode) -> str:
    shown: list[str] = []
    _show(code, shown)
    return "".join(shown)


def _rendered(template: Template) -> str:
    """What a kept template shows: its first pattern of which all arguments are given."""
    arguments = {str(parameter.name).strip(): parameter.value for parameter in template.params}
    for pattern in SHOWN.get(template_name(str(template.name)), LANGUAGE_SHOWN):
        values: dict[str, str] = {}
        for unit, name in _FIELD.findall(pattern):
            value = _text(arguments[name]).strip() if name in arguments else ""
            values[unit + name] = UNITS.get(value.casefold(), "") if unit else value
        if all(values.values()):
            return "".join(values.get(part[1:-1], part) for part in _FIELDS_APART.split(pattern))
    return VISIBLE


@dataclass
class _Page:
    """Lines to paragraphs."""

    paragraphs: list[str] = field(default_factory=list)
    dropped: list[tuple[str, str]] = field(default_factory=list)
    #: The lines of the paragraph in hand.
    open: list[str] = field(default_factory=list)

    def read(self, lines: Iterable[str]) -> None:
        """Take in the lines of a page: blank ones end a paragraph, others go on with it."""
        for line in lines:
            bare = line.strip()
            content = bare.lstrip(_MARKS)
            if not content:
                self._marks_alone(bare)
            elif content[0] in "|!" or content.startswith(TABLE):
                self._finish()
            elif bare[0] == ITEM:
                self._finish()
                self._add(bare.lstrip(ITEM + " "), item=True)
            else:
                self.open.append(bare.lstrip(CLOSER))
        self._finish()

    def _marks_alone(self, line: str) -> None:
        """A line on which only something that was removed stood."""
        if FORMULA in line and self.open and not _ENDS.search(self.open[-1]):
            self.open.append(FORMULA)  # the sentence goes on after it
        elif not line or line.strip(NOTE + " "):
            self._finish()

    def _finish(self) -> None:
        if self.open:
            self._add("\n".join(self.open), item=False)
            self.open = []

    def _add(self, text: str, item: bool) -> None:
        broken = OPENER in text or CLOSER in text
        text = close_holes(text)
        if _STAND_IN.search(text):
            text = " ".join(_ANY_MARK.sub("", text).translate(UNHIDE).split())
        if "</" in text:
            text = _without_tags(text)
        if broken or _LEFT_OVER.search(text):
            self.dropped.append(("broken_markup", text))
        elif item and not _WHOLE.search(text):
            self.dropped.append(("list_item", text))
        elif not _END.search(text):
            self.dropped.append(("fragment", text))
        else:
            self.paragraphs.append(text)


def _without_tags(text: str) -> str:
    names = {match[1] for match in _CLOSING_TAG.finditer(text)}
    return " ".join(_ANY_TAG.sub(lambda tag: "" if tag[1] in names else tag[0], text).split())
