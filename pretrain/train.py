"""Stage `pretrain`: examples to an encoder, by masked-language-model and next-sentence prediction.

    python -m pretrain.train --recipe base --name law               (make pretrain RECIPE=base NAME=law)
    accelerate launch --num_processes 8 -m pretrain.train ...       (make pretrain GPUS=8 ...)

Reads `artifacts/examples/<name>/`, writes `artifacts/pretrain/<name>/`: checkpoints, `metrics.jsonl`, TensorBoard
events and `loss.png`. Interrupted, the same command goes on from the last checkpoint; asked for something else, it
refuses.
"""

from __future__ import annotations

import argparse
import os
import shutil
from pathlib import Path

import torch
from accelerate import Accelerator
from transformers import AutoTokenizer

from pipeline.artifact import Key, hash_file, peak_memory_mb, seal
from pipeline.console import say, table
from pipeline.errors import InputError
from pipeline.recipe import Recipe, as_table
from pipeline.stage import artifact_folder, read_recipe, run_stage, stage_parser
from pretrain.checkpoint import MODEL, latest_checkpoint
from pretrain.dataset import Share
from pretrain.loop import Outcome, Run, Schedule, fit
from pretrain.masking import PairMaskingCollator
from pretrain.metrics import METRICS, plot_losses, read_metrics
from pretrain.model import PretrainingObjective, bert_config, new_model
from pretrain.prepared import STAGE as EXAMPLES
from pretrain.prepared import Prepared, open_prepared
from pretrain.rundir import alone_in, claim
from pretrain.settings import ModelSettings, TrainSettings
from tokenizer.wordpiece import FILES

FORMAT = 1
STAGE = "pretrain"


def main(argv: list[str] | None) -> None:
    """Parse the command line and train, resume, refuse, or find nothing to do."""
    parser = stage_parser("pretrain.train", "Pretrain a BERT on prepared examples.")
    parser.add_argument("--from-examples", type=Path, help="examples artifact (default: artifacts/examples/<name>)")
    parser.add_argument("--cpu", action="store_true", help="use the CPU even if there is an accelerator")
    parser.add_argument(
        "--precision",
        choices=["auto", "no", "bf16", "fp16"],
        default="auto",
        help="mixed precision (default auto: bf16 where the device has it, else none)",
    )
    parser.add_argument(
        "--micro-batch",
        type=int,
        default=0,
        help="examples on a device at once (default: all of a step's share)",
    )
    parser.add_argument("--workers", type=int, default=0, help="processes that make batches (default 0: this one)")
    arguments = parser.parse_args(argv)
    recipe = read_recipe(arguments)
    folder = artifact_folder(arguments, STAGE, recipe)
    prepared = open_prepared(arguments.from_examples or artifact_folder(arguments, EXAMPLES, recipe))
    accelerator = _accelerator(arguments)
    if accelerator.is_main_process:
        with alone_in(folder):
            pretrain(recipe, prepared, folder, accelerator, arguments)
    else:
        pretrain(recipe, prepared, folder, accelerator, arguments)
    accelerator.end_training()


def pretrain(
    recipe: Recipe, prepared: Prepared, folder: Path, accelerator: Accelerator, arguments: argparse.Namespace
) -> None:
    """Train into `folder` on every process; the main one claims the folder first and seals it at the end."""
    shape = recipe.section("model", ModelSettings)
    settings = recipe.section("train", TrainSettings)
    key = Key(
        STAGE,
        FORMAT,
        {"model": as_table(shape), "train": as_table(settings)},
        {"examples": prepared.manifest.content},
    )
    config = bert_config(shape, prepared.vocab_size, prepared.settings.block_size)
    schedule = Schedule.plan(settings, len(prepared.plan(0)))
    share = _share(settings, accelerator, arguments)
    main_process = accelerator.is_main_process
    finished = claim(folder, key) if main_process else False
    # Every process learns from the main one whether there is work; a refusal there ends them all.
    if accelerator.gather(torch.tensor([int(finished)], device=accelerator.device))[0].item():
        if main_process:
            say(f"pretrain: {folder} is finished")
        return
    model = new_model(config, settings.seed)
    checkpoint = latest_checkpoint(folder / "checkpoints")
    if main_process:
        _announce(folder, model.num_parameters(), schedule, checkpoint.step if checkpoint else 0, accelerator)
    collator = PairMaskingCollator(
        AutoTokenizer.from_pretrained(str(prepared.folder), local_files_only=True),
        mlm_probability=settings.mlm_probability,
        mask_replace_prob=settings.mask_replace_prob,
        random_replace_prob=settings.random_replace_prob,
    )
    run = Run(folder, prepared, PretrainingObjective(model), settings, schedule, collator, accelerator, share)
    outcome = fit(run, checkpoint)
    if main_process:
        _finish(run, key, outcome)


