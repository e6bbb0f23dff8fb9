"""Sources to raw documents, whatever the format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice

from corpora.drops import Drops
from corpora.layout import SAMPLE_LINES, choose_layout, raw_documents
from corpora.raw import RawDocument
from corpora.settings import CorpusSettings, Encoding
from corpora.sources.mediawiki import read_pages
from corpora.sources.names import Source
from corpora.sources.records import Record, read_jsonl, read_parquet
from corpora.sources.text import read_lines
from corpora.sources.unpack import format_of
from pipeline.console import Advance


class Reading:
    """The raw documents of all sources, in order; on the way it notes how each file was read and what was left out."""

    def __init__(self, sources: Iterable[Source], settings: CorpusSettings) -> None:
        self.formats: dict[str, str] = {}
        self.dropped = Drops()
        self._sources, self._settings = sources, settings
        #: Lines that cannot be read stop the stage, unless the recipe says to skip them.
        self._unreadable = self.dropped if settings.errors == "skip" else None

    def documents(self, advance: Advance) -> Iterator[RawDocument | None]:
        """Raw documents; None after the last one of each file."""
        for source in self._sources:
            yield from self._read(source, partial(advance, note=source.label))
            yield None

    def _read(self, source: Source, advance: partial[None]) -> Iterator[RawDocument]:
        field = source.known.text_field or self._settings.text_field
        encoding = source.known.encoding or self._settings.encoding
        kind = self.formats[source.label] = format_of(source.path)
        if kind == "mediawiki":
            for page in read_pages(source.path, advance, self.dropped):
                yield RawDocument(
                    source.known.name, source.label, (f"[[{page.title}]]",), (page.markup,), "wikitext", page.title
                )
        elif kind == "parquet":
            yield from self._records(source, read_parquet(source.path, field, advance))
        elif kind == "jsonl":
            yield from self._records(source, read_jsonl(source.path, field, advance, encoding, self._unreadable))
        else:
            yield from self._text(source, encoding, advance)

    def _text(self, source: Source, encoding: Encoding, advance: partial[None]) -> Iterator[RawDocument]:
        setting = source.known.layout or self._settings.layout
        # What cannot be read is counted when the file is read in earnest, not by this first look.
        unread = None if self._unreadable is None else Drops()
        head = (line for _, line in islice(read_lines(source.path, None, encoding, unread), SAMPLE_LINES))
        layout = choose_layout(setting, head)
        self.formats[source.label] = layout
        lines = read_lines(source.path, advance, encoding, self._unreadable)
        yield from raw_documents(lines, layout, source.known.name, source.label)

    def _records(self, source: Source, records: Iterator[Record]) -> Iterator[RawDocument]:
        """A record is a document of paragraphs, or of sentences if the recipe says so."""
        layout = source.known.layout or self._settings.layout
        for record in records:
            lines = tuple(line for line in record.text.splitlines() if line.strip())
            yield RawDocument(
                source.known.name,
                source.label,
                (record.place,),
                lines,
                "sentences" if layout == "sentences" else "paragraphs",
            )
