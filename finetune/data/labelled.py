"""Rows of classification, regression and multi-label tasks out of records: texts of one column or two, and a target."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finetune.data.known import Kind
from finetune.data.rows import Row, Target
from finetune.data.tables import Record, cell, plain
from pipeline.errors import InputError

#: Between several labels in one cell of a text table, and between several columns that are labels themselves.
SEPARATOR = ","
_YES, _NO = ("1", "1.0", "true"), ("", "0", "0.0", "false")
#: What a record may call itself by.
_NAMES = ("guid", "id")

Reading = Callable[[Record], str]


def text_of(path: Path, record: Record, name: str) -> str:
    """The text in a column as it stands, "" for none. Raises InputError for what is no text (a list, an object)."""
    value = cell(path, record, name)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise InputError(
            f"{path}, {record.place}: column {name!r} holds {_kind(value)}, not a text; name another column"
        )
    return str(value)


def labelled_row(path: Path, record: Record, texts: tuple[str, str | None], label: str | None, kind: Kind) -> Row:
    """The row of a record with its texts read already; `label` None leaves the target out."""
    text, pair = texts
    target = None if label is None else _target(path, record, label, kind)
    return Row(text.strip(), None if pair is None else pair.strip(), target, record.place, name_of(record))


def name_of(record: Record) -> str:
    """What a record calls itself, else its place."""
    for name in _NAMES:
        value = record.cells.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool) and value != "":
            return str(value)
    return record.place


def _target(path: Path, record: Record, label: str, kind: Kind) -> Target | None:
    """None for an empty cell; the reader decides whether that is allowed."""
    if kind == "multilabel":
        return _labels(path, record, label)
    value = cell(path, record, label)
    name = _name(path, record, label, value)
    if kind == "classification" or not name:
        return name or None
    try:
        number = float(name)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{path}, {record.place}: {name[:40]!r} in column {label!r} is no number")
    return number


def _labels(path: Path, record: Record, label: str) -> tuple[str, ...]:
    """Labels of a list, of one cell between commas, or of columns (`sports,politics`) that say yes or no."""
    if label not in record.cells and SEPARATOR in label:
        return tuple(name for name in label.split(SEPARATOR) if _said(path, record, name))
    value = cell(path, record, label)
    if isinstance(value, list):
        names = [_name(path, record, label, each) for each in value]
    else:
        names = [plain(name) for name in _name(path, record, label, value).split(SEPARATOR)]
    return tuple(dict.fromkeys(name for name in names if name))


def _said(path: Path, record: Record, name: str) -> bool:
    value = _name(path, record, name, cell(path, record, name)).lower()
    if value not in (*_YES, *_NO):
        raise InputError(f"{path}, {record.place}: {value[:40]!r} in column {name!r} is neither 1 nor 0")
    return value in _YES


def _name(path: Path, record: Record, column: str, value: Any) -> str:
    """A label as a text: whole numbers without a point (Parquet of pandas has 1.0), truth values in small letters."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, str | int | float):
        return plain(str(value))
    raise InputError(f"{path}, {record.place}: column {column!r} holds {_kind(value)}, not a label")


def _kind(value: Any) -> str:
    return {"list": "a list", "dict": "an object", "bool": "a truth value"}.get(type(value).__name__, "no text")
