"""`report.png` of the tokenizer stage: the report's figures at a glance.

Labels are English, since no font for Hangul can be counted on. The same input gives the same bytes: matplotlib's own
defaults and font, no date and no version in the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizer.entries import EntryLengths
from tokenizer.josa import JosaKept
from tokenizer.quality import Inspection

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Bars of sources; the report lists all.
_SOURCES = 12
#: Room for so many at least, or one bar would fill the panel.
_FEW = 4
#: The last class of entry lengths holds all longer ones.
_LONGEST = 10
#: Shares below cannot be told from none on the logarithmic axis.
_FLOOR = 1e-7
_BLUE, _ORANGE, _GREY = "#3b6fb6", "#e08a3c", "#8a8a8a"


def picture(path: Path, inspection: Inspection, lengths: EntryLengths, josa: JosaKept) -> None:
    """Draw the PNG file `path`: fit by source, pieces per eojeol, entries by length, unknown characters by script."""
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()  # someone's matplotlibrc must not change the file
        figure = Figure(figsize=(11, 7.5), layout="constrained")
        FigureCanvasAgg(figure)
        (fit, pieces), (entries, unknown) = figure.subplots(2, 2)
        _fit(fit, inspection)
        _pieces(pieces, inspection.eojeol_pieces)
        _entries(entries, lengths)
        _unknown(unknown, inspection)
        total = inspection.total
        figure.suptitle(
            f"{total.tokens_per_eojeol:.2f} tokens per eojeol, {total.unknown_share:.3%} of eojeols with [UNK], "
            f"{josa.share:.1%} of noun+josa boundaries kept"
        )
        for axes in figure.axes:
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_axisbelow(True)
        figure.savefig(path, format="png", dpi=110, metadata={"Software": None})


def label(name: str, number: int) -> str:
    """A source's name, or its place in the report's table if it has letters that the font may lack.

    >>> label("kowiki", 1), label("영화평", 2)
    ('kowiki', 'source 2')
    """
    plain = name.isascii() and name.isprintable() and name.strip()
    short = name if len(name) <= 24 else f"{name[:22]}..."
    return short.replace("$", r"\$") if plain else f"source {number}"


def _fit(axes: Axes, inspection: Inspection) -> None:
    sources = list(inspection.sources.items())[:_SOURCES]
    names = [label(name, number) for number, (name, _) in enumerate(sources, start=1)]
    bars = axes.barh(range(len(sources)), [part.tokens_per_eojeol for _, part in sources], 0.7, color=_BLUE)
    axes.bar_label(bars, fmt="%.2f", label_type="center", color="white")
    axes.set_yticks(range(len(sources)), names)
    axes.set_ylim(max(len(sources), _FEW) - 0.5, -0.5)
    axes.axvline(inspection.total.tokens_per_eojeol, color=_ORANGE, linestyle="--", linewidth=1.5)
    axes.margins(x=0.08)
    axes.set_title("Tokens per eojeol, by source (dashed: all)")


def _pieces(axes: Axes, classes: Mapping[str, int]) -> None:
    total = sum(classes.values()) or 1
    bars = axes.bar(list(classes), [100 * count / total for count in classes.values()], color=_BLUE)
    axes.bar_label(bars, fmt="%.1f", padding=2)
    axes.margins(y=0.1)
    axes.set_xlabel("pieces")
    axes.set_ylabel("% of eojeols")
    axes.set_title("Eojeols by number of pieces")


def _entries(axes: Axes, lengths: EntryLengths) -> None:
    sizes = range(1, _LONGEST + 1)
    initial, inner = ([_class(counts, size) for size in sizes] for counts in (lengths.initial, lengths.inner))
    axes.bar([size - 0.2 for size in sizes], initial, 0.4, color=_BLUE, label="begin a word")
    axes.bar([size + 0.2 for size in sizes], inner, 0.4, color=_ORANGE, label="continue a word")
    axes.set_xticks(sizes, [*map(str, sizes[:-1]), f"{_LONGEST}+"])
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel("characters")
    axes.set_ylabel("entries")
    axes.legend()
    axes.set_title("Entries by length")


def _class(counts: Mapping[int, int], size: int) -> int:
    return (
        sum(counts.values()) - sum(n for s, n in counts.items() if s < size)
        if size == _LONGEST
        else counts.get(size, 0)
    )


def _unknown(axes: Axes, inspection: Inspection) -> None:
    rows = inspection.scripts
    for offset, color, name, counts in (
        (-0.2, _ORANGE, "no entry where it stands", [row.culprits for row in rows]),
        (0.2, _GREY, "lost in an [UNK]", [row.lost for row in rows]),
    ):
        shares = [count / max(row.characters, 1) for count, row in zip(counts, rows, strict=True)]
        places = [place + offset for place in range(len(rows))]
        axes.barh(places, [100 * max(share, _FLOOR) for share in shares], 0.4, color=color, label=name)
    axes.set_yticks(range(len(rows)), _with_counts(inspection))
    axes.set_ylim(len(rows) - 0.5, -1.6)  # the legend stands above the first bars
    axes.set_xlim(100 * _FLOOR, 100)
    axes.set_xscale("log")
    axes.set_xlabel("% of the script's characters")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="upper center", ncols=2, frameon=False)
    axes.set_title("Unknown characters, by script")


def _with_counts(inspection: Inspection) -> Sequence[str]:
    return [f"{row.script} ({row.characters:,})" for row in inspection.scripts]
