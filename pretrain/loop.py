"""The training loop: plain, on accelerate, a function of (weights, recipe, step).

Every optimiser step k takes global batch k, whatever the number of processes and micro-batches, and gradients are
those of the mean over the whole of it: per masked token for MLM, per pair for NSP or SOP.
"""

from __future__ import annotations

import math
import time
from contextlib import ExitStack, closing, nullcontext
from functools import partial

import torch
from torch import Tensor

from pipeline.console import progress
from pipeline.errors import LeftEarly
from pretrain.checkpoint import Checkpoint, Position, load_checkpoint
from pretrain.curves import Curves
from pretrain.dataset import Batch
from pretrain.draws import DROPOUT, stream
from pretrain.evaluate import Scores
from pretrain.feed import held_out, steps_of
from pretrain.masks import IGNORED
from pretrain.metrics import MetricsLog
from pretrain.model import zeros
from pretrain.optim import learning_rate, make_optimizer, set_learning_rate
from pretrain.pace import ClockPace, Pace, StepPace
from pretrain.positions import grown
from pretrain.record import LOG_EVERY, write_record
from pretrain.run import Outcome, Run
from pretrain.saver import Saver
from pretrain.sharded import whole
from pretrain.signals import asked_to_leave
from pretrain.watch import Watch


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
    curves = Curves(run.folder if main else None)
    watch = Watch.of(run.folder, run.prepared, settings, accelerator, done)
    before, all_tokens = (checkpoint.seconds, checkpoint.tokens) if checkpoint else (0.0, 0)
    began = time.monotonic()
    pace = _pace(run, before, done)
    with (
        ExitStack() as stack,
        asked_to_leave() as asked,
        MetricsLog(run.folder if main else None, resumed_at=done if checkpoint else -1) as log,
        progress("pretrain", pace.total, start=pace.reached(done), quiet=not main) as advance,
        Saver(run.checkpoints if main else None, settings.keep_checkpoints, done, run.beside()) as saver,
    ):
        watch.settled = saver.settled
        if not checkpoint and (first := held_out(run, done)):
            start = {"step": 0, **first.as_dict("held_out_")}
            log.write(start)
            watch.trend.add(start)
        run.begin_record()
        shown = pace.reached(done)
        steps = stack.enter_context(closing(steps_of(run, done)))
        # A run by the clock whose time was over when it was interrupted has only its end to do.
        for step, batches, work in () if pace.over(done) else steps:
            saver.check()
            torch.manual_seed(_dropout_seed(settings.seed, step, run.share.rank))
            _begin_phase(run, step)
            rate = learning_rate(pace.at(step), settings, run.schedule.phase_of(step).learning_rate)
            set_learning_rate(wrapped, rate)
            sums = _gradients(model, batches, run)
            norm = whole(accelerator.clip_grad_norm_(model.parameters(), settings.max_grad_norm or math.inf))
            watch.took(sums, norm)
            wrapped.step()
            wrapped.zero_grad(set_to_none=True)
            done = step + 1
            run.recent_work += work
            all_tokens += int(work.tokens)
            run.recent_steps += 1
            final = pace.over(done)
            leaves = not final and _leaves(run, done, asked())
            saves = done % settings.save_every == 0 or final or leaves
            looks = done % settings.eval_every == 0 or final or run.schedule.phase_of(done).first == done
            # A record spans no checkpoint, so that a resumed run writes the same ones (unless it was asked to leave
            # between two), and no evaluation's time.
            if done % LOG_EVERY == 0 or saves or looks:
                reached = pace.reached(done)
                write_record(run, watch, log, partial(advance, reached - shown), done, rate)
                shown = reached
            if looks:
                last = held_out(run, step)
                log.write({"step": done, **(last.as_dict("held_out_") if last else {})})
                curves.refresh()
                run.begin_record()
            if saves:
                spent = before + time.monotonic() - began
                # The best is of the last phase: another block's examples have another loss.
                measured = last if looks and run.schedule.phase_of(step) == run.schedule.phases[-1] else None
                loss = measured.mlm_loss if measured else None
                saver.save(Position(done, spent, all_tokens, loss), run.objective.model, optimizer)
            if final:
                break
            if leaves:
                saver.wait()
                accelerator.wait_for_everyone()
                raise LeftEarly(f"asked to leave: saved after step {done:,}; the same command goes on from there")
    accelerator.wait_for_everyone()
    seconds = max(before + time.monotonic() - began, 1e-9)
    return Outcome(done, last or held_out(run, max(done - 1, 0)), all_tokens / seconds, seconds)


def _pace(run: Run, before: float, done: int) -> Pace:
    """How the run's way is measured; `before`: seconds of earlier sessions, `done`: steps."""
    if run.schedule.minutes:
        return ClockPace(run.schedule.minutes, before, done, run.accelerator)
    return StepPace(run.schedule, by_tokens=run.settings.schedule_by == "tokens")


def _begin_phase(run: Run, step: int) -> None:
    """Let a phase with a longer block begin with grown positions, where that is asked for."""
    phase = run.schedule.phase_of(step)
    before = [other.block_size for other in run.schedule.phases if other.first < phase.first]
    if step == phase.first and before and run.settings.grow_positions and phase.block_size > max(before):
        weight = run.objective.model.bert.embeddings.position_embeddings.weight
        with torch.no_grad():
            weight[: phase.block_size] = grown(weight[: max(before)], phase.block_size)


def _gradients(model: torch.nn.Module, batches: list[Batch], run: Run) -> Tensor:
    """Add the gradients of one global batch's mean losses; returns this process's sums, (6,)."""
    accelerator = run.accelerator
    named = ("wanted", "next_sentence_label")
    counts = torch.tensor([float(sum(int((batch[name] != IGNORED).sum()) for batch in batches)) for name in named])
    if run.share.processes > 1:
        # They stay where they are: to look at them would have the host wait for the device.
        counts = accelerator.reduce(counts.to(accelerator.device, non_blocking=True), "sum")
    masked, pairs = counts.clamp(min=1.0) if run.share.processes > 1 else counts.clamp(min=1.0).tolist()
    totals = zeros(accelerator.device)
    for number, batch in enumerate(batches, 1):
        last = number == len(batches)
        with nullcontext() if last else accelerator.no_sync(model):
            with accelerator.autocast():
                sums = model(run.layout.to_device(batch, accelerator.device))
            loss = sums.mlm_loss / masked + sums.nsp_loss / pairs
            # Gradients are averaged over processes, the sums above are over all of them.
            accelerator.backward(loss * run.share.processes)
        totals += sums.stacked()
    return totals


def _leaves(run: Run, done: int, asked: bool) -> bool:
    """Whether all processes leave after this step. Several have to agree on it, and do not after each step."""
    if run.share.processes == 1:
        return asked
    if done % LOG_EVERY:
        return False
    answers = run.accelerator.reduce(torch.tensor(float(asked), device=run.accelerator.device), "sum")
    return bool(answers > 0)


def _dropout_seed(seed: int, step: int, rank: int) -> int:
    """Dropout can only draw from torch's global generator; setting it each step leaves no state to save."""
    return int(stream(seed, DROPOUT, step, rank)) >> 1
