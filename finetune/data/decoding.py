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
    """JSON with its names composed; ValueError for what is no JSON or no text, and for a name twice in an object."""
    value = json.loads(text, object_pairs_hook=_as_dict)
    if "\\ud" in text or "\\uD" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("half of a character (a lone \\ud800 to \\udfff), which is not text") from None
    return value


def _as_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = {name if name.isascii() else unicodedata.normalize("NFC", name): value for name, value in pairs}
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), names[0])
        raise ValueError(f"key {twice!r} stands twice in one object; remove one")
    return found


def _not_text(path: Path, codec: str, first: int, error: UnicodeDecodeError) -> str:
    """What the file is instead, as far as its lines tell; what is UTF-8 by its bytes is hardly anything else."""
    other = _OTHER[codec]
    found: dict[str, list[int]] = {"utf-8": [], "cp949": [], "": []}
    for number, raw in enumerate(read_unpacked(path).split(b"\n"), 1):
        if not raw.isascii():
            found[next((each for each in ("utf-8", "cp949") if _is_in(raw, each)), "")].append(number)
    if found[""] or not found[other]:
        return (
            f"{path}, line {found[''][0] if found[''] else first}: neither {_SHOWN[codec]} nor {_SHOWN[other]} "
            f"(byte 0x{error.object[error.start]:02x}); mend or remove the line"
        )
    if found[codec]:
        fewer, more = sorted((codec, other), key=lambda each: len(found[each]))
        lines = found[fewer]
        some = ", ".join(map(str, lines[:_NAMED])) + (f" and {len(lines) - _NAMED:,} more" if lines[_NAMED:] else "")
        return (
            f"{path}, line {some}: {_SHOWN[fewer]}, but {len(found[more]):,} lines are {_SHOWN[more]}; "
            "write the whole file in one encoding"
        )
    advice = "say encoding cp949, or convert it: iconv -f CP949 -t UTF-8" if other == "cp949" else f"leave {codec} out"
    return f"{path}, line {first}: not {_SHOWN[codec]}; the file looks like {_SHOWN[other]}: {advice}"


def _is_in(raw: bytes, codec: str) -> bool:
    try:
        raw.decode(codec)
    except UnicodeDecodeError:
        return False
    return True
