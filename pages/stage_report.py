"""A stage's `report.md`, read back into blocks, so that a page can show its tables without saying them twice.

Only text is taken over. HTML in it stays text, and a link is kept only if it leads to the web.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

from pages.document import Block, Cell, Code, Heading, Link, Listing, Paragraph, Pieces, Table, Words, told

_SCHEMES = ("http://", "https://")


@dataclass(frozen=True)
class Chapter:
    """What stands under one heading; `level` 1 is the page's own."""

    title: str
    level: int
    blocks: tuple[Block, ...]


def read_chapters(text: str) -> list[Chapter]:
    """The headings of a Markdown page with what follows each; what stands before the first has the title ""."""
    tokens = MarkdownIt("commonmark", {"html": False}).enable("table").parse(text)
    chapters = [Chapter("", 0, ())]
    place = 0
    while place < len(tokens):
        token = tokens[place]
        end = _end(tokens, place)
        if token.type == "heading_open":
            chapters.append(Chapter(_plain(tokens[place + 1]), int(token.tag[1:]), ()))
        else:
            last = chapters[-1]
            found = _blocks(tokens[place : end + 1], last.title)
            chapters[-1] = Chapter(last.title, last.level, (*last.blocks, *found))
        place = end + 1
    return chapters


def chapter(chapters: Sequence[Chapter], title: str) -> tuple[Block, ...]:
    """The blocks under a heading and, with their headings, under those below it; () if there is none of that title."""
    found: list[Block] = []
    level = None
    for each in chapters:
        if level is not None and each.level <= level:
            break
        if level is not None:
            found.append(Heading(each.title))
        elif each.title == title:
            level = each.level
        if level is not None:
            found += each.blocks
    return tuple(found)


def _end(tokens: Sequence[Token], place: int) -> int:
    """Where the block that begins at `place` ends."""
    depth = 0
    for number in range(place, len(tokens)):
        depth += tokens[number].nesting
        if depth <= 0:
            return number
    return len(tokens) - 1


def _blocks(tokens: Sequence[Token], title: str) -> Iterator[Block]:
    kind = tokens[0].type
    if kind == "paragraph_open":
        yield Paragraph(_words(tokens[1]))
    elif kind == "table_open":
        yield _table(tokens, title)
    elif kind == "bullet_list_open":
        lines = [_words(token) for token in tokens if token.type == "inline"]
        pieces = _pieces(lines)
        if pieces:
            yield Pieces(pieces)
        else:
            yield from (Paragraph(("• ", *words)) for words in lines)
    elif kind in ("fence", "code_block"):
        yield Listing(title, tokens[0].content.rstrip("\n"))


def _pieces(lines: Sequence[Words]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Sentences each followed by its pieces, if that is what a list is; else ()."""
    pairs = list(zip(lines[::2], lines[1::2], strict=False))
    if len(lines) % 2 or not all(len(below) == 1 and isinstance(below[0], Code) for _, below in pairs):
        return ()
    return tuple(("".join(map(told, above)), tuple(told(below[0]).split())) for above, below in pairs)


def _table(tokens: Sequence[Token], title: str) -> Table:
    columns: list[str] = []
    rows: list[list[Cell]] = []
    for place, token in enumerate(tokens):
        if token.type == "th_open":
            columns.append(_plain(tokens[place + 1]))
        elif token.type == "tr_open":
            rows.append([])
        elif token.type == "td_open":
            rows[-1].append(_cell(tokens[place + 1]))
    return Table(title, tuple(columns), tuple(tuple(row) for row in rows if row))


def _cell(inline: Token) -> Cell:
    words = _words(inline)
    return words[0] if len(words) == 1 else "".join(map(told, words))


def _plain(inline: Token) -> str:
    return "".join(map(told, _words(inline)))


def _words(inline: Token) -> Words:
    """What a line says: neighbouring text as one, code spans, links to the web."""
    words: list[Cell] = []
    address = None
    for token in inline.children or []:
        if token.type == "link_open":
            address = str(token.attrs.get("href", ""))
        elif token.type == "link_close":
            address = None
        elif token.type == "code_inline":
            words.append(Code(token.content))
        elif token.type in ("softbreak", "hardbreak"):
            _append(words, " ")
        elif address is not None and address.startswith(_SCHEMES):
            words.append(Link(token.content, address))
        elif token.content and token.type != "image":
            _append(words, token.content)
    return tuple(words)


def _append(words: list[Cell], text: str) -> None:
    if words and isinstance(words[-1], str):
        words[-1] += text
    else:
        words.append(text)
