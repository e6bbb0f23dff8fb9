"""Refined parts to a corpus: duplicates go, documents are divided into train and held out, shards are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from corpora.dedup import (
    DUPLICATE_DOCUMENT,
    DUPLICATE_SENTENCE,
    NEAR_DUPLICATE,
    PERMUTATIONS,
    Marks,
    Verdict,
    decide,
)
from corpora.document import SPLITS, Document, Runs, ShardWriter, extend_runs
from corpora.drops import Drops
from corpora.parts import Part
from corpora.settings import CorpusSettings
from corpora.split import split_documents
from corpora.statistics import Statistics


@dataclass
class Assembled:
    """What a finished corpus holds and what was left out of it."""

    splits: dict[str, dict[str, int]] = field(default_factory=dict)
    #: For each split, how many documents in a row came from which source.
    runs: dict[str, Runs] = field(default_factory=lambda: {split: [] for split in SPLITS})
    dropped: Drops = field(default_factory=Drops)
    personal: Counter[str] = field(default_factory=Counter)
    statistics: Statistics = field(default_factory=Statistics)


def assemble(parts: Sequence[Part], settings: CorpusSettings, folder: Path) -> Assembled:
    """Write the shards of a corpus into `folder`."""
    result = Assembled()
    for part in parts:
        result.dropped.merge(part.dropped)
        result.personal.update(part.personal)
    with ExitStack() as stack:
        limit = settings.shard_megabytes * 1_000_000
        writers = {split: stack.enter_context(ShardWriter(folder, split, limit)) for split in SPLITS}
        if parts:
            with _joined(parts, folder) as marks:
                verdict = decide(marks, settings.duplicate_documents, settings.sentence_copies)
            kept = _kept(parts, verdict, result)
            for split, (document, source) in split_documents(kept, settings.held_out, settings.seed, itemgetter(0)):
                writers[split].write(document)
                extend_runs(result.runs[split], source)
    result.splits = {
        split: {
            "documents": writer.documents,
            "sentences": writer.sentences,
            "characters": writer.characters,
            "bytes": writer.bytes,
        }
        for split, writer in writers.items()
    }
    return result


@contextmanager
def _joined(parts: Sequence[Part], folder: Path) -> Iterator[Marks]:
    """The marks of all parts. Signatures, half a kilobyte a document, are put into one file and mapped."""
    scratch = folder / "signatures.scratch"
    columns: list[tuple[Any, ...]] = []
    with scratch.open("wb") as stream:
        for part in parts:
            marks = part.marks()
            marks.signatures.tofile(stream)
            columns.append((marks.documents, marks.lengths, marks.sentences, marks.signed))
    signatures = np.empty((0, PERMUTATIONS), np.uint32)
    if scratch.stat().st_size:
        signatures = np.memmap(scratch, np.uint32, "r").reshape(-1, PERMUTATIONS)
    documents, lengths, sentences, signed = (np.concatenate(column) for column in zip(*columns, strict=True))
    yield Marks(documents, lengths, sentences, signed, signatures)
    scratch.unlink()


def _kept(parts: Sequence[Part], verdict: Verdict, result: Assembled) -> Iterator[tuple[Document, str]]:
    """Documents without what the verdict takes out, with their sources."""
    number = first = 0
    for part in parts:
        for document, place, source in part.documents():
            repeated = verdict.repeated[first : first + len(document)]
            if verdict.exact[number]:
                result.dropped.add(DUPLICATE_DOCUMENT, place, document[0])
            elif verdict.near[number]:
                result.dropped.add(NEAR_DUPLICATE, place, " ".join(document))
            elif not repeated.any():
                result.statistics.add(document, source)
                yield document, source
            else:
                yield from _unrepeated(document, repeated.tolist(), place, source, result)
            number += 1
            first += len(document)


def _unrepeated(
    document: Document, repeated: Sequence[bool], place: str, source: str, result: Assembled
) -> Iterator[tuple[Document, str]]:
    kept = []
    for sentence, again in zip(document, repeated, strict=True):
        if again:
            result.dropped.add(DUPLICATE_SENTENCE, place, sentence)
        else:
            kept.append(sentence)
    if kept:
        result.statistics.add(kept, source)
        yield kept, source
    else:
        result.dropped.add("empty_document")
