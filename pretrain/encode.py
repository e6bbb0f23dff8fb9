"""Sentences to ids, faster than a sentence at a time by the tokenizer.

Our tokenizers split at white space before anything else, so a sentence's ids are those of what its spaces separate.
Under WordPiece nearly all of them are matched by a compiled loop (tokenizer.match). What that hands back, and what
tokenizers of SentencePiece pieces are given, is looked up: in a corpus most eojeols were met before. New ones of Hangul
syllables and ASCII characters, on which the normaliser has nothing to do, go straight to the SentencePiece model:
through the whole tokenizer each costs ten times as much. Tests hold the ids against the tokenizer's.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models

from tokenizer.match import Matcher

#: Distinct eojeols after which those that were not met since the last time are forgotten: at most twice as many are
#: held, under 100 MB.
REMEMBERED = 150_000

#: What the normaliser leaves as it is. Without [, with which special tokens and placeholders begin.
_PLAIN = re.compile(r"[가-힣!-Z\\-~]+").fullmatch

#: In front of what begins a sentence and is not plain: tokenizers of SentencePiece pieces clean the beginning of a line
#: in a way of their own. A lone surrogate, which no text holds.
_FIRST = "\udfff"

Ids = NDArray[np.unsignedinteger]


class Encoded(NamedTuple):
    """ids (tokens,) of some sentences on end, and lengths (sentences,) in tokens."""

    ids: Ids
    lengths: NDArray[np.int64]


class Encoder:
    """Ids of sentences without [CLS] and [SEP]; a special token written out in a text ("[SEP]") is text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self._model = tokenizer.model
        self._matcher = Matcher(tokenizer) if is_matched(tokenizer) else None
        self._kind = id_type(tokenizer.get_vocab_size())
        self._code = self._kind.char
        self._known: dict[str, bytes] = {}
        self._older: dict[str, bytes] = {}

    def encode(self, sentences: Sequence[str]) -> Encoded:
        """The ids of `sentences`, in their order."""
        if self._matcher is None:
            return self._looked_up(sentences)
        text, (ids, counts, others) = self._matcher.match(sentences)
        spelled = self._spelled([text[first:last] for first, last in others[:, 2:].tolist()])
        sizes = self._sizes(spelled)
        np.add.at(counts, others[:, 0], sizes)
        rest = np.frombuffer(b"".join(spelled), self._kind)
        return Encoded(np.insert(ids.astype(self._kind), np.repeat(others[:, 1], sizes), rest), counts)

    def _looked_up(self, sentences: Sequence[str]) -> Encoded:
        # At U+0020 and nowhere else: str.split() takes control characters for white space that the normaliser drops.
        divided = [sentence.split(" ") for sentence in sentences]
        for parts in divided:
            if not _PLAIN(parts[0]):
                parts[0] = _FIRST + parts[0]
        spelled = self._spelled(list(chain.from_iterable(divided)))
        sizes = self._sizes(spelled)
        counts = np.fromiter(map(len, divided), np.int64, len(divided))
        lengths = np.add.reduceat(sizes, np.cumsum(counts) - counts) if len(sizes) else np.zeros(0, np.int64)
        return Encoded(np.frombuffer(b"".join(spelled), self._kind), lengths)

    def _spelled(self, eojeols: Sequence[str]) -> list[bytes]:
        self._learn(set(eojeols))
        return list(map(self._known.__getitem__, eojeols))

    def _sizes(self, spelled: Sequence[bytes]) -> NDArray[np.int64]:
        return np.fromiter(map(len, spelled), np.int64, len(spelled)) // self._kind.itemsize

    def _learn(self, eojeols: AbstractSet[str]) -> None:
        if len(self._known) > REMEMBERED:
            self._older, self._known = self._known, {}
        known, older = self._known, self._older
        new = eojeols - known.keys()
        for eojeol in new & older.keys():
            known[eojeol] = older[eojeol]
        others = []
        for eojeol in new - older.keys():
            if self._matcher is None and _PLAIN(eojeol):
                # The model takes an eojeol whole, with the sign of its beginning.
                ids = [piece.id for piece in self._model.tokenize("▁" + eojeol)]
                known[eojeol] = array(self._code, ids).tobytes()
            else:
                others.append(eojeol)
        # In a sentence a space stands before all but the first.
        texts = [eojeol[1:] if eojeol.startswith(_FIRST) else " " + eojeol for eojeol in others]
        encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False) if texts else []
        for eojeol, encoding in zip(others, encodings, strict=True):
            known[eojeol] = array(self._code, encoding.ids).tobytes()


def is_matched(tokenizer: Tokenizer) -> bool:
    """Whether sentences are matched by the compiled loop: handing them to other processes takes longer than that."""
    return isinstance(tokenizer.model, models.WordPiece)


def id_type(vocab_size: int) -> np.dtype[np.unsignedinteger]:
    """Smallest type that holds every id of the vocabulary."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


def encode_batch(sentences: Sequence[str], tokenizer: str) -> Encoded:
    """What a worker does: encode by the tokenizer whose JSON is `tokenizer`, which is read once."""
    return _encoder(tokenizer).encode(sentences)


@lru_cache(maxsize=1)
def _encoder(tokenizer: str) -> Encoder:
    return Encoder(Tokenizer.from_str(tokenizer))
