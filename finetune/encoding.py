"""Texts to token ids, cut at the model's longest input, with a count of those that were cut."""

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
