"""How a text file is laid out, and its raw documents.

    sentences   one sentence a line, a blank line between documents (the classic BERT format): lines are left whole
    paragraphs  one paragraph a line, a blank line between documents
    lines       every line a document of its own
    auto        told from the first lines of each file

A file without blank lines whose lines hold one sentence each is one document: that is what the format says.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from typing import Literal

from corpora.clean import clean_line
from corpora.raw import RawDocument
from corpora.sentences import split_sentences
from corpora.settings import LayoutSetting

Layout = Literal["sentences", "paragraphs", "lines"]

#: Lines that `auto` looks at.
SAMPLE_LINES = 2000
#: More than this share of lines with several sentences, and lines are taken for paragraphs. A quarter of Korean
#: Wikipedia split by a rough rule has 0.3 %, film reviews 42 %, running text more.
SEVERAL_SENTENCES = 0.1
#: A blank line for at least so many lines, and blank lines are taken for the ends of documents; a stray one is not.
BREAKS = 0.01
#: A raw document is cut at the next line end after so many characters, so that memory does not grow with a file
#: that has no blank lines.
LONGEST_DOCUMENT = 1_000_000


def detect_layout(lines: Iterable[str]) -> Layout:
    """The layout of a file from its first lines.

    >>> detect_layout(["비가 왔다.", "길이 젖었다.", "", "해가 났다."])
    'sentences'
    >>> detect_layout(["비가 왔다. 길이 젖었다.", "", "해가 났다. 무지개가 떴다."])
    'paragraphs'
    """
    cleaned = [clean_line(line) for line in islice(lines, SAMPLE_LINES)]
    filled = [line for line in cleaned if line]
    several = sum(len(split_sentences(line)) > 1 for line in filled)
    if several <= SEVERAL_SENTENCES * len(filled):
        return "sentences"
    breaks = sum(not line and bool(after) for line, after in pairwise(cleaned)) - (not cleaned[0])
    return "paragraphs" if breaks >= BREAKS * len(filled) else "lines"


def choose_layout(setting: LayoutSetting, lines: Iterable[str]) -> Layout:
    """The recipe's layout, or the file's own if the recipe says auto."""
    return detect_layout(lines) if setting == "auto" else setting


def raw_documents(lines: Iterable[tuple[int, str]], layout: Layout, source: str, label: str) -> Iterator[RawDocument]:
    """Group numbered lines into raw documents."""
    markup: Literal["sentences", "paragraphs"] = "sentences" if layout == "sentences" else "paragraphs"
    held: list[tuple[int, str]] = []
    characters = 0
    for number, line in lines:
        # A very long line comes in pieces with one number: they belong together.
        ends = not line.strip() or (layout == "lines" and held and held[-1][0] != number)
        if held and (ends or characters >= LONGEST_DOCUMENT):
            yield RawDocument.of_lines(source, label, held, markup)
            held, characters = [], 0
        if line.strip():
            held.append((number, line))
            characters += len(line)
    if held:
        yield RawDocument.of_lines(source, label, held, markup)
