"""A fine-tuning's folder and its summary: scores of all runs, report, and the record of the test's use."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from finetune.data.read import input_files
from finetune.job import Job
from finetune.results import read_mistakes, read_runs
from finetune.scoring.intervals import Spread, spread
from finetune.scoring.outcome import Outcome, Run
from finetune.scoring.page import write_report
from finetune.scoring.protocol import count_uses, digest, peer_maximum, record_use, uses_of
from finetune.scoring.tables import classes_table
from finetune.sets import Sets
from pipeline.artifact import Figures, Manifest
from pipeline.console import say, table, warn
from pipeline.recipe import as_table

METRICS = "metrics.json"
#: Classes that are listed on the console.
_CLASSES = 30


def publish(
    job: Job,
    sets: Sets,
    runs: Sequence[Run],
    best: int,
    folder: Path,
    notes: Sequence[str],
    *,
    model: str = "",
    chosen: Mapping[str, Any] | None = None,
) -> Figures:
    """Write the summary of `runs`, of which `best` is kept, into its folder; figures for the manifest.

    model: what it is called, if not by its folder. chosen: all that was chosen, if that is not the job's settings.
    """
    tested = input_files(job.data.test or job.data.train)
    test = digest(tested)
    settings = as_table(job.settings) if chosen is None else dict(chosen)
    outcome = Outcome(
        task=job.data.source.task,
        kind=job.data.source.resolved().kind,
        model=model or model_name(job),
        measure=sets.choice,
        parts=sets.parts,
        settings={**settings, "random_weights": job.random_weights},
        runs=tuple(runs),
        chosen=best,
        mistakes=read_mistakes(folder),
        uses=count_uses(uses_of(job.artifacts, test)),
        peer=job.peer,
        notes=(*sets.notes, *notes, *collapsed(runs)),
    )
    spreads = {"dev": _spreads([run.dev for run in runs]), "test": _spreads([run.test for run in runs])}
    told = {role: {name: asdict(each) for name, each in found.items()} for role, found in spreads.items()}
    _write(folder / METRICS, {"choice": sets.choice, "chosen": best, **told, "runs": [asdict(run) for run in runs]})
    write_report(folder, outcome)
    record_use(
        job.artifacts,
        test,
        tested,
        model=outcome.model,
        task=outcome.task,
        measure=sets.choice,
        value=spreads["test"][sets.choice].mean,
        seeds=[run.seed for run in runs],
        settings={name: value for name, value in settings.items() if name not in ("seed", "seeds")},
    )
    means = {role: {name: round(each.mean, 6) for name, each in found.items()} for role, found in spreads.items()}
    return {"task": outcome.task, "choice": sets.choice, "seeds": len(runs), "chosen": runs[best].seed, **means}


def collapsed(runs: Sequence[Run]) -> list[str]:
    """A sentence on each run that gave all rows of test one class: its scores are those of a constant."""
    found = []
    for run in runs:
        if run.test is None or not run.test.confusion:
            continue
        answered = [
            each.name
            for each, column in zip(run.test.classes, zip(*run.test.confusion, strict=True), strict=True)
            if any(column)
        ]
        if len(answered) == 1 and sum(each.rows > 0 for each in run.test.classes) > 1:
            found.append(
                f"seed {run.seed} answers every row of test with {answered[0]!r}: it has learned nothing; "
                "try more finetune.epochs or another finetune.learning_rate"
            )
    return found


def model_name(job: Job) -> str:
    """What the model is called in tables and in the record of a test's uses."""
    return f"{job.model.name}, random weights" if job.random_weights else job.model.name


def show(job: Job, manifest: Manifest, model: str = "") -> None:
    """Print what came out; `model` as in `publish`."""
    metrics = json.loads((job.folder / METRICS).read_text("utf-8"))
    runs = read_runs(metrics["runs"])
    kept, choice = runs[metrics["chosen"]], metrics["choice"]
    rows = [
        (name, str(Spread(**metrics["dev"][name])), str(Spread(**metrics["test"][name]))) for name in metrics["test"]
    ]
    table(f"{manifest.stage} -> {job.folder}", ("measure", "dev", "test"), rows)
    if kept.test is not None and kept.test.classes:
        columns, cells = classes_table(kept.test)
        table("", columns, cells[:_CLASSES])
        if len(cells) > _CLASSES:
            say(f"  {len(cells) - _CLASSES} more classes in {job.folder / METRICS}")
    for note in collapsed(runs):
        warn(note)
    if job.peer:
        looks = [[epoch.test for epoch in run.epochs if epoch.test is not None] for run in runs]
        say(f"  chosen on test, as peers do (no score of this model): {choice} {peer_maximum(looks)}")
    epoch = f", epoch {kept.best_epoch} of {len(kept.epochs)}" if kept.epochs else ""
    say(
        f"  seed {kept.seed}{epoch} was best on dev ({choice} {kept.dev.choice:.3f}); from {model or model_name(job)}, "
        f"{manifest.figures['seconds']:.1f} s; see report.md"
    )


def _spreads(scores: Sequence[Any]) -> dict[str, Spread]:
    return {name: spread([each.measures[name] for each in scores]) for name in scores[0].measures}


def _write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
