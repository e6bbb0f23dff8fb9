"""A report as one HTML page that fetches nothing and runs nothing: style sheet and charts stand within it.

Templates escape all that is not made here (jinja2's autoescape).
"""

from __future__ import annotations

import hashlib
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pages import charts
from pages.document import Chart, Code, Line, Link, Report, Share, told, with_headings


def as_html(report: Report) -> str:
    """The text of `report.html`."""
    environment = Environment(
        loader=PackageLoader("pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"told": told, "with_headings": with_headings, "draw": _draw, "key": _key, "bar": _bar}
    environment.tests |= {
        "share": lambda cell: isinstance(cell, Share),
        "code": lambda cell: isinstance(cell, Code),
        "link": lambda cell: isinstance(cell, Link) and cell.address.startswith(("http://", "https://")),
    }
    return environment.get_template("report.html").render(report=report, style=Markup(style_sheet()))


def style_sheet() -> str:
    """The style sheets of a page: the theme, then the report's own. They are ours, and hold no text from outside."""
    return "".join(_packaged(name) for name in ("theme.css", "report.css"))


def look() -> str:
    """A hash of what a page looks like, so that one is made anew when that changes."""
    names = ("theme.css", "report.css", "templates/report.html", "templates/blocks.html")
    return hashlib.sha256("".join(map(_packaged, names)).encode()).hexdigest()


def _packaged(name: str) -> str:
    return files("pages").joinpath(name).read_text("utf-8")


# What these return is made by ElementTree, which escapes what it is given.
def _draw(chart: Chart) -> Markup:
    return Markup(charts.draw(chart))


def _key(line: Line) -> Markup:
    return Markup(charts.key(line))


def _bar(share: Share) -> Markup:
    return Markup(charts.bar(share))
