"""Dumps of Korean Wikipedia as https://dumps.wikimedia.org publishes them: which file, with which checksum.

    kowiki             the latest dump; its list of checksums tells the date, which the corpus then records
    kowiki:20260901    the dump of that date; if it was downloaded before, no request is made

A mirror has the same folders: `<mirror>/kowiki/<date>/kowiki-<date>-sha1sums.txt`, and `latest` for a date.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path

from corpora.sources.download import Fetched, fetch, file_sha1
from corpora.sources.web import NotFoundError, check_address, fetch_text
from pipeline.errors import InputError
from pipeline.files import write_atomic

#: Wikis that may be named: the code knows any `<language>wiki`, the licence beside the name is that of these.
WIKIS = ("kowiki",)
#: Files that hold the current text of all articles, the best first: the second is one stream, where it still exists.
FILES = ("pages-articles-multistream.xml.bz2", "pages-articles.xml.bz2")

#: Bytes of the longest list of checksums that is read; kowiki's is about 5,000.
_LONGEST_LIST = 1_000_000
_SUM = re.compile(r"(?P<sha1>[0-9a-f]{40}) [ *](?P<wiki>[a-z]+)-(?P<date>[0-9]{8})-(?P<file>[a-z0-9.-]+)")
_DATE = re.compile(r"[0-9]{8}")


@dataclass(frozen=True)
class Dump:
    """One published dump: where it lies and what it has to be. `size` in bytes, if it is known."""

    wiki: str
    date: str
    address: str
    file_name: str
    sha1: str
    size: int | None = None


def is_dump(name: str) -> bool:
    """Whether `name` names a dump; the date may still be wrong, which `resolve_dump` then says.

    >>> is_dump("kowiki"), is_dump("kowiki:20260901"), is_dump("kowiki.txt")
    (True, True, False)
    """
    return name.split(":", 1)[0] in WIKIS


def resolve_dump(name: str, mirror: str) -> Dump:
    """The dump that `name` stands for, from the mirror's list of checksums.

    Raises InputError if the name or the date is none, or the mirror cannot be reached or does not have it.
    """
    wiki, date = _parse(name)
    root = _root(mirror)
    address = f"{root}/{wiki}/{date or 'latest'}/{wiki}-{date or 'latest'}-sha1sums.txt"
    try:
        text = fetch_text(address, limit=_LONGEST_LIST)
    except NotFoundError:
        raise InputError(
            f"no dump {name} at {root} ({address} is not there); {root}/{wiki}/ lists the dates: only the last "
            "months are kept. Another mirror is set with corpus.dump_mirror"
        ) from None
    found = {
        (match["file"], match["date"]): match["sha1"]
        for line in text.splitlines()
        if (match := _SUM.fullmatch(line.rstrip())) and match["wiki"] == wiki and _is_date(match["date"])
    }
    for file in FILES:
        dates = [day for name_of_file, day in found if name_of_file == file and date in (None, day)]
        if dates:
            day = max(dates)
            file_name = f"{wiki}-{day}-{file}"
            return Dump(wiki, day, f"{root}/{wiki}/{day}/{file_name}", file_name, found[file, day])
    raise InputError(
        f"{address} lists no {FILES[0]}: the dump may still be in the making, or this is no mirror; "
        f"name an earlier date ({wiki}:YYYYMMDD, see {root}/{wiki}/)"
    )


def fetch_dump(name: str, mirror: str, folder: Path) -> tuple[Path, Dump, Fetched]:
    """The dump's file in `folder`, downloaded if it is not there; beside it `<file>.json` says what it is.

    With a date and both files there, no request is made. Raises InputError as `resolve_dump` and
    `corpora.sources.download.fetch` do.
    """
    wiki, date = _parse(name)
    if date and (there := _recorded(wiki, date, folder)):
        return there
    try:
        dump = resolve_dump(name, mirror)
    except InputError as error:
        if date is None and (days := _days(wiki, folder)):
            named = " or ".join(f"{wiki}:{day}" for day in days)
            raise InputError(f"{error}. To take what was downloaded before, name its date: {named}") from None
        raise
    fetched = fetch(dump.address, folder / dump.file_name, sha1=dump.sha1, size=dump.size)
    known = _read_record(fetched.path)
    if known and known[0].sha1 == dump.sha1:
        return fetched.path, known[0], fetched
    dump = replace(dump, size=fetched.bytes)
    record = {**asdict(dump), "last_modified": fetched.last_modified}
    write_atomic(_record(fetched.path), json.dumps(record, indent=1) + "\n")
    return fetched.path, dump, fetched


def _parse(name: str) -> tuple[str, str | None]:
    wiki, colon, date = name.partition(":")
    if wiki not in WIKIS or (colon and not _is_date(date)):
        raise InputError(f"{name!r:.100} names no dump: write {WIKIS[0]}, or {WIKIS[0]}:YYYYMMDD with the date of one")
    return wiki, date or None


def _is_date(text: str) -> bool:
    try:
        return bool(_DATE.fullmatch(text) and datetime.strptime(text, "%Y%m%d"))
    except ValueError:
        return False


def _root(mirror: str) -> str:
    try:
        check_address(mirror)
    except InputError as error:
        raise InputError(f"corpus.dump_mirror: {error}") from None
    return mirror.rstrip("/")


def _record(file: Path) -> Path:
    return file.with_name(f"{file.name}.json")


def _read_record(file: Path) -> tuple[Dump, str | None] | None:
    """What is recorded of a file: the dump, and `Last-Modified`; None if there is no record, or a damaged one."""
    try:
        record = json.loads(_record(file).read_text("utf-8"))
        last_modified = record.pop("last_modified")
        dump = Dump(**record)
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None
    texts = (dump.wiki, dump.date, dump.address, dump.file_name, dump.sha1, last_modified or "")
    if not all(isinstance(text, str) for text in texts):
        return None
    named = dump.file_name == file.name and file.name.startswith(f"{dump.wiki}-{dump.date}-")
    return (dump, last_modified) if named else None


def _recorded(wiki: str, date: str, folder: Path) -> tuple[Path, Dump, Fetched] | None:
    """A dump that lies in `folder` and is, byte for byte, what its record says; None if there is none."""
    for path in (folder / f"{wiki}-{date}-{file}" for file in FILES):
        if (known := _read_record(path)) and path.is_file():
            dump, last_modified = known
            size = path.stat().st_size
            if size == dump.size and file_sha1(path) == dump.sha1:
                return path, dump, Fetched(path, size, last_modified, 0)
    return None


def _days(wiki: str, folder: Path) -> list[str]:
    """Dates of the dumps that were downloaded into `folder`, the latest first."""
    name = re.compile(rf"{wiki}-([0-9]{{8}})-(?:{'|'.join(map(re.escape, FILES))})")
    return sorted({match[1] for path in folder.glob(f"{wiki}-*") if (match := name.fullmatch(path.name))}, reverse=True)
