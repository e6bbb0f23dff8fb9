"""Marks of a model: what the probes found, and what it was worth for tasks.

Each is shown only as what it is of: figures that were measured on other weights than the export's are said to be so.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence

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
    groups: dict[str, list[Part]] = {}
    for part in run.tasks:
        if part.manifest:
            groups.setdefault(part.inputs.get("test", ""), []).append(part)
    for number, parts in enumerate(groups.values(), 1):
        title = "Classification" if len(groups) == 1 else f"Classification, test data {number} of {len(groups)}"
        blocks += _task(title, parts)
    return tuple(blocks)


def _task(title: str, parts: Sequence[Part]) -> list[Block]:
    rows: list[Words] = []
    by_start: dict[str, list[float]] = {}
    trained = list(dict.fromkeys(part.inputs.get("train", "") for part in parts))
    for part in sorted(parts, key=_start, reverse=True):
        figures, settings = part.figures, part.settings.get("finetune", {})
        test, dev, count = figures.get("test", {}), figures.get("dev", {}), figures.get("rows", {}).get("test")
        if not (is_number(test.get("accuracy")) and isinstance(count, int)):
            continue
        marks = Marks(round(test["accuracy"] * count), count)
        by_start.setdefault(_start(part), []).append(test["accuracy"])
        rows.append(
            (
                _start(part),
                part.folder.name,
                str(1 + trained.index(part.inputs.get("train", ""))),
                str(settings.get("seed", "–")),
                Share(test["accuracy"], *marks.interval),
                *(f"{score['f1']:.3f}" if is_number(score.get("f1")) else "–" for score in (test, dev)),
                f"{count:,}",
            )
        )
    columns = (
        "start",
        "name",
        "training data",
        "seed",
        "test accuracy (95% interval)",
        "test macro F1",
        "dev macro F1",
        "test texts",
    )
    blocks: list[Block] = [table(title, columns, rows)]
    means = [
        f"{start}: {statistics.mean(values):.1%} ± {statistics.stdev(values):.1%} over {len(values)}"
        for start, values in by_start.items()
        if len(values) > 1
    ]
    blocks += [paragraph("Test accuracy, mean and standard deviation: " + "; ".join(means) + ".")] if means else []
    classes = [block for part in parts if (block := _classes(part))]
    return [*blocks, *([Fold("Each class", tuple(classes))] if classes else [])]


def _start(part: Part) -> str:
    return RANDOM if part.settings.get("random_weights") else "this export"


def _classes(part: Part) -> Table | None:
    try:
        classes = json.loads(part.text("metrics.json"))["test"]["classes"][:_CLASSES]
        rows = [
            (str(each["name"]), *(f"{each[name]:.3f}" for name in ("precision", "recall", "f1")), f"{each['rows']:,}")
            for each in classes
        ]
    except (ValueError, KeyError, TypeError):
        return None
    return table(f"{part.folder.name}, test", ("class", "precision", "recall", "F1", "texts"), rows)
