"""The lingua franca between rooms: one sentence a line, a blank line after each document, UTF-8, in shards.

Any tool can read it, and anyone's existing BERT text file can enter there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import IO

from pipeline.artifact import Kind, Manifest

#: What the corpus stage makes.
CORPUS = Kind("corpus", 3, "make corpus")

#: The two sides of the split by document.
SPLITS = ("train", "heldout")

Document = Sequence[str]
#: (source, documents in a row that came from it), in the order of the shards.
Runs = list[tuple[str, int]]


def shards(folder: Path, split: str) -> list[Path]:
    """The files of one split of a corpus artifact, in order."""
    return sorted(folder.glob(f"{split}-*.txt"))


def read_documents(paths: Iterable[Path]) -> Iterator[list[str]]:
    """Documents of clean shards, as lists of sentences; documents do not span shards."""
    for path in paths:
        document: list[str] = []
        with path.open(encoding="utf-8", newline="\n") as stream:
            for line in stream:
                sentence = line.rstrip("\n")
                if sentence:
                    document.append(sentence)
                elif document:
                    yield document
                    document = []
        if document:
            yield document


def extend_runs(runs: Runs, source: str) -> None:
    """Note that one more document came from `source`."""
    before = runs.pop()[1] if runs and runs[-1][0] == source else 0
    runs.append((source, before + 1))


def read_by_source(folder: Path, split: str, corpus: Manifest) -> Iterator[tuple[str, list[str]]]:
    """(source, document) for the documents of one split of a corpus artifact, in order."""
    documents = read_documents(shards(folder, split))
    for source, count in corpus.figures["runs"][split]:
        for document in islice(documents, count):
            yield source, document


class ShardWriter:
    """Writes documents of one split into `<split>-00000.txt`, ..., each closed at `shard_bytes`."""

    def __init__(self, folder: Path, split: str, shard_bytes: int) -> None:
        self.documents = self.sentences = self.characters = self.bytes = 0
        self._folder, self._split, self._limit = folder, split, shard_bytes
        self._stream: IO[bytes] | None = None
        self._number = self._filled = 0

    def write(self, document: Document) -> None:
        """Append one document."""
        data = ("\n".join(document) + "\n\n").encode()
        if self._stream is None:
            path = self._folder / f"{self._split}-{self._number:05}.txt"
            self._stream = path.open("wb", buffering=1 << 20)
        self._stream.write(data)
        self.documents += 1
        self.sentences += len(document)
        self.characters += sum(map(len, document))
        self.bytes += len(data)
        self._filled += len(data)
        if self._filled >= self._limit:
            self.close()

    def close(self) -> None:
        """Close the shard in hand; the next `write` begins another."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
            self._number += 1
            self._filled = 0

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
