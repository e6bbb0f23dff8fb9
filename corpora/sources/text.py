"""Numbered lines of a text file, plain or packed.

A byte that is not text stops with the file and the line, because a silently replaced character would end up in a
vocabulary; a recipe may say to leave such lines out instead, and then they are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from corpora.drops import Drops
from corpora.sources.unpack import damage_told, unpacked
from pipeline.errors import InputError

#: Bytes after which a line is cut, at white space if there is some: a file without line ends must not fill the memory.
LONGEST_LINE = 1 << 20

#: Lines between two reports of progress.
_TELL_EVERY = 1000

Advance = Callable[[float], None]


def read_lines(
    path: Path, advance: Advance | None = None, encoding: str = "utf-8", skipped: Drops | None = None
) -> Iterator[tuple[int, str]]:
    """(line number from 1, text without its line end) of a file; a byte order mark is dropped.

    A line of more than `LONGEST_LINE` bytes comes in several pieces with one number. `advance` hears of the bytes read
    from disk (packed ones, of a packed file). Lines that are not text in `encoding` are counted in `skipped`; without
    it they raise InputError naming file and line, as does a damaged archive.
    """
    number = 0
    for number, raw in numbered(path, advance, LONGEST_LINE, encoding):
        try:
            yield number, raw.decode(encoding).rstrip("\r\n")
        except UnicodeDecodeError as error:
            if skipped is None:
                raise InputError(_not_text(path, number, error, encoding)) from None
            skipped.add("not_" + encoding.replace("-", ""), f"{path.name}:{number}", raw.decode(encoding, "replace"))


def numbered(path: Path, advance: Advance | None, longest: int, encoding: str = "utf-8") -> Iterator[tuple[int, bytes]]:
    """(line number, bytes of the line) of a file, unpacked; a line longer than `longest` bytes in pieces."""
    number = told = count = 0
    goes_on = False
    with damage_told(path, lambda: f", after line {number}"), unpacked(path) as opened:
        for raw in _pieces(opened.stream, longest, encoding):
            number += not goes_on
            goes_on = not raw.endswith(b"\n")
            if not count:
                raw = raw.removeprefix(b"\xef\xbb\xbf")
            count += 1
            if advance and count % _TELL_EVERY == 0:
                advance(opened.plain.tell() - told)
                told = opened.plain.tell()
            yield number, raw
        if advance:
            advance(opened.plain.tell() - told)


def _pieces(stream: IO[bytes], longest: int, encoding: str) -> Iterator[bytes]:
    """Lines with their ends; pieces of a longer one are cut after white space, or else between two characters."""
    kept = b""
    while raw := stream.readline(longest - len(kept)):
        line = kept + raw
        kept = b""
        if len(line) >= longest and not line.endswith(b"\n"):
            cut = line.rfind(b" ", longest // 2) + 1 or _character_start(line, encoding)
            line, kept = line[:cut], line[cut:]
        yield line
    if kept:
        yield kept


def _character_start(line: bytes, encoding: str) -> int:
    """Where the last character of a cut line begins, so that it goes whole into the next piece."""
    place = len(line) - 1
    if encoding == "cp949":
        # Characters of two bytes begin with one above 0x80, and those that follow an ASCII byte are in step with it.
        pairs = len(line) - len(line.rstrip(bytes(range(0x80, 0x100))))
        return len(line) - (pairs % 2 or 2 * bool(pairs))
    while place > len(line) - 4 and line[place] & 0xC0 == 0x80:
        place -= 1
    return place


def _not_text(path: Path, number: int, error: UnicodeDecodeError, encoding: str) -> str:
    byte = error.object[error.start]
    if encoding != "utf-8":
        return f"{path}, line {number}: not {encoding} (byte 0x{byte:02x} at position {error.start + 1} of the line)"
    return (
        f"{path}, line {number}: not UTF-8 (byte 0x{byte:02x} at position {error.start + 1} of the line); convert the "
        f"file first (iconv -f CP949 -t UTF-8), say corpus.encoding=cp949, or drop such lines by corpus.errors=skip"
    )
