"""Long texts in windows that overlap, so that tasks which answer from within the text lose none of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from transformers import PreTrainedTokenizerBase

from finetune.kinds.kind import Example, Offset, Reading
from pipeline.errors import InputError

#: What a tokenizer gives besides what a model reads.
_ASIDE = ("offset_mapping", "overflow_to_sample_mapping", "special_tokens_mask", "length")


def windows(
    tokenizer: PreTrainedTokenizerBase, first: Sequence[str], second: Sequence[str] | None, reading: Reading
) -> tuple[list[Example], tuple[int, ...], list[tuple[Offset | None, ...]], int]:
    """(examples, the place of each one's text, its tokens' offsets, how many texts needed several windows).

    The text that is cut into windows, and whose offsets are given, is `second` where there is one, and `first` stands
    before it in each of them. Offsets of tokens that are not of that text are None.

    Raises InputError if the tokenizer cannot tell what characters its tokens are, or if nothing of the text has room.
    """
    if not tokenizer.is_fast:
        raise InputError(
            f"{tokenizer.name_or_path}: its tokenizer does not tell which characters a token is (it has no "
            "tokenizer.json), which this task needs"
        )
    most = reading.max_length - tokenizer.num_special_tokens_to_add(pair=second is not None)
    if second is not None:
        lengths = [len(ids) for ids in tokenizer(list(first), add_special_tokens=False)["input_ids"]]
        longest = max(lengths, default=0)
        if most - longest <= reading.stride:
            place = lengths.index(longest)
            raise InputError(
                f"{first[place][:40]!r} is {longest} tokens long, which leaves no room for windows that share "
                f"{reading.stride} of {reading.max_length} tokens: set finetune.stride lower or max_length higher"
            )
    elif most <= reading.stride:
        raise InputError(f"finetune.stride {reading.stride} must be less than the {most} tokens of text in a window")
    encoded = tokenizer(
        list(first),
        list(second) if second is not None else None,
        truncation="only_second" if second is not None else True,
        max_length=reading.max_length,
        stride=reading.stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    wanted = 0 if second is None else 1
    owners = tuple(encoded["overflow_to_sample_mapping"])
    examples, offsets = [], []
    for place in range(len(owners)):
        examples.append({name: encoded[name][place] for name in encoded if name not in _ASIDE})
        kept: list[Offset | None] = []
        sequence: list[int | None] = encoded.sequence_ids(place)
        own: Any = encoded["offset_mapping"][place]
        for of, (start, end) in zip(sequence, own, strict=True):
            # A token of no characters (a lone word mark of SentencePiece) answers nothing.
            kept.append((start, end) if of == wanted and end > start else None)
        offsets.append(tuple(kept))
    return examples, owners, offsets, sum(count > 1 for count in Counter(owners).values())
