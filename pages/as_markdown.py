"""A report as Markdown: the same figures as the page, charts as tables of values. Text from outside stays text."""

from __future__ import annotations

import re

from pages.document import (
    Block,
    Cell,
    Charts,
    Code,
    Fold,
    Heading,
    Link,
    Listing,
    Missing,
    Notice,
    Paragraph,
    Pieces,
    Report,
    Share,
    Table,
    Tiles,
    told,
    with_headings,
)
from tokenizer.markdown import cell, code, code_cell
from tokenizer.markdown import table as markdown_table

#: What could end an address in Markdown, or begin something else in it.
_UNSAFE = re.compile(r"[\s<>()\[\]\"'`\\|]")


def as_markdown(report: Report) -> str:
    """The text of `report.md`."""
    lines = [f"# {cell(report.title)}", "", cell(report.subtitle), ""]
    for section in report.sections:
        lines += [f"## {section.title}", ""]
        for block, above in with_headings(section.blocks):
            lines += _block(block, 3, above)
    return "\n".join(lines).rstrip("\n") + "\n"


def _block(block: Block, level: int, above: str = "") -> list[str]:
    match block:
        case Paragraph():
            return ["".join(code(word.text) if isinstance(word, Code) else _cell(word) for word in block.words), ""]
        case Missing():
            return [f"*{cell(block.what)}*" + (f" Make it with {code(block.command)}." if block.command else ""), ""]
        case Notice():
            return [f"> **Note:** {cell(block.text)}", ""]
        case Heading():
            return [f"{'#' * level} {cell(block.text)}", ""]
        case Tiles():
            rows = [(cell(name), cell(value), cell(note)) for name, value, note in block.tiles]
            return markdown_table(("figure", "value", ""), rows)
        case Table():
            return _table(block, above)
        case Listing():
            named = [] if block.title == above else [f"{cell(block.title)}:", ""]
            return [*named, *_fenced(block), ""]
        case Pieces():
            cut = [(f"* {cell(text)}", f"  * {code(' '.join(pieces))}") for text, pieces in block.sentences]
            return [*(line for pair in cut for line in pair), ""]
        case Charts():
            return [line for values in block.values for line in _table(values, above)]
        case Fold():
            inner = [
                line
                for each, over in with_headings(block.blocks, block.title)
                for line in _block(each, min(6, level + 1), over)
            ]
            return [f"{'#' * level} {cell(block.title)}", "", *inner]


def _table(block: Table, above: str) -> list[str]:
    named = [] if block.title == above else [f"**{cell(block.title)}**", ""]
    rows = [tuple(_cell(each) or " " for each in row) for row in block.rows]
    return [*named, *markdown_table(tuple(cell(name) or " " for name in block.columns), rows)]


def _cell(value: Cell) -> str:
    """A cell, and its space at either end, which `cell` takes away."""
    if isinstance(value, Code):
        return code_cell(value.text)
    if isinstance(value, Link):
        return cell(value.text) if _UNSAFE.search(value.address) else f"[{cell(value.text)}](<{value.address}>)"
    if isinstance(value, Share):
        return value.text
    text = told(value)
    before, after = " " * text[:1].isspace(), " " * text[-1:].isspace()
    return f"{before}{cell(text)}{after}"


def _fenced(block: Listing) -> list[str]:
    fence = "`" * (1 + max(map(len, re.findall("`+", block.text)), default=2))
    return [f"{fence}{block.language}", block.text.rstrip("\n"), fence]
