"""The training loop: plain, on accelerate, a function of (weights, recipe, step).

Every optimiser step k takes global batch k, whatever the number of processes and micro-batches, and gradients are
those of the mean over the whole of it: per masked token for MLM, per pair for NSP or SOP.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, closing, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from pipeline.console import progress
from pipeline.errors import LeftEarly
from pretrain.checkpoint import CHECKPOINTS, Checkpoint, Position, load_checkpoint
from pretrain.curves import Curves
from pretrain.dataset import Batch, PairDataset, Share, StepBatches
from pretrain.draws import DROPOUT, EVALUATION, stream
from pretrain.evaluate import Scores, Spelling, evaluate
from pretrain.flops import Work, needed_flops, peak_flops
from pretrain.layout import Layout
from pretrain.masking import PairMaskingCollator
from pretrain.masks import IGNORED
from pretrain.metrics import MetricsLog
from pretrain.model import PretrainingObjective, zeros
from pretrain.nsp import lengths_of
from pretrain.optim import learning_rate, make_optimizer, set_learning_rate
from pretrain.pace import ClockPace, Pace, StepPace
from pretrain.positions import grown
from pretrain.prepared import Prepared
from pretrain.saver import Saver
from pretrain.schedule import Schedule, mask_key
from pretrain.settings import ModelSettings, TrainSettings
from pretrain.sharded import whole
from pretrain.signals import asked_to_leave
from pretrain.watch import Watch

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
    #: Batches are padded on to a multiple of so many tokens; 0: to the block.
    multiple: int = 1
    #: The form that the model takes batches in.
    layout: Layout = field(default_factory=Layout)
    #: Steps and their work (no padding) since the last record, and when that was.
    recent_steps: int = 0
    recent_work: Work = field(default_factory=Work)
    recent_since: float = field(default_factory=time.monotonic)
    #: What the progress line says of the last evaluation.
    told: str = ""

    def begin_record(self) -> None:
        """Start counting towards the next record."""
        self.recent_steps, self.recent_work, self.recent_since = 0, Work(), time.monotonic()

    def share_at(self, block_size: int) -> Share:
        """This process's part at a block: a micro-batch is for the longest one, of shorter ones there are more."""
        return replace(self.share, micro_batch=self.share.micro_batch * self.schedule.longest_block // block_size)

    def beside(self) -> dict[str, bytes]:
        """What stands beside weights for transformers to load them: configuration and tokenizer."""
        return {"config.json": self.objective.model.config.to_json_string().encode(), **self.prepared.tokenizer_files}

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folder / CHECKPOINTS

    @cached_property
    def spelling(self) -> Spelling:
        """What the entries of the vocabulary spell."""
        return Spelling.of(self.prepared.tokenizer_files["tokenizer.json"])


@dataclass(frozen=True)
class Outcome:
    """Steps done, held-out scores after the last one (None without held-out text); mean speed and seconds over all
    sessions."""

    steps: int
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
        if not checkpoint and (first := _held_out(run, done)):
            start = {"step": 0, **first.as_dict("held_out_")}
            log.write(start)
            watch.trend.add(start)
        run.begin_record()
        shown = pace.reached(done)
        for step, batches, work in stack.enter_context(closing(_steps(run, done))):
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
            # A record spans no checkpoint, so that a resumed run writes the same ones, and no evaluation's time.
            if done % LOG_EVERY == 0 or saves or looks:
                reached = pace.reached(done)
                _log(run, watch, log, partial(advance, reached - shown), done, rate)
                shown = reached
            if looks:
                last = _held_out(run, step)
                log.write({"step": done, **(last.as_dict("held_out_") if last else {})})
                curves.refresh()
                run.begin_record()
            if saves:
                spent = before + time.monotonic() - began
                loss = last.mlm_loss if last and looks else None
                saver.save(Position(done, spent, all_tokens, loss), run.objective.model, optimizer)
            if final:
                break
            if leaves:
                saver.wait()
                accelerator.wait_for_everyone()
                raise LeftEarly(f"asked to leave: saved after step {done:,}; the same command goes on from there")
    accelerator.wait_for_everyone()
    seconds = max(before + time.monotonic() - began, 1e-9)
    return Outcome(done, last or _held_out(run, max(done - 1, 0)), all_tokens / seconds, seconds)


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


def _steps(run: Run, first_step: int) -> Generator[tuple[int, list[Batch], Work]]:
    """(step, this process's micro-batches, what the global batch consists of) from `first_step` to the last; a run by
    the clock has none."""
    settings, schedule = run.settings, run.schedule
    step = first_step
    while not schedule.steps or step < schedule.steps:
        place = schedule.place(step)
        phase, offset = place.phase, place.offset
        plan = run.prepared.plan(place.epoch, phase.block_size)
        key = mask_key(settings, place.epoch)
        dataset = PairDataset(run.prepared.train, plan, run.prepared.frame, key, run.multiple or phase.block_size)
        order = schedule.order(plan, place, settings)
        rate = partial(_rate, schedule, settings, step - offset)
        share = run.share_at(phase.block_size)
        batches = StepBatches(dataset, order, run.collator, share, rate, run.layout).from_step(offset)
        with closing(batches):
            for number, micro_batches in enumerate(batches, offset):
                lengths = lengths_of(plan[order.rows(number)]).astype(float)
                yield step, micro_batches, Work(len(lengths), lengths.sum(), (lengths**2).sum())
                step += 1
                if step == phase.first + phase.steps:
                    break


def _rate(schedule: Schedule, settings: TrainSettings, first_step: int, place: int) -> float:
    """The masking rate at a place of an epoch that begins with `first_step`."""
    return schedule.masking(first_step + place, settings).rate


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


def _log(run: Run, watch: Watch, log: MetricsLog, count: Callable[[str], None], done: int, rate: float) -> None:
    """Write a record of the steps since the last one; raises InputError if they are trouble (see `pretrain.watch`)."""
    steps = watch.gathered(run.objective, done)
    scores = Scores.from_sums(steps.sums.sum(0))
    seconds = max(time.monotonic() - run.recent_since, 1e-9)
    speed = run.recent_work.tokens / seconds
    use = _utilisation(run, replace(run.recent_work, masked=steps.masked), seconds)
    record = {
        "step": done,
        **scores.as_dict(),
        "masked_tokens": steps.masked,
        "learning_rate": rate,
        "grad_norm": round(steps.norm, 4),
        "tokens_per_second": round(speed),
        **use,
    }
    log.write(record)
    mfu = f"  mfu {use['mfu']:.1%}" if "mfu" in use else ""
    nsp = "" if scores.nsp_loss is None else f"  nsp {scores.nsp_loss:.3f}"
    note = f"step {done:,}  mlm {scores.mlm_loss:.3f}{nsp}  lr {rate:.2e}  {speed:,.0f} tokens/s{mfu}{run.told}"
    count(note)
    watch.note(record, steps)
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


def _held_out(run: Run, step: int) -> Scores | None:
    """Scores on the held-out examples of the phase that a step belongs to."""
    block = run.schedule.phase_of(step).block_size
    heldout, plan = run.prepared.heldout, run.prepared.heldout_plan_at(block)
    if heldout is None or plan is None:
        return None
    key = stream(run.settings.seed, EVALUATION)
    dataset = PairDataset(heldout, plan, run.prepared.frame, key, run.multiple or block)
    examples, share = run.settings.eval_examples, run.share_at(block)
    scores = evaluate(run.objective, dataset, run.collator, run.accelerator, share, examples, run.layout, run.spelling)
    bits = scores.mlm_bits_per_character
    run.told = f"  held out {scores.mlm_loss:.3f}" + (f", {bits:.3f} bits/character" if bits is not None else "")
    return scores


def _dropout_seed(seed: int, step: int, rank: int) -> int:
    """Dropout can only draw from torch's global generator; setting it each step leaves no state to save."""
    return int(stream(seed, DROPOUT, step, rank)) >> 1
