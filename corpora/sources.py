"""From what the user names to numbered lines of text: files, folders, globs, plain or compressed.

Compression is told by the first bytes of a file, not by its name. Text is UTF-8; a byte that is not stops with the file
and the line, because a silently replaced character would end up in a vocabulary.
"""

from __future__ import annotations

import bz2
import glob
import gzip
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import IO, NamedTuple, cast

from pipeline.console import say
from pipeline.errors import InputError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: The corpus used when none is named: it ships with the package.
SAMPLE = "corpora/sample"
#: What counts as a text file inside a named folder.
SUFFIXES = tuple(f".txt{packed}" for packed in ("", ".xz", ".gz", ".zst", ".bz2"))

#: Files about a folder, expected beside its texts.
_ABOUT = ("LICENSE", "README")
#: Lines between two reports of progress.
_TELL_EVERY = 1000
_MAGIC = {b"\xfd7zXZ\x00": "xz", b"\x1f\x8b": "gz", b"\x28\xb5\x2f\xfd": "zst", b"BZh": "bz2"}
_DAMAGED = (EOFError, lzma.LZMAError, zlib.error, zstd.ZstdError, gzip.BadGzipFile)
_OTHER_ENCODINGS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


class Source(NamedTuple):
    """A text file and the name it goes by in reports: its path inside the folder that was named."""

    path: Path
    label: str


def find_files(names: Sequence[str]) -> list[Source]:
    """The files that `names` (paths, folders, globs) stand for, each once, folders in sorted order.

    Raises InputError for a name that leads nowhere.
    """
    found: dict[Path, Source] = {}
    for name in names:
        for source in _expand(name):
            found.setdefault(source.path, source)
    return list(found.values())


def _expand(name: str) -> list[Source]:
    path = Path(name)
    if name.rstrip("/") == SAMPLE and not path.exists():
        path = Path(str(files("corpora") / "sample"))
    if path.is_file():
        return [Source(path, path.name)]
    if path.is_dir():
        return _inside(path)
    matches = [Path(match) for match in sorted(glob.glob(name, recursive=True))]
    if not matches:
        raise InputError(f"no such file or folder: {name}")
    if not (chosen := [Source(match, match.name) for match in matches if match.is_file()]):
        raise InputError(f"{name} matches folders only; name a folder without the pattern, or files")
    return chosen


def _inside(folder: Path) -> list[Source]:
    """Text files of a folder, deep down; hidden ones are left out in silence, others of other names are told."""
    seen = [file for file in sorted(folder.rglob("*")) if file.is_file()]
    shown = [file for file in seen if not any(part.startswith(".") for part in file.relative_to(folder).parts)]
    texts = [Source(file, file.relative_to(folder).as_posix()) for file in shown if file.name.endswith(SUFFIXES)]
    if not texts:
        raise InputError(f"the folder {folder} holds no text file ({', '.join(SUFFIXES)})")
    if left := [file.name for file in shown if not file.name.endswith(SUFFIXES) and file.stem not in _ABOUT]:
        say(f"{folder}: {len(texts):,} text files are read; {len(left):,} others are not, as {left[0]}")
    return texts


def read_lines(path: Path, advance: Callable[[int], None] | None = None) -> Iterator[tuple[int, str]]:
    """(line number from 1, text without its line end) of a file; a byte order mark is dropped.

    `advance` hears of the bytes read from disk (packed ones, of a packed file). Raises InputError naming file and line
    for text that is not UTF-8, and naming the file for a damaged archive.
    """
    number = told = 0
    try:
        with _open(path) as (stream, plain):
            for number, raw in enumerate(stream, 1):
                if number == 1:
                    raw = raw.removeprefix(b"\xef\xbb\xbf")
                if advance and number % _TELL_EVERY == 0:
                    advance(plain.tell() - told)
                    told = plain.tell()
                yield number, raw.decode("utf-8").rstrip("\r\n")
            if advance:
                advance(plain.tell() - told)
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise InputError(
            f"{path}, line {number}: not UTF-8 (byte 0x{byte:02x} at position {error.start + 1} of the line); "
            f"convert the file first, for example: iconv -f CP949 -t UTF-8 {path.name} > {path.stem}.utf8.txt"
        ) from None
    except _DAMAGED as error:
        raise InputError(f"{path}: damaged or cut-off compressed file, after line {number}: {error}") from None
    except (PermissionError, IsADirectoryError) as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


@contextmanager
def _open(path: Path) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """(unpacked stream, the file itself)."""
    with path.open("rb", buffering=1 << 20) as plain:
        head = plain.read(6)
        plain.seek(0)
        if encoding := _OTHER_ENCODINGS.get(head[:2]):
            raise InputError(f"{path}, line 1: {encoding} text; convert it first: iconv -f {encoding} -t UTF-8")
        kind = next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "plain")
        if kind == "xz":
            opened: IO[bytes] = cast("IO[bytes]", lzma.open(plain))
        elif kind == "gz":
            opened = cast("IO[bytes]", gzip.open(plain))
        elif kind == "bz2":
            opened = cast("IO[bytes]", bz2.open(plain))
        elif kind == "zst":
            opened = cast("IO[bytes]", zstd.open(plain))
        else:
            yield plain, plain
            return
        with opened:
            yield opened, plain
