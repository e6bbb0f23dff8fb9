"""How a run went: its curves, and what was measured on held-out text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from pages.charts import POINTS, merged, ticks
from pages.document import Block, Chart, Charts, Line, Missing, Notice, Point, Table, paragraph, table
from pages.gather import Run
from pretrain.metrics import Record

#: More points than these are a line without marks.
_MARKED = 24
#: A ratio of largest to smallest from which a scale is logarithmic, where a panel may be.
_WIDE = 30.0
#: Rows of a table of values.
_ROWS = 9
HELD_OUT = "held_out_"


@dataclass(frozen=True)
class Panel:
    """A chart of one measure: its name in the records, how it is called and told."""

    name: str
    title: str
    unit: str
    form: str
    percent: bool = False
    from_zero: bool = False
    wide: bool = False


PANELS = (
    Panel("mlm_loss", "MLM loss", "nats per masked token", "{:.3f}"),
    Panel("mlm_accuracy", "MLM accuracy", "share of masked tokens", "{:.1%}", percent=True, from_zero=True),
    Panel("mlm_bits_per_character", "Bits per character", "bits per hidden character", "{:.3f}"),
    Panel("nsp_loss", "Pair loss", "nats per pair", "{:.3f}"),
    Panel("nsp_accuracy", "Pair accuracy", "share of pairs", "{:.1%}", percent=True),
    Panel("learning_rate", "Learning rate", "per step", "{:.2e}", from_zero=True),
    Panel("grad_norm", "Gradient norm", "before clipping", "{:.2f}", from_zero=True, wide=True),
    Panel("tokens_per_second", "Speed", "tokens per second", "{:,.0f}", from_zero=True),
)
#: What is measured on held-out text: the measure, what it is called, how it is told, whether less is better.
MEASURES = {
    "mlm_loss": ("MLM loss", "{:.3f}", True),
    "mlm_accuracy": ("MLM accuracy", "{:.1%}", False),
    "mlm_bits_per_character": ("bits per character", "{:.3f}", True),
    "nsp_loss": ("pair loss", "{:.3f}", True),
    "nsp_accuracy": ("pair accuracy", "{:.1%}", False),
    "mlm_unknown_share": ("[UNK] among masked", "{:.2%}", True),
}


def points(records: Sequence[Record], name: str) -> tuple[Point, ...]:
    """Step and value of each record that holds a measure."""
    return tuple((record["step"], record[name]) for record in records if name in record)


def chart(panel: Panel, lines: Sequence[tuple[str, tuple[Point, ...], int]], most: int = POINTS) -> Chart | None:
    """The chart of a panel with lines of (name, points, style), `most` points each; None if no line has a point."""
    drawn = tuple(
        Line(name, merged(values, most), style, marked=len(values) <= _MARKED)
        for name, values, style in lines
        if values
    )
    if not drawn:
        return None
    values = [value for line in drawn for _, value in line.points]
    log = panel.wide and 0 < _WIDE * min(values) < max(values)
    return Chart(panel.title, panel.unit, drawn, panel.form, panel.percent, panel.from_zero, log)


def curves(records: Sequence[Record]) -> Charts:
    """The charts of one run: training beside held out."""
    charts, values = [], []
    for panel in PANELS:
        lines = [("training", points(records, panel.name), 0), ("held out", points(records, HELD_OUT + panel.name), 1)]
        drawn = chart(panel, lines)
        if drawn:
            charts.append(drawn)
            values.append(value_table(drawn))
    return Charts(tuple(charts), tuple(values))


def value_table(drawn: Chart) -> Table:
    """A chart's lines at some steps; a line is told at the point of its own that is nearest, if one is near."""
    right = max(x for line in drawn.lines for x, _ in line.points)
    fewest = min(drawn.lines, key=lambda line: (len(line.points) < 2, len(line.points)))
    own = [x for x, _ in fewest.points]
    steps = own if 2 <= len(own) <= _ROWS else [*ticks(0, right, _ROWS - 2), right]
    near = max(right / 2 / _ROWS, 1.0)
    rows = []
    for step in dict.fromkeys(steps):
        cells = []
        for line in drawn.lines:
            x, y = min(line.points, key=lambda point: abs(point[0] - step))
            cells.append(drawn.form.format(y) if abs(x - step) <= near else "–")
        rows.append((f"{step:,.0f}", *cells))
    return table(f"{drawn.title}, {drawn.unit}", ("step", *(line.name for line in drawn.lines)), rows)


def held_out(run: Run) -> Table | None:
    """Held-out figures at the start, at the best checkpoint and at the end; None where none was measured."""
    figures: Mapping[str, object] = run["pretrain"].figures
    if not figures:
        return _so_far(run.records)
    best = f"best (step {figures['best_step']:,})" if isinstance(figures.get("best_step"), int) else "best"
    columns = (("start", "start_"), (best, "best_"), ("end", HELD_OUT))
    rows = []
    for name, (title, form, _) in MEASURES.items():
        values = [figures.get(prefix + name) for _, prefix in columns]
        if any(is_number(value) for value in values):
            rows.append((title, *(form.format(value) if is_number(value) else "–" for value in values)))
    return table("Held-out text", ("measure", *(name for name, _ in columns)), rows) if rows else None


def _so_far(records: Sequence[Record]) -> Table | None:
    measured = [record for record in records if HELD_OUT + "mlm_loss" in record]
    if not measured:
        return None
    ends = [measured[0], measured[-1]] if len(measured) > 1 else measured
    rows = []
    for name, (title, form, _) in MEASURES.items():
        if any(HELD_OUT + name in record for record in ends):
            values = [record.get(HELD_OUT + name) for record in ends]
            rows.append((title, *(form.format(value) if is_number(value) else "–" for value in values)))
    return table("Held-out text so far", ("measure", *(f"step {record['step']:,.0f}" for record in ends)), rows)


def training(run: Run) -> tuple[Block, ...]:
    """The section's blocks."""
    blocks: list[Block] = []
    if run["pretrain"].problem:
        blocks.append(Notice(run["pretrain"].problem))
    if run.damage:
        blocks.append(Notice(run.damage))
    if not run.records:
        return (*blocks, Missing("The run has no metrics.", "make pretrain"))
    if run["pretrain"].manifest is None:
        last = max(record["step"] for record in run.records)
        blocks.append(Missing(f"The run has not ended; these are its figures up to step {last:,.0f}.", "make pretrain"))
    blocks.append(curves(run.records))
    blocks.append(paragraph("A line of many points shows means of neighbours, the value at its right too."))
    return tuple(blocks)


def is_number(value: object) -> TypeGuard[float]:
    """Whether it can be told as a figure."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
