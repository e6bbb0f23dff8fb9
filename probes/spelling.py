"""How a text with gaps is spelled in pieces: what is glued to a gap continues a word, as it stood in training.

In `[MASK]를 보냈다` the tokenizer splits at the mask and takes 를 for the beginning of a word, while in training it
stood there as `##를`. Here the run of letters after a gap is spelled with `##` pieces. For gaps that stand alone, and
for vocabularies that mark the beginning of a word (`▁`) and not its continuation, the ids are the tokenizer's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property

import torch
from tokenizers import models
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from tokenizer.wordpiece import PREFIX, continue_word

#: What SentencePiece puts before a word.
SPACE = "▁"
#: Characters that every tokenizer takes for parts of one word.
_PLAIN = re.compile("[가-힣A-Za-z0-9]+")


class Spelling:
    """A tokenizer's pieces for texts with gaps."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._vocabulary: dict[str, int] = tokenizer.get_vocab()
        #: Continuations are marked (`##`), not beginnings.
        self.is_wordpiece = isinstance(tokenizer.backend_tokenizer.model, models.WordPiece)
        #: Beginnings are marked (`▁`), not continuations. Neither: a vocabulary of bytes, say.
        self.is_sentencepiece = not self.is_wordpiece and any(
            len(piece) > 1 and piece.startswith(SPACE) for piece in self._vocabulary
        )

    @property
    def marks_words(self) -> bool:
        """Whether it can be told which pieces make a word."""
        return self.is_wordpiece or self.is_sentencepiece

    def whole(self, text: str) -> list[int]:
        """Ids of a text whose gaps are the tokenizer's mask token, with [CLS] and [SEP]."""
        parts = text.split(str(self._tokenizer.mask_token))
        return self.around(parts, [[int(self._tokenizer.mask_token_id)]] * (len(parts) - 1))

    def around(self, parts: Sequence[str], fillings: Sequence[Sequence[int]]) -> list[int]:
        """Ids of the parts of a text with `fillings`, one between each two, and [CLS] and [SEP]."""
        tokenizer = self._tokenizer
        if not self.is_wordpiece:
            return self._framed_by_masks(parts, fillings)
        ids = [int(tokenizer.cls_token_id), *tokenizer.encode(parts[0], add_special_tokens=False)]
        for filling, part in zip(fillings, parts[1:], strict=True):
            glued, rest = self.glued(part)
            ids += [*filling, *glued, *tokenizer.encode(rest, add_special_tokens=False)]
        return [*ids, int(tokenizer.sep_token_id)]

    def glued(self, after: str) -> tuple[list[int], str]:
        """(ids of the letters that follow a gap without a space, the text after them)."""
        backend = self._tokenizer.backend_tokenizer
        # Not white space, which a normalizer may take away at the ends.
        if not after.strip() or after[0].isspace():
            return [], after
        # Before it is looked at: what has no width (U+200B) is gone then, as it was in training.
        normal = backend.normalizer.normalize_str(after) if backend.normalizer else after
        if not normal[:1].isalnum():
            return [], after
        words = backend.pre_tokenizer.pre_tokenize_str(normal)
        if not words or words[0][1][0] != 0:  # a Hanja: always a word of its own
            return [], after
        word, (_, end) = words[0]
        ids = continue_word(self._vocabulary, word)
        return ([], after) if ids is None else (ids, normal[end:])

    def begins_word(self, before: str) -> bool:
        """Whether a gap behind this text is where a word begins, and not what continues one (`바다[GAP]`)."""
        if not before or before[-1].isspace():
            return True
        # 가 stands for any letter; with ▁, what follows a bracket is a continuation, too.
        return self.is_wordpiece and self._words(f"{before[-20:]}가")[-1] == "가"

    def word(self, ids: Sequence[int]) -> str:
        """Pieces joined to a word, without what marks them."""
        return "".join(self._bare[number] for number in ids)

    @cached_property
    def pieces(self) -> Tensor:
        """Which entries are pieces of text: (entries,) bool. No special or added ones."""
        others = {*self._tokenizer.all_special_ids, *self._tokenizer.get_added_vocab().values()}
        found = torch.zeros(len(self._bare), dtype=torch.bool)
        found[[number for number in self._vocabulary.values() if number not in others]] = True
        return found

    @cached_property
    def beginnings(self) -> Tensor:
        """Which entries can begin a word of letters and digits: (entries,) bool. No special or added ones."""
        if self.is_wordpiece:
            return self._marked(lambda piece: not piece.startswith(PREFIX))
        return self._marked(lambda piece: piece.startswith(SPACE))

    @cached_property
    def continuations(self) -> Tensor:
        """Which entries can go on with one: (entries,) bool."""
        if self.is_wordpiece:
            return self._marked(lambda piece: piece.startswith(PREFIX))
        return self._marked(lambda piece: not piece.startswith(SPACE))

    @cached_property
    def joined(self) -> Tensor:
        """Which entries letters can follow within the word: (entries,) bool. Hanja cannot where each is a word."""
        found = [bool(_PLAIN.fullmatch(bare)) or len(self._words(f"{bare}가")) == 1 for bare in self._bare]
        return torch.tensor(found)

    @cached_property
    def _bare(self) -> list[str]:
        """Of each entry, its letters; "" where it holds anything else or is no piece of text."""
        bare = [""] * (max(self._vocabulary.values()) + 1)
        added = self._tokenizer.get_added_vocab()
        for piece, number in self._vocabulary.items():
            letters = piece.removeprefix(PREFIX if self.is_wordpiece else SPACE)
            if piece not in added and letters.isalnum():
                bare[number] = letters
        return bare

    def _marked(self, fits: Callable[[str], bool]) -> Tensor:
        found = torch.zeros(len(self._bare), dtype=torch.bool)
        for piece, number in self._vocabulary.items():
            found[number] = bool(self._bare[number]) and fits(piece)
        return found

    def _words(self, text: str) -> list[str]:
        backend = self._tokenizer.backend_tokenizer
        normal = backend.normalizer.normalize_str(text) if backend.normalizer else text
        return [word for word, _ in backend.pre_tokenizer.pre_tokenize_str(normal)]

    def _framed_by_masks(self, parts: Sequence[str], fillings: Sequence[Sequence[int]]) -> list[int]:
        """The tokenizer's own ids around masks; these then give way to the fillings."""
        mask, mask_id = str(self._tokenizer.mask_token), int(self._tokenizer.mask_token_id)
        text = parts[0] + "".join(mask * len(filling) + part for filling, part in zip(fillings, parts[1:], strict=True))
        filled = iter([number for filling in fillings for number in filling])
        return [next(filled) if number == mask_id else number for number in self._tokenizer.encode(text)]
