"""What a report is put together from: charts, figures of any shape, Markdown read back, colours."""

from __future__ import annotations

import re
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import given
from hypothesis import strategies as some

from pages import charts
from pages.document import Chart, Code, Line, Link, Pieces, Share, Table, table
from pages.figures import figure_blocks, shares
from pages.gather import read_curves
from pages.stage_report import chapter, read_chapters
from pages.training import PANELS, chart
from pipeline.recipe_text import as_toml

finite = some.floats(-1e9, 1e9, allow_subnormal=False)


@given(some.lists(some.tuples(some.integers(0, 10**7), finite), min_size=1, max_size=50))
def test_every_point_lies_within_the_frame(points: list[tuple[int, float]]) -> None:
    ordered = tuple(sorted((float(step), value) for step, value in points))
    drawn = Xml.fromstring(charts.draw(Chart("Loss", "nats", (Line("a", ordered, 0, marked=True),), "{:.3f}")))
    places = [
        tuple(map(float, mark.attrib["transform"].removeprefix("translate(").rstrip(")").split()))
        for mark in drawn.iter("path")
        if "mark" in mark.attrib["class"]
    ]
    assert len(places) == len(ordered)
    assert all(0 <= x <= charts.WIDTH and 0 <= y <= charts.HEIGHT for x, y in places)
    # Higher values stand higher.
    heights = [y for _, (_, y) in sorted(zip(ordered, places, strict=True), key=lambda pair: pair[0][1])]
    assert heights == sorted(heights, reverse=True)


@given(some.floats(-1e6, 1e6), some.floats(1e-6, 1e6), some.integers(2, 10))
def test_ticks_are_round_few_and_within(low: float, width: float, most: int) -> None:
    found = charts.ticks(low, low + width, most)
    assert len(found) <= most + 1
    assert all(low - 1e-6 * width <= tick <= low + width + 1e-6 * width for tick in found)


def test_merged_points_keep_the_mean() -> None:
    points = [(float(step), float(step % 7)) for step in range(1000)]
    found = charts.merged(points, 100)
    assert len(found) == 100
    assert sum(y for _, y in found) / 100 == pytest.approx(sum(y for _, y in points) / 1000)
    assert charts.merged(points[:100], 100) == tuple(points[:100])


def test_a_wide_scale_is_logarithmic_and_said_so() -> None:
    norm = next(panel for panel in PANELS if panel.name == "grad_norm")
    wide = chart(norm, [("training", ((1.0, 0.5), (2.0, 500.0)), 0)])
    assert wide is not None
    assert wide.log
    assert "logarithmic" in charts.draw(wide)
    narrow = chart(norm, [("training", ((1.0, 0.5), (2.0, 5.0)), 0)])
    assert narrow is not None
    assert not narrow.log


def test_values_at_the_right_do_not_cover_each_other() -> None:
    lines = tuple(Line(str(style), ((0.0, 1.0), (9.0, 1.0 + style / 1000)), style) for style in range(5))
    drawn = Xml.fromstring(charts.draw(Chart("Loss", "nats", lines, "{:.3f}")))
    heights = sorted(float(text.attrib["y"]) for text in drawn.iter("text") if "end" in text.attrib["class"])
    assert min(after - before for before, after in pairwise(heights)) >= 11
    assert heights[-1] <= charts.HEIGHT


def test_no_number_is_no_point(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "a": NaN, "b": 2.0, "c": "x", "d": true, "e": Infinity, "f": -1e308}\n')
    assert read_curves(path) == (({"step": 1, "b": 2.0},), "")


@pytest.mark.parametrize(
    "figures",
    [
        {"models": {"m.1": {"x": {"share": 0.5, "low": 0.4, "high": 0.6, "of": 9}}}},
        {"m.1": {"x": {"share": 0.5, "low": 0.4, "high": 0.6, "of": 9}}},
        {"models": ["m.1"], "m.1.x": 0.5, "m.1.x_low": 0.4, "m.1.x_high": 0.6, "m.1.x_of": 9},
        {"models": ["m.1"], "m.1.x": 0.5, "m.1.x_low": 0.4, "m.1.x_high": 0.6, "m.1.of": 9},
    ],
)
def test_shares_are_found_in_every_shape(figures: dict) -> None:
    assert shares(figures, "m.1") == {("x",): Share(0.5, 0.4, 0.6)}
    (block, *_) = figure_blocks(figures, "Probe", ["m.1"])
    assert isinstance(block, Table)
    assert block.columns == ("what", "model", "share (95% interval)", "of")
    assert block.rows == (("x", "m.1", Share(0.5, 0.4, 0.6), "9"),)


def test_other_figures_are_shown_as_they_are() -> None:
    figures = {"m": {"mrr": 0.25}, "seconds": 3, "left_out": {"long": 2}, "found": [{"name": "홍", "exposure": 1.5}]}
    told = [block for block in figure_blocks(figures, "Probe", ["m"]) if isinstance(block, Table)]
    assert [(block.columns, block.rows) for block in told] == [
        (("model", "MRR"), (("m", "0.25"),)),
        (("what", "value"), (("long", "2"),)),
        (("name", "exposure"), (("홍", "1.5"),)),
    ]


def test_a_stage_report_is_read_back() -> None:
    text = (
        "# A\n\nHello `x` [here](http://a.example) [no](javascript:alert(1)) [nor](other.html).\n\n"
        "## B\n\n| n | v |\n|---|---|\n"
        "| a\\|b &lt;i> | `c` |\n\n### C\n\n* 문장\n  * `문 ##장`\n\n## D\n\n<b>raw</b>\n"
    )
    chapters = read_chapters(text)
    assert [each.title for each in chapters] == ["", "A", "B", "C", "D"]
    (first, *_) = chapters[1].blocks
    assert [word for word in first.words if not isinstance(word, str)] == [Code("x"), Link("here", "http://a.example")]
    below = chapter(chapters, "B")
    assert below[0] == Table("B", ("n", "v"), (("a|b <i>", Code("c")),))
    assert below[2] == Pieces((("문장", ("문", "##장")),))
    assert chapter(chapters, "D")[0].words == ("<b>raw</b>",)


def test_figures_are_told_from_names() -> None:
    made = table("t", ("a", "b", "c"), [("0-reviews.txt", "1,234", "29.5 of 32"), ("x", "–", "2.5%")])
    assert made.numeric == (False, True, True)


def test_toml_of_tables_in_lists() -> None:
    import tomllib

    tables = {"train": {"x": 1e-06, "s": 'a"\\\n\x7f한', "b": True, "phases": [{"n": 1, "t": {"k": 2}}, {"n": 2}]}}
    assert tomllib.loads(as_toml(tables)) == tables


def _luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_contrast(theme: int) -> None:
    """WCAG 2's ratio, of text 4.5."""
    style = files("pages").joinpath("theme.css").read_text("utf-8")
    colours = {name: both.split(", ")[theme] for name, both in re.findall(r"--([\w-]+): light-dark\((.+?)\)", style)}
    for text in ("ink", "muted", "accent", "s0", "s1", "s2", "s3", "s4"):
        for ground in ("page", "surface"):
            light, dark = sorted((_luminance(colours[text]), _luminance(colours[ground])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (text, ground)
    for ground in ("note", "grid", "accent-soft"):
        light, dark = sorted((_luminance(colours["ink"]), _luminance(colours[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5
