"""Several runs beside each other: the settings that differ, their curves in one plot, their marks in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pages.document import Block, Cell, Chart, Charts, Code, Heading, Missing, Notice, Share, Table, paragraph, table
from pages.figures import shares
from pages.gather import Part, Run
from pages.reproduce import tables
from pages.scores import TITLES
from pages.summary import parameters
from pages.training import HELD_OUT, MEASURES, PANELS, chart, is_number, points, value_table
from pipeline.console import duration
from pipeline.recipe_text import as_value

#: Points of a line, fewer than of one alone: several that shake hide each other.
_POINTS = 60


def compare(runs: Sequence[Run]) -> tuple[Block, ...]:
    """The section's blocks; the first run is the one that the page is about."""
    blocks: list[Block] = [*_caveats(runs), _figures(runs), *_made_of(runs), *_settings(runs)]
    drawn = _charts(runs)
    if drawn:
        blocks += [Heading("Curves"), Charts(tuple(drawn), tuple(value_table(each) for each in drawn))]
    return (*blocks, *_marks(runs))


def _caveats(runs: Sequence[Run]) -> list[Block]:
    told = [f"{run.name} has not ended: it is at step {_reached(run)}." for run in runs if run.going]
    if len({_content(run, "corpus") for run in runs}) > 1:
        told.append("The runs were measured on different held-out text: their held-out figures do not compare.")
    if len({_content(run, "tokenizer") for run in runs}) > 1:
        told.append(
            "The runs have different vocabularies: losses and accuracies are of different tokens and do not compare; "
            "bits per character do, on the same text."
        )
    return [Notice(text) for text in told]


def _content(run: Run, stage: str) -> str:
    """What tells one corpus or tokenizer from another."""
    manifest = run[stage].manifest
    return run["examples"].inputs.get(stage) or (manifest.content if manifest else "")


def _figures(runs: Sequence[Run]) -> Table:
    names = ("parameters", "steps", "time", "tokens per second")
    columns = []
    for run in runs:
        figures = run["pretrain"].figures
        count, seconds = parameters(run), figures.get("seconds")
        values = [
            f"{count:,}" if count else "–",
            _form("{:,}", figures.get("steps")) if figures else _reached(run),
            duration(seconds) if is_number(seconds) else "–",
            _form("{:,}", figures.get("tokens_per_second")),
        ]
        values += [_form(form, figures.get(HELD_OUT + name)) for name, (_, form, _) in MEASURES.items()]
        columns.append(values)
    titles = [*names, *(f"{title}, held out" for title, _, _ in MEASURES.values())]
    rows = [row for row in zip(titles, *columns, strict=True) if set(row[1:]) != {"–"}]
    return table("Figures, at the end of each run", ("figure", *(run.name for run in runs)), rows)


def _made_of(runs: Sequence[Run]) -> list[Block]:
    """Which corpus and vocabulary each has, where they are not the same."""
    rows: list[list[Cell]] = []
    for stage in ("corpus", "tokenizer"):
        contents = [_content(run, stage) for run in runs]
        if len(set(contents)) > 1:
            rows.append([stage, *(Code(content[:8]) if content else "–" for content in contents)])
    return [table("Made from", ("stage", *(run.name for run in runs)), rows)] if rows else []


def _reached(run: Run) -> str:
    return f"{run.records[-1]['step']:,.0f}" if run.records else "–"


def _form(form: str, value: object) -> str:
    return form.format(value) if is_number(value) else "–"


def _settings(runs: Sequence[Run]) -> list[Block]:
    """Settings of the stages that every run knows; which do not is told."""
    known = [{name: part for name, part in tables(run).items() if name != "finetune"} for run in runs]
    sections = list(dict.fromkeys(name for each in known for name in each))
    shared = [name for name in sections if all(name in each for each in known)]
    flat = [dict(_flat({name: each[name] for name in shared})) for each in known]
    rows: list[list[Cell]] = []
    for key in dict.fromkeys(key for each in flat for key in each):
        values = [Code(each[key]) if key in each else "–" for each in flat]
        if len(set(values)) > 1:
            rows.append([key, *values])
    blocks: list[Block] = []
    if rows:
        blocks.append(table("Settings that differ", ("setting", *(run.name for run in runs)), rows))
    else:
        blocks.append(paragraph("No setting differs."))
    lacking = [
        f"[{name}] of {run.name}"
        for run, each in zip(runs, known, strict=True)
        for name in sections
        if name not in each
    ]
    return [*blocks, *([Missing(f"Not known, and so not compared: {', '.join(lacking)}.")] if lacking else [])]


def _flat(section: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in section.items():
        found += _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(prefix + key, as_value(value))]
    return found


def _charts(runs: Sequence[Run]) -> list[Chart]:
    """A chart of each measure, training and held out apart: a line for each run is as much as one can hold."""
    drawn = []
    for panel in PANELS:
        for prefix, where in (("", "training"), (HELD_OUT, "held out")):
            found = [(run.name, points(run.records, prefix + panel.name), style) for style, run in enumerate(runs)]
            each = chart(panel, [line for line in found if len(line[1]) > 1], _POINTS)
            if each:
                title = f"{panel.title}, {where}" if panel.name in MEASURES else panel.title
                drawn.append(Chart(title, each.unit, each.lines, each.form, each.percent, each.from_zero, each.log))
    return drawn


def _marks(runs: Sequence[Run]) -> list[Block]:
    """Each probe's shares, a column a run: of what each run's own model got."""
    blocks: list[Block] = []
    for place, title in enumerate(TITLES.values()):
        found = [_own(run, run.marks[place]) for run in runs]
        keys = list(dict.fromkeys(key for each in found for key in each))
        rows: list[tuple[Cell, ...]] = [(key, *(each.get(key, "–") for each in found)) for key in keys]
        if rows and sum(map(bool, found)) > 1:
            blocks.append(table(title, ("what", *(run.name for run in runs)), rows))
    tasks = [_tasks(run) for run in runs]
    names = list(dict.fromkeys(name for each in tasks for name in each))
    told = [(name, *(each.get(name, "–") for each in tasks)) for name in names]
    if told and sum(map(bool, tasks)) > 1:
        blocks.append(table("Tasks, on test", ("task", *(run.name for run in runs)), told))
    return [Heading("Marks"), *blocks] if blocks else []


def _tasks(run: Run) -> dict[str, str]:
    """What fine-tunings from a run's export scored on test, by task and measure."""
    found: dict[str, list[str]] = {}
    for part in run.tasks:
        choice = part.figures.get("choice", "")
        value = part.figures.get("test", {}).get(choice)
        if is_number(value) and not part.settings.get("random_weights"):
            found.setdefault(f"{part.figures.get('task', 'task')}, {choice.replace('_', ' ')}", []).append(
                f"{value:.3f}"
            )
    return {name: ", ".join(values) for name, values in found.items()}


def _own(run: Run, part: Part) -> dict[str, Share]:
    """The shares of a run's own model, which a probe knows by its folder's name."""
    found = shares(part.figures, run.name) or shares(part.figures, run["export"].folder.name)
    return {" · ".join(path).replace("_", " ") or "overall": share for path, share in found.items()}
