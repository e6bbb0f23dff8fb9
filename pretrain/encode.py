"""Sentences to ids, an eojeol at a time: in a corpus most eojeols were met before, and looking one up beats tokenising.

Our tokenizers split at white space before anything else, so a sentence's ids are those of what its spaces separate. New
eojeols of Hangul syllables and ASCII characters, on which the normaliser has nothing to do, go straight to the
tokenizer's model: through the whole tokenizer each costs ten times as much. Tests hold the ids against the tokenizer's.
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

#: Distinct eojeols after which those that were not met since the last time are forgotten: at most twice as many are
#: held, under 100 MB.
REMEMBERED = 150_000

#: What the normaliser leaves as it is. Without [, with which special tokens and placeholders begin.
_PLAIN = re.compile(r"[가-힣!-Z\\-~]+").fullmatch
#: Words of such an eojeol, as BERT's pre-tokenizer has them: every punctuation mark is one.
_WORDS = re.compile(r"[가-힣0-9A-Za-z]+|[!-/:-@\\-`{-~]").findall

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
        self._kind = id_type(tokenizer.get_vocab_size())
        self._code = self._kind.char
        self._known: dict[str, bytes] = {}
        self._older: dict[str, bytes] = {}

    def encode(self, sentences: Sequence[str]) -> Encoded:
        """The ids of `sentences`, in their order."""
        # At U+0020 and nowhere else: str.split() takes control characters for white space that the normaliser drops.
        divided = [sentence.split(" ") for sentence in sentences]
        for parts in divided:
            if not _PLAIN(parts[0]):
                parts[0] = _FIRST + parts[0]
        eojeols = list(chain.from_iterable(divided))
        self._learn(set(eojeols))
        spelled = list(map(self._known.__getitem__, eojeols))
        sizes = np.fromiter(map(len, spelled), np.int64, len(spelled)) // self._kind.itemsize
        counts = np.fromiter(map(len, divided), np.int64, len(divided))
        lengths = np.add.reduceat(sizes, np.cumsum(counts) - counts) if len(sizes) else np.zeros(0, np.int64)
        return Encoded(np.frombuffer(b"".join(spelled), self._kind), lengths)

    def _learn(self, eojeols: AbstractSet[str]) -> None:
        if len(self._known) > REMEMBERED:
            self._older, self._known = self._known, {}
        known, older, tokenize = self._known, self._older, self._model.tokenize
        new = eojeols - known.keys()
        for eojeol in new & older.keys():
            known[eojeol] = older[eojeol]
        words = isinstance(self._model, models.WordPiece)
        others = []
        for eojeol in new - older.keys():
            if _PLAIN(eojeol):
                # The other models take an eojeol whole, with the sign of its beginning.
                parts = _WORDS(eojeol) if words else ["▁" + eojeol]
                known[eojeol] = array(self._code, [piece.id for part in parts for piece in tokenize(part)]).tobytes()
            else:
                others.append(eojeol)
        # In a sentence a space stands before all but the first.
        texts = [eojeol[1:] if eojeol.startswith(_FIRST) else " " + eojeol for eojeol in others]
        encodings = self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        for eojeol, encoding in zip(others, encodings, strict=True):
            known[eojeol] = array(self._code, encoding.ids).tobytes()


def id_type(vocab_size: int) -> np.dtype[np.unsignedinteger]:
    """Smallest type that holds every id of the vocabulary."""
    return np.dtype("<u2" if vocab_size <= 1 << 16 else "<u4")


def encode_batch(sentences: Sequence[str], tokenizer: str) -> Encoded:
    """What a worker does: encode by the tokenizer whose JSON is `tokenizer`, which is read once."""
    return _encoder(tokenizer).encode(sentences)


@lru_cache(maxsize=1)
def _encoder(tokenizer: str) -> Encoder:
    return Encoder(Tokenizer.from_str(tokenizer))
