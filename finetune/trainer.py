"""What we ask of Hugging Face's `Trainer`: epochs with a look at dev after each, and the best one's weights.

The best epoch is the one with the highest measure on dev, among equals the one with the least dev loss: on a small
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

import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PreTrainedModel,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.trainer_callback import PrinterCallback

from finetune.kinds.kind import Encoded, Kind, Outputs, Said
from finetune.layers import optimiser, schedule
from finetune.losses import mean_loss
from finetune.scoring.outcome import Epoch
from finetune.scoring.scores import Scores
from finetune.settings import FinetuneSettings
from pipeline.console import Advance
from pipeline.errors import InputError

#: The name under which Trainer is told which epoch is best.
CHOICE = "choice"


@dataclass(frozen=True)
class Lesson:
    """What is trained on and looked at. `looks` are sets to be scored after each epoch: train (a part), dev, peer."""

    kind: Kind
    names: tuple[str, ...]
    choice: str
    train: Encoded
    looks: dict[str, Encoded]
    weights: Tensor | None = None

    def score(self, outputs: Outputs, encoded: Encoded) -> tuple[Scores, list[Said]]:
        """Scores, led by the measure to choose by, and the answers they are of."""
        said = self.kind.answers(outputs, encoded, self.names)
        return self.kind.score(encoded.rows, said, self.names).led_by(self.choice), said


@dataclass(frozen=True)
class Look:
    """A set of rows after an epoch: scores, and the mean loss."""

    scores: Scores
    loss: float


@dataclass(frozen=True)
class Fitted:
    """A trainer that holds the best epoch's weights, the way there, and dev's scores after that epoch (from 1)."""

    trainer: Trainer
    epochs: tuple[Epoch, ...]
    best_epoch: int
    dev: Scores

    @property
    def model(self) -> PreTrainedModel:
        """The model itself, without the wrapping of several processes."""
        model: PreTrainedModel = self.trainer.accelerator.unwrap_model(self.trainer.model)
        return model

    def outputs(self, encoded: Encoded) -> Outputs:
        """What the model gives for examples, in their order; every process gets all of it."""
        return _outputs(self.trainer.predict(encoded.examples).predictions)  # type: ignore[arg-type]


def steps_of(settings: FinetuneSettings, examples: int) -> int:
    """Optimiser steps of a training on so many examples; an epoch's last batch may be smaller."""
    return settings.epochs * math.ceil(examples / settings.batch_size)


def fit(
    model: PreTrainedModel,
    lesson: Lesson,
    settings: FinetuneSettings,
    arguments: TrainingArguments,
    collator: Any,
    advance: Advance,
) -> Fitted:
    """Train `model` in place, on every process; raises InputError for sharding, which is not supported."""
    looks: dict[str, list[Look]] = {name: [] for name in lesson.looks}
    # Trainer scores the sets one after the other, in this order.
    order = list(lesson.looks)

    def look(prediction: EvalPrediction) -> dict[str, float]:
        name = order[sum(map(len, looks.values())) % len(order)]
        encoded, outputs = lesson.looks[name], _outputs(prediction.predictions)
        if not all(np.isfinite(part).all() for part in outputs):
            raise InputError(
                f"training diverged in epoch {len(looks[name]) + 1}: the model's outputs are not finite numbers; set "
                f"finetune.learning_rate ({settings.learning_rate:g}) lower or finetune.warmup_ratio higher"
            )
        looks[name].append(Look(lesson.score(outputs, encoded)[0], lesson.kind.loss(outputs, encoded)))
        best = name == "dev" and _best(looks["dev"]) == len(looks["dev"]) - 1
        # Trainer keeps the weights with the greatest CHOICE: it grows whenever the newest look is the best so far.
        return {"shown": looks[name][-1].scores.choice, CHOICE: len(looks[name]) if best else 0}

    trainer = _Trainer(
        model=model,
        args=arguments,
        data_collator=collator,
        train_dataset=lesson.train.examples,
        eval_dataset={name: encoded.examples for name, encoded in lesson.looks.items()},
        compute_metrics=look,
        compute_loss_func=mean_loss(lesson.weights) if "labels" in lesson.train.examples[0] else None,
        callbacks=[_Progress(advance), *([EarlyStoppingCallback(settings.patience)] if settings.patience else [])],
    )
    trainer.settings = settings
    trainer.remove_callback(PrinterCallback)
    if trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled:
        raise InputError("fine-tuning runs on one or several devices (DDP), not with FSDP or DeepSpeed: turn those off")
    trainer.train()
    trainer.compute_metrics = None  # what follows is for `outputs`, and must not count as a look
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    best = _best(looks["dev"])
    return Fitted(trainer, _epochs(losses, looks), best + 1, looks["dev"][best].scores)


def training_arguments(
    settings: FinetuneSettings, examples: int, processes: int, scratch: Path, *, cpu: bool
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
        # The optimiser is made by finetune.layers; these two say the same, for whoever reads the arguments.
        learning_rate=settings.learning_rate,
        warmup_steps=math.ceil(settings.warmup_ratio * steps_of(settings, examples)),
        max_grad_norm=1.0,
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        logging_nan_inf_filter=False,
        load_best_model_at_end=True,
        metric_for_best_model=f"dev_{CHOICE}",
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


class _Trainer(Trainer):
    """With our optimiser and schedule, which know of layers."""

    settings: FinetuneSettings

    def create_optimizer(self, model: nn.Module | None = None) -> torch.optim.Optimizer:
        """AdamW over what is trained."""
        own: Any = self.accelerator.unwrap_model(self.model)
        self.optimizer = optimiser(own, self.settings, self.get_decay_parameter_names(own))
        return self.optimizer

    def create_scheduler(
        self, num_training_steps: int, optimizer: torch.optim.Optimizer | None = None
    ) -> torch.optim.lr_scheduler.LRScheduler:
        """Warm-up and a straight line to 0, over all epochs that are asked for."""
        made: Any = optimizer or self.optimizer
        self.lr_scheduler = schedule(made, self.settings, num_training_steps, int(self.args.warmup_steps))
        return self.lr_scheduler


def _epochs(losses: Sequence[float], looks: dict[str, list[Look]]) -> tuple[Epoch, ...]:
    peers: Sequence[Look | None] = looks.get("peer") or [None] * len(losses)
    return tuple(
        Epoch(number, loss, dev.loss, dev.scores.choice, train.scores.choice, peer.scores.choice if peer else None)
        for number, (loss, train, dev, peer) in enumerate(
            zip(losses, looks["train"], looks["dev"], peers, strict=True), 1
        )
    )


def _best(looks: Sequence[Look]) -> int:
    return max(range(len(looks)), key=lambda place: (looks[place].scores.choice, -looks[place].loss, -place))


def _outputs(predictions: Any) -> Outputs:
    """A model that gives more than logits gives logits first."""
    parts = predictions if isinstance(predictions, tuple) else (predictions,)
    return tuple(np.asarray(part, dtype=np.float64) for part in parts if not isinstance(part, tuple))


class _Progress(TrainerCallback):
    """Passes Trainer's steps on to our console, with the last dev score."""

    def __init__(self, advance: Advance) -> None:
        self.advance = advance
        self.note = ""

    def on_evaluate(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        if "eval_dev_shown" in rest["metrics"]:
            self.note = f"dev {rest['metrics']['eval_dev_shown']:.3f}"

    def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self.advance(1, self.note)
