"""Stage `ladder`: several models on several tasks under one protocol, as one table.

    python -m finetune.ladder --plan ladder.toml
    python -m finetune.ladder --models DIR random:DIR tfidf --tasks nsmc=train.tsv,test.tsv klue-nli=klue-nli-train.json

(make ladder PLAN=ladder.toml, or MODELS="..." TASKS="..."). A model is a folder, fine-tuned whole; `random:FOLDER`,
the same with random weights; `frozen:FOLDER`, its vectors as they are with a head (`finetune.features`); or `tfidf`.
A plan:

    models = ["artifacts/export/law", "random:artifacts/export/law", "tfidf"]
    [[tasks]]
    task = "nsmc"
    train = "nsmc/train.tsv"
    test = "nsmc/test.tsv"              # without it a share of train; also: dev, text, pair, label, name
    set = ["finetune.max_length=64"]    # of this task, for all models

Seeds, settings and sets of rows are the same for all models of a task (`--set`, the recipe's [finetune]). Each cell is
an ordinary artifact under `artifacts/ladder/<name>/cells/`, made by its own stage in a process of its own: what is
there is not made again, and an interrupted ladder goes on. Prints the table, and writes it with each model's difference
to the first one as `ladder.md` and `ladder.json`.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from finetune.plan import Entry, Plan, called, read_plan
from finetune.rungs import Cell, Compared, compare, read_cell
from pipeline.console import say, table, warn
from pipeline.errors import InputError
from pipeline.files import write_atomic
from pipeline.stage import LEFT_EARLY, artifact_folder, read_recipe, run_stage, stage_parser
from tokenizer import markdown as md

#: What a cell is where a model cannot do a task, and where it failed.
UNABLE, FAILED = "-", "failed"

Cells = dict[tuple[str, str], Cell | str]


def main(argv: list[str] | None) -> None:
    """Parse the command line, climb, tell."""
    arguments = _parser().parse_args(argv)
    recipe = read_recipe(arguments)
    folder = artifact_folder(arguments, "ladder", recipe)
    plan = read_plan(arguments.plan, arguments.models, arguments.tasks)
    cells: Cells = {}
    for entry in plan.tasks:
        for model in plan.models:
            cells[model, entry.called] = _cell(arguments, folder, model, entry)
    against = _against(plan, cells)
    columns, rows = _table(plan, cells)
    table(f"ladder -> {folder}", columns, rows)
    for (model, task), found in against.items():
        say(f"  {task}: {called(model)} {found.value:+.4f} to {called(plan.models[0])}: {found.verdict}")
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "ladder.md", "\n".join(_page(plan, cells, against, arguments.overrides)))
    write_atomic(folder / "ladder.json", json.dumps(_json(plan, cells, against), indent=1, ensure_ascii=False) + "\n")
    failed = [f"{called(model)} on {task}" for (model, task), cell in cells.items() if cell == FAILED]
    if failed:
        raise InputError(
            f"{len(failed)} of {len(cells)} cells failed ({', '.join(failed)}): see above; the rest stands"
        )


def command(arguments: argparse.Namespace, model: str, entry: Entry, out: Path) -> list[str]:
    """What makes a cell."""
    way, _, folder = model.rpartition(":") if model.startswith(("random:", "frozen:")) else ("", "", model)
    stage = "features" if way == "frozen" or model == "tfidf" else "train"
    words = [sys.executable, "-m", f"finetune.{stage}", "--recipe", arguments.recipe]
    words += ["--artifacts", str(arguments.artifacts), "--out", str(out)]
    words += ["--baseline", "tfidf"] if model == "tfidf" else ["--model", folder]
    for name in ("task", "train", "dev", "test", "text", "pair", "label"):
        if (value := getattr(entry, name)) is not None:
            words += [f"--{name}", value]
    words += ["--random-weights"] * (way == "random") + ["--cpu"] * arguments.cpu
    overrides = [*arguments.overrides, *entry.set]
    return [*words, "--set", *overrides] if overrides else words


def _cell(arguments: argparse.Namespace, folder: Path, model: str, entry: Entry) -> Cell | str:
    if not entry.able(model):
        warn(f"ladder: {called(model)} cannot do {entry.called}: left out")
        return UNABLE
    out = folder / "cells" / entry.called / called(model).replace(" ", "-")
    say(f"ladder: {entry.called}, {called(model)}")
    code = start(command(arguments, model, entry, out))
    if code in (LEFT_EARLY, 130, -signal.SIGINT, -signal.SIGTERM):
        raise KeyboardInterrupt
    return FAILED if code else read_cell(out)


def start(words: list[str]) -> int:
    """Run a command to its end; its exit code. What it says goes where our own words go."""
    return subprocess.run(words, check=False).returncode


def _against(plan: Plan, cells: Cells) -> dict[tuple[str, str], Compared]:
    """Each cell that has an answer beside the first model's of its task."""
    found = {}
    for entry in plan.tasks:
        first = cells[plan.models[0], entry.called]
        for model in plan.models[1:]:
            cell = cells[model, entry.called]
            if isinstance(cell, Cell) and isinstance(first, Cell):
                found[model, entry.called] = compare(cell, first)
    return found


