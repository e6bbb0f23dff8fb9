"""Long texts in windows that overlap, so that tasks which answer from within the text lose none of it.

And which characters a token stands for, whatever tokenizer made it. A tokenizer's own offsets do not say it: the three
bytes of a syllable are three tokens of one character, or share a token with the next syllable; a vocabulary of jamo
does the same; a token may begin with the space before it; and of a syllable written as jamo (NFD) that a tokenizer
composes, only the first jamo is named.
"""

from __future__ import annotations

import unicodedata
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
    before it in each of them. Offsets are those of `characters_of`; of tokens that are not of that text, None.

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
    # Windows are counted from the left, and what a model says of tokens is read from the left.
    tokenizer.truncation_side = tokenizer.padding_side = "right"
    encoded = tokenizer(
        list(first),
        list(second) if second is not None else None,
        truncation="only_second" if second is not None else True,
        max_length=reading.max_length,
        stride=reading.stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    texts, wanted = (first, 0) if second is None else (second, 1)
    owners = tuple(encoded["overflow_to_sample_mapping"])
    examples, sequences = [], []
    raw: list[list[list[Offset]]] = [[] for _ in texts]
    for place, owner in enumerate(owners):
        examples.append({name: encoded[name][place] for name in encoded if name not in _ASIDE})
        sequences.append(encoded.sequence_ids(place))
        own: Any = encoded["offset_mapping"][place]
        raw[owner].append([offset for of, offset in zip(sequences[-1], own, strict=True) if of == wanted])
    parts = iter([part for text, own in zip(texts, raw, strict=True) for part in _parts(text, own, reading.stride)])
    offsets: list[tuple[Offset | None, ...]] = []
    for sequence in sequences:
        part = iter(next(parts))
        offsets.append(tuple(next(part) if of == wanted else None for of in sequence))
    return examples, owners, offsets, sum(count > 1 for count in Counter(owners).values())


def characters_of(text: str, offsets: Sequence[Offset]) -> list[Offset | None]:
    """The characters that each of a text's tokens stands for; no two have one in common. `offsets` are the tokenizer's.

    A character belongs to the first token that holds some of it, with the marks and jamo behind it that no token names.
    A token that no character is left for is None, as is one of white space.

    >>> characters_of("이 순", [(0, 1), (0, 1), (1, 3), (2, 3)])
    [(0, 1), None, (2, 3), None]
    """
    found: list[Offset | None] = []
    reached = 0
    for place, (start, end) in enumerate(offsets):
        start, behind = max(start, reached), offsets[place + 1][0] if place + 1 < len(offsets) else len(text)
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        if start >= end:
            found.append(None)
            continue
        while end < behind and _continues(text[end]):
            end += 1
        reached = end
        found.append((start, end))
    return found


def _parts(text: str, raw: Sequence[Sequence[Offset]], stride: int) -> list[list[Offset | None]]:
    """`characters_of` the whole text, for each of its windows: each shares `stride` tokens with the one before."""
    whole = characters_of(text, [offset for number, own in enumerate(raw) for offset in own[stride if number else 0 :]])
    step = len(raw[0]) - stride
    return [whole[number * step : number * step + len(own)] for number, own in enumerate(raw)]


def _continues(character: str) -> bool:
    """Whether it is part of the character before it: a mark, or a vowel or final consonant of Hangul as jamo."""
    joined = "\u1160" <= character <= "\u11ff" or "\ud7b0" <= character <= "\ud7ff"
    return joined or unicodedata.category(character).startswith("M")
