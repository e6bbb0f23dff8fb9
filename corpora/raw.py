"""Raw documents, and the units of work that they are handed out in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from corpora.drops import legible

#: What stands in a raw document: finished sentences, paragraphs to split, or wikitext.
Markup = Literal["sentences", "paragraphs", "wikitext"]

#: Characters of raw text handed to a worker at once: large enough to outweigh the hand-over.
BATCH_CHARACTERS = 1 << 20
#: Batches whose results are stored together: what an interruption can lose.
PART_BATCHES = 8
#: What a document weighs beside its text, in characters: a million empty records must not come in one batch.
_OF_ITSELF = 100


@dataclass(frozen=True)
class RawDocument:
    """A document as it stands in a source.

    `source` is what the user named and `label` the file; `places` has one entry for all `lines`, or one for each.
    """

    source: str
    label: str
    places: tuple[str, ...]
    lines: tuple[str, ...]
    markup: Markup
    title: str = ""

    @classmethod
    def of_lines(cls, source: str, label: str, numbered: Sequence[tuple[int, str]], markup: Markup) -> RawDocument:
        """A document made of numbered lines."""
        places = tuple(str(number) for number, _ in numbered)
        return cls(source, label, places, tuple(line for _, line in numbered), markup)

    def place(self, line: int = 0) -> str:
        """`label:place` of a line."""
        return legible(f"{self.label}:{self.places[min(line, len(self.places) - 1)]}")


Batch = tuple[RawDocument, ...]


def parts(documents: Iterable[RawDocument | None]) -> Iterator[list[Batch]]:
    """Documents in batches of about `BATCH_CHARACTERS`, and these in parts of `PART_BATCHES`.

    None marks the end of a file. A part that holds a full batch ends there, so that a change in one file leaves the
    parts of the others as they are.
    """
    part: list[Batch] = []
    batch: list[RawDocument] = []
    characters = 0
    for item in documents:
        if item is not None:
            batch.append(item)
            characters += _OF_ITSELF + sum(map(len, item.lines))
            if characters < BATCH_CHARACTERS:
                continue
            part.append(tuple(batch))
            batch, characters = [], 0
            if len(part) == PART_BATCHES:
                yield part
                part = []
        elif part:
            yield [*part, tuple(batch)] if batch else part
            part, batch, characters = [], [], 0
    if batch:
        part.append(tuple(batch))
    if part:
        yield part


def fingerprint(part: Sequence[Batch]) -> str:
    """Hash of everything a part holds, 32 hexadecimal digits."""
    digest = hashlib.blake2b(digest_size=16)
    for batch in part:
        for document in batch:
            for text in (document.source, document.label, document.markup, document.title, *document.places):
                digest.update(f"{text}\0".encode("utf-8", "surrogatepass"))
            for line in document.lines:
                digest.update(line.encode("utf-8", "surrogatepass"))
                digest.update(b"\0")
        digest.update(b"\0")
    return digest.hexdigest()
