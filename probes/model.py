"""A masked language model with its tokenizer, from a local Hugging Face folder, asked for many places at once.

The vocabulary head is applied at the places that are asked for alone: of a sentence that is one place in thirty.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    BertForMaskedLM,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from pipeline.errors import InputError
from pretrain.folder import (
    check_layers,
    check_vocabulary,
    first_line,
    load_folder_tokenizer,
    model_files,
    position_limit,
)
from probes.spelling import Spelling

#: Tokens, padding included, that the model reads at once.
BATCH_TOKENS = 8192


@dataclass(frozen=True)
class Query:
    """Ids of a whole input, [CLS] and [SEP] included, and the places (from 0) that are asked for."""

    ids: tuple[int, ...]
    places: tuple[int, ...]


class MaskedModel:
    """A model that can be asked what stands behind [MASK]; evaluation mode, 32 bits.

    `random_weights`: the folder's shape and vocabulary with weights drawn from this seed, beside which a trained model
    has to show what it knows. Raises InputError for a folder that holds no masked language model, or one whose
    vocabulary is not the model's.
    """

    def __init__(self, folder: Path, *, random_weights: int | None = None, device: str = "cpu") -> None:
        model_files(folder, random_weights=random_weights is not None)
        self.folder = folder
        self.tokenizer: PreTrainedTokenizerBase = load_folder_tokenizer(folder)
        loaded: Any = _read(folder) if random_weights is None else _drawn(folder, random_weights)
        self.model: PreTrainedModel = loaded.to(device)
        if self.tokenizer.mask_token_id is None:
            raise InputError(f"the tokenizer of {folder} has no mask token")
        check_vocabulary(folder, self.model, self.tokenizer)
        self.model.eval()
        self.mask_token, self.mask = str(self.tokenizer.mask_token), int(self.tokenizer.mask_token_id)
        self.spelling = Spelling(self.tokenizer)
        #: Most tokens of an input, special ones included; None: no limit known.
        self.limit = position_limit(self.model)

    def log_probabilities(self, queries: Sequence[Query]) -> list[Tensor]:
        """Of each query, the log-probabilities (nats) of all entries at its places: (places, entries) float32."""
        return self._asked(queries, lambda number, scores: scores)

    def truths(self, queries: Sequence[Query], wanted: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """Of each query, the log-probabilities (nats) of the ids that are `wanted` at its places."""

        def take(number: int, scores: Tensor) -> tuple[float, ...]:
            ids = torch.tensor(wanted[number], device=scores.device)
            return tuple(scores.gather(1, ids[:, None])[:, 0].tolist())

        return self._asked(queries, take)

    def _asked(self, queries: Sequence[Query], take: Callable[[int, Tensor], Any]) -> list[Any]:
        found: list[Any] = [None] * len(queries)
        for numbers in _batches(queries):
            scores = self._scores([queries[number] for number in numbers])
            for number, one in zip(numbers, scores, strict=True):
                found[number] = take(number, one)
        return found

    @torch.inference_mode()
    def _scores(self, queries: Sequence[Query]) -> tuple[Tensor, ...]:
        width = max(len(query.ids) for query in queries)
        pad = int(self.tokenizer.pad_token_id)
        device = self.model.device
        ids = torch.tensor([[*query.ids, *[pad] * (width - len(query.ids))] for query in queries], device=device)
        lengths = torch.tensor([len(query.ids) for query in queries], device=device)
        seen = (torch.arange(width, device=device) < lengths[:, None]).long()
        places = [(row, place) for row, query in enumerate(queries) for place in query.places]
        rows, columns = torch.tensor(places, dtype=torch.long, device=device).reshape(-1, 2).T
        logits = logits_at(self.model, ids, seen, rows, columns)
        scores = logits.float().log_softmax(-1)
        # One value that is no number makes all of its place so; ranks and comparisons would pass over it in silence.
        if scores[:, 0].isnan().any():
            raise InputError(f"{self.folder} answers with what is no number: its weights are damaged")
        return torch.split(scores, [len(query.places) for query in queries])


def logits_at(model: PreTrainedModel, ids: Tensor, seen: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Scores of all entries at places: ids and seen (n, width), rows and columns (places,) -> (places, entries)."""
    if isinstance(model, BertForMaskedLM):
        hidden = model.bert(input_ids=ids, attention_mask=seen).last_hidden_state
        scores: Tensor = model.cls(hidden[rows, columns])
        return scores
    dense: Tensor = model(input_ids=ids, attention_mask=seen).logits
    return dense[rows, columns]


def _batches(queries: Sequence[Query]) -> Iterator[list[int]]:
    """Numbers of queries of about one length, as many as are read at once."""
    batch: list[int] = []
    for number in sorted(range(len(queries)), key=lambda number: len(queries[number].ids)):
        if batch and (len(batch) + 1) * len(queries[number].ids) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(number)
    if batch:
        yield batch


def _read(folder: Path) -> PreTrainedModel:
    try:
        loaded: Any = AutoModelForMaskedLM.from_pretrained(
            str(folder),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except Exception as error:  # whatever the libraries raise for a folder that does not fit
        raise InputError(f"cannot load a masked language model from {folder}: {first_line(error)}") from None
    model: PreTrainedModel = loaded[0]
    if absent := sorted(loaded[1]["missing_keys"]):
        raise InputError(f"{folder} holds no masked language model: {absent[0]} is absent, its answers would be noise")
    check_layers(folder, loaded[1]["unexpected_keys"])
    return model


def _drawn(folder: Path, seed: int) -> PreTrainedModel:
    try:
        config = AutoConfig.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model: PreTrainedModel = AutoModelForMaskedLM.from_config(config)
    except Exception as error:
        raise InputError(f"cannot make a masked language model of {folder}'s shape: {first_line(error)}") from None
    return model
