"""The `[finetune]` section of a recipe: what decides the fine-tuned weights. Files and columns are flags."""

from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.recipe import STRICT
from pretrain.settings import Positive, Probability

Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True, config=STRICT)
class FinetuneSettings:
    """How a task is learned; the constants that nobody tunes are in `finetune.trainer`."""

    epochs: Positive
    #: Examples per optimiser step, over all processes.
    batch_size: Positive
    learning_rate: Annotated[float, Field(gt=0)]
    #: Share of the steps over which the rate rises from 0; then it falls linearly to 0.
    warmup_ratio: Probability
    weight_decay: Annotated[float, Field(ge=0)]
    #: Tokens of an example, [CLS] and [SEP] included; 0 for as many as the model takes.
    max_length: Count
    #: Share of the training rows held back to choose the best epoch by; unused when a dev file is given.
    dev_share: Annotated[float, Field(gt=0, lt=1)]
    #: Of the split, and of the first run; the next ones count on from it.
    seed: Annotated[int, Field(ge=0, lt=2**32)]
    #: Runs that differ in nothing but their seed: heads, dropout and order.
    seeds: Positive = 1
    #: Share of the training rows held back as test when no test file is given.
    test_share: Annotated[float, Field(gt=0, lt=1)] = 0.1
    #: Tokens that neighbouring windows of a long text share (ner, qa); 0 for a quarter of the longest input.
    stride: Count = 0
    #: Steps that clean texts, in this order (`finetune.data.cleaning`); they are kept with the model.
    cleaning: list[str] = field(default_factory=list)
    #: Leave out rows of train whose text stands in test.
    exclude_overlap: bool = False
    #: The measure to choose by; "" for the task's own.
    choice: str = ""
    #: Layers that are trained, counted from the top; 0 for the head alone, -1 for all and the embeddings.
    train_layers: Annotated[int, Field(ge=-1)] = -1
    #: Train the head alone in the first epoch, and one layer more in each that follows (Howard and Ruder 2018).
    gradual_unfreezing: bool = False
    #: The learning rate of a layer, as a share of the one above it (Sun et al. 2019); 1 for the same in all.
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    #: Layers that begin with new weights, counted from the top (Zhang et al. 2021).
    reinit_layers: Count = 0
    #: Stop after so many epochs without a better dev score; 0 for never.
    patience: Count = 0
    #: balanced: rare classes count as much as frequent ones.
    class_weights: Literal["none", "balanced"] = "none"

    def __post_init__(self) -> None:
        if 0 < self.max_length < 4:
            raise ValueError(f"max_length {self.max_length} leaves no room for text; 0 means the model's limit")
        if self.gradual_unfreezing and self.train_layers != -1:
            raise ValueError("gradual_unfreezing decides what is trained when: leave train_layers at -1")
