"""Marks of a model: what the probes found, and what it was worth for tasks.

Each is shown only as what it is of: figures that were measured on other weights than the export's are said to be so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pages.document import Block, Fold, Heading, Missing, Notice, Share, Table, Words, paragraph, table
from pages.figures import figure_blocks
from pages.gather import MARKS, Part, Run
from pages.stage_report import read_chapters
from pages.training import is_number
from probes.exam import RANDOM
from probes.exam import Share as Marks

TITLES = {
    "josa": "Particles and other minimal pairs",
    "cloze": "Cloze",
    "nextsentence": "Next sentence",
    "leaks": "Leaks",
}
#: Measures that are shares of the test texts, so that their number says how sure they are.
_SHARES = ("accuracy", "exact_match", "em")
#: Classes told one by one.
_CLASSES = 40


def probes(run: Run) -> tuple[Block, ...]:
    """Every probe's figures, or what makes them."""
    blocks: list[Block] = []
    for part in run.marks:
        blocks.append(Heading(TITLES[part.stage]))
        if part.manifest is None:
            command = f"{MARKS[part.stage]} NAME={run.name}"
            blocks += [Notice(part.problem)] if part.problem else []
            blocks.append(Missing("This has not been asked.", command))
            continue
        if _asked_another(part, run["export"]):
            blocks.append(
                Notice(f"{part.stage}/{part.folder.name} was asked of other weights than those of the export.")
            )
        blocks += figure_blocks(part.figures, TITLES[part.stage], (run.name, part.folder.name))
        blocks += _own_report(part)
    return tuple(blocks)


def _own_report(part: Part) -> list[Block]:
    """What the probe itself wrote, with its headings but the first, which is the page's."""
    blocks: list[Block] = []
    for each in read_chapters(part.text("report.md")):
        blocks += [Heading(each.title)] if each.level > 1 else []
        blocks += each.blocks
    return [Fold("The probe's own report", tuple(blocks))] if blocks else []


def _asked_another(part: Part, export: Part) -> bool:
    weights = {
        record["sha256"]
        for name, record in (export.manifest.files if export.manifest else {}).items()
        if name.endswith(".safetensors")
    }
    return bool(weights and part.inputs) and not weights & set(part.inputs.values())


def tasks(run: Run) -> tuple[Block, ...]:
    """Fine-tunings that began from this export, seeds beside each other, with random weights where that was tried."""
    command = f"make finetune NAME={run.name}"
    if run["export"].manifest is None:
        return (Missing("There is no export, so nothing was fine-tuned from it.", f"make export NAME={run.name}"),)
    if not any(part.manifest for part in run.tasks):
        return (Missing("Nothing was fine-tuned from this export.", command),)
    blocks: list[Block] = []
    groups: dict[tuple[str, str], list[Part]] = {}
    for part in run.tasks:
        if part.manifest:
            tested = part.inputs.get("test") or part.inputs.get("train", "")
            groups.setdefault((str(part.figures.get("task", "task")), tested), []).append(part)
    named = [task for task, _ in groups]
    for number, ((task, _), parts) in enumerate(groups.items(), 1):
        title = task if named.count(task) == 1 else f"{task}, test data {number} of {len(groups)}"
        blocks += _task(title, parts)
    return tuple(blocks)


def _task(title: str, parts: Sequence[Part]) -> list[Block]:
    rows: list[Words] = []
    trained = list(dict.fromkeys(part.inputs.get("train", "") for part in parts))
    for part in sorted(parts, key=_start, reverse=True):
        figures = part.figures
        choice, count = figures.get("choice", ""), figures.get("rows", {}).get("test")
        test, dev = (figures.get(role, {}).get(choice) for role in ("test", "dev"))
        if not (is_number(test) and isinstance(count, int)):
            continue
        seeds = figures.get("seeds", 1)
        rows.append(
            (
                _start(part),
                part.folder.name,
                str(1 + trained.index(part.inputs.get("train", ""))),
                choice.replace("_", " "),
                _with_interval(part, choice, test, seeds, count),
                f"{dev:.3f}" if is_number(dev) else "–",
                str(seeds),
                f"{count:,}",
            )
        )
    columns = ("start", "name", "training data", "measure", "test (95% interval)", "dev", "seeds", "test texts")
    blocks: list[Block] = [table(title, columns, rows)]
    if any(row[6] != "1" for row in rows):
        blocks.append(
            paragraph("Of several seeds: the mean, and Student's interval over seeds; of one: over test texts.")
        )
    classes = [block for part in parts if (block := _classes(part))]
    return [*blocks, *([Fold("Each class", tuple(classes))] if classes else [])]


def _with_interval(part: Part, choice: str, test: float, seeds: Any, count: int) -> Share | str:
    """Of one seed the interval of a share of test texts, where it is one; of several that of their mean."""
    if seeds == 1:
        if choice not in _SHARES:
            return f"{test:.3f}"
        return Share(test, *Marks(round(test * count), count).interval)
    try:
        found = json.loads(part.text("metrics.json"))["test"][choice]
        return Share(test, max(float(found["low"]), 0.0), min(float(found["high"]), 1.0))
    except (ValueError, KeyError, TypeError):
        return f"{test:.3f}"


def _start(part: Part) -> str:
    return RANDOM if part.settings.get("random_weights") else "this export"


def _classes(part: Part) -> Table | None:
    try:
        metrics = json.loads(part.text("metrics.json"))
        classes = metrics["runs"][metrics["chosen"]]["test"]["classes"][:_CLASSES]
        rows = [
            (str(each["name"]), *(f"{each[name]:.3f}" for name in ("precision", "recall", "f1")), f"{each['rows']:,}")
            for each in classes
        ]
    except (ValueError, KeyError, TypeError, IndexError):
        return None
    if not rows:
        return None
    return table(f"{part.folder.name}, test", ("class", "precision", "recall", "F1", "texts"), rows)
