"""Charts as SVG that a page holds itself: colours are the page's own, for light and dark, and words are text.

Lines differ by colour, by dashes and by the shape of their marks, so that they are told apart in grey print and by
the colour-blind. The same chart gives the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from xml.etree import ElementTree as Xml

from pages.document import Chart, Line, Point, Share

#: The picture, in units that are pixels where there is room.
WIDTH, HEIGHT = 360, 214
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 54, 12, 34
#: Kinds of lines that a style sheet knows; further ones repeat them.
STYLES = 5
#: Points of a line: of more, neighbours are drawn as their mean.
POINTS = 240
#: Least distance of two values told at the right, in the picture's units.
_APART = 12
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"))


def draw(chart: Chart) -> str:
    """The chart as an `<svg>` element; what it shows is also told in words, for who hears the page."""
    svg = Xml.Element(
        "svg",
        {"class": "chart", "viewBox": f"0 0 {WIDTH} {HEIGHT}", "role": "img", "aria-label": in_words(chart)},
    )
    frame = _Frame(chart)
    _axes(svg, frame, chart)
    for line in chart.lines:
        _line(svg, frame, line, chart)
    _end_values(svg, frame, chart)
    return Xml.tostring(svg, encoding="unicode")


def key(line: Line) -> str:
    """A short piece of a line, for a legend."""
    svg = Xml.Element("svg", {"class": "key", "viewBox": "0 0 30 10", "aria-hidden": "true"})
    Xml.SubElement(svg, "path", {"class": f"line s{line.style % STYLES}", "d": "M1 5H29"})
    if line.marked:
        _mark(svg, 15, 5, line.style)
    return Xml.tostring(svg, encoding="unicode")


def bar(share: Share) -> str:
    """A share as a bar with its interval; the text beside says the same."""
    svg = Xml.Element("svg", {"class": "bar", "viewBox": "0 0 100 12", "aria-hidden": "true"})
    Xml.SubElement(svg, "rect", {"class": "room", "x": "0", "y": "3", "width": "100", "height": "6", "rx": "1"})
    length = _number(100 * min(1.0, max(0.0, share.value)))
    Xml.SubElement(svg, "rect", {"class": "fill", "x": "0", "y": "3", "width": length, "height": "6", "rx": "1"})
    if share.low is not None and share.high is not None:
        low, high = (_number(100 * min(1.0, max(0.0, end))) for end in (share.low, share.high))
        Xml.SubElement(svg, "path", {"class": "interval", "d": f"M{low} 6H{high}M{low} 3V9M{high} 3V9"})
    return Xml.tostring(svg, encoding="unicode")


def in_words(chart: Chart) -> str:
    """`MLM loss (nats): training from 8.744 to 4.785`."""
    told = [
        f"{line.name} from {chart.form.format(line.points[0][1])} to {chart.form.format(line.points[-1][1])}"
        for line in chart.lines
    ]
    return f"{chart.title} ({chart.unit}{', logarithmic scale' if chart.log else ''}) over steps: {'; '.join(told)}"


def merged(points: Sequence[Point], most: int = POINTS) -> tuple[Point, ...]:
    """At most `most` points: of more, the means of neighbours."""
    size = -(-len(points) // most) or 1
    groups = [points[first : first + size] for first in range(0, len(points), size)]
    return tuple(
        (sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups if group
    )


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round values between two, at most `most` of them.

    >>> ticks(0, 5263, 6), ticks(4.6, 9.0, 6)
    ([0.0, 1000.0, 2000.0, 3000.0, 4000.0, 5000.0], [5.0, 6.0, 7.0, 8.0, 9.0])
    """
    if high <= low:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    step = next((step * power for step in _STEPS if (high - low) / (step * power) < most), 10 * power)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def short(value: float) -> str:
    """A value for an axis: `2.5k`, `0.001`, `5e-05`.

    >>> short(2500), short(0.25), short(0.00005), short(3e6)
    ('2.5k', '0.25', '5e-05', '3M')
    """
    for size, letter in _PREFIXES:
        if abs(value) >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


