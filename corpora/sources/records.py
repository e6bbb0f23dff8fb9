"""Records with a text in one of their fields: JSONL and Parquet. A record is a document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from corpora.drops import Drops
from corpora.sources.text import Advance, numbered
from pipeline.errors import InputError

#: Bytes of the longest JSONL line; a longer one is a damaged file, or not one record a line.
LONGEST_RECORD = 32 << 20
#: Rows of a Parquet file read at once.
_ROWS = 256
_NAMES = ("id", "title")


class Record(NamedTuple):
    """A record's text, and what to call it: its line or row, with title or id if it has one."""

    place: str
    text: str


def read_jsonl(
    path: Path, field: str, advance: Advance | None = None, encoding: str = "utf-8", skipped: Drops | None = None
) -> Iterator[Record]:
    """Records of a JSONL file. Lines that are not JSON objects with a text in `field` are counted in `skipped`;
    without it they raise InputError naming file and line.
    """
    for number, raw in numbered(path, advance, 2 * LONGEST_RECORD, encoding):
        if not raw.strip():
            continue
        try:
            text, name = _record(raw, field, encoding)
        except ValueError as error:
            if skipped is None:
                raise InputError(f"{path}, line {number}: {error}") from None
            skipped.add("bad_record", f"{path.name}:{number}", raw[:4000].decode(encoding, "replace").strip())
            continue
        yield Record(f"{number}{name}", text)


def _record(raw: bytes, field: str, encoding: str) -> tuple[str, str]:
    if len(raw) > LONGEST_RECORD:
        raise ValueError(f"longer than {LONGEST_RECORD >> 20} MB; JSONL is one object a line")
    try:
        record = json.loads(raw.decode(encoding))
    except UnicodeDecodeError as error:
        raise ValueError(f"not {encoding}: {error.reason} at byte {error.start + 1}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(record, dict):
        raise ValueError(f"a JSON object is expected, with the text in {field!r}; it is {type(record).__name__}")
    if field not in record:
        raise ValueError(f"no field {field!r}; there are {_listed(record)}; name yours by corpus.text_field")
    text = record[field]
    if not isinstance(text, str | None):
        raise ValueError(f"{field!r} is {type(text).__name__}, not a text")
    return text or "", _named({name: record.get(name) for name in _NAMES})


def read_parquet(path: Path, field: str, advance: Advance | None = None) -> Iterator[Record]:
    """Records of a Parquet file; a row without a text is an empty document.

    Raises InputError naming the file for a missing column (and the columns there are), another type, or damage.
    """
    row = 0
    try:
        with pq.ParquetFile(path) as file:
            columns = _columns(path, file.schema_arrow, field)
            size = path.stat().st_size / max(1, file.metadata.num_rows)
            for batch in file.iter_batches(batch_size=_ROWS, columns=columns):
                texts = batch.column(field).cast(pa.large_string()).to_pylist()
                names = {column: batch.column(column).to_pylist() for column in columns if column != field}
                for place, text in enumerate(texts):
                    row += 1
                    name = _named({column: values[place] for column, values in names.items()})
                    yield Record(f"{row}{name}", text or "")
                if advance:
                    advance(batch.num_rows * size)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: damaged or not a Parquet file, after row {row}: {_first_line(error)}") from None
    except OSError as error:
        if error.errno is not None:
            raise
        raise InputError(f"{path}: damaged Parquet file, after row {row}: {_first_line(error)}") from None


def _columns(path: Path, schema: Any, field: str) -> list[str]:
    if field not in schema.names:
        raise InputError(
            f"{path}: no column {field!r}; there are {_listed(schema.names)}; name yours by corpus.text_field"
        )
    if schema.names.count(field) > 1:
        raise InputError(f"{path}: {schema.names.count(field)} columns are called {field!r}; rename all but one")
    kind = schema.field(field).type
    if not _is_text(kind):
        raise InputError(f"{path}: column {field!r} holds {kind}, not text; name another by corpus.text_field")
    named = [
        name for name in _NAMES if name != field and schema.names.count(name) == 1 and _names(schema.field(name).type)
    ]
    return [field, *named]


def _is_text(kind: Any) -> bool:
    """Text; as categories too, or with not one value in the whole file."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_null))


def _names(kind: Any) -> bool:
    return any(test(kind) for test in (pa.types.is_string, pa.types.is_large_string, pa.types.is_integer))


def _named(names: dict[str, Any]) -> str:
    """` title`, ` id` or nothing, short enough for a report."""
    named = next((names[key] for key in ("title", "id") if names.get(key) not in (None, "")), "")
    return f" {str(named)[:60]}" if named != "" else ""


def _listed(names: Any) -> str:
    shown = [str(name)[:40] for name in names]
    return ", ".join(shown[:12]) + (" ..." if len(shown) > 12 else "") if shown else "none"


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
