"""The training loop: plain, on accelerate, a function of (weights, recipe, step).

Every optimiser step k takes global batch k, whatever the number of processes and micro-batches, and gradients are
those of the mean over the whole of it: per masked token for MLM, per pair for NSP or SOP.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from pipeline.console import Advance, progress
from pipeline.errors import InputError, LeftEarly
from pretrain.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from pretrain.dataset import Batch, PairDataset, Share, StepBatches
from pretrain.draws import DROPOUT, EVALUATION, stream
from pretrain.evaluate import Scores, evaluate
from pretrain.flops import Work, needed_flops, peak_flops
from pretrain.masking import PairMaskingCollator
from pretrain.masks import IGNORED
from pretrain.metrics import MetricsLog
from pretrain.model import MASKED, PretrainingObjective, to_device, zeros
from pretrain.nsp import lengths_of
from pretrain.optim import learning_rate, make_optimizer, set_learning_rate
from pretrain.prepared import Prepared
from pretrain.schedule import Schedule, mask_key
from pretrain.settings import ModelSettings, TrainSettings
from pretrain.sharded import whole
from pretrain.signals import asked_to_leave

#: Steps between two records in metrics.jsonl and two looks at the loss; each look waits for the device.
LOG_EVERY = 10


@dataclass
class Run:
    """What one training run consists of, on one process."""

    folder: Path
    prepared: Prepared
    objective: PretrainingObjective
    settings: TrainSettings
    schedule: Schedule
    collator: PairMaskingCollator
    accelerator: Accelerator
    share: Share
    shape: ModelSettings
    #: Batches are padded on to a multiple of so many tokens.
    multiple: int = 1
    #: Steps and their work (no padding) since the last record, and when that was.
    recent_steps: int = 0
    recent_work: Work = field(default_factory=Work)
    recent_since: float = field(default_factory=time.monotonic)

    def begin_record(self) -> None:
        """Start counting towards the next record."""
        self.recent_steps, self.recent_work, self.recent_since = 0, Work(), time.monotonic()

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folder / "checkpoints"


@dataclass(frozen=True)
class Outcome:
    """Held-out scores after the last step (None without held-out text); mean speed and seconds over all sessions."""

    held_out: Scores | None
    tokens_per_second: float
    seconds: float


def fit(run: Run, checkpoint: Checkpoint | None) -> Outcome:
    """Train from `checkpoint` (or from the start) to the last step; leaves a checkpoint of the last step behind."""
    accelerator, settings = run.accelerator, run.settings
    optimizer = make_optimizer(run.objective, settings, fused=accelerator.device.type == "cuda")
    run.objective.to(accelerator.device)
    done = checkpoint.step if checkpoint else 0
    model, wrapped = accelerator.prepare(run.objective, optimizer)
    main = accelerator.is_main_process
    if checkpoint:
        # Only now: parameters may have been cut into parts.
        load_checkpoint(checkpoint, run.objective.model, optimizer, reads=main)
    last: Scores | None = None
    totals = zeros(accelerator.device)
    before, all_tokens = (checkpoint.seconds, checkpoint.tokens) if checkpoint else (0.0, 0)
    began = time.monotonic()
    with (
        ExitStack() as stack,
        asked_to_leave() as asked,
        MetricsLog(run.folder if main else None, resumed_at=done if checkpoint else -1) as log,
        progress("pretrain", run.schedule.steps, start=done, quiet=not main) as advance,
    ):
        if not checkpoint and (first := _held_out(run)):
            log.write({"step": 0, **first.as_dict("held_out_")})
        run.begin_record()
        for step, batches, work in stack.enter_context(closing(_steps(run, done))):
            torch.manual_seed(_dropout_seed(settings.seed, step, run.share.rank))
            rate = learning_rate(step, run.schedule.steps, settings)
            set_learning_rate(wrapped, rate)
            totals += _gradients(model, batches, run)
            norm = whole(accelerator.clip_grad_norm_(model.parameters(), settings.max_grad_norm or math.inf))
            wrapped.step()
            wrapped.zero_grad(set_to_none=True)
            done = step + 1
            run.recent_work += work
            all_tokens += int(work.tokens)
            run.recent_steps += 1
            final = done == run.schedule.steps
            leaves = not final and _leaves(run, done, asked())
            saves = done % settings.save_every == 0 or final or leaves
            looks = done % settings.eval_every == 0 or final
            # A record spans no checkpoint, so that a resumed run writes the same ones, and no evaluation's time.
            if done % LOG_EVERY == 0 or saves or looks:
                _log(run, log, advance, done, rate, float(norm), totals)
                totals.zero_()
            if looks:
                last = _held_out(run)
                log.write({"step": done, **(last.as_dict("held_out_") if last else {})})
                run.begin_record()
            if saves:
                spent, keep, trained = before + time.monotonic() - began, settings.keep_checkpoints, run.objective.model
                save_checkpoint(run.checkpoints, done, trained, optimizer, keep, spent, all_tokens, writes=main)
            if leaves:
                accelerator.wait_for_everyone()
                raise LeftEarly(f"asked to leave: saved after step {done:,}; the same command goes on from there")
    accelerator.wait_for_everyone()
    seconds = max(before + time.monotonic() - began, 1e-9)
    return Outcome(last or _held_out(run), all_tokens / seconds, seconds)


def _steps(run: Run, first_step: int) -> Generator[tuple[int, list[Batch], Work]]:
    """(step, this process's micro-batches, what the global batch consists of) from `first_step` to the last."""
    settings, schedule = run.settings, run.schedule
    step = first_step
    while step < schedule.steps:
        epoch, offset = divmod(step, schedule.steps_per_epoch)
        plan = run.prepared.plan(epoch)
        dataset = PairDataset(run.prepared.train, plan, run.prepared.frame, mask_key(settings, epoch), run.multiple)
        order = schedule.order(plan, run.prepared.settings.block_size, settings, epoch)
        rate = partial(_rate, schedule, settings, step - offset)
        batches = StepBatches(dataset, order, run.collator, run.share, rate).from_step(offset)
        with closing(batches):
            for place, micro_batches in enumerate(batches, offset):
                lengths = lengths_of(plan[order.rows(place)]).astype(float)
                yield step, micro_batches, Work(len(lengths), lengths.sum(), (lengths**2).sum())
                step += 1
                if step == schedule.steps:
                    return


def _rate(schedule: Schedule, settings: TrainSettings, first_step: int, place: int) -> float:
    """The masking rate at a place of an epoch that begins with `first_step`."""
    return schedule.masking(first_step + place, settings).rate


def _gradients(model: torch.nn.Module, batches: list[Batch], run: Run) -> Tensor:
    """Add the gradients of one global batch's mean losses; returns this process's sums, (6,)."""
    accelerator = run.accelerator
    named = ("labels", "next_sentence_label")
    counts = torch.tensor([float(sum(int((batch[name] != IGNORED).sum()) for batch in batches)) for name in named])
    if run.share.processes > 1:
        counts = accelerator.reduce(counts.to(accelerator.device), "sum")
    masked, pairs = counts.clamp(min=1.0).tolist()
    totals = zeros(accelerator.device)
    for number, batch in enumerate(batches, 1):
        last = number == len(batches)
        with nullcontext() if last else accelerator.no_sync(model):
            with accelerator.autocast():
                sums = model(to_device(batch, accelerator.device))
            loss = sums.mlm_loss / masked + sums.nsp_loss / pairs
            # Gradients are averaged over processes, the sums above are over all of them.
            accelerator.backward(loss * run.share.processes)
        totals += sums.stacked()
    return totals


def _log(run: Run, log: MetricsLog, advance: Advance, done: int, rate: float, norm: float, totals: Tensor) -> None:
    """Write a record of the steps since the last one; a loss that is no number stops the run."""
    sums = run.accelerator.reduce(totals, "sum")
    scores = Scores.from_sums(sums)
    loss = scores.mlm_loss + (scores.nsp_loss or 0.0)
    if not math.isfinite(loss):
        raise InputError(
            f"the loss is {loss} in the {run.recent_steps} steps before step {done}: lower train.learning_rate "
            f"({run.settings.learning_rate}) or raise train.warmup_ratio; checkpoints before are in {run.checkpoints}, "
            f"and `python -m pretrain.examples --which {done}` shows what a step is trained on"
        )
    seconds = max(time.monotonic() - run.recent_since, 1e-9)
    speed = run.recent_work.tokens / seconds
    use = _utilisation(run, replace(run.recent_work, masked=float(sums[MASKED])), seconds)
    log.write(
        {
            "step": done,
            **scores.as_dict(),
            "learning_rate": rate,
            "grad_norm": round(norm, 4),
            "tokens_per_second": round(speed),
            **use,
        }
    )
    mfu = f"  mfu {use['mfu']:.1%}" if "mfu" in use else ""
    nsp = "" if scores.nsp_loss is None else f"  nsp {scores.nsp_loss:.3f}"
    note = f"step {done}  mlm {scores.mlm_loss:.3f}{nsp}  lr {rate:.2e}  {speed:,.0f} tokens/s{mfu}"
    advance(run.recent_steps, note)
    run.begin_record()


def _leaves(run: Run, done: int, asked: bool) -> bool:
    """Whether all processes leave after this step. Several have to agree on it, and do not after each step."""
    if run.share.processes == 1:
        return asked
    if done % LOG_EVERY:
        return False
    answers = run.accelerator.reduce(torch.tensor(float(asked), device=run.accelerator.device), "sum")
    return bool(answers > 0)


def _utilisation(run: Run, work: Work, seconds: float) -> dict[str, float]:
    """Needed FLOPs a second, in 10^12, and their share of what all devices could do at 16 bits if that is known."""
    pairs = run.prepared.settings.objective != "none"
    speed = needed_flops(run.shape, run.prepared.vocab_size, work, pairs=pairs) / seconds
    found = {"tflops_per_second": round(speed / 1e12, 4)}
    if run.accelerator.device.type == "cuda" and (peak := peak_flops(torch.cuda.get_device_name())):
        found["mfu"] = round(speed / (peak * run.share.processes), 4)
    return found


def _held_out(run: Run) -> Scores | None:
    heldout, plan = run.prepared.heldout, run.prepared.heldout_plan
    if heldout is None or plan is None:
        return None
    key = stream(run.settings.seed, EVALUATION)
    dataset = PairDataset(heldout, plan, run.prepared.frame, key, run.multiple)
    return evaluate(run.objective, dataset, run.collator, run.accelerator, run.share, run.settings.eval_examples)


def _dropout_seed(seed: int, step: int, rank: int) -> int:
    """Dropout can only draw from torch's global generator; setting it each step leaves no state to save."""
    return int(stream(seed, DROPOUT, step, rank)) >> 1
