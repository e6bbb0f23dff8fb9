"""Pairs of segments and a model's head for them: does B follow A.

The pairs are made of documents: A is the sentences up to a place and B those that follow it, and beside each true B
stands another one for the same A.

* `nsp`: of another document, among those whose length is nearest to the true one's. Were it any, its length alone would
  tell much: short documents have short segments. So half of the pairs are true, and both kinds are of about one length.
* `sop`: the same two in the wrong order.

They are encoded and cut as in training: [CLS] A [SEP] B [SEP], token types 0 and 1, the longer segment losing token by
token at its front or back by a coin.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from transformers import AutoConfig, BertForNextSentencePrediction

from pipeline.artifact import MANIFEST
from pipeline.errors import InputError
from pretrain.draws import PAIRS, stream
from pretrain.folder import (
    CONFIG,
    check_layers,
    check_vocabulary,
    first_line,
    load_folder_tokenizer,
    model_files,
    position_limit,
)
from pretrain.nsp import fit

Objective = Literal["nsp", "sop"]
#: Segments of other documents, nearest in length, among which the wrong one is drawn.
_NEAREST = 20
#: Tokens, padding included, that the model reads at once.
_BATCH_TOKENS = 8192
_HEAD = "cls.seq_relationship"


@dataclass(frozen=True)
class Pair:
    """A with the segment that follows it and one that does not: all three texts."""

    a: str
    follows: str
    other: str

    def asked(self, objective: Objective) -> tuple[tuple[str, str], tuple[str, str]]:
        """The pair that is right and the one that is wrong, as they are put to a model."""
        return (self.a, self.follows), ((self.follows, self.a) if objective == "sop" else (self.a, self.other))


def draw_pairs(documents: Sequence[Sequence[str]], items: int, sentences: int, seed: int) -> tuple[Pair, ...]:
    """At most `items` pairs with segments of at most `sentences`, in the order of the text: a function of the seed.

    Raises InputError if no two documents have two sentences.
    """
    places = [(number, cut) for number, document in enumerate(documents) for cut in range(1, len(document))]
    if len({number for number, _ in places}) < 2:
        raise InputError("pairs need two documents of two sentences: name more held-out text with --text")

    def behind(place: tuple[int, int]) -> str:
        return " ".join(documents[place[0]][place[1] : place[1] + sentences])

    by_length = sorted((len(behind(place)), place) for place in places)
    draw = np.random.Generator(np.random.Philox(seed))
    pairs = []
    for drawn in sorted(draw.permutation(len(places))[:items].tolist()):
        number, cut = places[drawn]
        a, b = " ".join(documents[number][max(cut - sentences, 0) : cut]), behind((number, cut))
        own = np.random.Generator(np.random.Philox(key=[seed, drawn + 1]))
        pairs.append(Pair(a, b, behind(_nearest(by_length, len(b), number, own))))
    return tuple(pairs)


def _nearest(
    by_length: Sequence[tuple[int, tuple[int, int]]], length: int, document: int, draw: np.random.Generator
) -> tuple[int, int]:
    """One of the places of other documents whose segments are nearest to `length` characters."""
    up = bisect_left(by_length, (length, (-1, 0)))
    down = up - 1
    found: list[tuple[int, int]] = []
    while len(found) < _NEAREST and (down >= 0 or up < len(by_length)):
        above = by_length[up][0] - length if up < len(by_length) else None
        if above is not None and (down < 0 or above <= length - by_length[down][0]):
            place, up = by_length[up][1], up + 1
        else:
            place, down = by_length[down][1], down - 1
        if place[0] != document:
            found.append(place)
    return found[int(draw.integers(len(found)))]


class PairModel:
    """A BERT with its head for pairs, from a local Hugging Face folder; evaluation mode, 32 bits.

    `random_weights`: the folder's shape and vocabulary with weights drawn from this seed. Raises InputError for a
    folder of another architecture, without the head, or with one that was never trained.
    """

    def __init__(self, folder: Path, *, random_weights: int | None = None) -> None:
        model_files(folder, random_weights=random_weights is not None)
        self.folder = folder
        self.tokenizer = load_folder_tokenizer(folder)
        self.model = _read(folder) if random_weights is None else _drawn(folder, random_weights)
        check_vocabulary(folder, self.model, self.tokenizer)
        self.model.eval()
        self.limit = position_limit(self.model) or 512

    def encode(self, a: str, b: str, draws: np.uint64) -> tuple[list[int], list[int]]:
        """Ids and token types of a pair, cut to what the model reads as training cuts."""
        # As in training, where a special token that is written out in a text is text.
        ids = [
            list(self.tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)) for text in (a, b)
        ]
        tokens, middle = [*ids[0], *ids[1]], len(ids[0])
        a_start, a_end, b_start, b_end = fit(0, middle, middle, len(tokens), self.limit - 3, draws)
        first = [self.tokenizer.cls_token_id, *tokens[a_start:a_end], self.tokenizer.sep_token_id]
        second = [*tokens[b_start:b_end], self.tokenizer.sep_token_id]
        return first + second, [0] * len(first) + [1] * len(second)

    def probabilities(self, pairs: Sequence[tuple[str, str]], seed: int) -> list[float]:
        """Of each (A, B), the probability that B follows A. A pair's cut depends on the seed and its texts alone."""
        inputs = [self.encode(a, b, stream(seed, PAIRS)) for a, b in pairs]
        found = [0.0] * len(pairs)
        order = sorted(range(len(pairs)), key=lambda number: len(inputs[number][0]))
        while order:
            longest = len(inputs[order[-1]][0])
            batch = [order.pop() for _ in range(min(len(order), max(1, _BATCH_TOKENS // longest)))]
            for number, one in zip(batch, self._follows([inputs[number] for number in batch]).tolist(), strict=True):
                found[number] = one
        return found

    @torch.inference_mode()
    def _follows(self, inputs: Sequence[tuple[list[int], list[int]]]) -> Tensor:
        width = max(len(ids) for ids, _ in inputs)
        pad = int(self.tokenizer.pad_token_id)
        ids = torch.tensor([[*ids, *[pad] * (width - len(ids))] for ids, _ in inputs])
        types = torch.tensor([[*types, *[0] * (width - len(types))] for _, types in inputs])
        seen = torch.tensor([[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in inputs])
        logits: Tensor = self.model(input_ids=ids, token_type_ids=types, attention_mask=seen).logits
        found = logits.float().softmax(-1)[:, 0]
        if found.isnan().any():
            raise InputError(f"{self.folder} answers with what is no number: its weights are damaged")
        return found


def objective_of(folder: Path) -> str | None:
    """What a folder of ours says that its head for pairs was trained for: nsp, sop or none; None if it does not say."""
    with suppress(OSError, ValueError, AttributeError, TypeError, KeyError):
        told = json.loads((folder / MANIFEST).read_text("utf-8"))["figures"].get("objective")
        if told in ("nsp", "sop", "none"):
            return str(told)
    with suppress(OSError, ValueError):
        card = (folder / "README.md").read_text("utf-8")
        for objective, words in _TOLD.items():
            if words in card:
                return objective
    return None


#: How the model card of our exports tells the objective.
_TOLD = {
    "none": "the head for pairs is untrained",
    "sop": "sentence-order prediction",
    "nsp": "next-sentence prediction",
}


def _read(folder: Path) -> BertForNextSentencePrediction:
    _bert(folder)
    try:
        loaded: Any = BertForNextSentencePrediction.from_pretrained(
            str(folder), local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # whatever the libraries raise for a folder that does not fit
        raise InputError(f"cannot load a head for pairs from {folder}: {first_line(error)}") from None
    model: BertForNextSentencePrediction = loaded[0]
    absent = sorted(loaded[1]["missing_keys"])
    if any(key.startswith(_HEAD) for key in absent):
        raise InputError(
            f"{folder} has no head for pairs ({_HEAD}.weight is absent): it was trained or saved without next-sentence "
            "prediction, so there is nothing to mark"
        )
    if absent:
        raise InputError(f"{folder} holds no whole model: {absent[0]} is absent, its answers would be noise")
    check_layers(folder, loaded[1]["unexpected_keys"])
    # A step of training moves the bias, which begins as zeros and is not decayed.
    if objective_of(folder) == "none" or not model.cls.seq_relationship.bias.any():
        raise InputError(
            f"the head for pairs of {folder} was never trained (examples.objective=none), its answers would be noise"
        )
    return model


def _bert(folder: Path) -> Any:
    try:
        config: Any = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise InputError(f"cannot read {folder / CONFIG}: {first_line(error)}") from None
    if config.model_type != "bert":
        raise InputError(f"{folder} is a {config.model_type} model: next-sentence prediction is a head of BERT's alone")
    return config


def _drawn(folder: Path, seed: int) -> BertForNextSentencePrediction:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return BertForNextSentencePrediction(_bert(folder))
