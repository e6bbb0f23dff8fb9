"""The console: what a stage says while it works.

In a terminal progress is one live line; in a log file it is a plain line every few seconds, with no control codes.
Everything goes to standard error except answers (`answer`), so that a probe's output can be piped.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import regex
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table
from rich.text import Text

#: Seconds between two progress lines when the output is not a terminal.
PLAIN_INTERVAL = 10.0
#: What has no shape of its own: control and format characters, unassigned ones, ends of lines and paragraphs.
_HIDDEN = regex.compile(r"[\p{C}\p{Zl}\p{Zp}]")


class Advance(Protocol):
    """Count on by `amount`, in the unit of the total, with a few words to show."""

    def __call__(self, amount: float, note: str = "") -> None:
        """Count on."""


def _console(*, stderr: bool = True) -> Console:
    console = Console(stderr=stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 160
    return console


def visible(text: str, keep: str = "") -> str:
    r"""Control and other invisible characters as JSON writes them, but for those in `keep`: nothing steers a terminal.

    >>> visible("\x1b[31m\u202e")
    '\\u001b[31m\\u202e'
    """
    shown: str = _HIDDEN.sub(lambda found: found[0] if found[0] in keep else json.dumps(found[0])[1:-1], text)
    return shown


def say(text: str) -> None:
    """One line to the user."""
    _console().print(visible(text, keep="\n"))


def warn(text: str) -> None:
    """One line that the user should not miss."""
    _console().print("warning: " + visible(text, keep="\n"), style="yellow")


def fail(text: str) -> None:
    """Why a stage ends without its work done."""
    _console().print("error: " + visible(text, keep="\n"), style="red")


def answer(text: str) -> None:
    """A result, to standard output, exactly as it is."""
    print(text)


def answer_styled(parts: Iterable[tuple[str, str]]) -> None:
    """A result in (text, style) parts, to standard output; no colours where it is not a terminal."""
    _console(stderr=False).print(Text.assemble(*parts))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, stdout: bool = False) -> None:
    """A small table; numbers are expected formatted, and are set to the right."""
    grid = Table(title=Text(visible(title)), title_justify="left", title_style="bold", box=None, pad_edge=False)
    rows = [tuple(visible(str(cell), keep="\n") for cell in row) for row in rows]
    for place, column in enumerate(columns):
        filled = [row[place] for row in rows if row[place]]
        numeric = bool(filled) and all(cell[0].isdigit() or cell[0] == "-" for cell in filled)
        grid.add_column(Text(visible(column, keep="\n")), justify="right" if numeric else "left")
    for row in rows:
        grid.add_row(*map(Text, row))
    _console(stderr=not stdout).print(grid)


@contextmanager
def progress(title: str, total: float, *, start: float = 0.0, quiet: bool = False) -> Iterator[Advance]:
    """Progress with the time left: `with progress("pretrain", 300) as advance: advance(1, "loss 6.2")`.

    `total` (0: not known) and `start` are in any unit, `advance(amount, note)` in the same. `quiet` (other ranks)
    prints nothing.
    """
    title = visible(title)
    if quiet:
        yield lambda amount, note="": None
    elif sys.stderr.isatty():
        with _live(title, total, start) as advance:
            yield advance
    else:
        yield _plain(title, total, start)


@contextmanager
def _live(title: str, total: float, start: float) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        # In a narrow terminal the words go on below themselves; they would have pressed the others out.
        TextColumn("{task.fields[note]}", markup=False, table_column=Column(ratio=1)),
    )
    with Progress(*columns, console=_console(), expand=True) as bar:
        task = bar.add_task(title, total=total or None, note="")
        bar.update(task, completed=start)

        def advance(amount: float, note: str = "") -> None:
            bar.update(task, advance=amount, note=note)

        yield advance


def _plain(title: str, total: float, start: float) -> Advance:
    began = last = time.monotonic()
    done = start

    def advance(amount: float, note: str = "") -> None:
        nonlocal last, done
        done += amount
        now = time.monotonic()
        finished = bool(total) and done >= total > done - amount
        if now - last < PLAIN_INTERVAL and not finished:
            return
        last = now
        left = max(0.0, total - done) * (now - began) / max(done - start, 1e-9)
        clock = f"in {duration(now - began)}" if finished else f"{duration(left)} left"
        # What has no known total has no share and no time left.
        told = f"{100 * done / total:3.0f} %  {clock}" if total else f"{done:,.0f}  in {duration(now - began)}"
        say(f"{title}: {told}  {note}".rstrip())

    return advance


def duration(seconds: float) -> str:
    """`75` -> `1:15`, `4000` -> `1:06:40`.

    >>> duration(75), duration(4000)
    ('1:15', '1:06:40')
    """
    whole = max(0, round(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"
