"""Markdown of text from outside: it shows the text and does nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_ACTIVE = re.compile(r"[\\|\[\]*_`~$]")
#: Where a line would begin a heading, a list, a rule or a quotation: before its mark, or between number and mark.
_OPENING = re.compile(r"^(?=[-+](?:[-\s]|$)|>|#{1,6}(?:\s|$))|^(?P<number>\d{1,9})(?=[.)](?:\s|$))")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table and an empty line; a column of numbers is set to the right."""
    rows = [tuple(row) for row in rows]
    numeric = [all(re.match(r"[-\d]|$", row[place]) for row in rows) for place in range(len(columns))]
    return [
        "| " + " | ".join(columns) + " |",
        "|" + "|".join("--:" if right else "---" for right in numeric) + "|",
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]


def cell(text: str) -> str:
    r"""Text from outside as Markdown that shows it and does nothing else, in a table, a list or a line.

    >>> print(cell("a|b *c* `` <br>"), cell("##는"), cell("1. -"))
    a\|b \*c\* \`\` &lt;br> ##는 1\. -
    """
    text = " ".join(_ACTIVE.sub(r"\\\g<0>", text.replace("&", "&amp;").replace("<", "&lt;")).split())
    return _OPENING.sub(lambda match: f"{match['number'] or ''}\\", text)


def code(text: str) -> str:
    """Text from outside as a code span, fenced by more backticks than it holds in a row."""
    fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
    gap = " " if "`" in text or not text.strip() else ""
    return f"{fence}{gap}{' '.join(text.split())}{gap}{fence}"


def code_cell(text: str) -> str:
    """Text from outside as a code span in a table, where a bar would end the cell even there."""
    return code(text).replace("|", "\\|")
