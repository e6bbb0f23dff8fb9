"""One file over a network that drops, hangs and lies.

The bytes go into `<target>.part`, what is known of them into `<target>.part.json`; after a dropped connection, a kill
or a reboot the next try asks for the rest (`Range`), on condition that the file is still the same (`If-Range`). The
target's name appears when the bytes are whole and their checksum is right, not before.

A server can neither fill the disk (no more is taken than was announced) nor hold the program for ever: silence ends a
try at the time-out, and so does a trickle, and tries without progress are counted.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from errno import ENOSPC
from http import HTTPStatus
from http.client import HTTPResponse
from pathlib import Path

from filelock import FileLock, Timeout

from corpora.sources.web import LEAST, BeyondEndError, Line, TryAgainError, persist, read
from pipeline.console import progress, say
from pipeline.errors import InputError
from pipeline.files import flush, write_atomic

#: Bytes taken from a server that does not say how long the file is.
UNANNOUNCED = 4 << 30

_ETAG = re.compile(r'"[!#-~]{1,200}"')
_DATE = re.compile(r"[A-Za-z0-9,: +-]{1,64}")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,15})-([0-9]{1,15})/([0-9]{1,15}|\*)")


@dataclass(frozen=True)
class Fetched:
    """A file that is there: its size, the server's `Last-Modified`, and how often the download was taken up again.

    `last_modified` is None if the server said nothing, or was not asked because the file was there already.
    """

    path: Path
    bytes: int
    last_modified: str | None
    resumed: int


def fetch(
    address: str,
    target: Path,
    *,
    sha1: str | None,
    size: int | None = None,
    retries: int = 5,
    timeout: float = 60.0,
    wait: float = 1.0,
) -> Fetched:
    """Download `address` to `target`, unless a file with this checksum lies there; then no request is made.

    `size` in bytes, if it is known beforehand. `timeout` in seconds, for the server to answer, and to send `LEAST`
    bytes. So many `retries` in a row may bring no progress, with pauses of `wait`, twice, four times ... seconds.

    Raises InputError in one line for what the user or the server has to mend, OSError for a full disk. What has
    arrived is kept for the next call, except bytes that proved wrong.
    """
    line = Line(address, timeout)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _alone(target):
        download = _Download(line, target, sha1.lower() if sha1 else None, size, timeout)
        if sha1 and target.is_file():
            if file_sha1(target) == sha1.lower():
                download.discard()
                return Fetched(target, target.stat().st_size, None, 0)
            say(f"{target} is not the file that {address} announces: downloading it anew")
        persist(download.attempt, download.position, address, retries, wait)
        return download.finish()


def file_sha1(path: Path) -> str:
    """sha1 of a file's bytes, 40 hexadecimal digits."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha1").hexdigest()


@dataclass(frozen=True)
class _Known:
    """What `.part.json` says of the bytes in `.part`."""

    address: str
    sha1: str | None
    etag: str | None = None
    last_modified: str | None = None
    total: int | None = None

    @property
    def validator(self) -> str | None:
        """What `If-Range` may hold. A weak ETag (W/...) may not, and not anything that a server or file may say."""
        for value, form in ((self.etag, _ETAG), (self.last_modified, _DATE)):
            if isinstance(value, str) and form.fullmatch(value):
                return value
        return None


