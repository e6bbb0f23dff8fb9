"""What there is to know of a tokenizer of transformers, fast or slow, ours or not: ids, identity, frame of a pair."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InputError
from pipeline.files import hash_file
from pretrain.encode import Encoded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Ids = NDArray[np.int64]

#: What a tokenizer does through one call for many sentences, unless a class outside transformers does it otherwise.
_STOCK = ("__call__", "tokenize", "convert_tokens_to_ids", "_encode_plus")


@dataclass(frozen=True)
class Frame:
    """What stands before, between and after two segments: ids and types of each; and the types of the two."""

    ids: tuple[Ids, Ids, Ids]
    types: tuple[Ids, Ids, Ids]
    of_a: int
    of_b: int

    @property
    def size(self) -> int:
        """Number of special tokens."""
        return sum(map(len, self.ids))

    def around(self, a: NDArray[Any], b: NDArray[Any]) -> tuple[Ids, Ids]:
        """Ids and types of a whole example."""
        ids, types = self.ids, self.types
        of_a, of_b = np.full(len(a), self.of_a), np.full(len(b), self.of_b)
        return (
            np.concatenate([ids[0], a, ids[1], b, ids[2]], dtype=np.int64),
            np.concatenate([types[0], of_a, types[1], of_b, types[2]], dtype=np.int64),
        )


class Encode:
    """Ids of sentences as `tokenizer.convert_tokens_to_ids(tokenizer.tokenize(sentence))` has them."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, vocab_size: int) -> None:
        self._name, self._unknown, self._vocab_size = type(tokenizer).__name__, tokenizer.unk_token_id, vocab_size
        self._spelled = _spelling(tokenizer)
        self._seen = self._lost = 0

    def __call__(self, sentences: Sequence[str]) -> Encoded:
        """Raises InputError if more than half of the tokens so far are unknown."""
        spelled = self._spelled(sentences)
        lengths = np.fromiter(map(len, spelled), np.int64, len(spelled))
        try:
            ids = np.fromiter((number for ids in spelled for number in ids), np.int64, int(lengths.sum()))
        except TypeError:
            ids = np.array([-1])
        if len(ids) and not 0 <= ids.min() <= ids.max() < self._vocab_size:
            raise InputError(f"{self._name} makes tokens that its vocabulary does not hold: give it an unk_token")
        self._seen += len(ids)
        self._lost += 0 if self._unknown is None else int((ids == self._unknown).sum())
        if 2 * self._lost > self._seen:  # of 10,000 sentences at least, or of all there are
            raise InputError(
                f"{self._name} knows less than half of the text: {self._lost:,} of {self._seen:,} tokens are unknown. "
                f"Is it the vocabulary of this text, and do_lower_case=False? Korean falls apart under True. {_LOADING}"
            )
        return Encoded(ids.astype(np.uint32), lengths)


_LOADING = (
    "In transformers 5 BertTokenizerFast(vocab_file=...) reads no file: leave the name out, "
    'BertTokenizerFast("vocab.txt", do_lower_case=False), or load a folder with tokenizer.json, which `make tokenizer` '
    "makes, by AutoTokenizer.from_pretrained(FOLDER)"
)


def need_words(tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise InputError for a tokenizer that cannot be one of a text."""
    if not hasattr(tokenizer, "convert_tokens_to_ids"):
        raise InputError(
            f"{type(tokenizer).__name__} is no tokenizer of transformers: wrap one of the tokenizers library, "
            "PreTrainedTokenizerFast(tokenizer_object=..., unk_token=...), and name all its special tokens"
        )
    entries = tokenizer.get_vocab()
    if set(entries) <= set(tokenizer.all_special_tokens):
        raise InputError(f"{type(tokenizer).__name__} holds {len(entries)} special tokens and no words. {_LOADING}")


def _spelling(tokenizer: PreTrainedTokenizerBase) -> Callable[[Sequence[str]], list[list[int]]]:
    stock = all(getattr(type(tokenizer), name).__module__.startswith("transformers.") for name in _STOCK)
    if tokenizer.is_fast and stock:
        options = {"add_special_tokens": False, "return_token_type_ids": False, "return_attention_mask": False}
        return lambda sentences: list(tokenizer(list(sentences), verbose=False, **options)["input_ids"])

    def one(sentence: str) -> list[int]:
        ids: Any = tokenizer.convert_tokens_to_ids(tokenizer.tokenize(sentence))
        return list(ids)

    return lambda sentences: [one(sentence) for sentence in sentences]


def largest_vocab_size(tokenizer: PreTrainedTokenizerBase) -> int:
    """One more than the largest id; with gaps in the ids it is more than the number of entries."""
    return max(len(tokenizer), max(tokenizer.get_vocab().values()) + 1)


def identity_of(tokenizer: PreTrainedTokenizerBase, sample: Sequence[str]) -> str:
    """Hash of everything that decides the ids of a sentence, those of a `sample` too."""
    known = {
        "class": f"{type(tokenizer).__module__}.{type(tokenizer).__qualname__}",
        "split_special_tokens": bool(getattr(tokenizer, "split_special_tokens", False)),
        "sample": _spelling(tokenizer)(sample),
        "versions": [version("transformers"), version("tokenizers")],
        **_parts(tokenizer),
    }
    return hashlib.sha256(json.dumps(known, sort_keys=True, default=repr).encode()).hexdigest()


def _parts(tokenizer: PreTrainedTokenizerBase) -> dict[str, Any]:
    if tokenizer.is_fast:
        with suppress(Exception):  # a part written in Python cannot be saved; the library raises bare Exception
            return {"backend": tokenizer.backend_tokenizer.to_str()}
    options = tokenizer.init_kwargs
    files = {name: value for name, value in options.items() if isinstance(value, str) and Path(value).is_file()}
    return {
        "vocabulary": tokenizer.get_vocab(),
        "added": {str(number): repr(token) for number, token in tokenizer.added_tokens_decoder.items()},
        "options": options,
        "files": {name: hash_file(Path(value)) for name, value in files.items()},
    }


def frame_of(tokenizer: PreTrainedTokenizerBase, sample: Sequence[str]) -> Frame:
    """The special tokens around a pair: of a fast tokenizer those of its post-processor, of a slow one its methods'."""
    if tokenizer.is_fast:
        line = next((line for line in sample if tokenizer.tokenize(line)), "a")
        pair = tokenizer(line, line, return_token_type_ids=True, verbose=False)
        ids, types, sides = list(pair["input_ids"]), list(pair["token_type_ids"]), list(pair.sequence_ids(0))
    else:
        ids = tokenizer.build_inputs_with_special_tokens([-1], [-2])
        types = tokenizer.create_token_type_ids_from_sequences([-1], [-2])
        sides = [{-1: 0, -2: 1}.get(number) for number in ids]
    a, b = ([place for place, side in enumerate(sides) if side == which] for which in (0, 1))
    in_order = a and b and [*range(a[0], a[-1] + 1), *range(b[0], b[-1] + 1)] == a + b
    if not in_order or len(types) != len(ids):
        raise InputError(f"{type(tokenizer).__name__} does not put a pair as one segment after the other")
    parts = slice(a[0]), slice(a[-1] + 1, b[0]), slice(b[-1] + 1, None)
    before, between, after = ([np.array(row[part], np.int64) for row in (ids, types)] for part in parts)
    return Frame(
        ids=(before[0], between[0], after[0]),
        types=(before[1], between[1], after[1]),
        of_a=types[a[0]],
        of_b=types[b[0]],
    )
