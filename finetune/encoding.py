"""Texts to token ids, cut at the model's longest input; how many were cut, and how much cannot be spelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

#: What Trainer takes for one example: input_ids, attention_mask, ... (length,), and `labels`, a class id.
Example = dict[str, Any]


def encode(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], labels: Sequence[int], max_length: int
) -> tuple[list[Example], int]:
    """Unpadded examples of at most `max_length` tokens in all, and how many texts were longer."""
    encoded = tokenizer(list(texts), truncation=True, max_length=max_length)
    examples = [
        {**{name: encoded[name][place] for name in encoded}, "labels": label} for place, label in enumerate(labels)
    ]
    full = [text for text, example in zip(texts, examples, strict=True) if len(example["input_ids"]) >= max_length]
    longer = sum(len(ids) > max_length for ids in tokenizer(full)["input_ids"]) if full else 0
    return examples, longer


def unknown_share(tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example]) -> float:
    """Share of the examples' tokens, special ones aside, that the vocabulary cannot spell."""
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    words = [number for example in examples for number in example["input_ids"] if number not in special]
    return words.count(tokenizer.unk_token_id) / max(len(words), 1)
