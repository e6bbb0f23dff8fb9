"""One vocabulary onto another: which rows of an embedding matrix carry over, and what the others begin from.

Continued pretraining with a vocabulary of its own need not begin from noise. An entry that both vocabularies have keeps
its row. Another begins as the mean of the rows of the old pieces that spell it, *as it stands in text*: a beginning
of a word is spelled as a word, `##에서는` as the rest of one (not as `#`, `#`, `에서는`). What the old one cannot
spell is drawn from a normal distribution with the mean and the deviation of the old rows.

Both sides are WordPiece or SentencePiece-like (`▁` before words); one kind maps onto the other, since what is compared
is the text of an entry and whether it begins a word. Torch stays upstairs: matrices are numpy's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from corpora.privacy import PLACEHOLDERS
from pipeline.errors import InputError
from tokenizer.wordpiece import PREFIX, SPECIAL_TOKENS, build_tokenizer, continue_word

#: What SentencePiece puts in the place of the space before a word.
SPACE = "▁"
#: The beginning of a word, to see how the rest of one is split. A Hangul syllable, as most of the text is.
_CARRIER = "가"
_RESERVED = re.compile(r"\[unused\d+\]|" + "|".join(map(re.escape, (*SPECIAL_TOKENS, *PLACEHOLDERS.values()))))

Matrix = NDArray[Any]
#: (seed, id of an entry) -> generator; see `generator_of`.
Draws = Callable[[int, int], np.random.Generator]


def generator_of(seed: int, number: int) -> np.random.Generator:
    """The generator of one new row: a function of (seed, id), so a row does not depend on which others are drawn."""
    return np.random.Generator(np.random.Philox(key=np.array([seed % 2**64, number], dtype=np.uint64)))


@dataclass(frozen=True)
class Transfer:
    """Where each entry of the new vocabulary begins."""

    #: New id -> old id of the same entry, or -1.
    rows: NDArray[np.int64]
    #: New id -> old ids that spell an entry without a row; () for one that has a row or cannot be spelled.
    parts: tuple[tuple[int, ...], ...]
    #: Old entries that the new vocabulary does not have, in the order of their ids.
    lost: tuple[str, ...]
    #: Rows that a matrix of the old vocabulary has at least.
    old_size: int

    @property
    def carried(self) -> int:
        """Entries that keep their row."""
        return int((self.rows >= 0).sum())

    @property
    def composed(self) -> int:
        """Entries that begin as the mean of their old pieces."""
        return sum(map(bool, self.parts))

    @property
    def fresh(self) -> int:
        """Entries with nothing to begin from."""
        return len(self.rows) - self.carried - self.composed

    def initial_rows(self, matrix: Matrix, seed: int, draws: Draws = generator_of) -> Matrix:
        """The new matrix, (new size, ...), made of the old one, (old size or more, ...), in its dtype.

        Embeddings are (size, width); a bias per entry, (size,), works alike. An entry takes its old row, the mean of
        its parts' rows, or a draw from N(mean, deviation) of the old rows, column by column. Raises InputError if the
        old matrix has too few rows.
        """
        if len(matrix) < self.old_size:
            raise InputError(
                f"the embedding matrix has {len(matrix):,} rows, the old vocabulary {self.old_size:,} entries: "
                "they are not from the same model"
            )
        old = matrix[: self.old_size].astype(np.float64)
        mean, deviation = old.mean(axis=0), old.std(axis=0)
        new = np.empty((len(self.rows), *matrix.shape[1:]), matrix.dtype)
        for number, (row, parts) in enumerate(zip(self.rows, self.parts, strict=True)):
            if row >= 0:
                new[number] = matrix[row]
            elif parts:
                new[number] = old[list(parts)].mean(axis=0)
            else:
                new[number] = draws(seed, number).normal(mean, deviation)
        return new


def transfer(old: Tokenizer | Sequence[str], new: Tokenizer | Sequence[str]) -> Transfer:
    """Map the entries of `new` to rows of `old`; either is a tokenizer or the entries of a WordPiece vocabulary.

    Special tokens, placeholders and `[unused]` entries map by name and are never composed. Raises InputError for a
    tokenizer whose pieces are bytes or carry no mark of where words begin.

    >>> start = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    >>> found = transfer([*start, "학", "##교", "##에서"], [*start, "학교", "##에서", "꿈"])
    >>> found.rows.tolist(), found.parts[5], found.fresh
    ([0, 1, 2, 3, 4, -1, 7, -1], (5, 6), 1)
    """
    source, target = _Vocabulary(old), _Vocabulary(new)
    place = {form: number for number, form in source.forms.items()}
    rows = np.full(target.size, -1, dtype=np.int64)
    parts: list[tuple[int, ...]] = [()] * target.size
    for number, form in target.forms.items():
        rows[number] = place.get(form, -1)
        if rows[number] < 0 and form.begins is not None:
            parts[number] = source.spell(form)
    kept = set(rows.tolist())
    lost = tuple(name for number, name in sorted(source.names.items()) if number not in kept)
    return Transfer(rows, tuple(parts), lost, source.size)


@dataclass(frozen=True)
class _Form:
    """What an entry stands for: a text, and whether it begins a word (None for a reserved entry)."""

    text: str
    begins: bool | None


class _Vocabulary:
    """A tokenizer seen as forms, and how it spells the forms of another."""

    def __init__(self, given: Tokenizer | Sequence[str]) -> None:
        self.tokenizer = given if isinstance(given, Tokenizer) else build_tokenizer(given)
        ids: dict[str, int] = self.tokenizer.get_vocab(with_added_tokens=True)
        self.names = {number: name for name, number in ids.items()}
        #: The highest id + 1: foreign vocabularies have gaps.
        self.size = max(self.names) + 1
        described = json.loads(self.tokenizer.to_str())
        model = described["model"]
        self._word_piece = model["type"] == "WordPiece"
        self._prefix: str = model["continuing_subword_prefix"] if self._word_piece else PREFIX
        if not self._word_piece and not any(name.startswith(SPACE) for name in ids):
            raise InputError(
                f"a {model['type']} vocabulary without {SPACE!r} before words cannot be transferred: "
                "its pieces do not say where words begin"
            )
        #: Entries that are found in text whole; they are no pieces, whatever they look like.
        self._special = {entry["content"] for entry in described["added_tokens"]}
        self._unknown = model.get("unk_id")
        self._inner = {
            PREFIX + name.removeprefix(self._prefix): number
            for name, number in ids.items()
            if name.startswith(self._prefix)
        }
        self._carrier = "".join(self._split(_CARRIER))
        self.forms = {number: self._form(name) for number, name in self.names.items()}

    def spell(self, form: _Form) -> tuple[int, ...]:
        """Ids of the pieces that spell a form where it stands in text; () if that takes an unknown piece."""
        words = self._split(form.text if form.begins else _CARRIER + form.text)
        ids: list[int] = []
        if not form.begins:
            # What is glued to the carrier goes on with the word; what was split off (a comma, a Hanja) begins anew.
            if not words or not words[0].startswith(self._carrier):
                return ()
            rest = self._continue(words[0].removeprefix(self._carrier))
            if rest is None:
                return ()
            ids, words = rest, words[1:]
        for word in words:
            found = self._pieces(word)
            if found is None:
                return ()
            ids += found
        return tuple(ids)

    def _form(self, name: str) -> _Form:
        if _RESERVED.fullmatch(name) or name in self._special:
            return _Form(name, None)
        if self._word_piece:
            inner = name.startswith(self._prefix) and name != self._prefix
            return _Form(name.removeprefix(self._prefix) if inner else name, not inner)
        return _Form(name.removeprefix(SPACE), name.startswith(SPACE))

    def _split(self, text: str) -> list[str]:
        normalizer, splitter = self.tokenizer.normalizer, self.tokenizer.pre_tokenizer
        normal = normalizer.normalize_str(text) if normalizer else text
        return [word for word, _ in splitter.pre_tokenize_str(normal)] if splitter else [normal]

    def _continue(self, word: str) -> list[int] | None:
        return continue_word(self._inner, word) if self._word_piece else self._pieces(word)

    def _pieces(self, word: str) -> list[int] | None:
        """Ids that the model gives a word; None if they do not spell it: unknown, or bytes instead of characters."""
        if not word:
            return []
        tokens = self.tokenizer.model.tokenize(word)
        rest = [token.value.removeprefix(self._prefix) if self._word_piece else token.value for token in tokens[1:]]
        if self._unknown in [token.id for token in tokens] or tokens[0].value + "".join(rest) != word:
            return None
        # A ▁ apart from its word says nothing of it.
        return [token.id for token in tokens if self._word_piece or token.value != SPACE]
