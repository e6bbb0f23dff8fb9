"""Opening a file: compression and format are told by the first bytes, not by the name."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import IO, Literal, NamedTuple, cast

from pipeline.errors import InputError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

Format = Literal["text", "jsonl", "parquet", "mediawiki"]

#: Bytes looked at to tell a format: a first JSON record may be long.
_HEAD = 1 << 16
_PACKED = {b"\xfd7zXZ\x00": "xz", b"\x1f\x8b": "gz", b"\x28\xb5\x2f\xfd": "zst", b"BZh": "bz2"}
#: What a damaged or cut-off archive raises.
DAMAGED = (EOFError, lzma.LZMAError, zlib.error, zstd.ZstdError, gzip.BadGzipFile)
#: Files that hold no plain text, and what to do with them.
_OTHERS = {
    b"PK\x03\x04": "a ZIP archive (or a .docx, .hwpx, .xlsx file); unpack it, or save its text",
    b"%PDF": "a PDF file; extract its text first",
    b"\xd0\xcf\x11\xe0": "an old Office or HWP file; save its text first",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"SQLite format 3": "a database; export its text first",
    b"\xff\xfe": "UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8",
}
_XML = re.compile(rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?P<root>[!\w:-]+)", re.DOTALL)
_RECORD = re.compile(rb"\s*\{")
_PRETTY = re.compile(rb"\s*[\[{]\s*\n\s*(?:\{\s*\n?\s*)?\"[^\"\n]*\"\s*:")


class Opened(NamedTuple):
    """A file open for reading: its bytes unpacked, and the file itself, whose place tells the progress."""

    stream: IO[bytes]
    plain: IO[bytes]
    format: Format


@contextmanager
def unpacked(path: Path) -> Iterator[Opened]:
    """Open `path`. Raises InputError naming the file for a format that is none of ours."""
    with _opened(path) as (stream, plain):
        yield Opened(stream, plain, _format(path, _peek(stream), packed=stream is not plain))


def read_unpacked(path: Path) -> bytes:
    """All bytes of a file, unpacked, whatever they are. Raises InputError naming the file for damage."""
    with damage_told(path), _opened(path) as (stream, _):
        return stream.read()


@contextmanager
def _opened(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    try:
        with path.open("rb", buffering=1 << 20) as plain, _unpack(plain) as stream:
            yield stream, plain
    except (PermissionError, IsADirectoryError) as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


@contextmanager
def damage_told(path: Path, place: Callable[[], str] = str) -> Iterator[None]:
    """Damage of an archive as an InputError naming the file and the place that was reached."""
    try:
        yield
    except DAMAGED as error:
        raise InputError(f"{path}: damaged or cut-off compressed file{place()}: {error}") from None
    except OSError as error:
        # bz2 says so of bytes that make no sense; what the system reports has a number.
        if error.errno is not None:
            raise
        raise InputError(f"{path}: damaged compressed file{place()}: {error}") from None


def format_of(path: Path) -> Format:
    """The format of a file."""
    with damage_told(path), unpacked(path) as opened:
        return opened.format


def _unpack(plain: IO[bytes]) -> IO[bytes]:
    head = plain.read(6)
    plain.seek(0)
    kind = next((kind for magic, kind in _PACKED.items() if head.startswith(magic)), "plain")
    if kind == "xz":
        return BufferedReader(cast("BufferedReader", lzma.open(plain)), 1 << 20)
    if kind == "gz":
        return BufferedReader(cast("BufferedReader", gzip.open(plain)), 1 << 20)
    if kind == "bz2":
        return BufferedReader(cast("BufferedReader", bz2.open(plain)), 1 << 20)
    if kind == "zst":
        return BufferedReader(cast("BufferedReader", zstd.open(plain)), 1 << 20)
    return plain


def _peek(stream: IO[bytes]) -> bytes:
    return cast("BufferedReader", stream).peek(_HEAD)[:_HEAD]


def _format(path: Path, head: bytes, packed: bool) -> Format:
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            raise InputError(f"{path}: {what}")
    if head.startswith(b"PAR1"):
        if packed:
            raise InputError(f"{path}: a packed Parquet file; Parquet packs itself, so unpack it first")
        return "parquet"
    if head[257:262] == b"ustar" or head.count(0) > len(head) / 100:
        what = "a tar archive; unpack it first" if head[257:262] == b"ustar" else "not text: it holds NUL bytes"
        raise InputError(f"{path}: {what}")
    head = head.removeprefix(b"\xef\xbb\xbf")
    if (found := _XML.match(head)) and (root := found["root"].lower()) in (b"mediawiki", b"html", b"!doctype"):
        if root == b"mediawiki" or b"<mediawiki" in head:
            return "mediawiki"
        raise InputError(f"{path}: an HTML page or XML with a DOCTYPE; extract its text first")
    if head.lstrip().startswith(b"<?xml"):
        raise InputError(f"{path}: XML, but not a MediaWiki export; extract its text first")
    return "jsonl" if _is_jsonl(path, head) else "text"


def _is_jsonl(path: Path, head: bytes) -> bool:
    """A first line that is a JSON object, or a name that promises one."""
    if {".jsonl", ".ndjson"} & set(path.suffixes):
        return True
    if ".json" in path.suffixes and head.lstrip().startswith(b"["):
        raise InputError(f"{path}: one JSON array; write one object a line (JSONL), for example: jq -c '.[]'")
    if _PRETTY.match(head):
        raise InputError(f"{path}: JSON over several lines; write one object a line (JSONL), for example: jq -c .")
    if not _RECORD.match(head):
        return False
    first = head.lstrip().split(b"\n", 1)[0]
    try:
        return isinstance(json.loads(first), dict)
    except ValueError:
        # Cut off by the peek, or a line of text that begins with a bracket.
        return len(first) == len(head.lstrip()) and b'":' in first
