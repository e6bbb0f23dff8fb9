"""Duplicates: copies of documents and of sentences by hash, near-copies of documents by MinHash.

The marks of each document are made where it is cleaned (in parallel); the decisions are made once over all of them, in
numpy, with some 10 bytes a sentence and 20 a document; signatures lie on disk. The first of several copies stays.

MinHash over the set of 5-character shingles without white space: copies of Korean text differ in spacing before they
differ in anything else. Signatures and the division into bands are datasketch's; candidates share a whole band (Broder
1997; Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, 3.4) and are then compared by their signatures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b

import numpy as np
from datasketch import MinHash, MinHashLSH
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from corpora.document import Document

#: Values of a signature; its standard error is about 1 / sqrt(128) = 9 % at most.
PERMUTATIONS = 128
#: Characters of a shingle.
SHINGLE = 5
#: A document of fewer shingles is compared for exact copies alone: one word more or less decides its similarity.
LEAST_SHINGLES = 50
#: Rows of signatures looked at together.
_ROWS = 1 << 16
#: Why a document or a sentence goes, in the words that reports use.
DUPLICATE_DOCUMENT, NEAR_DUPLICATE, DUPLICATE_SENTENCE = (
    "duplicate_document",
    "near_duplicate_document",
    "duplicate_sentence",
)

Hashes = NDArray[np.uint64]
Signatures = NDArray[np.uint32]

#: Shingles put into a signature at once: 2 MB of intermediate values.
_AT_ONCE = 4096
#: Sentences sorted at once: some 200 MB.
_BUCKET = 4_000_000
_SEED = 1


@dataclass(frozen=True)
class Marks:
    """What duplicates are told by, of some documents: hashes [documents], sentences in each [documents], hashes
    [sentences], whether a document has a signature [documents], signatures [those that have one, PERMUTATIONS].
    """

    documents: Hashes
    lengths: NDArray[np.uint32]
    sentences: Hashes
    signed: NDArray[np.bool_]
    signatures: Signatures


def mark(documents: Sequence[Document], *, near: bool) -> Marks:
    """The marks of `documents`; signatures only if `near`."""
    lengths = np.array([len(document) for document in documents], np.uint32)
    sentences = np.array([_hash(sentence) for document in documents for sentence in document], np.uint64)
    hashes = np.array([_hash("\n".join(document)) for document in documents], np.uint64)
    found = [signature("".join(document)) if near else None for document in documents]
    signed = np.array([made is not None for made in found], bool)
    rows = [made for made in found if made is not None]
    signatures = np.stack(rows) if rows else np.empty((0, PERMUTATIONS), np.uint32)
    return Marks(hashes, lengths, sentences, signed, signatures)


def _hash(text: str) -> int:
    """64 bits: of a billion different sentences two are taken for one with a chance of 3 %."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")


def signature(text: str) -> Signatures | None:
    """MinHash of a text's shingles, [PERMUTATIONS]; None if there are too few of them."""
    shingles = _shingles("".join(text.split()))
    if len(shingles) < LEAST_SHINGLES:
        return None
    sketch = _empty_sketch().copy()
    for start in range(0, len(shingles), _AT_ONCE):
        sketch.update_batch(shingles[start : start + _AT_ONCE].tolist())
    return np.asarray(sketch.hashvalues, np.uint32)


@lru_cache(maxsize=1)
def _empty_sketch() -> MinHash:
    """The permutations are drawn once a process."""
    return MinHash(PERMUTATIONS, seed=_SEED, hashfunc=int, scheme="affine32")


def _shingles(text: str) -> NDArray[np.uint32]:
    """Hashes of the different runs of SHINGLE characters (FNV-1a over code points)."""
    codes = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    count = len(codes) - SHINGLE + 1
    if count < 1:
        return np.empty(0, np.uint32)
    hashed = np.full(count, 2166136261, np.uint32)
    for offset in range(SHINGLE):
        hashed ^= codes[offset : offset + count]
        hashed *= np.uint32(16777619)
    return np.unique(hashed)


