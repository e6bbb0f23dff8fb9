"""Stage `finetune`: an encoder and labelled rows to a task's model with its scores.

    python -m finetune.train --model DIR                                             (make finetune MODEL=DIR)
    python -m finetune.train --model DIR --task nsmc --train FILE [--dev FILE] [--test FILE]
    python -m finetune.train --model DIR --train FILE --text COLUMN [--pair COLUMN] --label COLUMN
    accelerate launch --num_processes 4 -m finetune.train ...

`--model` is our export or any Hugging Face encoder folder; `--task` a kind of task or a known data set. Writes
`artifacts/finetune/<name>/`: a folder for transformers' own `pipeline`, `task.json` (what it was taught),
`metrics.json` (dev and test of each run, their mean and interval), `predictions.jsonl` (answers to test), `report.md`
with its plots, `manifest.json`. The best epoch, and of several runs the best, is chosen on dev; each run scores test
once. With `--random-weights` the same encoder starts untrained: the difference is what pretraining was worth.

Every process trains; the main one alone holds the output's lock, writes and publishes. The processes share
the output's disk. A run of several that is done is not done again when the stage was interrupted.
"""

from __future__ import annotations

import argparse
import shutil
from functools import partial
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import broadcast

from finetune.flags import data_flags, read_data
from finetune.job import FINETUNE, Job
from finetune.learn import Bench, announce, learn, set_up
from finetune.model import write_model
from finetune.publish import publish, show
from finetune.results import PREDICTIONS, RESULT, prediction_lines, read_result, write_mistakes, write_result
from finetune.sets import Sets, read_sets
from finetune.settings import FinetuneSettings
from finetune.taskfile import TaskFile, write_task
from finetune.trainer import steps_of
from pipeline.artifact import MANIFEST, Figures, Kind, Manifest, build
from pipeline.console import say
from pipeline.stage import artifact_folder, read_recipe, run_stage, stage_parser
from pretrain.quiet import quiet

#: A run of one seed, waiting for the others.
RUN = Kind("finetune run", 1, "make finetune")


def main(argv: list[str] | None) -> None:
    """Parse the command line, run the stage, report."""
    arguments = _parser().parse_args(argv)
    recipe = read_recipe(arguments)
    job = Job(
        model=arguments.model or artifact_folder(arguments, "export", recipe),
        data=read_data(arguments),
        folder=arguments.out.resolve() if arguments.out else artifact_folder(arguments, FINETUNE.stage, recipe),
        settings=recipe.section("finetune", FinetuneSettings),
        artifacts=arguments.artifacts,
        random_weights=arguments.random_weights,
        peer=arguments.peer_protocol,
        cpu=arguments.cpu,
    )
    manifest, built = finetune(job)
    # A process that ends while its group's threads still run is aborted now and then ("terminate called").
    PartialState().destroy_process_group()
    if manifest is None:
        return
    if built:
        show(job, manifest)
    else:
        say(f"finetune: {job.folder} is up to date")


def finetune(job: Job) -> tuple[Manifest | None, bool]:
    """The artifact made by `job`, and whether it had to be; called on every process, None on all but main.

    Main decides inside `pipeline.artifact.build` whether there is work, and tells the others before any of
    them trains.
    """
    job.check_place()
    key = job.key()
    state = PartialState(cpu=job.cpu or None)
    with quiet():
        if not state.is_main_process:
            if _agree(False, state):
                sets = read_sets(job)
                bench = set_up(job, sets)
                for seed in _seeds(job):
                    if _agree(False, state):
                        learn(job, sets, bench, seed, state.num_processes, speaks=False)
            return None, False

        def make(workspace: Path) -> Figures:
            _agree(True, state)
            return _make(job, key.made_from, state, workspace)

        manifest, built = build(job.folder, key, make, after=lambda: shutil.rmtree(job.scratch, ignore_errors=True))
        if not built:
            _agree(False, state)
        return manifest, built


def _make(job: Job, made_from: str, state: PartialState, workspace: Path) -> Figures:
    """All runs, and out of them the folder; on the main process."""
    sets = read_sets(job)
    bench = set_up(job, sets)
    announce(bench, sets.notes)
    folders = []
    for seed in _seeds(job):
        folders.append(job.scratch / str(seed))
        key = RUN.key({"seed": seed}, {"job": made_from})
        _, ran = build(folders[-1], key, partial(_run, job, sets, bench, seed, state))
        if not ran:
            _agree(False, state)
            say(f"finetune: seed {seed} was done before")
    runs = [read_result(folder) for folder in folders]
    best = max(range(len(runs)), key=lambda place: (runs[place].dev.choice, -place))
    for file in sorted(folders[best].iterdir()):
        if file.name not in (MANIFEST, RESULT):
            shutil.copyfile(file, workspace / file.name)
    cost = {"steps": steps_of(job.settings, len(bench.encoded["train"].examples)), "processes": state.num_processes}
    return {**bench.figures, **cost, **publish(job, sets, runs, best, workspace, bench.notes)}


def _run(job: Job, sets: Sets, bench: Bench, seed: int, state: PartialState, folder: Path) -> Figures:
    """One run into `folder`."""
    _agree(True, state)
    try:
        learned = learn(job, sets, bench, seed, state.num_processes, speaks=True)
        write_model(learned.fitted.model, job.model, bench.reading.max_length, folder)
    finally:
        shutil.rmtree(job.scratch / "checkpoints", ignore_errors=True)
    task, reading = job.data.source.resolved(), bench.reading
    write_task(
        TaskFile(
            task.name,
            task.text,
            task.pair,
            bench.names,
            sets.cleaning,
            reading.max_length,
            reading.stride,
            bench.choice,
            task.label,
        ),
        folder,
    )
    lines = prediction_lines(sets.test, learned.said, bench.names)
    (folder / PREDICTIONS).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    write_mistakes(learned.mistakes, folder)
    write_result(learned.run, folder)
    return {"seed": seed, "dev": learned.run.dev.choice}


def _seeds(job: Job) -> range:
    return range(job.settings.seed, job.settings.seed + job.settings.seeds)


def _agree(work: bool, state: PartialState) -> bool:
    """What main says, on every process."""
    if state.num_processes == 1:
        return work
    return bool(broadcast(torch.tensor([int(work)], device=state.device), from_process=0).item())


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("finetune.train", "Fine-tune an encoder for a task.")
    parser.add_argument("--model", type=Path, help="encoder folder (default: artifacts/export/<name>)")
    data_flags(parser)
    parser.add_argument("--out", type=Path, help="output folder (default: artifacts/finetune/<name>)")
    parser.add_argument("--random-weights", action="store_true", help="start from an untrained encoder, to compare")
    parser.add_argument(
        "--peer-protocol", action="store_true", help="also print the best test score of all epochs, as others report"
    )
    parser.add_argument("--cpu", action="store_true", help="use the CPU even if there is an accelerator")
    return parser


if __name__ == "__main__":
    run_stage(main)
