"""The same held-out text masked for several vocabularies, and the bits that a model needs for what is behind the masks.

For `vocabulary_downstream.py`. Which eojeols are masked depends on the sentence's number alone, so all vocabularies are
asked the same; pieces of one gap are guessed apart from each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from pipeline.console import say
from pretrain.quiet import silence
from tokenizer.wordpiece import CLS, MASK, PAD, SEP, UNK, load_tokenizer

MASKED_SHARE = 0.15
#: Sentences that a model sees at once.
BATCH = 32
#: What a draw is for; streams that must not meet.
WORDS, PIECES = range(2)


@dataclass(frozen=True)
class Gaps:
    """A sentence with masks, as one vocabulary spells it: ids with [CLS] and [SEP], and true ids by place."""

    ids: tuple[int, ...]
    truth: dict[int, int]
    characters: int


@dataclass(frozen=True)
class Examination:
    """The gaps of all sentences for one vocabulary.

    words: whole eojeols are hidden, and all their pieces are asked for at once. in_order: the same eojeols, piece after
    piece, those before it in the eojeol shown: what is asked for adds up to the probability of the eojeol.
    pieces: single pieces. counts: how many pieces the hidden eojeols have.
    """

    words: list[Gaps]
    in_order: list[Gaps]
    pieces: list[Gaps]
    counts: list[int]

    def count_bits(self) -> float:
        """Bits per character that the number of masks tells, by how often each number occurs."""
        occurs = np.bincount(self.counts)[self.counts] / len(self.counts)
        return float(-np.log2(occurs).sum() / sum(one.characters for one in self.words))


def examine(
    tokenizers: dict[str, Tokenizer], sentences: Sequence[str], block: int, most: int
) -> dict[str, Examination]:
    """The same gaps in the same sentences for every vocabulary; says how many were left out."""
    exams = {algorithm: Examination([], [], [], []) for algorithm in tokenizers}
    long = unknown = masked = 0
    for index, sentence in enumerate(sentences):
        words = sentence.split()
        if len(words) < 2 or len(next(iter(exams.values())).words) == most:
            continue
        encodings = {
            algorithm: tokenizer.encode(words, is_pretokenized=True, add_special_tokens=False)
            for algorithm, tokenizer in tokenizers.items()
        }
        if max(len(encoding) for encoding in encodings.values()) > block - 2:
            long += 1
            continue
        chosen = set(_choose(len(words), WORDS, index))
        known = chosen - set().union(*(_unknown_words(encoding) for encoding in encodings.values()))
        masked += len(chosen)
        unknown += len(chosen) - len(known)
        for algorithm, encoding in encodings.items():
            tokenizer, exam = tokenizers[algorithm], exams[algorithm]
            hidden = _places(encoding, chosen)
            exam.counts.extend(len(hidden[word]) for word in known)
            characters = sum(len(words[word]) for word in known)
            exam.words.append(_word_gaps(tokenizer, encoding, hidden, known, characters))
            exam.in_order.extend(_ordered_gaps(tokenizer, encoding, hidden, known, characters))
            exam.pieces.append(_piece_gaps(tokenizer, encoding, index))
    say(f"{long:,} sentences are longer than {block} tokens: left out")
    say(f"{unknown:,} of {masked:,} masked eojeols have an [UNK] in some vocabulary: not scored")
    return exams


def _choose(count: int, kind: int, index: int) -> list[int]:
    """About 15 % of `count` places, at least one: a function of what for and which sentence."""
    generator = np.random.Generator(np.random.Philox(key=np.array([kind, index], np.uint64)))
    return [int(place) for place in generator.permutation(count)[: max(1, round(MASKED_SHARE * count))]]


def _unknown_words(encoding: Encoding) -> set[int]:
    words = zip(encoding.word_ids, encoding.tokens, strict=True)
    return {word for word, piece in words if piece == UNK and word is not None}


def _places(encoding: Encoding, chosen: set[int]) -> dict[int, list[int]]:
    """Of each chosen eojeol, the places of its pieces."""
    places: dict[int, list[int]] = {word: [] for word in sorted(chosen)}
    for place, word in enumerate(encoding.word_ids):
        if word in places:
            places[word].append(place)
    return places


def _word_gaps(
    tokenizer: Tokenizer, encoding: Encoding, hidden: dict[int, list[int]], scored: set[int], characters: int
) -> Gaps:
    truth = {place: encoding.ids[place] for word in scored for place in hidden[word]}
    return _gaps(tokenizer, encoding.ids, {place for places in hidden.values() for place in places}, truth, characters)


def _ordered_gaps(
    tokenizer: Tokenizer, encoding: Encoding, hidden: dict[int, list[int]], scored: set[int], characters: int
) -> Iterator[Gaps]:
    """All first pieces of the eojeols, all second ones, and so on; the characters are counted with the first."""
    for turn in range(max((len(hidden[word]) for word in scored), default=0)):
        gaps = {place for places in hidden.values() for place in places[turn:]}
        asked = [hidden[word][turn] for word in scored if turn < len(hidden[word])]
        truth = {place: encoding.ids[place] for place in asked}
        yield _gaps(tokenizer, encoding.ids, gaps, truth, 0 if turn else characters)


def _piece_gaps(tokenizer: Tokenizer, encoding: Encoding, index: int) -> Gaps:
    places = [place for place in _choose(len(encoding), PIECES, index) if encoding.tokens[place] != UNK]
    truth = {place: encoding.ids[place] for place in places}
    characters = sum(end - start for start, end in (encoding.offsets[place] for place in places))
    return _gaps(tokenizer, encoding.ids, set(places), truth, characters)


def _gaps(tokenizer: Tokenizer, ids: Sequence[int], gaps: set[int], truth: dict[int, int], characters: int) -> Gaps:
    start, end, mask = (int(tokenizer.token_to_id(token) or 0) for token in (CLS, SEP, MASK))
    shown = [mask if place in gaps else number for place, number in enumerate(ids)]
    return Gaps((start, *shown, end), {place + 1: number for place, number in truth.items()}, characters)


def model_bits(folder: Path, exams: Sequence[Sequence[Gaps]]) -> tuple[float, ...]:
    """Bits per character that the exported model needs for what is behind the masks, for each of `exams`."""
    # The pooler and the next-sentence head, which a masked language model has not, are reported at length otherwise.
    silence()
    model = transformers.AutoModelForMaskedLM.from_pretrained(str(folder), local_files_only=True).eval()
    pad = int(load_tokenizer(folder).token_to_id(PAD) or 0)
    return tuple(_nats(model, pad, gaps) / math.log(2) / sum(one.characters for one in gaps) for gaps in exams)


@torch.no_grad()
def _nats(model: transformers.PreTrainedModel, pad: int, gaps: Sequence[Gaps]) -> float:
    total = 0.0
    order = sorted((one for one in gaps if one.truth), key=lambda one: len(one.ids))
    for first in range(0, len(order), BATCH):
        batch = order[first : first + BATCH]
        width = len(batch[-1].ids)
        ids = torch.tensor([[*one.ids, *[pad] * (width - len(one.ids))] for one in batch])
        lengths = torch.tensor([len(one.ids) for one in batch])
        seen = (torch.arange(width) < lengths[:, None]).long()
        places = [(row, place, number) for row, one in enumerate(batch) for place, number in one.truth.items()]
        rows, columns, truth = torch.tensor(places).T
        logits = model(input_ids=ids, attention_mask=seen).logits[rows, columns]
        total += float(torch.nn.functional.cross_entropy(logits.double(), truth, reduction="sum"))
    return total


def frequency_bits(counts: NDArray[np.int64], gaps: Sequence[Gaps]) -> float:
    """The same for guessing by frequency, one added to each count."""
    bits = -np.log2((counts + 1) / (counts + 1).sum())
    truth = [number for one in gaps for number in one.truth.values()]
    return float(bits[truth].sum() / sum(one.characters for one in gaps))