class _Frame:
    """Where values lie in the picture."""

    def __init__(self, chart: Chart) -> None:
        xs = [x for line in chart.lines for x, _ in line.points]
        ys = [y for line in chart.lines for _, y in line.points]
        self.log = chart.log
        self.right = max(xs, default=1.0) or 1.0
        low, high = (min(ys, default=0.0), max(ys, default=1.0))
        if chart.log:
            self.low, self.high = float(math.floor(math.log10(low))), float(math.ceil(math.log10(high * 1.0001)))
        else:
            room = 0.06 * (high - low) or abs(high) * 0.1 or 1.0
            self.low, self.high = (0.0 if chart.from_zero or 0 <= low < room else low - room), high + room

    def x(self, value: float) -> float:
        return _LEFT + value / self.right * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        value = math.log10(value) if self.log else value
        return HEIGHT - _BOTTOM - (value - self.low) / (self.high - self.low) * (HEIGHT - _TOP - _BOTTOM)

    def rows(self) -> list[float]:
        if self.log:
            return [10.0**power for power in range(int(self.low), int(self.high) + 1)]
        return ticks(self.low, self.high, 6)


def _axes(svg: Xml.Element, frame: _Frame, chart: Chart) -> None:
    for value in frame.rows():
        y = _number(frame.y(value))
        Xml.SubElement(svg, "path", {"class": "grid", "d": f"M{_LEFT} {y}H{WIDTH - _RIGHT}"})
        _words(svg, f"{round(100 * value, 6):g}%" if chart.percent else short(value), _LEFT - 6, y, "end")
    bottom = HEIGHT - _BOTTOM
    Xml.SubElement(svg, "path", {"class": "axis", "d": f"M{_LEFT} {bottom}H{WIDTH - _RIGHT}"})
    for value in ticks(0, frame.right, 6):
        x = _number(frame.x(value))
        Xml.SubElement(svg, "path", {"class": "axis", "d": f"M{x} {bottom}v4"})
        _words(svg, short(value), x, bottom + 12, "middle")
    _words(svg, "step", (_LEFT + WIDTH - _RIGHT) / 2, HEIGHT - 7, "middle")


def _line(svg: Xml.Element, frame: _Frame, line: Line, chart: Chart) -> None:
    places = [(_number(frame.x(x)), _number(frame.y(y))) for x, y in line.points]
    style = f"line s{line.style % STYLES}"
    Xml.SubElement(svg, "path", {"class": style, "d": "M" + "L".join(f"{x} {y}" for x, y in places)})
    if not line.marked and len(places) > 1:
        return
    for (x, y), (step, value) in zip(places, line.points, strict=True):
        mark = _mark(svg, float(x), float(y), line.style)
        Xml.SubElement(mark, "title").text = f"{line.name}, step {step:,.0f}: {chart.form.format(value)}"


def _mark(svg: Xml.Element, x: float, y: float, style: int) -> Xml.Element:
    """A dot, a diamond, a square, a triangle: as many as there are styles."""
    shapes = ("M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0", "M0-4 4 0 0 4-4 0Z", "M-3-3H3V3H-3Z", "M0-4 4 3H-4Z", "M0 4 4-3H-4Z")
    place = {"transform": f"translate({_number(x)} {_number(y)})"}
    return Xml.SubElement(svg, "path", {"class": f"mark s{style % STYLES}", "d": shapes[style % STYLES], **place})


def _end_values(svg: Xml.Element, frame: _Frame, chart: Chart) -> None:
    """The last value of each line beside its end, moved apart where they would cover each other."""
    ends = sorted((frame.y(line.points[-1][1]), line.style, line) for line in chart.lines if line.points)
    place = -math.inf
    heights = []
    for y, _, _ in ends:
        place = max(y, place + _APART)
        heights.append(place)
    over = max(0.0, heights[-1] - (HEIGHT - _BOTTOM)) if heights else 0.0
    for (_, style, line), y in zip(ends, heights, strict=True):
        value = chart.form.format(line.points[-1][1])
        _words(svg, value, WIDTH - _RIGHT + 6, y - over, "start", f"end s{style % STYLES}")


def _words(svg: Xml.Element, text: str, x: float | str, y: float | str, anchor: str, style: str = "tick") -> None:
    place = {"x": _number(float(x)), "y": _number(float(y)), "text-anchor": anchor, "dy": "0.35em"}
    Xml.SubElement(svg, "text", {"class": style, **place}).text = text


def _number(value: float) -> str:
    """Two decimals at most: files stay small, and rounding the same everywhere."""
    return f"{round(value, 2) + 0.0:g}" if abs(value) < 1e5 else f"{value:.0f}"
