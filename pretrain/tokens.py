"""The token store: every sentence tokenised once, in flat memory-mapped arrays.

    <split>.ids.bin         token ids, uint16, or uint32 past 65,536 entries
    <split>.sentences.bin   int64 (sentences + 1,): where each sentence begins in ids
    <split>.documents.bin   int64 (documents + 1,): where each document begins in sentences

All little-endian. Opening reads nothing; memory stays flat however large the corpus is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from corpora.document import Document
from pipeline.errors import InputError
from pipeline.executor import HERE, Pool, ordered_map
from pretrain.encode import Ids, encode_batch, id_type

#: Sentences encoded at once.
_BATCH = 10_000

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


def write_store(
    documents: Iterable[Document],
    tokenizer: Tokenizer,
    folder: Path,
    split: str,
    pool: Pool = HERE,
    progress: Callable[[float], None] = lambda sentences: None,
) -> TokenStore:
    """Tokenise `documents` into `folder` and return the opened store, whose bytes do not depend on the pool.

    Empty sentences and documents are left out. A special token written out in a text ("[SEP]") is text here, not a
    command.
    """
    encode = partial(encode_batch, tokenizer=tokenizer.to_str())
    waiting: deque[list[int]] = deque()

    def texts() -> Iterator[list[str]]:
        for sentences_of_batch, sizes in _batches(documents):
            waiting.append(sizes)
            yield sentences_of_batch

    ends_of_sentences = np.zeros(1, "<i8")
    sentences_so_far = 0
    paths = [folder / f"{split}.{part}.bin" for part in ("ids", "sentences", "documents")]
    with paths[0].open("wb") as ids, paths[1].open("wb") as sentences, paths[2].open("wb") as documents_out:
        sentences.write(ends_of_sentences.tobytes())
        documents_out.write(np.zeros(1, "<i8").tobytes())
        for encoded in ordered_map(pool, encode, texts()):
            sizes, lengths = waiting.popleft(), encoded.lengths
            ids.write(encoded.ids.tobytes())
            filled = np.add.reduceat(lengths > 0, np.cumsum([0, *sizes[:-1]]))
            ends = ends_of_sentences[-1] + np.cumsum(lengths[lengths > 0])
            sentences.write(ends.astype("<i8").tobytes())
            ends_of_documents = sentences_so_far + np.cumsum(filled[filled > 0])
            documents_out.write(ends_of_documents.astype("<i8").tobytes())
            if len(ends):
                ends_of_sentences = ends
                sentences_so_far = int(ends_of_documents[-1])
            progress(len(lengths))
    return open_store(folder, split, tokenizer.get_vocab_size())


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


def _batches(documents: Iterable[Document]) -> Iterable[tuple[list[str], list[int]]]:
    """Whole documents together, about `_BATCH` sentences at a time: their sentences, and how many each has."""
    texts: list[str] = []
    sizes: list[int] = []
    for document in documents:
        if not document:
            continue
        texts.extend(document)
        sizes.append(len(document))
        if len(texts) >= _BATCH:
            yield texts, sizes
            texts, sizes = [], []
    if texts:
        yield texts, sizes
