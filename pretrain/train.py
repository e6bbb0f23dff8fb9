"""Stage `pretrain`: examples to an encoder, by masked-language-model and next-sentence prediction.

    python -m pretrain.train --recipe base --name law               (make pretrain RECIPE=base NAME=law)
    accelerate launch --num_processes 8 -m pretrain.train ...       (make pretrain GPUS=8 ...)

Reads `artifacts/examples/<name>/`, writes `artifacts/pretrain/<name>/`: checkpoints, `metrics.jsonl`, TensorBoard
events, `loss.png` and `loss.svg`. Interrupted, the same command goes on from the last checkpoint; asked for something
else, it refuses.
"""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack
from pathlib import Path

import torch
from accelerate import Accelerator
from transformers import AutoTokenizer

from pipeline.artifact import Key, still_there
from pipeline.console import say
from pipeline.errors import InputError, OneProcessError
from pipeline.recipe import Recipe, as_table
from pipeline.stage import artifact_folder, positive, read_recipe, run_stage, stage_parser
from pretrain.attention import take_unpadded
from pretrain.checkpoint import CHECKPOINTS, latest_checkpoint
from pretrain.dataset import pinned
from pretrain.finish import finish
from pretrain.layout import Layout
from pretrain.loop import fit
from pretrain.masking import PairMaskingCollator
from pretrain.model import PretrainingObjective, bert_config, compile_in_place
from pretrain.optim import check_optimizer
from pretrain.prepared import EXAMPLES, Prepared, open_prepared
from pretrain.processes import share_of, take_part
from pretrain.run import Run
from pretrain.rundir import PRETRAIN, alone_in, claim
from pretrain.schedule import Schedule
from pretrain.settings import ModelSettings, TrainSettings
from pretrain.start import noted_config, start_inputs, start_settings, starting_model
from pretrain.together import on_all, on_main, same_on_all


def main(argv: list[str] | None) -> None:
    """Parse the command line and train, resume, refuse, or find nothing to do."""
    parser = stage_parser("pretrain.train", "Pretrain a BERT on prepared examples.")
    parser.add_argument("--from-examples", type=Path, help="examples artifact (default: artifacts/examples/<name>)")
    parser.add_argument("--cpu", action="store_true", help="use the CPU even if there is an accelerator")
    parser.add_argument(
        "--precision",
        choices=["auto", "no", "bf16"],
        default="auto",
        help="mixed precision (default auto: bf16 where the device has it, else none)",
    )
    parser.add_argument(
        "--micro-batch", type=positive, help="examples on a device at once (default: all of a step's share)"
    )
    parser.add_argument("--workers", type=positive, default=1, help="threads that make batches ahead (default: 1)")
    parser.add_argument(
        "--pad-to-multiple-of",
        type=positive,
        metavar="N",
        help="pad batches on to a multiple of N tokens (default: to the longest example; with --compile to the block)",
    )
    parser.add_argument(
        "--unpadded", action="store_true", help="give the model the tokens alone, of all examples in one row"
    )
    parser.add_argument("--compile", action="store_true", help="compile the model (torch.compile)")
    arguments = parser.parse_args(argv)
    recipe = read_recipe(arguments)
    folder = artifact_folder(arguments, PRETRAIN.stage, recipe)
    accelerator = take_part(arguments, recipe.section("train", TrainSettings))
    examples = arguments.from_examples or artifact_folder(arguments, EXAMPLES.stage, recipe)
    prepared = on_all(accelerator, lambda: open_prepared(examples))
    with ExitStack() as stack:
        pretrain(recipe, prepared, folder, accelerator, arguments, stack)
    accelerator.end_training()


