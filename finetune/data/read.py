"""The one entry: rows of a task, whatever the format, and which files they come from.

A task's name says the kind, the layout and the columns (`finetune.data.known`); a user may name other columns. A path
says the format by its suffix, a folder holds texts by label, and `hf:` names a data set of the Hub.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from finetune.data.decoding import encoding_named, read_lines
from finetune.data.folders import labelled_files, read_folder, read_unlabelled_folder, text_files
from finetune.data.hub import DOWNLOADS, fetch_rows, is_dataset
from finetune.data.klue import ROLES, marked
from finetune.data.known import Task, find_task
from finetune.data.labelled import SEPARATOR, labelled_row, text_of
from finetune.data.rows import Row, Rows
from finetune.data.squad import open_passages, rows_of_passages
from finetune.data.tables import Record, Table, layout_of, listed, open_table
from finetune.data.tagged import read_tagged, rows_of_table
from pipeline.errors import InputError
from pipeline.files import hash_file


@dataclass(frozen=True)
class Source:
    """What a user named: a task, and columns where they are not the task's own. All of it belongs to a key."""

    task: str
    text: str | None = None
    pair: str | None = None
    label: str | None = None
    encoding: str = "utf-8"

    def resolved(self) -> Task:
        """The task with the user's columns. Raises InputError for a name there is not, and for a column twice."""
        task = find_task(self.task)
        task = replace(
            task,
            text=self.text or task.text,
            pair=self.pair or task.pair,
            label=self.label or task.label,
        )
        for one, other in ((task.text, task.pair), (task.text, task.label), (task.pair, task.label)):
            if one == other:
                raise InputError(f"column {one!r} cannot be two of text, pair and label; name another")
        encoding_named(self.encoding)
        return task


def read_rows(path_or_name: str | Path, source: Source, downloads: Path = DOWNLOADS) -> Rows:
    """Rows with their targets. Rows without text are left out and told (`skipped`).

    Raises InputError in one line naming the file and the line, record, row or question: for what the readers of the
    formats raise, for a row without a target, and for no rows at all.
    """
    return _read(_local(path_or_name, downloads), source, labelled=True)


def read_unlabelled(path_or_name: str | Path, source: Source, downloads: Path = DOWNLOADS) -> Rows:
    """Rows to be answered: the column of targets need not be there, and a target may be None.

    Of tasks on one text, a `.txt` file without tabs whose first line names no column is one text a line.
    """
    return _read(_local(path_or_name, downloads), source, labelled=False)


def input_files(path_or_name: str | Path, downloads: Path = DOWNLOADS) -> list[Path]:
    """The files whose bytes (and, in a folder, whose names) decide the rows; a data set of the Hub is fetched first."""
    path = _local(path_or_name, downloads)
    if not path.is_dir():
        return [path]
    try:
        return labelled_files(path)
    except InputError:
        if files := text_files(path):
            return files
        raise


def fingerprint(path_or_name: str | Path, downloads: Path = DOWNLOADS) -> str:
    """What decides the rows, as a sha256: a file's bytes; in a folder the names too, for they are the labels."""
    path = _local(path_or_name, downloads)
    if not path.is_dir():
        return hash_file(path)
    digest = hashlib.sha256()
    for file in input_files(path):
        digest.update(f"{file.relative_to(path).as_posix()}\0{hash_file(file)}\n".encode())
    return digest.hexdigest()


def _local(path_or_name: str | Path, downloads: Path) -> Path:
    if is_dataset(str(path_or_name)):
        return fetch_rows(str(path_or_name), downloads)
    path = Path(path_or_name)
    if not path.exists():
        raise InputError(f"no such file or folder: {path}")
    return path


def _read(path: Path, source: Source, labelled: bool) -> Rows:
    task = source.resolved()
    if path.is_dir():
        rows = _folder(path, task, source.encoding, labelled)
    elif not labelled and _one_a_line(path, task, source.encoding):
        rows = _lines(path, source.encoding)
    elif task.layout == "tagged":
        if layout_of(path) == "tsv":
            rows = read_tagged(path, source.encoding, labelled)
        else:
            rows = rows_of_table(open_table(path, source.encoding), task.text, task.label, labelled)
    elif task.layout == "passages":
        if task.pair is None:
            raise InputError(f"task {task.name} asks questions; name the column of the question as the pair")
        rows = rows_of_passages(open_passages(path, source.encoding), task.text, task.pair, task.label, labelled)
    else:
        rows = _records(open_table(path, source.encoding, _columns(path, task)), task, labelled)
    if not rows.rows:
        some = f" ({len(rows.skipped):,} without text: {listed(rows.skipped)})" if rows.skipped else ""
        raise InputError(f"{path} has no row with text{some}")
    return rows


def _columns(path: Path, task: Task) -> tuple[str, ...]:
    """Names for files that have no header: only text tables lack one."""
    return task.columns if layout_of(path) in ("tsv", "csv") else ()


def _folder(path: Path, task: Task, encoding: str, labelled: bool) -> Rows:
    if task.kind != "classification" or task.pair or task.layout != "records":
        raise InputError(f"{path} is a folder: that is for single texts of classes, task {task.name} takes a file")
    return read_folder(path, encoding) if labelled else read_unlabelled_folder(path, encoding)


def _one_a_line(path: Path, task: Task, encoding: str) -> bool:
    """Whether a file to be answered is bare texts: only of a .txt file that has no tab in its first line."""
    if task.pair or task.layout == "relation" or ".txt" not in [suffix.lower() for suffix in path.suffixes]:
        return False
    first = next((line for _, line in read_lines(path, encoding) if line.strip()), "")
    return "\t" not in first and first.strip() != task.text and not first.startswith("## ")


def _lines(path: Path, encoding: str) -> Rows:
    rows: list[Row] = []
    skipped: list[str] = []
    for number, line in read_lines(path, encoding):
        place = f"line {number}"
        if line.strip():
            rows.append(Row(line.strip(), None, None, place, place))
        else:
            skipped.append(place)
    return Rows(path, tuple(rows), tuple(skipped))


def _records(table: Table, task: Task, labelled: bool) -> Rows:
    columns = _label_columns(table, task)
    table.need(task.text, *([task.pair] if task.pair else []), *(ROLES if task.layout == "relation" else ()))
    if labelled:
        table.need(*columns)
    known = all(map(table.has, columns))
    rows: list[Row] = []
    skipped: list[str] = []
    for record in table.records:
        texts = _texts(table.path, record, task)
        if not texts[0].strip() or (texts[1] is not None and not texts[1].strip()):
            skipped.append(record.place)
            continue
        there = labelled or (known and all(name.partition(".")[0] in record.cells for name in columns))
        row = labelled_row(table.path, record, texts, task.label if there else None, task.kind)
        if labelled and row.target is None:
            raise InputError(
                f"{table.path}, {record.place}: no label in column {task.label!r}; give one or remove the row"
            )
        rows.append(row)
    return Rows(table.path, tuple(rows), tuple(skipped))


def _texts(path: Path, record: Record, task: Task) -> tuple[str, str | None]:
    first = marked(path, record, task.text) if task.layout == "relation" else text_of(path, record, task.text)
    return first, text_of(path, record, task.pair) if task.pair else None


def _label_columns(table: Table, task: Task) -> list[str]:
    """One column, or several of a multi-label task that are labels themselves."""
    if task.kind == "multilabel" and SEPARATOR in task.label and not (table.columns and task.label in table.columns):
        return task.label.split(SEPARATOR)
    return [task.label]
