"""`loss.png` and `loss.svg` of a run: its losses and how it goes, drawn from `metrics.jsonl` while it trains.

The same records give the same bytes: matplotlib's own defaults, no date, no random names in the SVG. Its words are
text, to be found and copied. Two colours of Okabe and Ito (2008), which the colour-blind tell apart; what is held out
has markers besides.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pretrain.metrics import METRICS, Record, read_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The files, in a run's folder; both show the same.
PNG, SVG = "loss.png", "loss.svg"
#: Seconds between two drawings while a run goes on.
INTERVAL = 20.0
_TRAINING, _HELD_OUT = "#0072B2", "#D55E00"
#: Points of a line: of more, neighbours are drawn as their mean.
_POINTS = 500
_COLUMNS = 3
#: More points than these have no markers.
_MARKED = 40
#: From such a ratio of largest to smallest on a scale is logarithmic.
_WIDE = 30
_THOUSAND = 1000
_STYLE: dict[str, Any] = {
    "svg.hashsalt": "hanbeot",
    "svg.fonttype": "none",
    # The layout is made by the first, which comes with matplotlib; who opens the SVG may have only others.
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.alpha": 0.3,
}


@dataclass(frozen=True)
class _Panel:
    """What a panel shows of the records; `percent`: shares; `zero`: from 0 on, `wide`: that too, or logarithmic."""

    title: str
    name: str
    scale: str = ""


_LOSS = _Panel("MLM loss (nats per masked token)", "mlm_loss")
_BITS = _Panel("MLM bits per character", "mlm_bits_per_character")
_GUESSED = _Panel("MLM accuracy", "mlm_accuracy", "percent")
_PAIRS = _Panel("accuracy on pairs", "nsp_accuracy", "percent")
_OTHERS = (
    _Panel("learning rate", "learning_rate", "zero"),
    _Panel("norm of the gradients", "grad_norm", "wide"),
    _Panel("tokens per second", "tokens_per_second", "zero"),
)


class Curves:
    """The curves of a run that goes on, in its folder (None: other ranks draw nothing)."""

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._drawn = folder, time.monotonic()

    def refresh(self) -> None:
        """Draw them anew, if it is `INTERVAL` seconds since it was done, or since the start."""
        if self._folder and time.monotonic() - self._drawn >= INTERVAL:
            draw_curves(self._folder)
            self._drawn = time.monotonic()


def draw_curves(folder: Path) -> Path:
    """Draw the run in `folder` from its records so far; returns the PNG's path. Takes about a second, however long it
    ran; readers see the old or the new files, never half of them."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()  # someone's matplotlibrc must not change the files
        mpl.rcParams.update(_STYLE)  # type: ignore[arg-type]
        figure = _figure(read_metrics(folder / METRICS))
        # A date or a version would make other bytes of the same records.
        for name, metadata in ((PNG, {"Software": None}), (SVG, {"Date": None, "Creator": None})):
            draft = folder / f".{name}.draft"
            figure.savefig(draft, format=name.rpartition(".")[2], dpi=110, metadata=metadata)
            draft.replace(folder / name)
    return folder / PNG


def _figure(records: Sequence[Record]) -> Figure:
    from matplotlib.figure import Figure

    panels = _panels(set().union(*records))
    rows = -(-len(panels) // _COLUMNS)
    figure = Figure(figsize=(12.5, 6.8))
    # Made by hand: what finds room for labels by itself takes three times as long.
    room = {"left": 0.055, "right": 0.985, "bottom": 0.07, "top": 0.9, "wspace": 0.16, "hspace": 0.33}
    grid = figure.subplots(rows, _COLUMNS, squeeze=False, gridspec_kw=room).flatten()
    for axes, panel in zip(grid, panels, strict=False):
        _draw(axes, panel, records)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    figure.text(room["left"], 0.957, _title(records), fontsize=11)
    figure.legend(*grid[0].get_legend_handles_labels(), loc=(0.82, 0.94), ncols=2, frameon=False)
    return figure


def _panels(names: set[str]) -> list[_Panel]:
    """Six where there is so much to show: how often it is right in place of bits or pairs, if there are none."""
    bits, pairs = f"held_out_{_BITS.name}" in names, any(_PAIRS.name in name for name in names)
    told = [panel for panel, there in ((_BITS, bits), (_GUESSED, not (bits and pairs)), (_PAIRS, pairs)) if there]
    return [_LOSS, *told, *_OTHERS]


def _draw(axes: Axes, panel: _Panel, records: Sequence[Record]) -> None:
    from matplotlib.ticker import EngFormatter, MaxNLocator

    training, held_out = (_line(records, prefix + panel.name) for prefix in ("", "held_out_"))
    if training[0]:
        alone = len(training[0]) == 1
        axes.plot(*training, color=_TRAINING, linewidth=1.2, marker="." if alone else None, label="training")
    if held_out[0]:
        marker = "o" if len(held_out[0]) <= _MARKED else None
        axes.plot(*held_out, "--", color=_HELD_OUT, linewidth=1.2, marker=marker, markersize=4, label="held out")
    axes.set_title(panel.title)
    axes.set_xlabel("step")
    axes.set_xlim(0, 1.02 * max((record["step"] for record in records), default=0) or 1)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    _scale(axes, panel.scale, training[1])


def _scale(axes: Axes, scale: str, values: Sequence[float]) -> None:
    from matplotlib.ticker import EngFormatter

    if scale == "percent":
        axes.yaxis.set_major_formatter(lambda share, _: f"{round(100 * share, 6):g}%")
    elif scale == "wide" and values and 0 < _WIDE * min(values) < max(values):
        axes.set_yscale("log")
    elif scale:
        axes.set_ylim(0, 1.08 * max(values, default=0) or 1)
        if max(values, default=0) >= _THOUSAND:
            axes.yaxis.set_major_formatter(EngFormatter(sep=""))
        else:
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")


def _line(records: Sequence[Record], name: str) -> tuple[list[float], list[float]]:
    """Steps and values, at most `_POINTS`."""
    points = [(record["step"], record[name]) for record in records if name in record]
    size = -(-len(points) // _POINTS) or 1
    some = [points[first : first + size] for first in range(0, len(points), size)]
    merged = [[sum(column) / len(column) for column in zip(*near, strict=True)] for near in some]
    return [step for step, _ in merged], [value for _, value in merged]


def _title(records: Sequence[Record]) -> str:
    """Where the run stands."""
    last = {name: value for record in records for name, value in record.items()}
    told = [f"step {last['step']:,.0f}" if last else "no step yet"]
    for name, form in (
        ("mlm_loss", "MLM loss {:.3f}"),
        ("held_out_mlm_loss", "held out {:.3f}"),
        ("held_out_mlm_bits_per_character", "{:.3f} bits per character"),
        ("tokens_per_second", "{:,.0f} tokens/s"),
        ("mfu", "MFU {:.1%}"),
    ):
        if name in last:
            told.append(form.format(last[name]))
    return ", ".join(told)
