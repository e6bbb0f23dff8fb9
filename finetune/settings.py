"""The `[finetune]` section of a recipe: what decides the fine-tuned weights. Files and columns are flags."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.recipe import STRICT
from pretrain.settings import Positive, Probability


@dataclass(frozen=True, config=STRICT)
class FinetuneSettings:
    """How a classifier is trained; the constants that nobody tunes are in `finetune.trainer`."""

    epochs: Positive
    #: Examples per optimiser step, over all processes.
    batch_size: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    #: Share of the steps over which the rate rises from 0; then it falls linearly to 0.
    warmup_ratio: Probability
    weight_decay: Annotated[float, Field(ge=0)]
    #: Tokens of an example, [CLS] and [SEP] included; 0 for as many as the model takes.
    max_length: Annotated[int, Field(ge=0)]
    #: Share of the training rows held back to choose the best epoch by; unused when a dev file is given.
    dev_share: Annotated[float, Field(gt=0, lt=1)]
    seed: Annotated[int, Field(ge=0, lt=2**32)]

    def __post_init__(self) -> None:
        if 0 < self.max_length < 4:
            raise ValueError(f"max_length {self.max_length} leaves no room for text; 0 means the model's limit")