class _Download:
    """The part file of one target, and one try after the other to complete it."""

    def __init__(self, line: Line, target: Path, sha1: str | None, size: int | None, timeout: float) -> None:
        self._line, self._target, self._sha1, self._size, self._timeout = line, target, sha1, size, timeout
        self._part = target.with_name(f"{target.name}.part")
        self._notes = target.with_name(f"{target.name}.part.json")
        self._known = self._remembered()
        self._resumed = 0

    def position(self) -> int:
        """Bytes that have arrived."""
        return self._part.stat().st_size if self._part.exists() else 0

    def discard(self) -> None:
        """Forget what has arrived."""
        self._part.unlink(missing_ok=True)
        self._notes.unlink(missing_ok=True)
        self._known = _Known(self._line.address, self._sha1)

    def attempt(self) -> None:
        """One request, for what is missing. Returns when all is there."""
        if self._known.validator is None and self._sha1 is None:
            self.discard()  # nothing would tell whether the rest belongs to it
        offset = self.position()
        if offset and offset == self._known.total:
            return
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        if offset and self._known.validator:
            headers["If-Range"] = self._known.validator
        try:
            with self._line.open(headers) as response:
                start, end = self._accept(response, offset)
                self._stream(response, start, end)
        except BeyondEndError as error:
            self._beyond(error.content_range, offset)
            return
        arrived, total = self.position(), self._known.total
        if total is not None and arrived < total:
            raise TryAgainError(f"sent {arrived:,} of {total:,} bytes")

    def finish(self) -> Fetched:
        """Check the bytes and give them their name."""
        actual = file_sha1(self._part)
        if self._sha1 not in (None, actual):
            self.discard()
            raise InputError(
                f"{self._line.address}: sha1 is {actual}, not {self._sha1} as announced; what arrived was deleted: "
                "run this again, and if it comes out the same take another mirror"
            )
        flush(self._part)
        self._part.replace(self._target)
        _flush_folder(self._target.parent)
        self._notes.unlink(missing_ok=True)
        return Fetched(self._target, self._target.stat().st_size, self._known.last_modified, self._resumed)

    def _remembered(self) -> _Known:
        """The notes of an earlier call; if they are missing, damaged or of another file, its bytes are forgotten."""
        try:
            known = _Known(**json.loads(self._notes.read_text("utf-8")))
        except (FileNotFoundError, ValueError, TypeError):
            known = None
        same = known and (known.address, known.sha1) == (self._line.address, self._sha1)
        if known and same and isinstance(known.total, int | None):
            return known
        self._part.unlink(missing_ok=True)
        return _Known(self._line.address, self._sha1)

    def _accept(self, response: HTTPResponse, offset: int) -> tuple[int, int | None]:
        """Where the body begins and ends in the file; the end is None if nobody says it."""
        if response.status == HTTPStatus.OK:
            return 0, self._begin(response)
        if response.status != HTTPStatus.PARTIAL_CONTENT or not offset:
            raise InputError(f"{self._line.address}: answers {response.status} without the file; take another mirror")
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        etag, total = response.headers.get("ETag"), self._known.total
        if not match or int(match[1]) != offset or int(match[2]) < offset:
            self.discard()
            raise TryAgainError("sent another part than was asked for; starting over")
        of_another = None not in (etag, self._known.etag) and etag != self._known.etag
        length = None if match[3] == "*" else int(match[3])
        if of_another or (None not in (length, total) and length != total):
            self.discard()
            raise TryAgainError("the file has changed on the server; starting over")
        self._resumed += 1
        self._known = replace(self._known, total=length if total is None else total)
        return offset, int(match[2]) + 1

    def _begin(self, response: HTTPResponse) -> int | None:
        """Start the part file anew, for a whole body."""
        address, headers, total = self._line.address, response.headers, response.length
        if self._size is not None and total is not None and total != self._size:
            raise InputError(f"{address}: {total:,} bytes long, not {self._size:,} as announced; take another mirror")
        total = self._size if total is None else total
        if total is None and self._sha1 is None and not response.chunked:
            raise InputError(f"{address}: neither a length nor a checksum, so nothing would tell when it is whole")
        self.discard()
        self._known = _Known(address, self._sha1, headers.get("ETag"), headers.get("Last-Modified"), total)
        write_atomic(self._notes, json.dumps(asdict(self._known), indent=1) + "\n")
        return total

    def _beyond(self, content_range: str, offset: int) -> None:
        """Nothing lies behind what is here: that is the whole, or of another file."""
        whole = content_range == f"bytes */{offset}"
        if not whole or (self._sha1 is None and self._known.total is not None):
            self.discard()
            raise TryAgainError("the file there is shorter than what arrived; starting over")

    def _stream(self, response: HTTPResponse, position: int, end: int | None) -> None:
        """Append the body to the part file, from `position` to `end`."""
        limit = UNANNOUNCED if end is None else end
        if end is not None and shutil.disk_usage(self._part.parent).free < end - position:
            raise OSError(ENOSPC, os.strerror(ENOSPC), str(self._part))
        began, mark = time.monotonic(), position
        title = f"download {self._target.name}"
        with self._part.open("ab") as stream, progress(title, end or 0, start=position) as advance:
            while block := read(response):
                position += len(block)
                if position > limit:
                    break
                stream.write(block)
                advance(len(block), f"{position / 1e6:,.1f} MB")
                if (now := time.monotonic()) - began >= self._timeout:
                    if position - mark < LEAST:
                        raise TryAgainError(f"fewer than {LEAST:,} bytes in {self._timeout:g} s")
                    began, mark = now, position
        if position > limit:
            self.discard()
            raise InputError(f"{self._line.address}: does not end after {limit:,} bytes; take another mirror")
        if end is not None and position < end:
            raise TryAgainError(f"the connection closed after {position:,} of {end:,} bytes")


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """One process writes a part file; the others wait, and then find the target."""
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"another process is downloading {target.name}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _flush_folder(folder: Path) -> None:
    """Have the disk itself hold a new name."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
