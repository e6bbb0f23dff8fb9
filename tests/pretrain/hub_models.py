"""A loopback emulation of what the Hugging Face Hub does when a model is put on it: repositories, LFS, one commit.

with serve() as hub:
    HfApi(endpoint=hub.endpoint, token=WRITER) ...
    hub.repositories["org/name"].files
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

WRITER, READER = "hf_loopback_writer", "hf_loopback_reader"
#: A file's ending decides, as in the Hub's own .gitattributes.
LARGE = (".safetensors", ".onnx", ".png")


@dataclass
class Repository:
    private: bool = True
    files: dict[str, bytes] = field(default_factory=lambda: {".gitattributes": b"*.onnx filter=lfs"})
    commits: list[str] = field(default_factory=lambda: ["0" * 40])


@dataclass
class Hub:
    endpoint: str
    repositories: dict[str, Repository] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    #: Path -> status that is answered there instead.
    fails: dict[str, int] = field(default_factory=dict)


@contextmanager
def serve() -> Iterator[Hub]:
    """An empty Hub on a free port of 127.0.0.1."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    hub = Hub(f"http://127.0.0.1:{server.server_port}")
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
    wbufsize = -1

    def log_message(self, *_: object) -> None:
        """Requests are kept in a list instead."""

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def do_PUT(self) -> None:
        self._answer(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, body: bytes) -> None:
        hub: Hub = self.server.hub  # type: ignore[attr-defined]
        path = unquote(urlsplit(self.path).path)
        hub.requests.append((self.command, path))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        stored = re.fullmatch(r"/store/(\w{64})", path)
        if stored:
            hub.stored[stored[1]] = body
            return self._send(200, {})
        if path in hub.fails:
            return self._send(hub.fails[path], {"error": "as the test wants it"})
        if token not in (WRITER, READER):
            return self._send(401, {"error": "who is it"})
        if self.command == "POST" and token == READER and path != "/api/validate-yaml":
            return self._send(403, {"error": f"no write access for {token}"})
        if path == "/api/validate-yaml":
            return self._send(200, {"errors": [], "warnings": []})
        if path == "/api/repos/create":
            return self._create(hub, json.loads(body))
        match = re.fullmatch(
            r"/(?:api/models/)?([\w.-]+/[\w.-]+?)(?:\.git/info/lfs/objects/(batch)|/(\w+)/main)?", path
        )
        repository = hub.repositories.get(match[1]) if match else None
        if match is None or repository is None:
            return self._send(404, {"error": "no such repository"}, "RepoNotFound")
        act = {"preupload": self._modes, "commit": self._commit, "batch": self._batch, None: self._info}
        return act[match[2] or match[3]](hub, repository, match[1], body)

    def _create(self, hub: Hub, asked: dict[str, Any]) -> None:
        name = f"{asked['organization']}/{asked['name']}"
        if name in hub.repositories:
            return self._send(409, {"error": "it is there", "url": f"{hub.endpoint}/{name}"})
        hub.repositories[name] = Repository(
            private=asked.get("visibility") == "private" or asked.get("private") is True
        )
        return self._send(200, {"url": f"{hub.endpoint}/{name}", "name": name})

    def _info(self, hub: Hub, repository: Repository, name: str, _: bytes) -> None:
        files = [{"rfilename": path} for path in sorted(repository.files)]
        told = {"_id": "0" * 24, "id": name, "private": repository.private, "sha": repository.commits[-1]}
        self._send(200, {**told, "siblings": files, "tags": [], "downloads": 0, "likes": 0})

    def _modes(self, hub: Hub, repository: Repository, name: str, body: bytes) -> None:
        paths = [file["path"] for file in json.loads(body)["files"]]
        modes = {path: "lfs" if path.endswith(LARGE) else "regular" for path in paths}
        self._send(200, {"files": [{"path": p, "uploadMode": m, "shouldIgnore": False} for p, m in modes.items()]})

    def _batch(self, hub: Hub, repository: Repository, name: str, body: bytes) -> None:
        objects = [
            {**one, "actions": {"upload": {"href": f"{hub.endpoint}/store/{one['oid']}"}}}
            for one in json.loads(body)["objects"]
        ]
        self._send(200, {"transfer": "basic", "objects": objects})

    def _commit(self, hub: Hub, repository: Repository, name: str, body: bytes) -> None:
        lines = [json.loads(line) for line in body.splitlines()]
        parent = lines[0]["value"].get("parentCommit")
        if parent not in (None, repository.commits[-1]):
            return self._send(412, {"error": "a commit has happened since"})
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repository.files[value["path"]] = hub.stored[value["oid"]]
            elif line["key"] == "deletedFile":
                del repository.files[value["path"]]
        repository.commits.append(hashlib.sha1(body).hexdigest())
        oid = repository.commits[-1]
        return self._send(200, {"success": True, "commitOid": oid, "commitUrl": f"{hub.endpoint}/{name}/commit/{oid}"})

    def _send(self, status: int, value: Any, code: str = "") -> None:
        content = json.dumps(value).encode()
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
