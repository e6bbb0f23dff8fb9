"""What a run is trained on and measured on, step by step."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from functools import partial

from pretrain.dataset import Batch, PairDataset, StepBatches
from pretrain.draws import EVALUATION, stream
from pretrain.evaluate import Scores, evaluate
from pretrain.flops import Work
from pretrain.nsp import lengths_of
from pretrain.run import Run
from pretrain.schedule import Schedule, mask_key
from pretrain.settings import TrainSettings


def steps_of(run: Run, first_step: int) -> Generator[tuple[int, list[Batch], Work]]:
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


def held_out(run: Run, step: int) -> Scores | None:
    """Scores on the held-out examples of the phase that a step belongs to."""
    block = run.schedule.phase_of(step).block_size
    if block not in run.heldout_plans:
        run.heldout_plans[block] = run.prepared.heldout_plan_at(block)
    heldout, plan = run.prepared.heldout, run.heldout_plans[block]
    if heldout is None or plan is None:
        return None
    key = stream(run.settings.seed, EVALUATION)
    dataset = PairDataset(heldout, plan, run.prepared.frame, key, run.multiple or block)
    examples, share = run.settings.eval_examples, run.share_at(block)
    scores = evaluate(run.objective, dataset, run.collator, run.accelerator, share, examples, run.layout, run.spelling)
    bits = scores.mlm_bits_per_character
    run.told = f"  held out {scores.mlm_loss:.3f}" + (f", {bits:.3f} bits/character" if bits is not None else "")
    return scores
