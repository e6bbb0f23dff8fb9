"""Whether a run still learns: it stops at losses, gradients or weights that are no numbers, and at a loss that ran off.

Looked at is each record (ten steps, fewer before an evaluation or a checkpoint), on every process, of sums over all of
them, so all find the same and stop together. A checkpoint is only written after such a look in the same step; what is
in it is finite.

A loss ran away when it stands `train.max_loss_rise` nats above its lowest. Both are means over the last steps that hold
ten steps and a thousand masked tokens at least: chance is then about a tenth of a nat. The lowest begins at that of a
guess among all entries, ln(entries), or at the held-out loss before the first step if that is higher, so the bumps of
the first steps stop nothing. All of it is made of the records, and so the same after a resumption.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.files import write_atomic
from pretrain.checkpoint import CHECKPOINTS, latest_checkpoint
from pretrain.curves import draw_curves
from pretrain.evaluate import Scores
from pretrain.metrics import METRICS, Record, read_metrics
from pretrain.model import MASKED
from pretrain.prepared import Prepared
from pretrain.settings import TrainSettings
from pretrain.sharded import whole
from pretrain.show import step_text
from pretrain.together import on_main

#: What a loss is a mean over, at least.
STEPS, TOKENS = 10, 1000
#: File of a run's folder with the reason why it stopped and what it was then trained on.
STOPPED = "stopped.txt"


@dataclass(frozen=True)
class Gathered:
    """Sums of steps over all processes, (steps, 6), norms of the gradients, and whether the weights are numbers."""

    sums: Tensor
    norms: list[float]
    whole: bool

    @property
    def losses(self) -> list[float]:
        """MLM loss of each step, in nats."""
        return [Scores.from_sums(row).mlm_loss for row in self.sums]

    @property
    def masked(self) -> float:
        """Masked tokens."""
        return float(self.sums[:, MASKED].sum())

    @property
    def norm(self) -> float:
        """Mean norm of the gradients, before they are scaled down."""
        return sum(self.norms) / len(self.norms)

    def broken(self) -> tuple[int, str] | None:
        """Which of the steps, from 0, was the first with something that is no number, and what; None if all are."""
        totals = [sum(row) for row in self.sums.tolist()]
        for place, (total, norm) in enumerate(zip(totals, self.norms, strict=True)):
            if not math.isfinite(total):
                return place, f"the loss is {total} in"
            if not math.isfinite(norm):
                return place, f"the norm of the gradients is {norm} in"
        return None if self.whole else (len(totals) - 1, "there are weights that are no numbers after")


@dataclass
class Trend:
    """How the MLM loss of a run went, from its records."""

    rise: float
    lowest: float
    lowest_at: int = 0
    #: Steps after which the loss was last no more than half of the rise above its lowest.
    calm: int = 0
    step: int = 0
    #: (steps, masked tokens, mean loss) of the last records.
    recent: list[tuple[int, float, float]] = field(default_factory=list)

    @classmethod
    def of(cls, settings: TrainSettings, entries: int, records: Iterable[Record]) -> Trend:
        """That of a run over so many entries, up to the last of its records."""
        trend = cls(settings.max_loss_rise or math.inf, math.log(entries))
        for record in records:
            trend.add(record)
        return trend

    def add(self, record: Record) -> float | None:
        """Go on to the next record; the mean loss if it ran away."""
        if record["step"] == 0:
            self.lowest = max(self.lowest, record.get("held_out_mlm_loss", 0.0))
        if "mlm_loss" not in record:
            return None
        step, loss = int(record["step"]), record["mlm_loss"]
        self.recent.append((step - self.step, record.get("masked_tokens", 0.0), loss))
        self.step = step
        while _enough(self.recent[1:]):
            del self.recent[0]
        mean = _mean(self.recent)
        if max(mean, loss) <= self.lowest + self.rise / 2:
            self.calm = step
        if not _enough(self.recent):
            return None
        if mean > self.lowest + self.rise:
            return mean
        if mean < self.lowest:
            self.lowest, self.lowest_at = mean, step
        return None


def _enough(records: list[tuple[int, float, float]]) -> bool:
    return sum(steps for steps, _, _ in records) >= STEPS and sum(tokens for _, tokens, _ in records) >= TOKENS


def _mean(records: Iterable[tuple[int, float, float]]) -> float:
    weighed = [(max(tokens, 1.0), loss) for _, tokens, loss in records]
    return sum(tokens * loss for tokens, loss in weighed) / sum(tokens for tokens, _ in weighed)


@dataclass
class Watch:
    """Watches one run, on every process."""

    folder: Path
    prepared: Prepared
    settings: TrainSettings
    accelerator: Accelerator
    trend: Trend
    #: What the steps since the last record came to, kept on the device: looking at it waits for all of them.
    sums: list[Tensor] = field(default_factory=list)
    norms: list[Tensor] = field(default_factory=list)
    #: Waits until no checkpoint is being written, and raises nothing.
    settled: Callable[[], None] = lambda: None

    @classmethod
    def of(
        cls, folder: Path, prepared: Prepared, settings: TrainSettings, accelerator: Accelerator, done: int
    ) -> Watch:
        """For a run that goes on after `done` steps, in its folder, which the main process alone needs."""

        def begin() -> list[Record]:
            (folder / STOPPED).unlink(missing_ok=True)
            return [record for record in read_metrics(folder / METRICS) if record["step"] <= done] if done else []

        records = on_main(accelerator, begin)
        return cls(folder, prepared, settings, accelerator, Trend.of(settings, prepared.vocab_size, records))

    def took(self, sums: Tensor, norm: Tensor) -> None:
        """Note a step: `Sums.stacked()` of this process, and the norm of its gradients before they were scaled."""
        self.sums.append(sums)
        self.norms.append(torch.as_tensor(norm).detach())

    def gathered(self, model: nn.Module, done: int) -> Gathered:
        """What the steps since the last record, up to step `done`, came to over all processes.

        Raises InputError, on all of them, if something is no number.
        """
        sums = torch.stack(self.sums)
        norms = torch.stack([norm.to(sums) for norm in self.norms]).tolist()
        size = whole(nn.utils.get_total_norm([parameter.detach() for parameter in model.parameters()]))
        broken = (~torch.isfinite(size)).to(sums).reshape(1)
        found = self.accelerator.reduce(torch.cat([sums.flatten(), broken]), "sum").cpu()
        self.sums, self.norms = [], []
        steps = Gathered(found[:-1].reshape(sums.shape), norms, whole=float(found[-1]) == 0)
        if (trouble := steps.broken()) is not None:
            step = done - len(norms) + 1 + trouble[0]
            loss, trend = steps.losses[trouble[0]], self.trend
            there = (
                f", where the MLM loss is {loss:.3f}, {trend.lowest:.3f} at its lowest" if math.isfinite(loss) else ""
            )
            self._stop(f"{trouble[1]} step {step:,}{there}", step)
        return steps

    def note(self, record: Record, steps: Gathered) -> None:
        """Look at the record of these steps; raises InputError, on all processes, if the loss ran away."""
        mean = self.trend.add(record)
        if mean is None:
            return
        trend, done, losses = self.trend, int(record["step"]), steps.losses
        first = done - sum(count for count, _, _ in trend.recent) + 1
        when = f"up to step {trend.lowest_at:,}" if trend.lowest_at else "a guess among all entries or the start's"
        self._stop(
            f"the MLM loss ran away: it is {mean:.3f} in steps {first:,} to {done:,}, more than train.max_loss_rise "
            f"({trend.rise:g}) above its lowest, {trend.lowest:.3f} ({when})",
            done - len(losses) + 1 + losses.index(max(losses)),
        )

    def _stop(self, what: str, step: int) -> NoReturn:
        """Say on every process what is wrong, when the main one has written down what `step` was trained on."""
        told: list[Any] = [None]
        if self.accelerator.is_main_process:
            # What is being written ends first: it may be the good one, and what was good may go for it.
            self.settled()
            told[0] = self._written(what, step)
        broadcast_object_list(told)
        raise InputError(told[0])

    def _written(self, what: str, step: int) -> str:
        good = latest_checkpoint(self.folder / CHECKPOINTS, self.trend.calm)
        settings, path = self.settings, self.folder / STOPPED
        told = (
            f"{what}. "
            + (f"The last good checkpoint is {good.folder} (step {good.step:,})" if good else "No checkpoint is good")
            + f"; the texts of step {step:,} are in {path}. The same command would come to the same point again: give "
            f"a run with a lower train.learning_rate ({settings.learning_rate:g}), a higher train.warmup_ratio "
            f"({settings.warmup_ratio:g}) or without such texts a NAME of its own"
            + (f"; train.init_from={good.folder} has it begin with the good weights" if good else "")
        )
        try:
            draw_curves(self.folder)
            write_atomic(path, f"{told}\n\n{step_text(self.prepared, settings, step)}")
        except Exception as error:  # the other processes wait for the word
            told += f" (but {path} could not be written: {error})"
        return told