def pretrain(
    recipe: Recipe,
    prepared: Prepared,
    folder: Path,
    accelerator: Accelerator,
    arguments: argparse.Namespace,
    stack: ExitStack,
) -> None:
    """Train into `folder` on every process; the main one claims the folder first and seals it at the end."""
    shape = recipe.section("model", ModelSettings)
    settings = recipe.section("train", TrainSettings)
    check_optimizer(settings)
    key = PRETRAIN.key(
        {"model": as_table(shape), "train": {**as_table(settings), **start_settings(settings)}},
        {"examples": prepared.manifest.content, **on_main(accelerator, lambda: start_inputs(settings, folder))},
    )
    schedule = prepared.schedule(settings)
    # 0: each phase to its own block, which a compiled model wants.
    multiple = arguments.pad_to_multiple_of or (0 if arguments.compile else 1)
    for phase in schedule.phases:
        if multiple and phase.block_size % multiple:
            raise InputError(f"--pad-to-multiple-of {multiple} does not divide the block of {phase.block_size} tokens")
    config = bert_config(shape, prepared.vocab_size, schedule.longest_block)
    share = share_of(schedule, settings, accelerator, arguments)
    collator = on_all(accelerator, lambda: _collator(prepared, settings))
    same_on_all(key.made_from, f"a recipe or examples ({prepared.folder})")
    if on_main(accelerator, lambda: _claimed(folder, key, stack)):
        if accelerator.is_main_process:
            say(f"pretrain: {folder} is finished")
        return
    checkpoint = on_main(accelerator, lambda: latest_checkpoint(folder / CHECKPOINTS))
    noted = on_main(accelerator, lambda: noted_config(settings, folder)) if checkpoint else None
    if not checkpoint:
        inputs = on_all(accelerator, lambda: start_inputs(settings, folder))
        same_on_all(json.dumps(inputs), f"another model in {settings.init_from} (train.init_from)")
    tell = accelerator.is_main_process
    positions = shape.sinusoidal_range
    model = on_all(
        accelerator,
        lambda: starting_model(config, positions, settings, prepared, folder, noted=noted, tell=tell),
    )
    if accelerator.is_main_process:
        _announce(folder, model.num_parameters(), schedule, checkpoint.step if checkpoint else 0, accelerator)
    objective = PretrainingObjective(model)
    layout = _layout(objective, arguments, accelerator)
    run = Run(folder, prepared, objective, settings, schedule, collator, accelerator, share, shape, multiple, layout)
    try:
        outcome = fit(run, checkpoint)
    except torch.OutOfMemoryError:
        fewer = (
            f'--micro-batch {share.micro_batch // 2} (make: RUN="--micro-batch ...") changes nothing else'
            if share.micro_batch > 1
            else "lower model.hidden_size or the block, or give each device a part of the model (LAUNCH=fsdp)"
        )
        raise OneProcessError(
            f"{accelerator.device} has too little memory for {share.micro_batch} examples of "
            f"{schedule.longest_block} tokens at once: {fewer}"
        ) from None
    on_main(accelerator, lambda: finish(run, key, outcome))


def _claimed(folder: Path, key: Key, stack: ExitStack) -> bool:
    """Whether the run is finished already; if not, this process holds its folder until `stack` ends."""
    stack.enter_context(alone_in(folder))
    return claim(folder, key)


def _collator(prepared: Prepared, settings: TrainSettings) -> PairMaskingCollator:
    tokenizer = AutoTokenizer.from_pretrained(str(prepared.folder), local_files_only=True)
    still_there(prepared.folder, prepared.manifest)
    return PairMaskingCollator(
        tokenizer,
        mlm_probability=settings.mlm_probability,
        mask_replace_prob=settings.mask_replace_prob,
        random_replace_prob=settings.random_replace_prob,
        whole_word_mask=settings.whole_word_mask,
        fixed=settings.fixed_mask_count,
        empty=pinned,
    )


def _layout(objective: PretrainingObjective, arguments: argparse.Namespace, accelerator: Accelerator) -> Layout:
    """How the model runs: what is asked for is done to it in place, its weights keep their names."""
    if arguments.unpadded:
        way = take_unpadded(objective.model, accelerator.device, half=accelerator.mixed_precision == "bf16")
        if accelerator.is_main_process:
            say(f"pretrain: batches without padding, attention {way}")
    if arguments.compile:
        compile_in_place(objective)
    return Layout(arguments.unpadded, arguments.compile, pinned)


def _announce(folder: Path, parameters: int, schedule: Schedule, done: int, accelerator: Accelerator) -> None:
    where = f"{accelerator.num_processes} x {accelerator.device.type}, precision {accelerator.mixed_precision}"
    length = f"{schedule.steps:,} steps" if schedule.steps else f"{schedule.minutes:g} minutes"
    say(f"pretrain: {parameters / 1e6:.1f} million parameters, {length} on {where}")
    for number, phase in enumerate(schedule.phases, 1):
        many = f"phase {number}: {phase.steps:,} steps of " if len(schedule.phases) > 1 else ""
        say(
            f"pretrain: {many}{phase.batch_size} examples of up to {phase.block_size} tokens, "
            f"{phase.steps_per_epoch:,} steps an epoch"
        )
    say(f"pretrain: tensorboard --logdir {folder / 'tensorboard'}")
    if done:
        say(f"pretrain: going on after step {done:,}")


if __name__ == "__main__":
    run_stage(main)
