"""Pictures of a fine-tuning, each as PNG and SVG: how it went over epochs, and which classes are taken for which.

Names of classes are drawn in Korean where this machine has a font for it. Where it has none, or lacks a character,
classes are called by their number in the report's table. The same figures and the same fonts give the same bytes. In
the SVG words are text, to be found and copied.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.scoring.fonts import LATIN, all_drawable, korean_font
from finetune.scoring.mistakes import one_line
from finetune.scoring.outcome import Run
from finetune.scoring.scores import Scores
from pipeline.console import warn

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Files without their endings.
HISTORY, CONFUSION = "history", "confusion"
#: Characters of a class's name in a picture.
_NAME = 14
#: Most classes of which counts are written in the cells, and most of a picture.
_COUNTED, MOST_CLASSES = 30, 60
#: Two colours of Okabe and Ito (2008), which the colour-blind tell apart.
_TRAIN, _DEV = "#0072B2", "#D55E00"
_STYLE: dict[str, Any] = {
    "svg.hashsalt": "hanbeot",
    "svg.fonttype": "none",
    "text.parse_math": False,  # names of classes may hold dollars
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
}


def draw_history(folder: Path, runs: Sequence[Run], measure: str) -> Path:
    """`history.png` and `.svg`: loss and `measure` of train and dev after each epoch, a line a seed; returns the PNG's
    path. The chosen epoch is ringed."""
    with _styled():
        from matplotlib.figure import Figure

        figure = Figure(figsize=(9.5, 3.8), layout="constrained")
        losses, values = figure.subplots(1, 2)
        for run in runs:
            _lines(losses, run, [epoch.train_loss for epoch in run.epochs], [epoch.dev_loss for epoch in run.epochs])
            _lines(values, run, [epoch.train for epoch in run.epochs], [epoch.dev for epoch in run.epochs])
        losses.set_title("loss")
        values.set_title(measure)
        for axes in (losses, values):
            _epochs(axes, max(epoch.number for run in runs for epoch in run.epochs))
        losses.legend(*_once(losses), frameon=False)
        return _save(figure, folder, HISTORY)


def draw_confusion(folder: Path, scores: Scores) -> Path | None:
    """`confusion.png` and `.svg`: the share of each true class (row) that was answered as each (column), and how many
    rows that are; returns the PNG's path. None, and no picture, of more than `MOST_CLASSES` classes or of none."""
    if not scores.confusion or len(scores.classes) > MOST_CLASSES:
        return None
    names = labels([each.name for each in scores.classes])
    with _styled():
        from matplotlib.figure import Figure

        counted = len(names) <= _COUNTED
        side = max(4.2, (0.42 if counted else 0.24) * len(names) + 2.2)
        figure = Figure(figsize=(side + 0.8, side), layout="constrained")
        axes = figure.subplots()
        shares = [[count / (sum(row) or 1) for count in row] for row in scores.confusion]
        picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        figure.colorbar(picture, ax=axes, shrink=0.7, label="share of the true class")
        axes.set_xticks(range(len(names)), names, rotation=90 if len(names) > 4 else 0)
        axes.set_yticks(range(len(names)), names)
        axes.set_xlabel("answered")
        axes.set_ylabel("true")
        if counted:
            _counts(axes, scores.confusion, shares)
        return _save(figure, folder, CONFUSION)


def labels(names: Sequence[str]) -> list[str]:
    """Names as a picture can show them: on one line, cut, without effect on layout; `class 3` for all if one of them
    cannot be drawn, with one warning."""
    short = [one_line(name, _NAME) for name in names]
    if all_drawable(short):
        return [name or '""' for name in short]
    if korean_font() is None:
        warn("no font with Hangul on this machine: pictures call classes by number; install one, such as NanumGothic")
    else:
        warn("some class names have characters that no font here has: pictures call classes by number")
    return [f"class {number}" for number in range(1, len(names) + 1)]


def _lines(axes: Axes, run: Run, train: Sequence[float | None], dev: Sequence[float]) -> None:
    numbers = [epoch.number for epoch in run.epochs]
    known = [(number, value) for number, value in zip(numbers, train, strict=True) if value is not None]
    if known:
        axes.plot(*zip(*known, strict=True), color=_TRAIN, linewidth=1.2, marker=".", label="train")
    axes.plot(numbers, dev, "--", color=_DEV, linewidth=1.2, marker="o", markersize=3.5, label="dev")
    best = numbers.index(run.best_epoch)
    axes.plot(
        numbers[best], dev[best], "o", color=_DEV, fillstyle="none", markersize=10, linestyle="none", label="chosen"
    )


def _epochs(axes: Axes, last: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlabel("epoch")
    axes.set_xlim(0.7, last + 0.3)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=10, integer=True, min_n_ticks=1))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _once(axes: Axes) -> tuple[list[Any], list[Any]]:
    """Legend entries, each name once however many seeds there are."""
    found = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    return list(found.values()), list(found)


def _counts(axes: Axes, confusion: Sequence[Sequence[int]], shares: Sequence[Sequence[float]]) -> None:
    for row, counts in enumerate(confusion):
        for column, count in enumerate(counts):
            if count:
                color = "white" if shares[row][column] > 0.5 else "black"
                size = 8 if count < 1000 else 6
                axes.text(column, row, f"{count}", ha="center", va="center", color=color, fontsize=size)


@contextmanager
def _styled() -> Iterator[None]:
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()  # someone's matplotlibrc must not change the files
        fonts = [LATIN, *filter(None, [korean_font()]), "sans-serif"]
        mpl.rcParams.update(_STYLE)  # type: ignore[arg-type]
        mpl.rcParams["font.family"] = fonts
        yield


def _save(figure: Figure, folder: Path, name: str) -> Path:
    # A date or a version would make other bytes of the same figures.
    for ending, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
        figure.savefig(folder / f"{name}.{ending}", format=ending, dpi=110, metadata=metadata, bbox_inches="tight")
    return folder / f"{name}.png"
