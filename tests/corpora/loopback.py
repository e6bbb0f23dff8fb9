"""A file server on 127.0.0.1 that behaves as badly as it is told to, and remembers what it was asked.

    with Loopback(folder) as server:
        server.will("/a.bin", Behaviour(drop_after=1000), Behaviour(status=503))
        fetch(f"{server.address}/a.bin", ...)
        assert [asked.range for asked in server.log] == [None, "bytes=1000-", "bytes=1000-"]

Each request takes the next behaviour of its path; when none is left the file is served as it should be.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

_BLOCK = 1 << 16
_ENDLESS = 200_000_000
_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]*)")


@dataclass(frozen=True)
class Behaviour:
    """What one request meets. Sizes are bytes of the body, times seconds."""

    #: Instead of the file, with an empty body.
    status: int | None = None
    #: Added to the answer's headers, or put in their place; None takes one away.
    headers: Mapping[str, str | None] = field(default_factory=dict)
    #: The connection closes after so much of the body.
    drop_after: int | None = None
    #: After so much of the body nothing more is sent, with the connection open.
    hang_after: int | None = None
    #: The body in pieces of `drip` bytes, `pause` seconds apart.
    drip: int | None = None
    pause: float = 0.0
    #: As a server that knows no ranges.
    ignore_range: bool = False
    #: As a server that does not look at If-Range.
    ignore_condition: bool = False
    #: Another body than the file's.
    body: bytes | None = None
    #: Zeros behind the body without end, until the client goes away or has taken `_ENDLESS` bytes.
    endless: bool = False
    #: The body in chunks, without Content-Length.
    chunked: bool = False


@dataclass
class Asked:
    """One request, and what it got: status, bytes of the body, and the seconds on the clock when it began and ended."""

    path: str
    range: str | None
    if_range: str | None
    agent: str | None
    status: int = 0
    sent: int = 0
    began: float = 0.0
    ended: float = 0.0


class Loopback:
    """Serves `folder`; a context manager. `etag` and `date` may be set to what the files should seem to have."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, list[Asked]()
        self.etag: str | None = None
        self.closing = threading.Event()
        self._behaviours: defaultdict[str, deque[Behaviour]] = defaultdict(deque)
        self._lock = threading.Lock()
        self._server = _Server(self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def address(self) -> str:
        """`http://127.0.0.1:PORT`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def will(self, path: str, *behaviours: Behaviour) -> None:
        """What the next requests for `path` meet, one each."""
        with self._lock:
            self._behaviours[path].extend(behaviours)

    def take(self, asked: Asked) -> Behaviour:
        """Log a request; its behaviour."""
        with self._lock:
            self.log.append(asked)
            waiting = self._behaviours[asked.path]
            return waiting.popleft() if waiting else Behaviour()

    def __enter__(self) -> Loopback:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, owner: Loopback) -> None:
        self.owner = owner
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is what these tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        owner = self.server.owner
        headers = self.headers
        asked = Asked(self.path, headers.get("Range"), headers.get("If-Range"), headers.get("User-Agent"))
        asked.began = time.monotonic()
        behaviour = owner.take(asked)
        self.close_connection = True
        try:
            self._answer(asked, behaviour)
        finally:
            asked.ended = time.monotonic()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing to the terminal."""

    def _answer(self, asked: Asked, behaviour: Behaviour) -> None:
        file = self._file()
        if behaviour.status is not None or (file is None and behaviour.body is None):
            self._head(asked, behaviour.status or 404, {"Content-Length": "0"}, behaviour)
            if behaviour.endless:
                self._send_endless(asked)
            return
        total = file.stat().st_size if file and behaviour.body is None else len(behaviour.body or b"")
        etag, date = self._validators(file)
        told: dict[str, str] = {"Accept-Ranges": "bytes", "ETag": etag, "Last-Modified": date}
        start, end, status = 0, total, 200
        match = None if behaviour.ignore_range else _RANGE.fullmatch(asked.range or "")
        if match and (asked.if_range in (None, etag, date) or behaviour.ignore_condition):
            start, end = int(match[1]), min(int(match[2] or total) + bool(match[2]), total)
            if start >= total:
                self._head(asked, 416, {"Content-Length": "0", "Content-Range": f"bytes */{total}"}, behaviour)
                return
            status, told["Content-Range"] = 206, f"bytes {start}-{end - 1}/{total}"
        if behaviour.chunked:
            told["Transfer-Encoding"] = "chunked"
        else:
            told["Content-Length"] = str(end - start)
        self._head(asked, status, told, behaviour)
        self._body(asked, behaviour, file, start, end)

    def _validators(self, file: Path | None) -> tuple[str, str]:
        if file is None:
            return self.server.owner.etag or '"none"', formatdate(0, usegmt=True)
        state = file.stat()
        tag = hashlib.sha1(f"{state.st_mtime_ns} {state.st_size}".encode()).hexdigest()[:16]
        return self.server.owner.etag or f'"{tag}"', formatdate(state.st_mtime, usegmt=True)

    def _file(self) -> Path | None:
        root = self.server.owner.folder.resolve()
        path = (root / unquote(urlsplit(self.path).path).lstrip("/")).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None

    def _head(self, asked: Asked, status: int, headers: Mapping[str, str], behaviour: Behaviour) -> None:
        asked.status = status
        self.send_response(status)
        for name, value in {**headers, **behaviour.headers, "Connection": "close"}.items():
            if value is not None:
                self.send_header(name, value)
        self.end_headers()

    def _body(self, asked: Asked, behaviour: Behaviour, file: Path | None, start: int, end: int) -> None:
        stops = [stop for stop in (behaviour.drop_after, behaviour.hang_after) if stop is not None]
        left = min([end - start, *stops])
        if behaviour.body is not None or file is None:
            self._pieces(asked, behaviour, (behaviour.body or b"")[start : start + left])
        else:
            with file.open("rb") as stream:
                stream.seek(start)
                while left > 0 and (block := stream.read(min(_BLOCK, left))):
                    left -= len(block)
                    self._pieces(asked, behaviour, block)
        if behaviour.hang_after is not None:
            self.server.owner.closing.wait(60)
        elif behaviour.endless:
            self._send_endless(asked)
        elif behaviour.chunked and behaviour.drop_after is None:
            self.wfile.write(b"0\r\n\r\n")

    def _pieces(self, asked: Asked, behaviour: Behaviour, block: bytes) -> None:
        step = behaviour.drip or len(block) or 1
        for place in range(0, len(block), step):
            piece = block[place : place + step]
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if behaviour.chunked else piece)
            asked.sent += len(piece)
            if behaviour.pause and self.server.owner.closing.wait(behaviour.pause):
                return

    def _send_endless(self, asked: Asked) -> None:
        piece = bytes(_BLOCK)
        while asked.sent < _ENDLESS and not self.server.owner.closing.is_set():
            self.wfile.write(piece)
            asked.sent += len(piece)
