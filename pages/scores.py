"""Marks of a model: what the probes found, and what it was worth for tasks.

Probes write what figures they like. Whatever has a share is shown as a bar with its interval, the rest as it is, so
that a new probe needs no new code here.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pages.document import Block, Cell, Fold, Heading, Missing, Notice, Share, Table, Words, paragraph, table
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
#: Keys of a share, which have a place of their own.
_OF_SHARE = ("share", "low", "high", "right", "of")
_COST = ("seconds", "peak_memory_mb")
#: Rows shown of a list of findings; the probe's own report has all.
_ROWS = 20
_CLASSES = 40

Leaf = tuple[tuple[str, ...], Mapping[str, Any]]


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
            blocks.append(Notice(f"{part.folder} is of other weights than the export that stands there now."))
        blocks += figure_blocks(part.figures, TITLES[part.stage], (run.name, part.folder.name, RANDOM))
        own = tuple(block for each in read_chapters(part.text("report.md")) for block in each.blocks)
        blocks += [Fold("The probe's own report", own)] if own else []
    return tuple(blocks)


def _asked_another(part: Part, export: Part) -> bool:
    weights = {
        record["sha256"]
        for name, record in (export.manifest.files if export.manifest else {}).items()
        if name.endswith(".safetensors")
    }
    return bool(weights and part.inputs) and not weights & set(part.inputs.values())


def figure_blocks(figures: Mapping[str, Any], title: str, models: Sequence[str]) -> list[Block]:
    """Any figures as tables; `models` are names by which the level that tells models apart is known."""
    blocks: list[Block] = []
    leaves = [leaf for leaf in _leaves(figures) if leaf[0]]
    for depth in sorted({len(path) for path, _ in leaves}):
        level = [leaf for leaf in leaves if len(leaf[0]) == depth]
        for shared in (True, False):
            some = [leaf for leaf in level if is_number(leaf[1].get("share")) is shared]
            blocks += [_leaf_table(title, some, models)] if some else []
    for name, rows in figures.items():
        if isinstance(rows, list) and rows and all(isinstance(row, dict) for row in rows):
            blocks.append(_row_table(name, rows))
    plain = {name: value for name, value in figures.items() if _scalar(value) and name not in _COST}
    if plain:
        blocks.append(paragraph("; ".join(f"{_name(name)} {_value(value)}" for name, value in plain.items()) + "."))
    return blocks or [paragraph("The manifest holds no figures.")]


def shares(figures: Mapping[str, Any]) -> dict[tuple[str, ...], Share]:
    """The shares among figures, by where they stand."""
    return {path: _share(leaf) for path, leaf in _leaves(figures) if is_number(leaf.get("share"))}


def _leaves(figures: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[Leaf]:
    """Tables of values with where they stand."""
    values = {name: value for name, value in figures.items() if _scalar(value)}
    if values:
        yield path, values
    for name, value in figures.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, str(name)))


def _leaf_table(title: str, leaves: Sequence[Leaf], models: Sequence[str]) -> Table:
    depth = len(leaves[0][0])
    model = next((place for place in range(depth) if any(path[place] in models for path, _ in leaves)), None)
    order = [place for place in range(depth) if place != model] + ([model] if model is not None else [])
    firsts = [list(dict.fromkeys(path[place] for path, _ in leaves)) for place in range(depth)]
    ordered = sorted(leaves, key=lambda leaf: [firsts[place].index(leaf[0][place]) for place in order])
    columns = ["model" if place == model else "what" for place in order]
    extra = list(dict.fromkeys(name for _, leaf in leaves for name in leaf if name not in _OF_SHARE))
    with_share = any(is_number(leaf.get("share")) for _, leaf in leaves)
    columns += ["share (95% interval)", "of"] if with_share else []
    rows: list[Words] = []
    for path, leaf in ordered:
        cells: list[Cell] = [_name(path[place]) if place != model else path[place] for place in order]
        cells += [_share(leaf), _count(leaf)] if with_share else []
        rows.append((*cells, *(_value(leaf[name]) if name in leaf else "–" for name in extra)))
    return table(title, (*columns, *map(_name, extra)), rows)


def _share(leaf: Mapping[str, Any]) -> Share:
    low, high = (float(leaf[end]) if is_number(leaf.get(end)) else None for end in ("low", "high"))
    return Share(float(leaf["share"]), low, high)


def _count(leaf: Mapping[str, Any]) -> str:
    return _value(leaf["of"]) if "of" in leaf else "–"


def _row_table(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = list(dict.fromkeys(key for row in rows for key, value in row.items() if _scalar(value)))
    cells = [tuple(_value(row[column]) if column in row else "–" for column in columns) for row in rows[:_ROWS]]
    more = f" (the first {_ROWS} of {len(rows):,})" if len(rows) > _ROWS else ""
    return table(_name(name) + more, tuple(map(_name, columns)), cells)


def _scalar(value: object) -> bool:
    return isinstance(value, str | int | float) or value is None


def _name(text: str) -> str:
    return text.replace("_", " ")


def _value(value: object) -> str:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return {True: "yes", False: "no", None: "–"}.get(value, "") if not isinstance(value, str) else value
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


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
