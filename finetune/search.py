"""Stage `search`: settings of a fine-tuning, chosen on dev.

    python -m finetune.search --model DIR --task nsmc --train FILE --test FILE \\
        --grid finetune.learning_rate=1e-4,3e-4 finetune.epochs=2,4

(make search MODEL=DIR TRAIN=FILE GRID="finetune.epochs=2,4"). Every combination is trained with one seed and judged on
dev, the same rows for all. Test is never scored: it is read so that train is what `finetune.train` would have (what is
not given is carved from train; texts that stand in both may be left out), and that is all. Of more combinations than
`--most` some are drawn by the seed. What was tried is kept in `artifacts/search/`: an interrupted search goes on, and a
larger one begins where a smaller one ended. Standard output is the command that trains with what was best.

The best of many on one dev looks better than it is: what it is worth, test says once, afterwards.
"""

from __future__ import annotations

import argparse
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from accelerate import PartialState

from finetune.flags import data_flags, read_data
from finetune.grid import Combination, combinations, some_of
from finetune.job import Job
from finetune.learn import Bench, announce, set_up, tune
from finetune.results import read_result, write_result
from finetune.scoring.outcome import Run
from finetune.sets import Sets, read_sets
from finetune.settings import FinetuneSettings
from pipeline.artifact import Figures, Kind, build
from pipeline.console import answer, say, table
from pipeline.errors import InputError
from pipeline.recipe import load_recipe
from pipeline.stage import artifact_folder, positive, read_recipe, run_stage, stage_parser
from pretrain.quiet import quiet

SEARCH = Kind("search", 1, "make search")
MOST = 20


@dataclass(frozen=True)
class Trial:
    """A combination, and what came of it on dev."""

    combination: Combination
    run: Run

    @property
    def worth(self) -> tuple[float, float]:
        """More is better: the measure to choose by, of equals the least loss."""
        return self.run.dev.choice, -self.run.epochs[self.run.best_epoch - 1].dev_loss


def main(argv: list[str] | None) -> None:
    """Parse the command line, try, tell."""
    arguments = _parser().parse_args(argv)
    recipe = read_recipe(arguments)
    job = Job(
        model=arguments.model or artifact_folder(arguments, "export", recipe),
        data=read_data(arguments),
        folder=arguments.artifacts / SEARCH.stage,
        settings=replace(recipe.section("finetune", FinetuneSettings), seeds=1),
        artifacts=arguments.artifacts,
        random_weights=arguments.random_weights,
        cpu=arguments.cpu,
    )
    every = combinations(arguments.grid)
    chosen = some_of(every, arguments.most, job.settings.seed)
    # All are checked before the first is trained.
    jobs = [_with(job, arguments, combination) for combination in chosen]
    if len(chosen) < len(every):
        say(f"search: {len(chosen)} of {len(every)} combinations (--most), drawn by seed {job.settings.seed}")
    trials = search(jobs, chosen)
    best = max(trials, key=lambda trial: trial.worth)
    measure = next(iter(best.run.dev.measures))
    rows = [_cells(trial, trial is best) for trial in sorted(trials, key=lambda trial: trial.worth, reverse=True)]
    table(
        f"search: {len(trials)} combinations on dev ({best.run.dev.rows:,} rows, seed {job.settings.seed})",
        (*(each.partition("=")[0].partition(".")[2] for each in best.combination), measure, "loss", "epoch", ""),
        rows,
    )
    say(f"search: the best of {len(trials)} on one dev looks better than it is; test was not scored. Train with it:")
    answer(command(arguments, best.combination))


def search(jobs: Sequence[Job], chosen: Sequence[Combination]) -> list[Trial]:
    """What each comes to, in their order; those that were tried before are not trained again."""
    if PartialState(cpu=jobs[0].cpu or None).num_processes > 1:
        raise InputError("a search runs in one process: start it without accelerate launch")
    trials = []
    for number, (job, combination) in enumerate(zip(jobs, chosen, strict=True), 1):
        key = SEARCH.key(job.key().settings, job.key().inputs)
        folder = job.folder / key.made_from[:16]
        _, built = build(folder, key, partial(_try, replace(job, folder=folder), number == 1))
        say(f"search: {number} of {len(jobs)}: {' '.join(combination)}{'' if built else ' was tried before'}")
        trials.append(Trial(combination, read_result(folder)))
    return trials


def command(arguments: argparse.Namespace, combination: Combination) -> str:
    """The command that trains with this combination, as a shell takes it."""
    words = ["python", "-m", "finetune.train", "--recipe", arguments.recipe]
    for name in ("name", "artifacts", "model", "task", "train", "dev", "test", "text", "pair", "label"):
        value = getattr(arguments, name)
        if value is not None and (name, value) != ("artifacts", Path("artifacts")):
            words += [f"--{name}", str(value)]
    words += [f"--{name.replace('_', '-')}" for name in ("random_weights", "cpu") if getattr(arguments, name)]
    return shlex.join([*words, "--set", *_others(arguments, combination), *combination])


def _try(job: Job, speaks: bool, folder: Path) -> Figures:
    with quiet():
        sets: Sets = read_sets(job)
        bench: Bench = set_up(job, sets, with_test=False)
        if speaks:
            announce(bench, sets.notes)
        try:
            _, fitted = tune(job, sets, bench, job.settings.seed, 1, speaks=True)
        finally:
            shutil.rmtree(job.scratch, ignore_errors=True)
    write_result(Run(job.settings.seed, fitted.epochs, fitted.best_epoch, fitted.dev, None), folder)
    return {"dev": fitted.dev.choice, "epoch": fitted.best_epoch}


def _with(job: Job, arguments: argparse.Namespace, combination: Combination) -> Job:
    recipe = load_recipe(arguments.recipe, [*_others(arguments, combination), *combination])
    return replace(job, settings=replace(recipe.section("finetune", FinetuneSettings), seeds=1))


def _others(arguments: argparse.Namespace, combination: Combination) -> list[str]:
    """What `--set` says of other settings."""
    own = {each.partition("=")[0] for each in combination}
    return [each for each in arguments.overrides if each.partition("=")[0].strip() not in own]


def _cells(trial: Trial, best: bool) -> tuple[str, ...]:
    values = [each.partition("=")[2] for each in trial.combination]
    score, loss = trial.worth
    return (*values, f"{score:.4f}", f"{-loss:.4f}", str(trial.run.best_epoch), "best" if best else "")


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("finetune.search", "Choose settings of a fine-tuning on dev.")
    parser.add_argument("--model", type=Path, help="encoder folder (default: artifacts/export/<name>)")
    data_flags(parser)
    parser.add_argument(
        "--grid", nargs="+", action="extend", required=True, metavar="finetune.KEY=VALUE,VALUE", help="what to try"
    )
    parser.add_argument("--most", type=positive, default=MOST, help=f"combinations at most (default: {MOST})")
    parser.add_argument("--random-weights", action="store_true", help="start from an untrained encoder")
    parser.add_argument("--cpu", action="store_true", help="use the CPU even if there is an accelerator")
    return parser


if __name__ == "__main__":
    run_stage(main)
