"""A loopback emulation of the HTTP endpoints of the Hugging Face Hub that its libraries use to read a data set.

with serve({"org/name": Repository({"README.md": b"...", "data/train.jsonl": b"..."})}) as hub:
    ... HF_ENDPOINT=hub.endpoint ...
    hub.requests    # ("GET", "/api/datasets/org/name"), ...
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import yaml


@dataclass
class Repository:
    """A data set: files by path; `access` is open, gated (files but README.md: 403) or private (everything: 401)."""

    files: dict[str, bytes]
    access: str = "open"
    #: A path and so many bytes: whoever asks for more of it is cut off there.
    cut: tuple[str, int] | None = None

    @cached_property
    def sha(self) -> str:
        return hashlib.sha1(repr(sorted(self.files.items())).encode()).hexdigest()

    @property
    def card(self) -> dict[str, Any]:
        match = re.match(r"---\n(.*?)\n---", self.files.get("README.md", b"").decode(), re.DOTALL)
        return yaml.safe_load(match[1]) if match else {}


@dataclass
class Hub:
    endpoint: str
    repositories: dict[str, Repository]
    #: Former name -> present name, answered by a redirect.
    moved: dict[str, str] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def serve(repositories: Mapping[str, Repository], moved: Mapping[str, str] | None = None) -> Iterator[Hub]:
    """A Hub with these data sets on a free port of 127.0.0.1."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hub = Hub(f"http://127.0.0.1:{server.server_port}", dict(repositories), dict(moved or {}))
    server.hub = hub  # type: ignore[attr-defined]
    thread = Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer goes out in one piece: head and body apart would wait for each other's acknowledgement.
    wbufsize = -1

    def log_message(self, *_: object) -> None:
        """Requests are kept in a list instead."""

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())

    def do_CONNECT(self) -> None:
        """A request to somewhere else, when this server stands as the proxy."""
        self.server.hub.requests.append((self.command, self.path))  # type: ignore[attr-defined]
        self.send_error(403)

    def _answer(self, body: str = "") -> None:
        hub: Hub = self.server.hub  # type: ignore[attr-defined]
        url = urlsplit(self.path)
        path = unquote(url.path)
        hub.requests.append((self.command, path))
        for old, new in hub.moved.items():
            if path == f"/api/datasets/{old}":
                return self._send(307, b"", {"Location": f"/api/datasets/{new}"})
        match = re.fullmatch(r"/(?:api/)?datasets/([\w.-]+/[\w.-]+)(?:/(.*))?", path)
        repository = hub.repositories.get(match[1]) if match else None
        if match is None or repository is None or repository.access == "private":
            return self._fail(401 if repository else 404, "RepoNotFound")
        action, _, rest = (match[2] or "info").partition("/")
        revision, _, inside = rest.partition("/")
        if revision not in ("", "main", repository.sha):
            return self._fail(404, "RevisionNotFound")
        if action == "resolve":
            return self._file(repository, inside)
        if action == "tree":
            return self._json(list(_tree(repository, inside, "recursive" in url.query.lower())))
        if action == "paths-info":
            wanted = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body).get("paths", [])
            return self._json([entry for entry in _tree(repository, "", True) if entry["path"] in wanted])
        return self._json(_info(match[1], repository))

    def _file(self, repository: Repository, path: str) -> None:
        if repository.access == "gated" and path != "README.md":
            return self._fail(403, "GatedRepo")
        if path not in repository.files:
            return self._fail(404, "EntryNotFound")
        content = repository.files[path]
        headers = {"ETag": f'"{_oid(content)}"', "X-Repo-Commit": repository.sha, "Accept-Ranges": "bytes"}
        part = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if part is None:
            return self._send(200, content, headers, limit=_limit(repository, path, 0))
        start, end = int(part[1]), min(int(part[2] or len(content)) + 1, len(content))
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{len(content)}"
        return self._send(206, content[start:end], headers, limit=_limit(repository, path, start))

    def _json(self, value: Any) -> None:
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _fail(self, status: int, code: str) -> None:
        self._send(status, b"", {"X-Error-Code": code, "X-Error-Message": code})

    def _send(self, status: int, content: bytes, headers: dict[str, str], limit: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:limit])
        if limit is not None and limit < len(content):
            self.close_connection = True


def _limit(repository: Repository, path: str, start: int) -> int | None:
    return max(0, repository.cut[1] - start) if repository.cut and repository.cut[0] == path else None


def _info(name: str, repository: Repository) -> dict[str, Any]:
    return {
        "_id": "0" * 24,
        "id": name,
        "author": name.partition("/")[0],
        "sha": repository.sha,
        "private": False,
        "gated": "manual" if repository.access == "gated" else False,
        "disabled": False,
        "lastModified": "2026-01-02T03:04:05.000Z",
        "createdAt": "2026-01-01T00:00:00.000Z",
        "downloads": 0,
        "likes": 0,
        "tags": [],
        "cardData": repository.card,
        "siblings": [{"rfilename": path} for path in sorted(repository.files)],
    }


def _tree(repository: Repository, inside: str, recursive: bool) -> Iterator[dict[str, Any]]:
    """Entries below a folder, as the Hub lists them: folders too."""
    folders = {str(parent) for path in repository.files for parent in PurePosixPath(path).parents} - {"."}
    entries = [{"type": "directory", "path": path, "size": 0, "oid": "0" * 40} for path in folders]
    entries += [
        {"type": "file", "path": path, "size": len(content), "oid": _oid(content)}
        for path, content in repository.files.items()
    ]
    prefix = f"{inside}/" if inside else ""
    for entry in sorted(entries, key=lambda entry: entry["path"]):
        below = entry["path"].removeprefix(prefix)
        if entry["path"].startswith(prefix) and (recursive or "/" not in below):
            yield entry


def _oid(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
