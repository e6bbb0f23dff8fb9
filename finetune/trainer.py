"""What we ask of Hugging Face's `Trainer`: epochs with a look at dev after each, and the best one's weights.

The best epoch is the one with the highest macro-F1 on dev, among equals the one with the least dev loss: on a small
dev set many epochs are equal, and the first of them is often barely trained. Trainer runs on every process that
accelerate starts, all with the same scratch folder for its checkpoints; that folder holds pickles of Trainer's own,
and its owner deletes it. Dropout and the order of examples come from the seed (Trainer seeds torch's global
generator; there is no other way in).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import (
    DataCollatorWithPadding,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback

from finetune.encoding import Example
from finetune.metrics import Scores, score
from finetune.settings import FinetuneSettings
from pipeline.console import Advance
from pipeline.errors import InputError

#: The name under which Trainer is told which epoch is best.
CHOICE = "choice"


@dataclass(frozen=True)
class Look:
    """Dev after an epoch: scores, and the mean loss in nats."""

    scores: Scores
    loss: float


@dataclass(frozen=True)
class Epoch:
    """One pass over train and the look at dev after it; losses are means in nats."""

    number: int
    train_loss: float
    dev_loss: float
    dev: Scores


@dataclass(frozen=True)
class Fitted:
    """A trainer that holds the best epoch's weights, and the way there."""

    trainer: Trainer
    epochs: tuple[Epoch, ...]
    best: Epoch

    @property
    def model(self) -> PreTrainedModel:
        """The model itself, without the wrapping of several processes."""
        model: PreTrainedModel = self.trainer.accelerator.unwrap_model(self.trainer.model)
        return model

    def answers(self, examples: list[Example]) -> list[int]:
        """Class ids for examples, in their order; every process gets all of them."""
        logits = _logits(self.trainer.predict(examples).predictions)  # type: ignore[arg-type]
        return [int(answer) for answer in logits.argmax(-1)]


def steps_of(settings: FinetuneSettings, rows: int) -> int:
    """Optimiser steps of a training on `rows` rows; an epoch's last batch may be smaller."""
    return settings.epochs * math.ceil(rows / settings.batch_size)


def fit(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    train: list[Example],
    dev: list[Example],
    names: Sequence[str],
    arguments: TrainingArguments,
    advance: Advance,
) -> Fitted:
    """Train `model` in place, on every process; raises InputError for sharding, which is not supported."""
    looks: list[Look] = []

    def look(prediction: EvalPrediction) -> dict[str, float]:
        looks.append(_look(prediction, names))
        # Trainer keeps the weights with the greatest CHOICE: it grows whenever the newest look is the best so far.
        return {"macro_f1": looks[-1].scores.f1, CHOICE: len(looks) if _best(looks) is looks[-1] else 0}

    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=DataCollatorWithPadding(tokenizer),
        train_dataset=train,
        eval_dataset=dev,
        compute_metrics=look,
        callbacks=[_Progress(advance)],
    )
    trainer.remove_callback(PrinterCallback)
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        raise InputError("fine-tuning runs on one or several devices (DDP), not with FSDP or DeepSpeed: turn those off")
    trainer.train()
    trainer.compute_metrics = None  # what follows is for `answers`, and must not count as a look at dev
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    epochs = tuple(
        Epoch(number, loss, seen.loss, seen.scores)
        for number, (loss, seen) in enumerate(zip(losses, looks, strict=True), 1)
    )
    return Fitted(trainer, epochs, epochs[looks.index(_best(looks))])


def training_arguments(
    settings: FinetuneSettings, rows: int, processes: int, scratch: Path, *, cpu: bool
) -> TrainingArguments:
    """Trainer's arguments; raises InputError if a batch cannot be divided among the processes."""
    if settings.batch_size % processes:
        raise InputError(
            f"finetune.batch_size {settings.batch_size} cannot be divided among {processes} processes; "
            f"set it to a multiple of {processes}"
        )
    each = settings.batch_size // processes
    arguments = TrainingArguments(
        output_dir=str(scratch),
        num_train_epochs=settings.epochs,
        per_device_train_batch_size=each,
        per_device_eval_batch_size=each,
        optim="adamw_torch",
        learning_rate=settings.learning_rate,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(settings.warmup_ratio * steps_of(settings, rows)),
        weight_decay=settings.weight_decay,
        adam_beta1=0.9,
        adam_beta2=0.999,
        adam_epsilon=1e-6,
        max_grad_norm=1.0,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        logging_nan_inf_filter=False,
        load_best_model_at_end=True,
        metric_for_best_model=CHOICE,
        greater_is_better=True,
        save_total_limit=1,
        save_only_model=True,
        seed=settings.seed,
        data_seed=settings.seed,
        report_to="none",
        disable_tqdm=True,
        use_cpu=cpu,
        dataloader_pin_memory=torch.cuda.is_available() and not cpu,
    )
    if arguments.n_gpu > 1:
        # One process that sees several GPUs would use DataParallel and multiply the batch by their number.
        arguments._n_gpu = 1
    return arguments


def _look(prediction: EvalPrediction, names: Sequence[str]) -> Look:
    """The loss is computed anew: Trainer's mean counts rows twice that fill up the processes' last batch."""
    logits, truth = _logits(prediction.predictions), torch.as_tensor(prediction.label_ids)
    scores = score(truth.tolist(), logits.argmax(-1).tolist(), names)
    return Look(scores, cross_entropy(logits, truth).item())


def _best(looks: Sequence[Look]) -> Look:
    return max(looks, key=lambda look: (look.scores.f1, -look.loss))


def _logits(predictions: Any) -> Tensor:
    """(n, classes) float64; a model that gives more than logits gives logits first."""
    return torch.as_tensor(predictions[0] if isinstance(predictions, tuple) else predictions).double()


class _Progress(TrainerCallback):
    """Passes Trainer's steps on to our console, with the last dev score."""

    def __init__(self, advance: Advance) -> None:
        self.advance = advance
        self.note = ""

    def on_evaluate(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self.note = f"dev F1 {rest['metrics']['eval_macro_f1']:.3f}"

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self.advance(1, self.note)
