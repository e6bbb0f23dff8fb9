"""The token store: every sentence tokenised once, in flat memory-mapped arrays.

    <split>.ids.bin         token ids, uint16, or uint32 past 65,536 entries
    <split>.sentences.bin   int64 (sentences + 1,): where each sentence begins in ids
    <split>.documents.bin   int64 (documents + 1,): where each document begins in sentences

All little-endian. Opening reads nothing; memory stays flat however large the corpus is. While it is written,
`<split>.json` says how far it has come, so that an interrupted call is gone on with.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from corpora.document import Document
from pipeline.errors import InputError
from pipeline.executor import HERE, Pool, ordered_map
from pipeline.files import write_atomic
from pretrain.encode import Encoded, Ids, id_type

#: Sentences encoded at once.
_BATCH = 10_000
#: Batches after which it is made sure that the files hold them: some 25 MB of text.
_SURE = 50
_ZERO = np.zeros(1, "<i8").tobytes()

Number = TypeVar("Number", bound=np.generic)
Offsets = NDArray[np.int64]


@dataclass(frozen=True)
class TokenStore:
    """ids (tokens,), sentences (S + 1,), documents (D + 1,)."""

    ids: Ids
    sentences: Offsets
    documents: Offsets
    #: Folder, split, vocabulary size and the file's number on disk: a worker process opens the store again instead of
    #: receiving a copy, and makes sure that it is the same one.
    origin: tuple[Path, str, int, int]

    def __reduce__(self) -> tuple[Callable[..., TokenStore], tuple[Path, str, int, int]]:
        return open_store, self.origin

    @property
    def document_count(self) -> int:
        """Number of documents."""
        return len(self.documents) - 1


@dataclass(frozen=True)
class _Written:
    """How far a store has come: documents read, and what they gave."""

    read: int = 0
    tokens: int = 0
    sentences: int = 0
    documents: int = 0


def write_store(
    documents: Iterable[Document],
    encode: Callable[[list[str]], Encoded],
    vocab_size: int,
    folder: Path,
    split: str,
    pool: Pool = HERE,
    progress: Callable[[float], None] = lambda sentences: None,
) -> TokenStore:
    """Tokenise `documents` by `encode` into `folder`; returns the opened store, whose bytes do not depend on the pool.

    Empty sentences and documents are left out. If an earlier call with the same documents was interrupted, however it
    was, this one goes on where that one had last made sure of its files.
    """
    kind, journal = id_type(vocab_size), folder / f"{split}.json"
    written = _resumed(folder, split, kind, journal)
    read_before = written.read
    if written.sentences:
        progress(written.sentences)
    waiting: deque[tuple[list[int], int]] = deque()

    def texts() -> Iterator[list[str]]:
        read = read_before
        for sentences_of_batch, sizes, taken in _batches(islice(documents, read_before, None)):
            read += taken
            waiting.append((sizes, read))
            yield sentences_of_batch

    with ExitStack() as stack:
        ids, sentences, ends = (stack.enter_context(path.open("ab")) for path in store_files(folder, split))
        for offsets in (sentences, ends):
            if not offsets.tell():
                offsets.write(_ZERO)
        for number, encoded in enumerate(ordered_map(pool, encode, texts()), 1):
            (sizes, read), lengths = waiting.popleft(), encoded.lengths
            ids.write(encoded.ids.astype(kind, copy=False).tobytes())
            filled = np.add.reduceat(lengths > 0, np.cumsum([0, *sizes[:-1]]))
            of_sentences = written.tokens + np.cumsum(lengths[lengths > 0])
            of_documents = written.sentences + np.cumsum(filled[filled > 0])
            sentences.write(of_sentences.astype("<i8").tobytes())
            ends.write(of_documents.astype("<i8").tobytes())
            written = _Written(
                read,
                written.tokens + int(lengths.sum()),
                written.sentences + len(of_sentences),
                written.documents + len(of_documents),
            )
            if number % _SURE == 0:
                _make_sure(written, journal, ids, sentences, ends)
            progress(len(lengths))
        _make_sure(written, journal, ids, sentences, ends)
    return open_store(folder, split, vocab_size)


def _make_sure(written: _Written, journal: Path, *streams: IO[bytes]) -> None:
    """Note how far the files have come when the disk itself holds them."""
    for stream in streams:
        stream.flush()
        os.fsync(stream.fileno())
    write_atomic(journal, json.dumps(asdict(written)) + "\n")


def _resumed(folder: Path, split: str, kind: np.dtype[Any], journal: Path) -> _Written:
    """How far an interrupted call came; its files are cut back to that."""
    try:
        written = _Written(**json.loads(journal.read_text("utf-8")))
        sizes = written.tokens * kind.itemsize, 8 * (written.sentences + 1), 8 * (written.documents + 1)
        if any(path.stat().st_size < size for path, size in zip(store_files(folder, split), sizes, strict=True)):
            raise ValueError
    except (OSError, ValueError, TypeError):
        written, sizes = _Written(), (0, 0, 0)
    for path, size in zip(store_files(folder, split), sizes, strict=True):
        path.touch()
        os.truncate(path, size)
    return written


def store_files(folder: Path, split: str) -> list[Path]:
    """The files of a store: ids, offsets of sentences, offsets of documents."""
    return [folder / f"{split}.{part}.bin" for part in ("ids", "sentences", "documents")]


def open_store(folder: Path, split: str, vocab_size: int, inode: int | None = None) -> TokenStore:
    """Map a store into memory, read-only; raises InputError if it is not the one of `inode` any more."""
    found = (folder / f"{split}.ids.bin").stat().st_ino
    if inode not in (None, found):
        raise InputError(f"{folder} was replaced while it was in use: run this again")
    offsets: np.dtype[np.int64] = np.dtype("<i8")
    return TokenStore(
        _map(folder / f"{split}.ids.bin", id_type(vocab_size)),
        _map(folder / f"{split}.sentences.bin", offsets),
        _map(folder / f"{split}.documents.bin", offsets),
        (folder, split, vocab_size, found),
    )


def _map(path: Path, kind: np.dtype[Number]) -> NDArray[Number]:
    if path.stat().st_size == 0:  # an empty file cannot be mapped
        return np.zeros(0, kind)
    mapped: NDArray[Number] = np.memmap(path, kind, "r")
    return mapped


def _batches(documents: Iterable[Document]) -> Iterator[tuple[list[str], list[int], int]]:
    """Whole documents together, about `_BATCH` sentences at a time: their sentences, how many each has, and how many
    documents were read."""
    texts: list[str] = []
    sizes: list[int] = []
    read = 0
    for document in documents:
        read += 1
        if document:
            texts.extend(document)
            sizes.append(len(document))
        if len(texts) >= _BATCH:
            yield texts, sizes, read
            texts, sizes, read = [], [], 0
    if texts:
        yield texts, sizes, read
