"""Raw documents to documents: the work that is spread over processes. Pure: the answer depends on the input alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from corpora.clean import Filter, clean_line, shorten_repeats
from corpora.dedup import Marks, mark
from corpora.drops import Drops
from corpora.privacy import PLACEHOLDERS, redact
from corpora.raw import Batch, Markup, RawDocument
from corpora.sentences import split_sentences
from corpora.settings import CorpusSettings
from corpora.wiki.prose import is_disambiguation, to_prose


@dataclass
class Refined:
    """What became of raw documents. `places` and `sources` tell where each document stood."""

    documents: list[list[str]] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    dropped: Drops = field(default_factory=Drops)
    #: Personal data found, by kind.
    personal: Counter[str] = field(default_factory=Counter)
    #: What duplicates among the documents are told by.
    marks: Marks = field(default_factory=lambda: mark([], near=False))


def refine(batch: Batch, settings: CorpusSettings) -> Refined:
    """Clean, split and judge every line of a batch."""
    refined = Refined()
    keep = Filter(settings)
    for raw in batch:
        sentences: list[str] = []
        for place, line in _lines(raw, refined.dropped):
            for sentence in _sentences(line, raw.markup, settings, refined.personal):
                reason = _personal(sentence, settings) or keep.judge(sentence)
                if reason is None:
                    sentences.append(sentence)
                else:
                    refined.dropped.add(reason, place, sentence)
        if sentences:
            refined.documents.append(sentences)
            refined.places.append(raw.place())
            refined.sources.append(raw.source)
        else:
            refined.dropped.add("empty_document")
    refined.marks = mark(refined.documents, near=settings.looks_for_near_duplicates)
    return refined


def _lines(raw: RawDocument, dropped: Drops) -> Iterator[tuple[str, str]]:
    """(place, line) of a document; of wikitext, (place, paragraph)."""
    if raw.markup != "wikitext":
        yield from ((raw.place(number), line) for number, line in enumerate(raw.lines))
        return
    (markup,) = raw.lines
    if is_disambiguation(raw.title, markup):
        dropped.add("disambiguation", raw.place(), raw.title)
        return
    prose = to_prose(markup)
    for reason, text in prose.dropped:
        dropped.add(reason, raw.place(), " ".join(text.split()))
    yield from ((raw.place(), paragraph) for paragraph in prose.paragraphs)


def _sentences(line: str, markup: Markup, settings: CorpusSettings, personal: Counter[str]) -> Sequence[str]:
    """Sentences of a line. Personal data goes before the split: a number with dots could be cut in two."""
    text = shorten_repeats(clean_line(line), settings.max_repeats)
    if settings.privacy != "keep":
        text, found = redact(text)
        if found:
            personal.update(found)
    if markup == "sentences":
        return [text] if text else []
    return split_sentences(text)


def _personal(sentence: str, settings: CorpusSettings) -> str | None:
    if settings.privacy == "drop" and "[" in sentence and any(mark in sentence for mark in PLACEHOLDERS.values()):
        return "personal_data"
    return None
