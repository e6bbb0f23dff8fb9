"""Answers shown on the console, or written as a file.

JSON lines hold texts as they are. A .tsv has no quotes, as those that are read here: tabs and line ends in a text are
spaces there. In a .csv a text that a spreadsheet would run as a formula (=, +, -, @ first) has an apostrophe before it.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from finetune.data.rows import Row, Rows
from finetune.kinds.kind import Said
from finetune.results import prediction_lines, told
from finetune.taskfile import TaskFile
from pipeline.console import answer, table, visible
from pipeline.files import write_atomic

#: Classes of a text that are shown, cells that the longest bar takes, and characters of a text.
_CLASSES = 20
_BAR = 20
_SHOWN = 50
#: What begins a formula for a spreadsheet, and what ends a field of a .tsv.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BREAKS = re.compile(r"[\t\r\n]+")


def show_answers(rows: Rows, said: Sequence[Said], task: TaskFile) -> None:
    """Print a few: of one text each class with its bar, of several a line each."""
    if len(rows) == 1 and said[0].probabilities:
        given = told(said[0].answer, rows.rows[0].text)
        order = sorted(zip(said[0].probabilities, task.names, strict=True), reverse=True)
        bars = [(visible(name), f"{share:.1%}", "█" * round(share * _BAR)) for share, name in order[:_CLASSES]]
        answer(f"{visible(_short(rows.rows[0]))}: {visible(given)}")
        table("", ("class", "probability", ""), bars, stdout=True)
        return
    # A number comes without a word on how sure it is.
    sure = not isinstance(said[0].answer, float)
    cells = [
        (visible(_short(row)), visible(told(one.answer, row.text)), *((f"{one.confidence:.1%}",) if sure else ()))
        for row, one in zip(rows.rows, said, strict=True)
    ]
    table(task.task, ("text", "answer", *(("confidence",) if sure else ())), cells, stdout=True)


def _short(row: Row) -> str:
    """The beginning of a row's texts, the question first."""
    return " / ".join(
        text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…" for text in (row.pair, row.text) if text is not None
    )


def write_answers(path: Path, rows: Rows, said: Sequence[Said], names: Sequence[str]) -> None:
    """Write them by the suffix of `path`: .jsonl, .tsv or .csv; raises OSError where that cannot be written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = prediction_lines(rows, said, names)
    if path.suffix == ".jsonl":
        write_atomic(path, "".join(f"{line}\n" for line in lines))
        return
    write_atomic(path, _table(lines, rows, said, names, tabs=path.suffix == ".tsv"))


def _table(lines: Iterable[str], rows: Rows, said: Sequence[Said], names: Sequence[str], *, tabs: bool) -> str:
    """The answers as TSV or CSV, with a header."""
    pair = ("pair",) if rows.rows[0].pair is not None else ()
    shares = tuple(f"p({name})" for name in names) if said[0].probabilities else ()
    table = [("name", "text", *pair, "answer", "confidence", *shares), *_cells(lines, rows, said)]
    if tabs:
        return "".join("\t".join(" ".join(_BREAKS.split(cell)) for cell in cells) + "\n" for cells in table)
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(map(_harmless, cells) for cells in table)
    return stream.getvalue()


def _harmless(cell: str) -> str:
    """A cell that a spreadsheet shows and does not run; numbers stay numbers."""
    try:
        float(cell)
    except ValueError:
        return f"'{cell}" if cell.startswith(_FORMULA) else cell
    return cell


def _cells(lines: Iterable[str], rows: Rows, said: Sequence[Said]) -> Iterator[tuple[str, ...]]:
    for line, row, one in zip(lines, rows.rows, said, strict=True):
        texts = (row.text,) if row.pair is None else (row.text, row.pair)
        simple = isinstance(one.answer, str | float)
        given = one.answer if simple else json.dumps(json.loads(line)["answer"], ensure_ascii=False)
        yield row.name, *texts, str(given), f"{one.confidence:.6f}", *(f"{share:.6f}" for share in one.probabilities)