def _finish(run: Run, key: Key, outcome: Outcome) -> None:
    """Seal the finished run: configuration and tokenizer beside the weights, the plot, the manifest."""
    final = latest_checkpoint(run.checkpoints)
    if final is None:
        raise InputError(f"the last checkpoint of {run.folder} cannot be read back: check the disk")
    run.objective.model.config.to_json_file(run.folder / "config.json")
    for name in FILES:
        shutil.copyfile(run.prepared.folder / name, run.folder / name)
    plot = plot_losses(run.folder)
    start = next((record for record in read_metrics(run.folder / METRICS) if record["step"] == 0), {})
    figures = {
        "steps": run.schedule.steps,
        "parameters": run.objective.model.num_parameters(),
        "tokens_per_second": round(outcome.tokens_per_second),
        "seconds": round(outcome.seconds, 2),
        "peak_memory_mb": peak_memory_mb(),
        "checkpoint": final.folder.relative_to(run.folder).as_posix(),
        "model_sha256": hash_file(final.folder / MODEL),
        **{name.replace("held_out_", "start_"): value for name, value in start.items() if name != "step"},
        **(outcome.held_out.as_dict("held_out_") if outcome.held_out else {}),
    }
    seal(run.folder, key, figures)
    forms = {"mlm_loss": ".3f", "mlm_accuracy": ".1%", "nsp_loss": ".3f", "nsp_accuracy": ".1%"}
    rows = [
        (name, *(format(figures[f"{prefix}_{measure}"], form) for measure, form in forms.items()))
        for name, prefix in (("start", "start"), ("end", "held_out"))
        if f"{prefix}_mlm_loss" in figures
    ]
    columns = ("held out", "MLM loss", "MLM accuracy", "NSP loss", "NSP accuracy")
    if rows:
        table(f"pretrain -> {run.folder}", columns, rows)
    say(f"  {outcome.tokens_per_second:,.0f} tokens/s; losses drawn in {plot}")


def _announce(folder: Path, parameters: int, schedule: Schedule, done: int, accelerator: Accelerator) -> None:
    where = f"{accelerator.num_processes} x {accelerator.device.type}, precision {accelerator.mixed_precision}"
    say(f"pretrain: {parameters / 1e6:.1f} million parameters, {schedule.steps:,} steps on {where}")
    say(f"pretrain: {schedule.steps_per_epoch:,} steps an epoch, tensorboard --logdir {folder / 'tensorboard'}")
    if done:
        say(f"pretrain: going on after step {done:,}")


def _share(settings: TrainSettings, accelerator: Accelerator, arguments: argparse.Namespace) -> Share:
    processes = accelerator.num_processes
    if settings.batch_size < processes:
        raise InputError(f"train.batch_size {settings.batch_size} is less than the {processes} processes")
    largest = -(-settings.batch_size // processes)
    return Share(accelerator.process_index, processes, arguments.micro_batch or largest, arguments.workers)


def _accelerator(arguments: argparse.Namespace) -> Accelerator:
    """accelerate's view of this process; raises InputError if several were launched that do not see each other."""
    # Unless told that it is the CPU, several processes on a machine without an accelerator would each train alone.
    cpu = arguments.cpu or not torch.accelerator.is_available()
    precision = arguments.precision
    if precision == "auto":
        precision = "bf16" if not cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"
    accelerator = Accelerator(mixed_precision=precision, cpu=cpu)
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if accelerator.num_processes != launched:
        raise InputError(
            f"{launched} processes were launched but {accelerator.num_processes} take part: check the launcher"
        )
    return accelerator


if __name__ == "__main__":
    run_stage(main)
