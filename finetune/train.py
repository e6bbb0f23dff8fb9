"""Stage `finetune`: an encoder and labelled texts to a classifier with its scores.

    python -m finetune.train --model DIR                                             (make finetune MODEL=DIR)
    python -m finetune.train --model DIR --train FILE [--dev FILE] --test FILE --text COLUMN --label COLUMN
    accelerate launch --num_processes 4 -m finetune.train ...

`--model` is our export or any Hugging Face encoder folder. Writes `artifacts/finetune/<name>/`: a folder for
`AutoModelForSequenceClassification` and `pipeline("text-classification", model=DIR)`, `metrics.json` (dev and
test, each class), `history.json` (each epoch), `manifest.json`. The best epoch is chosen on dev, test is
scored once. With `--random-weights` the same encoder starts untrained: the difference is what pretraining was
worth.

Every process trains; the main one alone holds the output's lock, writes and publishes. The processes share
the output's disk.
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import asdict
from importlib.resources import files as packaged
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import broadcast

from finetune.job import STAGE, Job
from finetune.learn import Learned, learn
from finetune.metrics import Scores
from finetune.model import write_model
from finetune.settings import FinetuneSettings
from finetune.tasks import Files
from pipeline.artifact import Figures, Manifest, build
from pipeline.console import say, table
from pipeline.errors import InputError
from pipeline.stage import artifact_folder, read_recipe, run_stage, stage_parser
from pretrain.quiet import quiet

#: Classes shown in the terminal; `metrics.json` has all.
SHOWN_CLASSES = 20
MEASURES = ("accuracy", "precision", "recall", "f1")


def main(argv: list[str] | None) -> None:
    """Parse the command line, train or find nothing to do, say what came out."""
    arguments = _parser().parse_args(argv)
    recipe = read_recipe(arguments)
    job = Job(
        source=arguments.model or artifact_folder(arguments, "export", recipe),
        files=_files(arguments),
        folder=arguments.out.resolve() if arguments.out else artifact_folder(arguments, STAGE, recipe),
        settings=recipe.section("finetune", FinetuneSettings),
        random_weights=arguments.random_weights,
        cpu=arguments.cpu,
    )
    manifest, built = finetune(job)
    # A process that ends while its group's threads still run is aborted now and then ("terminate called").
    PartialState().destroy_process_group()
    if manifest is None:
        return
    if built:
        _report(job, manifest)
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
    processes = state.num_processes
    with quiet():
        if not state.is_main_process:
            if _agree(False, state):
                learn(job, processes, speaks=False)
            return None, False

        def make(workspace: Path) -> Figures:
            shutil.rmtree(job.scratch, ignore_errors=True)
            _agree(True, state)
            try:
                return _write(job, learn(job, processes, speaks=True), workspace)
            finally:
                shutil.rmtree(job.scratch, ignore_errors=True)

        manifest, built = build(job.folder, key, make)
        if not built:
            _agree(False, state)
        return manifest, built


def _agree(work: bool, state: PartialState) -> bool:
    """What main says, on every process."""
    if state.num_processes == 1:
        return work
    return bool(broadcast(torch.tensor([int(work)], device=state.device), from_process=0).item())


def _write(job: Job, learned: Learned, folder: Path) -> Figures:
    """Fill the workspace and return the manifest's figures."""
    fitted = learned.fitted
    write_model(fitted.model, job.source, learned.max_length, folder)
    scores = {"best_epoch": fitted.best.number, "dev": asdict(fitted.best.dev), "test": asdict(learned.test)}
    history = [{**asdict(epoch), "best": epoch is fitted.best} for epoch in fitted.epochs]
    for name, content in (("metrics.json", scores), ("history.json", history)):
        (folder / name).write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
    return {**learned.figures, "dev": _summary(fitted.best.dev), "test": _summary(learned.test)}


def _summary(scores: Scores) -> dict[str, float]:
    return {name: getattr(scores, name) for name in MEASURES}


def _report(job: Job, manifest: Manifest) -> None:
    figures = manifest.figures
    scores = json.loads((job.folder / "metrics.json").read_text("utf-8"))["test"]
    classes = scores["classes"]
    rows = [("all (macro mean)", *(f"{scores[name]:.3f}" for name in MEASURES), f"{scores['rows']:,}")]
    for each in classes[:SHOWN_CLASSES]:
        rows.append((each["name"], "-", *(f"{each[name]:.3f}" for name in MEASURES[1:]), f"{each['rows']:,}"))
    columns = ("test", "accuracy", "precision", "recall", "F1", "texts")
    table(f"finetune -> {job.folder}", columns, rows)
    if len(classes) > SHOWN_CLASSES:
        say(f"  {len(classes) - SHOWN_CLASSES} more classes in {job.folder / 'metrics.json'}")
    start = "random weights" if job.random_weights else str(job.source)
    say(
        f"  dev: epoch {figures['best_epoch']} of {job.settings.epochs} was best, macro F1 "
        f"{figures['dev']['f1']:.3f}; from {start}, {figures['seconds']:.1f} s"
    )


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("finetune.train", "Fine-tune an encoder to classify single texts.")
    parser.add_argument("--model", type=Path, help="encoder folder (default: artifacts/export/<name>)")
    parser.add_argument("--task", choices=["classification"], default="classification")
    parser.add_argument("--train", type=Path, help=".tsv, .txt (tabs) or .csv, also compressed (default: sample)")
    parser.add_argument("--dev", type=Path, help="to choose the best epoch by (default: a share of --train)")
    parser.add_argument("--test", type=Path, help="scored once, at the end (default: sample)")
    parser.add_argument("--text", default="text", metavar="COLUMN", help="column of the text (default: text)")
    parser.add_argument("--label", default="label", metavar="COLUMN", help="column of the label (default: label)")
    parser.add_argument("--out", type=Path, help="output folder (default: artifacts/finetune/<name>)")
    parser.add_argument("--random-weights", action="store_true", help="start from an untrained encoder, to compare")
    parser.add_argument("--cpu", action="store_true", help="use the CPU even if there is an accelerator")
    return parser


def _files(arguments: argparse.Namespace) -> Files:
    train, dev, test = arguments.train, arguments.dev, arguments.test
    if (train is None) != (test is None) or (dev and train is None):
        raise InputError("give --train and --test together (and --dev with them), or none of them for the sample")
    if train is None:
        sample = Path(str(packaged("finetune") / "sample"))
        train, test = sample / "sentiment-train.tsv", sample / "sentiment-test.tsv"
    return Files(train, dev, test, arguments.text, arguments.label)


if __name__ == "__main__":
    run_stage(main)
