"""Fill-mask as Korean needs it: what is glued to a mask is read as the continuation of a word.

In `[MASK]를 보냈다` the tokenizer splits at the mask and takes 를 for the beginning of a word, while in training it
stood there as `##를`. Here the run of letters after a mask is spelled with `##` pieces. For masks that stand alone, and
for vocabularies that mark the beginning of a word (`▁`) and not its continuation, the ids, and so the answers, are
those of `transformers.pipeline("fill-mask")`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import models
from transformers import AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from pipeline.errors import InputError
from pretrain.folder import check_vocabulary, first_line, load_folder_tokenizer, model_files, position_limit
from tokenizer.wordpiece import continue_word


@dataclass(frozen=True)
class Guess:
    """One piece for one gap, with its probability."""

    piece: str
    probability: float


@dataclass(frozen=True)
class Answer:
    """The best pieces for each gap of a text, best first, and what to know about the input."""

    text: str
    pieces: tuple[str, ...]
    gaps: tuple[tuple[Guess, ...], ...]
    unknown: int


class FillMask:
    """A masked language model with its tokenizer, from a local Hugging Face folder."""

    def __init__(self, folder: Path) -> None:
        model_files(folder)
        self.tokenizer: PreTrainedTokenizerBase = load_folder_tokenizer(folder)
        try:
            loaded: Any = AutoModelForMaskedLM.from_pretrained(
                str(folder), local_files_only=True, use_safetensors=True, output_loading_info=True
            )
        except Exception as error:  # whatever the libraries raise for a folder that does not fit
            raise InputError(f"cannot load a masked language model from {folder}: {first_line(error)}") from None
        self.model: PreTrainedModel = loaded[0]
        if absent := sorted(loaded[1]["missing_keys"]):
            raise InputError(
                f"{folder} holds no masked language model: {absent[0]} is absent, its answers would be noise"
            )
        if self.tokenizer.mask_token_id is None:
            raise InputError(f"the tokenizer of {folder} has no mask token")
        check_vocabulary(folder, self.model, self.tokenizer)
        self.model.eval()

    def encode(self, text: str) -> list[int]:
        """Ids of `text` with [CLS] and [SEP]; raises InputError if it holds no mask or is too long for the model."""
        tokenizer = self.tokenizer
        mask = str(tokenizer.mask_token)
        if mask not in text:
            raise InputError(
                f"nothing to fill: put {mask} into the text, for example: 이순신은 {mask} 중기의 무신이다."
            )
        ids = self._spell(text.split(mask)) if self._is_wordpiece() else tokenizer.encode(text)
        longest = position_limit(self.model)
        if longest and len(ids) > longest:
            raise InputError(f"the text is {len(ids)} tokens long, the model reads at most {longest}: shorten it")
        return ids

    @torch.no_grad()
    def answer(self, text: str, top: int = 5) -> Answer:
        """The `top` most probable pieces for every mask of `text`."""
        ids = self.encode(text)
        logits = self.model(
            input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long)
        ).logits
        gaps = []
        for place, number in enumerate(ids):
            if number == self.tokenizer.mask_token_id:
                best = logits[0, place].softmax(-1).topk(min(top, logits.shape[-1]))
                names = self.tokenizer.convert_ids_to_tokens(best.indices.tolist())
                gaps.append(tuple(Guess(*guess) for guess in zip(names, best.values.tolist(), strict=True)))
        pieces = tuple(self.tokenizer.convert_ids_to_tokens(ids))
        return Answer(text, pieces, tuple(gaps), ids.count(self.tokenizer.unk_token_id))

    def _is_wordpiece(self) -> bool:
        return isinstance(self.tokenizer.backend_tokenizer.model, models.WordPiece)

    def _spell(self, parts: Sequence[str]) -> list[int]:
        """Ids of the parts of a text with a mask between each two, and [CLS] and [SEP] around them."""
        tokenizer = self.tokenizer
        ids: list[int] = []
        for place, part in enumerate(parts):
            rest = part
            if place:
                ids.append(int(tokenizer.mask_token_id))
                glued, rest = self._glued(part)
                ids += glued
            ids += tokenizer.encode(rest, add_special_tokens=False)
        return [int(tokenizer.cls_token_id), *ids, int(tokenizer.sep_token_id)]

    def _glued(self, after: str) -> tuple[list[int], str]:
        """(ids of the letters that follow a mask without a space, the text after them)."""
        backend = self.tokenizer.backend_tokenizer
        if not after[:1].isalnum():
            return [], after
        normal = backend.normalizer.normalize_str(after) if backend.normalizer else after
        words = backend.pre_tokenizer.pre_tokenize_str(normal)
        if not words or words[0][1][0] != 0:  # a Hanja: always a word of its own
            return [], after
        word, (_, end) = words[0]
        ids = continue_word(self.tokenizer.get_vocab(), word)
        return ([], after) if ids is None else (ids, normal[end:])
