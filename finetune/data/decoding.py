"""Lines and JSON of task files as text: UTF-8 unless another encoding is named, packed files unpacked on the way.

What is not text in its encoding stops, and the whole file is looked at then: one that is CP949 throughout (EUC-KR is a
part of it) has to be named or converted, one that mixes encodings is told with the lines.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corpora.sources.records import LONGEST_RECORD
from corpora.sources.text import numbered
from corpora.sources.unpack import read_unpacked
from pipeline.errors import InputError

#: What a user may call an encoding, and what it is read as.
ENCODINGS = {
    **dict.fromkeys(("utf-8", "utf8", "utf-8-sig"), "utf-8"),
    **dict.fromkeys(("cp949", "euc-kr", "euckr", "uhc", "ms949"), "cp949"),
}
_OTHER = {"utf-8": "cp949", "cp949": "utf-8"}
_SHOWN = {"utf-8": "UTF-8", "cp949": "CP949 (EUC-KR)"}
#: Line numbers that an error names.
_NAMED = 5


def encoding_named(name: str) -> str:
    """The codec for what a user calls an encoding. Raises InputError for one that is not read."""
    found = ENCODINGS.get(name.lower().replace("_", "-"))
    if found is None:
        raise InputError(f"encoding {name!r} is not read; there are: {', '.join(ENCODINGS)}")
    return found


def read_lines(path: Path, encoding: str = "utf-8") -> Iterator[tuple[int, str]]:
    """(number from 1, text without its line end); a byte order mark is dropped, and lines may be very long.

    Raises InputError naming the file and the line.
    """
    codec = encoding_named(encoding)
    for number, raw in numbered(path, None, LONGEST_RECORD, codec):
        if len(raw) >= LONGEST_RECORD:
            raise InputError(f"{path}, line {number}: longer than {LONGEST_RECORD >> 20} MB; is a line end missing?")
        try:
            line = raw.decode(codec)
        except UnicodeDecodeError as error:
            raise InputError(_not_text(path, codec, number, error)) from None
        yield number, line.rstrip("\r\n")


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """A whole file as one text, line ends as `\\n`."""
    return "\n".join(line for _, line in read_lines(path, encoding))


def read_json(path: Path, encoding: str = "utf-8") -> Any:
    """The one JSON value of a file. Raises InputError naming the file, and line and column of what is not JSON."""
    codec = encoding_named(encoding)
    raw = read_unpacked(path).removeprefix(b"\xef\xbb\xbf")
    try:
        return parse_json(raw.decode(codec))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(_not_text(path, codec, line, error)) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{path}, {where}: not JSON: {error.msg}; one object a line is read as .jsonl") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON: {error}") from None


def parse_json(text: str) -> Any:
    """JSON with its names composed; ValueError for what is no JSON and for a name that stands twice in an object."""
    return json.loads(text, object_pairs_hook=_as_dict)


def _as_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = {name if name.isascii() else unicodedata.normalize("NFC", name): value for name, value in pairs}
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), names[0])
        raise ValueError(f"key {twice!r} stands twice in one object; remove one")
    return found


def _not_text(path: Path, codec: str, first: int, error: UnicodeDecodeError) -> str:
    """What the file is instead, as far as its lines tell."""
    other = _OTHER[codec]
    good: list[int] = []
    bad: list[int] = []
    neither: list[int] = []
    for number, raw in numbered(path, None, LONGEST_RECORD, codec):
        if raw.isascii():
            continue
        (good if _is_in(raw, codec) else bad if _is_in(raw, other) else neither).append(number)
    if neither or not bad:
        byte = error.object[error.start]
        line = neither[0] if neither else first
        return (
            f"{path}, line {line}: neither {_SHOWN[codec]} nor {_SHOWN[other]} (byte 0x{byte:02x}); "
            "mend or remove the line"
        )
    if good:
        lines = ", ".join(map(str, bad[:_NAMED])) + (f" and {len(bad) - _NAMED:,} more" if len(bad) > _NAMED else "")
        return (
            f"{path}, line {lines}: {_SHOWN[other]}, but {len(good):,} lines are {_SHOWN[codec]}; "
            "write the whole file in one encoding"
        )
    name = f"say encoding {other}, or convert it: iconv -f {other.upper()} -t UTF-8" if other == "cp949" else ""
    return f"{path}, line {first}: not {_SHOWN[codec]}; the file looks like {_SHOWN[other]}: " + (
        name or f"leave encoding {codec} out"
    )


def _is_in(raw: bytes, codec: str) -> bool:
    try:
        raw.decode(codec)
    except UnicodeDecodeError:
        return False
    return True
