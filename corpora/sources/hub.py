"""A data set of the Hugging Face Hub as a JSONL file: its text column, of one split, at one revision.

The revision is looked up first and is part of the file's name, so that a corpus says what it was made from, and what
was fetched once is not fetched again. The file is built as `<file>.part`, one zst frame for so many rows, with the
library's own position beside it in `<file>.part.json`: what was interrupted goes on after the last whole frame. The
record of a finished file, `<file>.json`, is written last.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

from filelock import FileLock

from corpora.sources.hub_library import NAMES, Asked, NoAnswerError, Rows, library, look_up
from pipeline.console import Advance, progress, say
from pipeline.errors import InputError
from pipeline.files import flush, hash_file, write_atomic

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Rows in a frame of the file, or bytes of long ones: what an interruption can cost.
FRAME_ROWS = 5000
FRAME_BYTES = 64 << 20

#: Rows between two reports of progress.
_TELL_EVERY = 100
_GRAMMAR = re.compile(r"hf:([\w-][\w.-]*(?:/[\w-][\w.-]*)?)(?::([^:\x00-\x1f]*)(?::([\w.-]+))?)?", re.ASCII)


@dataclass(frozen=True)
class Dataset:
    """What was fetched: of which repository, at which commit, under which licence; `rows` are those with text."""

    name: str
    config: str | None
    split: str
    revision: str
    address: str
    licence: str | None
    rows: int
    path: str


@dataclass(frozen=True)
class _Position:
    """How far a part file goes: rows read, those of them without text, bytes, and where the library stood."""

    asked: dict[str, Any]
    library: str
    rows: int
    empty: int
    bytes: int
    state: dict[str, Any]


def is_dataset(name: str) -> bool:
    """Whether a source's name stands for a data set of the Hub.

    >>> is_dataset("hf:org/name:ko:train"), is_dataset("org/name.jsonl")
    (True, False)
    """
    return name.startswith("hf:")


def fetch_dataset(name: str, folder: Path, text_field: str | None) -> tuple[Path, Dataset]:
    """The JSONL file of `hf:dataset[:config[:split]]` in `folder`, streamed unless it is there, and what it is.

    Without a config the data set's default one is taken (`hf:org/name::test`), without a split `train`. A line has
    `text`, and `id` and `title` if the row has them as texts or numbers; rows without text are left out. With
    `text_field` None a line is a whole row, with the names of its classes instead of their numbers. Several processes
    may call this at once: one streams, the others wait.

    Raises InputError in one line for what cannot be reached, found, read or understood.
    """
    match = _GRAMMAR.fullmatch(name)
    if not match:
        raise InputError(f"{name!r} names no data set: write hf:owner/name, hf:owner/name:config or ...:config:split")
    asked = Asked(name, match[1], match[2] or None, match[3] or "train", text_field)
    with library(name) as datasets:
        try:
            info = look_up(asked)
        except NoAnswerError as error:
            raise InputError(f"{error}; {_instead(asked, folder)}") from error
        path = folder / f"{asked.stem}--{info.sha[:12]}.jsonl.zst"
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{path.name}.lock"):
            return path, _finished(path, asked) or _fetch(path, asked, info, datasets)


def _instead(asked: Asked, folder: Path) -> str:
    """What to do without the network: name what was fetched before."""
    files = [path for path in folder.glob(f"{asked.stem}--{'?' * 12}.jsonl.zst") if _finished(path, asked)]
    if not files:
        return "try again when there is a connection"
    latest = max(files, key=lambda path: path.stat().st_mtime)
    column = "" if asked.text_field is None else ", with corpus.text_field=text"
    return f"{latest} was fetched before: name that file instead{column}"


def _finished(path: Path, asked: Asked) -> Dataset | None:
    """The record of a whole file; one that is damaged or of another request counts as absent, it can be made anew."""
    try:
        record = json.loads(_beside(path).read_text("utf-8"))
        if (record["asked"], record["bytes"]) != (_key(asked), path.stat().st_size):
            return None
        return Dataset(**{field.name: record[field.name] for field in fields(Dataset)})
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _fetch(path: Path, asked: Asked, info: Any, datasets: Any) -> Dataset:
    """Stream what is missing, then give the file its name and its record."""
    rows = Rows(asked, info, datasets)
    part = path.with_name(f"{path.name}.part")
    end = _write(part, rows, _resume(part, asked, datasets.__version__), asked)
    if end.rows == end.empty:
        part.unlink()
        _beside(part).unlink(missing_ok=True)
        raise InputError(
            f"{asked.name}: none of its {end.rows:,} rows has text in {asked.text_field!r}; "
            "name another column by corpus.text_field"
            if asked.text_field is not None
            else f"{asked.name}: it has no rows"
        )
    data = Dataset(
        name=info.id,
        config=rows.config,
        split=asked.split,
        revision=info.sha,
        address=rows.address,
        licence=_licence(info.card_data),
        rows=end.rows - end.empty,
        path=path.name,
    )
    record = {**asdict(data), "empty": end.empty, "asked": end.asked, "library": f"datasets {end.library}"}
    record |= {"bytes": end.bytes, "sha256": hash_file(part)}
    part.replace(path)
    write_atomic(_beside(path), json.dumps(record, indent=1, ensure_ascii=False) + "\n")
    _beside(part).unlink()
    without = f" ({end.empty:,} more without text)" if end.empty else ""
    say(f"{asked.name}: {data.rows:,} rows{without}, revision {info.sha[:12]}, licence {data.licence or 'not stated'}")
    return data


def _write(part: Path, rows: Rows, position: _Position, asked: Asked) -> _Position:
    """Append frames to the part file until the rows end."""
    coming = rows.after(position.rows, position.state)
    with progress(asked.name, rows.total, start=position.rows) as advance:
        while (row := next(coming, None)) is not None:
            last, empty = _write_frame(part, chain([row], coming), asked, advance)
            flush(part)
            position = replace(
                position, rows=last, empty=position.empty + empty, bytes=part.stat().st_size, state=rows.state
            )
            write_atomic(_beside(part), json.dumps(asdict(position)) + "\n")
    return position


def _write_frame(
    part: Path, rows: Iterator[tuple[int, dict[str, Any]]], asked: Asked, advance: Advance
) -> tuple[int, int]:
    """(number of the last row in the frame, how many of its rows had no text)."""
    number = taken = told = empty = size = 0
    with zstd.open(part, "ab") as frame:
        for taken, (number, row) in enumerate(rows, 1):
            line = _line(number, row, asked)
            if line is None:
                empty += 1
            else:
                size += frame.write(line)
            if taken >= FRAME_ROWS or size >= FRAME_BYTES:
                break
            if taken % _TELL_EVERY == 0:
                advance(taken - told, f"{number:,} rows")
                told = taken
    advance(taken - told, f"{number:,} rows")
    return number, empty


def _line(number: int, row: dict[str, Any], asked: Asked) -> bytes | None:
    """A row as a line of JSONL, None without text."""
    if asked.text_field is None:
        return _encoded(number, row, asked)
    text = row[asked.text_field]
    if text is not None and not isinstance(text, str):
        raise InputError(
            f"{asked.name}, row {number:,}: {asked.text_field!r} is {type(text).__name__}, not text; "
            "name another column by corpus.text_field"
        )
    if not text or text.isspace():
        return None
    names = {name: str(row[name]) for name in NAMES if isinstance(row.get(name), str | int)}
    return _encoded(number, {"text": text, **names}, asked)


def _encoded(number: int, row: dict[str, Any], asked: Asked) -> bytes:
    try:
        return (json.dumps(row, ensure_ascii=False) + "\n").encode()
    except TypeError as error:
        raise InputError(f"{asked.name}, row {number:,}: not texts and numbers only ({error})") from None
    except UnicodeEncodeError:
        raise InputError(f"{asked.name}, row {number:,}: half of a character, which is not Unicode text") from None


def _resume(part: Path, asked: Asked, version: str) -> _Position:
    """Where an earlier run came to; the part file is cut there. One that does not fit is begun anew."""
    start = _Position(_key(asked), version, 0, 0, 0, {})
    try:
        found = _Position(**json.loads(_beside(part).read_text("utf-8")))
        fits = (found.asked, found.library) == (start.asked, version) and part.stat().st_size >= found.bytes
    except (FileNotFoundError, ValueError, TypeError):
        fits = False
    if fits:
        start = found
        say(f"{asked.name}: goes on after row {start.rows:,}")
    elif part.exists():
        say(f"{asked.name}: starts over; what was begun is too short, or of another version of datasets")
    with part.open("ab") as stream:
        stream.truncate(start.bytes)
    return start


def _key(asked: Asked) -> dict[str, Any]:
    """What decides the content of a file, beside the revision."""
    return {key: value for key, value in asdict(asked).items() if key != "name"}


def _licence(card: Any) -> str | None:
    """`license` of a data set's card: a short name, several of them, or `other` with a name of its own."""
    card = card or {}
    stated = card.get("license")
    if stated == "other":
        stated = card.get("license_name") or stated
    return ", ".join(map(str, stated)) if isinstance(stated, list) else stated and str(stated)


def _beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")
