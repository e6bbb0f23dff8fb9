"""Several runs beside each other: the settings that differ, their curves in one plot, their marks in one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pages.document import Block, Cell, Chart, Charts, Heading, Notice, Table, paragraph, table
from pages.gather import Run
from pages.reproduce import tables
from pages.scores import TITLES, shares
from pages.summary import parameters
from pages.training import HELD_OUT, MEASURES, PANELS, chart, is_number, points, value_table
from pipeline.console import duration


def compare(runs: Sequence[Run]) -> tuple[Block, ...]:
    """The section's blocks; the first run is the one that the page is about."""
    blocks: list[Block] = [*_caveats(runs), _figures(runs), _settings(runs)]
    drawn = _charts(runs)
    if drawn:
        blocks += [Heading("Curves"), Charts(tuple(drawn), tuple(value_table(each) for each in drawn))]
    return (*blocks, *_marks(runs))


def _caveats(runs: Sequence[Run]) -> list[Block]:
    contents = {stage: {_content(run, stage) for run in runs} for stage in ("corpus", "tokenizer")}
    told: list[Block] = []
    if len(contents["corpus"]) > 1:
        told.append(
            Notice("The runs were measured on different held-out text, so their held-out figures differ by that.")
        )
    if len(contents["tokenizer"]) > 1:
        told.append(
            Notice(
                "The runs have different vocabularies: losses and accuracies are of different tokens and do not "
                "compare; bits per character do, on the same text."
            )
        )
    return told


def _content(run: Run, stage: str) -> str:
    return run["examples"].inputs.get(stage) or run[stage].digest


def _figures(runs: Sequence[Run]) -> Table:
    names = ("parameters", "steps", "time", "tokens per second")
    columns = []
    for run in runs:
        figures = run["pretrain"].figures
        count, seconds = parameters(run), figures.get("seconds")
        values = [
            f"{count:,}" if count else "–",
            _form("{:,}", figures.get("steps")),
            duration(seconds) if is_number(seconds) else "–",
            _form("{:,}", figures.get("tokens_per_second")),
        ]
        values += [_form(form, _last(run, name)) for name, (_, form, _) in MEASURES.items()]
        columns.append(values)
    titles = [*names, *(f"held out, end: {title}" for title, _, _ in MEASURES.values())]
    rows = [row for row in zip(titles, *columns, strict=True) if set(row[1:]) != {"–"}]
    return table("Figures", ("figure", *(run.name for run in runs)), rows)


def _last(run: Run, name: str) -> object:
    """The end's held-out figure, or the latest of a run that goes on."""
    own = points(run.records, HELD_OUT + name)
    return run["pretrain"].figures.get(HELD_OUT + name, own[-1][1] if own else None)


def _form(form: str, value: object) -> str:
    return form.format(value) if is_number(value) else "–"


def _settings(runs: Sequence[Run]) -> Block:
    flat = [dict(_flat(tables(run))) for run in runs]
    keys = list(dict.fromkeys(key for each in flat for key in each))
    rows = [
        (key, *(values.get(key, "absent") for values in flat))
        for key in keys
        if len({values.get(key, "absent") for values in flat}) > 1
    ]
    if not rows:
        return paragraph("No setting differs.")
    return table("Settings that differ", ("setting", *(run.name for run in runs)), rows)


def _flat(section: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in section.items():
        found += _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(prefix + key, str(value))]
    return found


def _charts(runs: Sequence[Run]) -> list[Chart]:
    """A chart of each measure, training and held out apart: a line for each run is as much as one can hold."""
    drawn = []
    for panel in PANELS:
        for prefix, where in (("", "training"), (HELD_OUT, "held out")):
            lines = [(run.name, points(run.records, prefix + panel.name), style) for style, run in enumerate(runs)]
            each = chart(panel, lines)
            if each and max(len(line.points) for line in each.lines) > 1:
                title = f"{panel.title}, {where}" if panel.name in MEASURES else panel.title
                drawn.append(Chart(title, each.unit, each.lines, each.form, each.percent, each.from_zero, each.log))
    return drawn


def _marks(runs: Sequence[Run]) -> list[Block]:
    """Each probe's shares, a column a run: of what each run's own model got."""
    blocks: list[Block] = []
    for place, title in enumerate(TITLES.values()):
        found = [_own(run, shares(run.marks[place].figures)) for run in runs]
        keys = list(dict.fromkeys(key for each in found for key in each))
        rows: list[tuple[Cell, ...]] = [(key, *(each.get(key, "–") for each in found)) for key in keys]
        if rows and sum(map(bool, found)) > 1:
            blocks.append(table(title, ("what", *(run.name for run in runs)), rows))
    accuracies = [
        [part.figures["test"]["accuracy"] for part in run.tasks if not part.settings.get("random_weights")]
        for run in runs
    ]
    if sum(map(bool, accuracies)) > 1:
        cells = [", ".join(f"{value:.1%}" for value in each) or "–" for each in accuracies]
        blocks.append(
            table("Task test accuracy", ("what", *(run.name for run in runs)), [("each fine-tuning", *cells)])
        )
    return [Heading("Marks"), *blocks] if blocks else []


def _own(run: Run, found: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    return {
        " · ".join(part.replace("_", " ") for part in path if part != run.name) or "overall": share
        for path, share in found.items()
        if run.name in path
    }
