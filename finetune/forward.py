"""A model's outputs for rows, without a trainer: batches of like length, answers in the rows' order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune.kinds.kind import Example
from finetune.memory import memory_told
from finetune.model import TOKEN_TYPES, takes_token_types
from pipeline.errors import InputError
from pretrain.folder import LOCAL, first_line

#: Tokens of a batch at most, padding included.
TOKENS = 8192

T = TypeVar("T")
#: Fields of an example that are what it should be answered with, not what a model reads.
_ANSWERS = ("labels", "start_positions", "end_positions")


def batches(lengths: list[int]) -> Iterator[list[int]]:
    """Places of examples, long ones first, in batches of at most `TOKENS` tokens when filled up."""
    batch: list[int] = []
    for place in sorted(range(len(lengths)), key=lambda place: -lengths[place]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > TOKENS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def forward(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    examples: list[Example],
    take: Callable[[Any, Mapping[str, Tensor], int], T],
) -> list[T]:
    """What `take(outputs, inputs, place in the batch)` takes of each example, in their order.

    Raises InputError if memory does not suffice for one batch.
    """
    found: dict[int, T] = {}
    aside = _ANSWERS if takes_token_types(model) else (*_ANSWERS, TOKEN_TYPES)
    bare = [{name: value for name, value in example.items() if name not in aside} for example in examples]
    advice = "use --cpu, or fine-tune with finetune.max_length set lower"
    model.eval()
    with torch.inference_mode():
        for places in batches([len(example["input_ids"]) for example in bare]):
            inputs = tokenizer.pad([bare[place] for place in places], return_tensors="pt").to(model.device)
            with memory_told(f"with {inputs['input_ids'].numel():,} tokens at once: {advice}"):
                outputs = model(**inputs)
            for row, place in enumerate(places):
                found[place] = take(outputs, inputs, row)
    return [found[place] for place in range(len(examples))]


def load_for_use(folder: Path, loader: Any, *, cpu: bool) -> PreTrainedModel:
    """A folder's model in float32, on the accelerator if there is one.

    Raises InputError if it cannot be loaded, or lacks a weight, which would be drawn at random.
    """
    loaded: tuple[PreTrainedModel, dict[str, Any]]
    try:
        loaded = loader.from_pretrained(
            str(folder), **LOCAL, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    except Exception as error:  # OSError, ValueError, safetensors' own: all mean a folder that does not fit
        raise InputError(f"{folder}: the model cannot be loaded: {first_line(error)}") from None
    model, report = loaded
    # A pooler that MLM alone did not train is not asked here.
    lost = sorted(name for name in report["missing_keys"] if ".pooler." not in name and not name.startswith("pooler."))
    if lost:
        raise InputError(f"{folder}: {len(lost)} weights are absent, for example {lost[0]}: fine-tune it first")
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    moved: PreTrainedModel = model.to("cpu" if cpu or accelerator is None else accelerator)  # type: ignore[arg-type]
    return moved
