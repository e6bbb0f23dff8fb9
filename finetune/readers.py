"""Labelled text from TSV and CSV files, plain or compressed, every row with the line it stands on.

TSV is read without quoting: a field is what stands between two tabs, since review corpora (NSMC) are full of
stray quotes. CSV has its usual quotes, with line ends inside them. What cannot be read for certain stops with
file and line; only rows without text are left out, and the caller is told which.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpora.sources.text import read_lines
from pipeline.errors import InputError

#: Suffix -> how the file is read; `.txt` because NSMC is published as `ratings_train.txt`.
LAYOUTS = {".tsv": "tsv", ".txt": "tsv", ".csv": "csv"}
PACKED = (".xz", ".gz", ".zst", ".bz2")

Record = tuple[int, list[str]]


@dataclass(frozen=True)
class Rows:
    """Texts, their labels and line numbers (equally long), and the lines skipped for having no text."""

    path: Path
    texts: tuple[str, ...]
    labels: tuple[str, ...]
    lines: tuple[int, ...]
    skipped: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.texts)

    def pick(self, places: Sequence[int]) -> Rows:
        """The rows at these places, as a set of its own."""
        texts, labels, lines = (
            tuple(column[place] for place in places) for column in (self.texts, self.labels, self.lines)
        )
        return Rows(self.path, texts, labels, lines)  # type: ignore[arg-type]


def read_rows(path: Path, text: str, label: str) -> Rows:
    """Columns `text` and `label` of a file whose first line names the columns; both lose spaces around them.

    Raises InputError naming the file, and the line where there is one: no such file, unknown suffix, not
    UTF-8, no header, no such column, a row of another width, a row with text but no label, no rows at all.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    records = _csv_records(path) if _layout(path) == "csv" else _tsv_records(path)
    first = next(records, None)
    if first is None:
        raise InputError(f"{path} is empty; its first line must name the columns")
    header = [_plain(name) for name in first[1]]
    at_text, at_label = _column(path, header, text), _column(path, header, label)
    if at_text == at_label:
        raise InputError(f"{path}: column {text!r} cannot be both text and label")
    texts, labels, lines, skipped = [], [], [], []
    for line, record in records:
        if len(record) != len(header):
            raise InputError(
                f"{path}, line {line}: {len(record)} fields, but the header has {len(header)} "
                f"({', '.join(header)}); mend or remove the line"
            )
        if not record[at_text].strip():
            skipped.append(line)
            continue
        if not (name := _plain(record[at_label])):
            raise InputError(f"{path}, line {line}: no label in column {label!r}; give one or remove the line")
        texts.append(record[at_text].strip())
        labels.append(name)
        lines.append(line)
    if not texts:
        raise InputError(f"{path} has no row with text in column {text!r}")
    return Rows(path, tuple(texts), tuple(labels), tuple(lines), tuple(skipped))


def _plain(cell: str) -> str:
    """A name as people mean it: without spaces around, and composed (a Mac writes 긍정 as jamo)."""
    return unicodedata.normalize("NFC", cell.strip())


def _layout(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    layout = LAYOUTS.get(suffixes[-1]) if suffixes else None
    if layout is None:
        known = ", ".join(LAYOUTS)
        raise InputError(f"{path}: name the file by its format: {known} (may be followed by {', '.join(PACKED)})")
    return layout


def _column(path: Path, header: list[str], name: str) -> int:
    wanted = _plain(name)
    places = [place for place, column in enumerate(header) if column == wanted]
    if len(places) > 1:
        raise InputError(f"{path}, line 1: {len(places)} columns are named {name!r}; rename one")
    if not places:
        raise InputError(f"{path}, line 1: no column {name!r}; there are: {', '.join(map(repr, header))}")
    return places[0]


def _tsv_records(path: Path) -> Iterator[Record]:
    for number, line in read_lines(path):
        if line:
            yield number, line.split("\t")


def _csv_records(path: Path) -> Iterator[Record]:
    """Records with the line they begin on; an opened quote may run over several lines."""
    reader = csv.reader((f"{line}\n" for _, line in read_lines(path)), strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            record = next(reader, None)
        except csv.Error as error:
            raise InputError(
                f"{path}, line {begins}: not valid CSV: {error}; a quote inside quotes is written twice"
            ) from None
        if record is None:
            return
        if record:
            yield begins, record
