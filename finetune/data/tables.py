"""Records of task files: TSV, CSV, JSONL, JSON and Parquet, each with the place it stands at.

TSV is read without quoting: a field is what stands between two tabs, since review corpora (NSMC) and KorSTS are full of
stray quotes. CSV has its usual quotes, with line ends inside them. What cannot be read for certain stops with file and
line. Text files may be packed (.xz, .gz, .zst, .bz2).
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from corpora.sources.records import LONGEST_RECORD
from finetune.data.decoding import parse_json, read_json, read_lines
from pipeline.errors import InputError

#: Suffix -> how the file is read; `.txt` because NSMC is published as `ratings_train.txt`.
LAYOUTS = {
    ".tsv": "tsv", ".txt": "tsv", ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "json",
    ".parquet": "parquet",
}  # fmt: skip
PACKED = (".xz", ".gz", ".zst", ".bz2")
#: Rows of a Parquet file read at once.
_BATCH = 1024
#: Column names that an error lists.
_LISTED = 12


@dataclass(frozen=True)
class Record:
    """`place` is `line 7`, `record 3` or `row 12`; cells are texts, or what JSON and Parquet hold."""

    place: str
    cells: Mapping[str, Any]


@dataclass(frozen=True)
class Table:
    """Records of a file; `columns` where the file names them once for all, else None."""

    path: Path
    columns: tuple[str, ...] | None
    records: Iterator[Record]

    def has(self, name: str) -> bool:
        """Whether a column may be there: surely not if the file names its columns and this is none of them."""
        return self.columns is None or name in self.columns or name.partition(".")[0] in self.columns

    def need(self, *names: str) -> None:
        """Raise InputError for a column that is not there."""
        for name in names:
            if not self.has(name):
                raise InputError(f"{self.path}: no column {name!r}; there are: {listed(self.columns or ())}")


def layout_of(path: Path) -> str:
    """How a file is read, by its name. Raises InputError for a name that does not say it."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] in PACKED
    layout = LAYOUTS.get(suffixes[-1 - packed]) if len(suffixes) > packed else None
    if layout is None or (packed and layout == "parquet"):
        raise InputError(
            f"{path}: name the file by its format: {', '.join(LAYOUTS)} "
            f"(all but .parquet may be followed by {', '.join(PACKED)})"
        )
    return layout


def open_table(path: Path, encoding: str = "utf-8", columns: Sequence[str] = ()) -> Table:
    """The records of a file, read as they are asked for. `columns` name those of a TSV or CSV file without a header.

    Raises InputError naming the file, and the place where there is one: no such file, unknown suffix, another
    encoding, no header, a column that stands twice, a row of another width, what is not CSV, JSON or Parquet.
    """
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    layout = layout_of(path)
    if layout == "parquet":
        return _parquet(path)
    if layout == "jsonl":
        return Table(path, None, _jsonl(path, encoding))
    if layout == "json":
        return Table(path, None, _json(path, encoding))
    lines = _csv(path, encoding) if layout == "csv" else _tsv(path, encoding)
    if columns:
        return Table(path, tuple(columns), _cells(path, tuple(columns), lines, "the file should have"))
    first = next(lines, None)
    if first is None:
        raise InputError(f"{path} is empty; its first line must name the columns")
    header = tuple(plain(name) for name in first[1])
    _once(path, header)
    return Table(path, header, _cells(path, header, lines, "the header has"))


def plain(name: str) -> str:
    """A name as people mean it: without spaces around, and composed (a Mac writes 긍정 as jamo)."""
    return unicodedata.normalize("NFC", name.strip())


def listed(names: Sequence[str]) -> str:
    """Names for an error, not too many of them."""
    return ", ".join(repr(name[:40]) for name in names[:_LISTED]) + (" ..." if len(names) > _LISTED else "")


def cell(path: Path, record: Record, name: str) -> Any:
    """The value of a column, None if it is null; `labels.real-label` is looked up inside, too.

    Raises InputError naming file and place for a key that a JSON object does not have.
    """
    value: Any = record.cells
    if name in record.cells:
        return record.cells[name]
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise InputError(
                f"{path}, {record.place}: no key {name!r}; there are: {listed(list(map(str, record.cells)))}"
            )
        value = value[part]
    return value


def _once(path: Path, names: Sequence[str]) -> None:
    for name in names:
        if (count := names.count(name)) > 1:
            raise InputError(f"{path}, line 1: {count} columns are named {name!r}; rename one")


def _cells(path: Path, names: tuple[str, ...], lines: Iterator[tuple[int, list[str]]], why: str) -> Iterator[Record]:
    for line, fields in lines:
        if len(fields) != len(names):
            raise InputError(
                f"{path}, line {line}: {len(fields)} fields, but {why} {len(names)} ({', '.join(names)}); "
                "mend or remove the line"
            )
        yield Record(f"line {line}", dict(zip(names, fields, strict=True)))


def _tsv(path: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in read_lines(path, encoding):
        if line:
            yield number, line.split("\t")


def _csv(path: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """Fields with the line they begin on; an opened quote may run over several lines."""
    reader = csv.reader((f"{line}\n" for _, line in read_lines(path, encoding)), strict=True)
    while True:
        begins = reader.line_num + 1
        # The library's limit is one for the whole process and shorter than a long text; it is asked at each record.
        limit = csv.field_size_limit(LONGEST_RECORD)
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise InputError(
                f"{path}, line {begins}: not valid CSV: {error}; a quote inside quotes is written twice"
            ) from None
        finally:
            csv.field_size_limit(limit)
        if fields is None:
            return
        if fields:
            yield begins, fields


def _jsonl(path: Path, encoding: str) -> Iterator[Record]:
    for number, line in read_lines(path, encoding):
        if not line.strip():
            continue
        try:
            value = parse_json(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}, line {number}: not JSON: {error}; one object a line is expected") from None
        yield Record(f"line {number}", _as_object(path, f"line {number}", value))


def _json(path: Path, encoding: str) -> Iterator[Record]:
    """Objects of a list; of an object that holds one list of objects (`{"data": [...]}`), those of that list."""
    value = read_json(path, encoding)
    if isinstance(value, dict):
        lists = [each for each in value.values() if isinstance(each, list) and each and isinstance(each[0], dict)]
        value = lists[0] if len(lists) == 1 else value
    if not isinstance(value, list):
        raise InputError(f"{path}: a list of objects is expected, not one {type(value).__name__}")
    for number, each in enumerate(value, 1):
        yield Record(f"record {number}", _as_object(path, f"record {number}", each))


def _as_object(path: Path, place: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise InputError(f"{path}, {place}: an object with named values is expected, not {type(value).__name__}")
    return value


def _parquet(path: Path) -> Table:
    try:
        with pq.ParquetFile(path) as file:
            columns = tuple(map(plain, file.schema_arrow.names))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise InputError(f"{path}: damaged or not a Parquet file: {str(error).splitlines()[0][:200]}") from None
    _once(path, columns)
    return Table(path, columns, _parquet_records(path, columns))


def _parquet_records(path: Path, columns: tuple[str, ...]) -> Iterator[Record]:
    row = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=_BATCH):
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    row += 1
                    yield Record(f"row {row}", dict(zip(columns, values, strict=True)))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: damaged Parquet file, after row {row}: {str(error).splitlines()[0][:200]}") from None
