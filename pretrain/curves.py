"""`loss.png` and `loss.svg` of a run: its losses and how it went, drawn from `metrics.jsonl` while it trains.

The same records give the same bytes: matplotlib's own defaults, no date, no random names in the SVG. Its words are
text, to be found and copied. Two colours of Okabe and Ito (2008), which are told apart by the colour-blind; held-out
points have a marker besides.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.files import replace_file
from pretrain.metrics import METRICS, Record, read_metrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: The files, in a run's folder; the second shows the same.
PNG, SVG = "loss.png", "loss.svg"
_TRAINING, _HELD_OUT = "#0072B2", "#D55E00"
#: Points of a line: neighbours of a longer one are drawn as their mean.
_POINTS = 600
_COLUMNS = 3
#: For readers without matplotlib's own font, whose widths the layout is made by.
_FONTS = ["DejaVu Sans", "Verdana", "sans-serif"]

Line = tuple[list[float], list[float]]


def draw_curves(folder: Path) -> Path:
    """Draw the run in `folder`; returns the PNG. Takes about half a second, whatever the run's length."""
    import matplotlib as mpl

    records = read_metrics(folder / METRICS)
    with mpl.rc_context():
        mpl.rcdefaults()  # someone's matplotlibrc must not change the files
        mpl.rcParams.update(
            {"svg.hashsalt": "hanbeot", "svg.fonttype": "none", "font.family": _FONTS, "font.size": 9.0}
        )
        figure = _figure(records)
        for name, form, metadata in ((PNG, "png", {"Software": None}), (SVG, "svg", {"Date": None, "Creator": None})):
            drawn = io.BytesIO()
            figure.savefig(drawn, format=form, dpi=110, metadata=metadata)
            replace_file(folder / name, drawn.getvalue())
    return folder / PNG
