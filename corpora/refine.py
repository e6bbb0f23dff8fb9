"""Raw documents to documents: the work that is spread over processes. Pure: the answer depends on the input alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from corpora.clean import clean_line, judge
from corpora.layout import Layout, RawDocument
from corpora.sentences import split_sentences
from corpora.settings import CorpusSettings

#: Characters of raw text handed to a worker at once: large enough to outweigh the hand-over.
BATCH_CHARACTERS = 1 << 20
#: Dropped sentences shown per reason and batch.
EXAMPLES = 20


@dataclass(frozen=True)
class Batch:
    """A unit of work: neighbouring raw documents of one file."""

    documents: tuple[RawDocument, ...]
    layout: Layout
    settings: CorpusSettings


@dataclass
class Refined:
    """What became of a batch: documents of sentences, drops by reason, and some dropped sentences to look at."""

    documents: list[list[str]] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[str, str, str]] = field(default_factory=list)

    def drop(self, reason: str, place: str, sentence: str) -> None:
        """Count a drop and keep the first few of each reason."""
        self.dropped[reason] += 1
        if self.dropped[reason] <= EXAMPLES:
            self.examples.append((reason, place, sentence[:200]))


def batches(documents: Iterable[RawDocument], layout: Layout, settings: CorpusSettings) -> Iterator[Batch]:
    """Group raw documents into units of about `BATCH_CHARACTERS`."""
    held: list[RawDocument] = []
    characters = 0
    for document in documents:
        held.append(document)
        characters += sum(map(len, document.lines))
        if characters >= BATCH_CHARACTERS:
            yield Batch(tuple(held), layout, settings)
            held, characters = [], 0
    if held:
        yield Batch(tuple(held), layout, settings)


def refine(batch: Batch) -> Refined:
    """Clean, split and judge every line of a batch."""
    refined = Refined()
    for raw in batch.documents:
        sentences: list[str] = []
        for place, line in enumerate(raw.lines, raw.first_line):
            for sentence in _sentences(line, batch.layout):
                reason = judge(sentence, batch.settings)
                if reason is None:
                    sentences.append(sentence)
                else:
                    refined.drop(reason, f"{raw.source}:{place}", sentence)
        if sentences:
            refined.documents.append(sentences)
        else:
            refined.dropped["empty_document"] += 1
    return refined


def _sentences(line: str, layout: Layout) -> Sequence[str]:
    cleaned = clean_line(line)
    if layout == "sentences":
        return [cleaned] if cleaned else []
    return split_sentences(cleaned)