@dataclass(frozen=True)
class Verdict:
    """Which documents and sentences stay; `copy_of` [documents] is the one that a near-copy is like, else itself."""

    exact: NDArray[np.bool_]
    near: NDArray[np.bool_]
    copy_of: NDArray[np.int64]
    repeated: NDArray[np.bool_]


def decide(marks: Marks, threshold: float, copies: int) -> Verdict:
    """Find duplicates among documents, in order. `threshold` and `copies` as in the recipe; 0 keeps everything."""
    count = len(marks.documents)
    exact = np.zeros(count, bool)
    if threshold:
        exact[:] = True
        exact[np.unique(marks.documents, return_index=True)[1]] = False
    copy_of = _near_copies(marks, threshold, exact) if 0 < threshold < 1 else np.arange(count)
    near = copy_of != np.arange(count)
    gone = np.repeat(exact | near, marks.lengths)
    return Verdict(exact, near, copy_of, _repeated(marks.sentences, gone, copies))


def _near_copies(marks: Marks, threshold: float, exact: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each document the first one of its group of near-copies, [documents]."""
    owners = np.flatnonzero(marks.signed)
    rows = np.flatnonzero(~exact[owners])
    pairs = [np.empty((0, 2), np.int64)]
    for keys in _bands(marks.signatures, threshold):
        order = np.argsort(keys[rows], kind="stable")
        found, where = keys[rows][order], rows[order]
        begins = np.r_[True, found[1:] != found[:-1]] if len(found) else np.empty(0, bool)
        heads = np.maximum.accumulate(np.where(begins, np.arange(len(found)), 0))
        same = np.flatnonzero(~begins)
        # With the first of its bucket and with the one before it: as many pairs as members, not their square.
        pairs += [np.column_stack([where[other], where[same]]) for other in (heads[same], same - 1)]
    candidates = np.unique(np.concatenate(pairs), axis=0)
    alike = owners[candidates[_similarity(marks.signatures, candidates) >= threshold]]
    count = len(exact)
    graph = coo_array((np.ones(len(alike), bool), (alike[:, 0], alike[:, 1])), shape=(count, count))
    _, group = connected_components(graph, directed=False)
    _, firsts = np.unique(group, return_index=True)
    return np.asarray(firsts[group], np.int64)


def _bands(signatures: Signatures, threshold: float) -> Iterator[Hashes]:
    """For each band a key of every row, [rows]: equal keys, equal values in the whole band."""
    lsh = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
    weights = np.random.default_rng(_SEED).integers(0, 2**63, lsh.r, np.uint64) * np.uint64(2) + np.uint64(1)
    for start in range(0, lsh.b * lsh.r, lsh.r):
        keys = np.empty(len(signatures), np.uint64)
        for row in range(0, len(signatures), _ROWS):
            keys[row : row + _ROWS] = (signatures[row : row + _ROWS, start : start + lsh.r] * weights).sum(axis=1)
        yield keys


def _similarity(signatures: Signatures, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of equal values in the signatures of each pair of rows, [pairs]."""
    similarity = np.empty(len(pairs))
    for begin in range(0, len(pairs), _ROWS):
        first, second = pairs[begin : begin + _ROWS].T
        similarity[begin : begin + _ROWS] = (signatures[first] == signatures[second]).mean(axis=1)
    return similarity


def _repeated(sentences: Hashes, gone: NDArray[np.bool_], copies: int) -> NDArray[np.bool_]:
    """Sentences of documents that stay, which occurred `copies` times before, [sentences]."""
    repeated = np.zeros(len(gone), bool)
    if not copies:
        return repeated
    buckets = np.uint64(len(gone) // _BUCKET + 1)
    for bucket in range(int(buckets)):
        where = np.flatnonzero((sentences % buckets == bucket) & ~gone)
        order = np.argsort(sentences[where], kind="stable")
        where = where[order]
        found = sentences[where]
        begins = np.r_[True, found[1:] != found[:-1]] if len(found) else np.empty(0, bool)
        rank = np.arange(len(found)) - np.maximum.accumulate(np.where(begins, np.arange(len(found)), 0))
        repeated[where[rank >= copies]] = True
    return repeated
