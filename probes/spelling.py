"""How a text with gaps is spelled in pieces: what is glued to a gap continues a word, as it stood in training.

In `[MASK]를 보냈다` the tokenizer splits at the mask and takes 를 for the beginning of a word, while in training it
stood there as `##를`. Here the run of letters after a gap is spelled with `##` pieces. For gaps that stand alone, and
for vocabularies that mark the beginning of a word (`▁`) and not its continuation, the ids are the tokenizer's own.
"""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import models
from transformers import PreTrainedTokenizerBase

from tokenizer.wordpiece import continue_word


class Spelling:
    """A tokenizer's pieces for texts with gaps."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._vocabulary: dict[str, int] = tokenizer.get_vocab()
        #: Continuations are marked (`##`), not beginnings.
        self.is_wordpiece = isinstance(tokenizer.backend_tokenizer.model, models.WordPiece)

    def whole(self, text: str) -> list[int]:
        """Ids of a text whose gaps are the tokenizer's mask token, with [CLS] and [SEP]."""
        mask = str(self._tokenizer.mask_token)
        if mask not in text or not self.is_wordpiece:
            return list(self._tokenizer.encode(text))
        return self.around(text.split(mask), [[int(self._tokenizer.mask_token_id)]] * text.count(mask))

    def around(self, parts: Sequence[str], fillings: Sequence[Sequence[int]]) -> list[int]:
        """Ids of the parts of a text with `fillings`, one between each two, and [CLS] and [SEP]: WordPiece only."""
        tokenizer = self._tokenizer
        ids = [int(tokenizer.cls_token_id), *tokenizer.encode(parts[0], add_special_tokens=False)]
        for filling, part in zip(fillings, parts[1:], strict=True):
            glued, rest = self.glued(part)
            ids += [*filling, *glued, *tokenizer.encode(rest, add_special_tokens=False)]
        return [*ids, int(tokenizer.sep_token_id)]

    def glued(self, after: str) -> tuple[list[int], str]:
        """(ids of the letters that follow a gap without a space, the text after them)."""
        backend = self._tokenizer.backend_tokenizer
        if not after[:1].isalnum():
            return [], after
        normal = backend.normalizer.normalize_str(after) if backend.normalizer else after
        words = backend.pre_tokenizer.pre_tokenize_str(normal)
        if not words or words[0][1][0] != 0:  # a Hanja: always a word of its own
            return [], after
        word, (_, end) = words[0]
        ids = continue_word(self._vocabulary, word)
        return ([], after) if ids is None else (ids, normal[end:])