def _table(plan: Plan, cells: Cells) -> tuple[Sequence[str], list[tuple[str, ...]]]:
    columns = ["model"]
    for entry in plan.tasks:
        measures = {
            cell.measure for (_, task), cell in cells.items() if task == entry.called and isinstance(cell, Cell)
        }
        columns.append(" ".join([entry.called, *sorted(measures)]))
    rows = [(called(model), *(str(cells[model, entry.called]) for entry in plan.tasks)) for model in plan.models]
    return columns, rows


def _page(plan: Plan, cells: Cells, against: dict[tuple[str, str], Compared], overrides: Sequence[str]) -> list[str]:
    columns, rows = _table(plan, cells)
    settings = ", ".join(overrides) or "the recipe's"
    lines = [
        "# Ladder",
        "",
        f"Mean +- standard deviation over seeds, on test, by the measure to choose by. One protocol: the same sets of "
        f"rows, seeds and settings ({md.cell(settings)}) for all models of a task; chosen on dev, test scored once a "
        "seed. Without +-: one seed, or a head that draws nothing.",
        "",
        *md.table([md.cell(column) for column in columns], [tuple(map(md.cell, row)) for row in rows]),
    ]
    if not against:
        return lines
    told = [
        (
            task,
            called(model),
            f"{found.value:+.4f}",
            str(found.by_rows or "not the same rows"),
            _seeds(found),
            found.verdict,
        )
        for (model, task), found in against.items()
    ]
    names = ("task", "model", "difference of means", "by rows, kept seeds", "by seeds", "so it is")
    lines += [
        f"## Against {md.cell(called(plan.models[0]))}",
        "",
        "By rows: paired bootstrap of the kept seeds' answers. By seeds: Welch's interval of the means. A difference "
        "is within noise if either interval holds 0.",
        "",
        *md.table(names, [tuple(map(md.cell, row)) for row in told]),
    ]
    return lines


def _seeds(found: Compared) -> str:
    return "one seed each" if found.by_seeds is None else f"{found.by_seeds[0]:+.4f} to {found.by_seeds[1]:+.4f}"


def _json(plan: Plan, cells: Cells, against: dict[tuple[str, str], Compared]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for (model, task), cell in cells.items():
        line: dict[str, object] = {"model": called(model), "task": task}
        if isinstance(cell, Cell):
            line |= {"measure": cell.measure, "values": cell.values, "rows": len(cell.rows)}
        else:
            line["state"] = cell
        if (model, task) in against:
            line |= {"difference": against[model, task].value, "verdict": against[model, task].verdict}
        found.append(line)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("finetune.ladder", "Several models on several tasks under one protocol.")
    parser.add_argument("--plan", type=Path, help="a .toml of models and tasks")
    parser.add_argument("--models", nargs="+", default=[], help="folders, random:FOLDER, frozen:FOLDER, tfidf")
    parser.add_argument(
        "--tasks", nargs="+", default=[], metavar="TASK=TRAIN[,TEST]", help="known tasks and their files"
    )
    parser.add_argument("--cpu", action="store_true", help="use the CPU even if there is an accelerator")
    return parser


if __name__ == "__main__":
    run_stage(main)
