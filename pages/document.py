"""What a report says, before it is HTML or Markdown: sections of blocks of plain values.

Both pages are written from these, so they cannot say different things. All text is as it is found, nothing escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

#: A figure as it is told: `1,234`, `-0.5`, `2.5%`, `1e-05`, `0:42`, `29.5 of 32`; nothing; a dash.
_FIGURE = re.compile(r"(?:[-−+]?\d[\d,.:]*(?:e[-+]?\d+)?\s?%?(?: of [\d,.]+)?|–|)$")
#: x and y, in the units of the axes.
Point = tuple[float, float]


@dataclass(frozen=True)
class Code:
    """A name, a key or a command within a line."""

    text: str


@dataclass(frozen=True)
class Link:
    """A place on the web, to be followed by who wants to; never fetched."""

    text: str
    address: str


@dataclass(frozen=True)
class Share:
    """A share of 1, with its confidence interval if that is known: told, and drawn as a bar."""

    value: float
    low: float | None = None
    high: float | None = None

    @property
    def text(self) -> str:
        """`61.3% (58.2-64.3)`."""
        if self.low is None or self.high is None:
            return f"{self.value:.1%}"
        return f"{self.value:.1%} ({100 * self.low:.1f}–{100 * self.high:.1f})"


Cell = str | Code | Link | Share
Words = tuple[Cell, ...]


@dataclass(frozen=True)
class Paragraph:
    """Some sentences."""

    words: Words
    kind: str = "paragraph"


@dataclass(frozen=True)
class Missing:
    """What is not there, and the command that makes it ("" if none can)."""

    what: str
    command: str = ""
    kind: str = "missing"


@dataclass(frozen=True)
class Notice:
    """What a reader has to know lest a figure mislead."""

    text: str
    kind: str = "notice"


@dataclass(frozen=True)
class Table:
    """Rows of cells; the first cell of a row is its name. `title` says what is counted."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Words, ...]
    kind: str = "table"

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Which columns hold nothing but figures, and are set to the right."""
        return tuple(all(_is_figure(row[place]) for row in self.rows) for place in range(len(self.columns)))


@dataclass(frozen=True)
class Tiles:
    """The few figures to see first: (name, value, note)."""

    tiles: tuple[tuple[str, str, str], ...]
    kind: str = "tiles"


@dataclass(frozen=True)
class Listing:
    """Lines as they stand: commands, a recipe, examples."""

    title: str
    text: str
    language: str = ""
    kind: str = "listing"


@dataclass(frozen=True)
class Pieces:
    """Sentences, each with the pieces that a model reads."""

    sentences: tuple[tuple[str, tuple[str, ...]], ...]
    kind: str = "pieces"


@dataclass(frozen=True)
class Line:
    """A line of a chart; `style` is its colour and dash, 0 for the first; `marked`: its points are few and shown."""

    name: str
    points: tuple[Point, ...]
    style: int
    marked: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines over steps. `unit` is that of y; `form` formats a value ("{:.3f}"); `log`: a logarithmic y, said so."""

    title: str
    unit: str
    lines: tuple[Line, ...]
    form: str
    percent: bool = False
    from_zero: bool = False
    log: bool = False
    kind: str = "chart"


@dataclass(frozen=True)
class Charts:
    """Charts side by side, and their values at some steps as tables."""

    charts: tuple[Chart, ...]
    values: tuple[Table, ...]
    kind: str = "charts"


@dataclass(frozen=True)
class Heading:
    """A heading within a section."""

    text: str
    kind: str = "heading"


@dataclass(frozen=True)
class Fold:
    """What is long: a line to open it by. All of it is printed."""

    title: str
    blocks: tuple[Block, ...]
    kind: str = "fold"

    @property
    def tables(self) -> bool:
        """Whether it holds nothing but tables, which then stand side by side."""
        return all(isinstance(block, Table) for block in self.blocks)


Block = Paragraph | Missing | Notice | Table | Tiles | Listing | Pieces | Charts | Heading | Fold


@dataclass(frozen=True)
class Section:
    """`anchor` is a word for links, unique in a report."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """A page."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]


def told(cell: Cell) -> str:
    """A cell's text."""
    return cell if isinstance(cell, str) else cell.text


def with_headings(blocks: Sequence[Block], title: str = "") -> Iterator[tuple[Block, str]]:
    """Each block with the heading that it stands under: a table of the same title needs no title of its own."""
    for block in blocks:
        yield block, title
        if isinstance(block, Heading):
            title = block.text


def paragraph(*words: Cell) -> Paragraph:
    """Of words in their order."""
    return Paragraph(words)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Table:
    """Of rows that may be any sequences."""
    return Table(title, tuple(columns), tuple(tuple(row) for row in rows))


def _is_figure(cell: Cell) -> bool:
    return isinstance(cell, Share) or (isinstance(cell, str) and bool(_FIGURE.match(cell)))
