"""The `[examples]`, `[model]` and `[train]` sections of a recipe."""

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from pipeline.recipe import STRICT

Probability = Annotated[float, Field(ge=0, le=1)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1)]


@dataclass(frozen=True, config=STRICT)
class ExamplesSettings:
    """How segments are drawn from documents."""

    #: Tokens of an example, special ones included.
    block_size: Annotated[int, Field(ge=8)]
    #: What pairs of segments teach: `nsp`, whether B follows A; `sop`, whether they stand in their order; `none`: one
    #: segment, masked language modelling alone.
    objective: Literal["nsp", "sop", "none"]
    #: Share of documents whose examples are cut at a random shorter length, so that short inputs are known too.
    short_seq_probability: Probability
    #: Share of pairs whose second segment is from another document (nsp), or comes before the first (sop).
    nsp_probability: Probability
    #: What random second segments are uniform over: all `text`, or `documents` whatever their length, as in BERT.
    random_segments: Literal["text", "documents"]
    #: Epochs with examples of their own, after which the same come again (masks never do); 0: each has its own.
    duplicate_epochs: Annotated[int, Field(ge=0)]
    seed: int


@dataclass(frozen=True, config=STRICT)
class ModelSettings:
    """The encoder's shape, named as in `transformers.BertConfig`. The vocabulary's size is the tokenizer's."""

    hidden_size: Positive
    num_hidden_layers: Positive
    num_attention_heads: Positive
    intermediate_size: Positive
    max_position_embeddings: Positive
    hidden_dropout_prob: Probability
    attention_probs_dropout_prob: Probability
    #: Standard deviation of the initial weights.
    initializer_range: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    #: Standard deviation of position vectors that begin as sines and cosines, and are then trained like the rest: at
    #: first a distance looks the same wherever it is. 0: they begin at random too.
    sinusoidal_range: Annotated[float, Field(ge=0, allow_inf_nan=False)]

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_attention_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_attention_heads {self.num_attention_heads}"
            )


@dataclass(frozen=True, config=STRICT)
class PhaseSettings:
    """One `[[train.phases]]` table: a part of a run with a length, and what is otherwise in it. 0 is the run's own."""

    #: How long it is: optimiser steps, or real tokens (special ones too, no padding).
    steps: Annotated[int, Field(ge=0)] = 0
    tokens: Annotated[int, Field(ge=0)] = 0
    block_size: Annotated[int, Field(ge=0)] = 0
    batch_size: Annotated[int, Field(ge=0)] = 0
    learning_rate: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0

    def __post_init__(self) -> None:
        if bool(self.steps) == bool(self.tokens):
            raise ValueError("a phase has a number of steps or of tokens, one of the two")
        if 0 < self.block_size < 8:
            raise ValueError(f"block_size {self.block_size} is less than 8")


def _as_phase(table: Any) -> Any:
    """A TOML table as the dataclass: strict validation takes no dict for one."""
    return PhaseSettings(**table) if isinstance(table, dict) else table


@dataclass(frozen=True, config=STRICT)
class TrainSettings:
    """What decides the trained weights. Where and how fast it runs is said by flags.

    How long it trains is said once: by `phases`, `max_steps`, `max_tokens` or `budget_minutes`, else by `epochs`.
    """

    #: Examples per optimiser step, over all processes and micro-batches.
    batch_size: Positive
    epochs: Positive
    #: Optimiser steps; 0: not by steps.
    max_steps: Annotated[int, Field(ge=0)]
    #: Real tokens (special ones too, no padding), to the nearest step; 0: not by tokens.
    max_tokens: Annotated[int, Field(ge=0)]
    #: Minutes by the clock, over all sessions, each from the end of its first step; evaluations and checkpoints on the
    #: way are included. 0: not by the clock.
    budget_minutes: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    #: A Hugging Face folder of a BERT, ours exported or anyone's, whose weights the run begins with; "": random ones.
    init_from: str
    #: What makes a step of a gradient: AdamW for all, or Muon for the matrices of the layers and AdamW for the rest.
    optimizer: Literal["adamw", "muon"]
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    #: What the schedule of the learning rate counts; a run by the clock counts the time.
    schedule_by: Literal["steps", "tokens"]
    #: Share of the run over which the rate rises from 0; then it changes by the schedule.
    warmup_ratio: Probability
    schedule: Literal["linear", "cosine", "constant", "trapezoid"]
    #: Share of the run, its end, over which a `trapezoid` falls to 0 after it was constant.
    decay_ratio: Probability
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    adam_beta1: Momentum
    adam_beta2: Momentum
    adam_epsilon: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    #: Momentum of Muon, where that is the optimiser.
    muon_momentum: Momentum
    #: Gradients are scaled down to this norm; 0 leaves them.
    max_grad_norm: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    #: The run stops when its loss stands so many nats above its lowest; 0: never.
    max_loss_rise: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    #: Whether a step takes examples of about one length (less padding), or of any.
    group_by_length: bool
    #: Share of text tokens to predict in the first step, and in the last one: in between it changes by the same amount
    #: each step. Evaluations take the first.
    mlm_probability: Annotated[float, Field(gt=0, lt=1)]
    mlm_probability_end: Annotated[float, Field(gt=0, lt=1)]
    #: Whether the pieces of an eojeol are chosen together.
    whole_word_mask: bool
    #: Whether every example has just its share of tokens to predict, or about so many.
    fixed_mask_count: bool
    #: Of the tokens to predict: replaced by [MASK], by a random token; the rest is kept.
    mask_replace_prob: Probability
    random_replace_prob: Probability
    #: Steps between evaluations on held-out text, and examples of each.
    eval_every: Positive
    eval_examples: Positive
    #: Steps between checkpoints, and how many of the last ones are kept.
    save_every: Positive
    keep_checkpoints: Positive
    seed: int
    #: Whether the positions that a longer block is the first to use begin as the shorter one's, again from the first.
    grow_positions: bool
    #: Parts of the run, one after the other.
    phases: list[Annotated[PhaseSettings, BeforeValidator(_as_phase)]] = field(default_factory=list)

    def __post_init__(self) -> None:
        lengths = [name for name in ("phases", "max_steps", "max_tokens", "budget_minutes") if getattr(self, name)]
        if len(lengths) > 1:
            raise ValueError(f"how long to train is said by {' and by '.join(lengths)}: leave one, set the others to 0")
        if self.grow_positions and self.init_from:
            raise ValueError("grow_positions would write over positions that init_from brings: leave one of the two")
        if self.budget_minutes and self.mlm_probability_end != self.mlm_probability:
            raise ValueError(
                "a run by the clock (budget_minutes) has no last step for mlm_probability_end: set it to "
                "mlm_probability"
            )
        if self.schedule == "trapezoid" and self.warmup_ratio + self.decay_ratio > 1:
            raise ValueError("warmup_ratio + decay_ratio is more than 1")
        if self.mask_replace_prob + self.random_replace_prob > 1:
            raise ValueError("mask_replace_prob + random_replace_prob is more than 1")
