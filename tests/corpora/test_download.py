"""Downloads from a server that drops, hangs, lies and changes its mind."""

import hashlib
import json
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from errno import EFBIG, ENOSPC
from pathlib import Path
from types import SimpleNamespace
from urllib.request import Request

import pytest

from corpora.sources import download, web
from corpora.sources.download import Fetched, fetch
from corpora.sources.web import LEAST, NotFoundError, fetch_text
from pipeline.errors import InputError
from tests.conftest import REPOSITORY
from tests.corpora.loopback import Behaviour, Loopback

BYTES = random.Random(0).randbytes(300_000)
OTHER = random.Random(1).randbytes(300_000)
SHA1 = hashlib.sha1(BYTES).hexdigest()
DROP = Behaviour(drop_after=100_000)


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server(tmp_path: Path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "a.bin").write_bytes(BYTES)
    with Loopback(tmp_path / "served") as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "a.bin"


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses between tries, which are not made."""
    pauses: list[float] = []
    monkeypatch.setattr(web, "time", SimpleNamespace(sleep=pauses.append, monotonic=time.monotonic))
    return pauses


def get(server: Loopback, target: Path, sha1: str | None = SHA1, **more) -> Fetched:
    """`fetch` in a hurry."""
    return fetch(f"{server.address}/a.bin", target, sha1=sha1, **{"retries": 2, "timeout": 5.0, "wait": 0.001, **more})


def ranges(server: Loopback) -> list[str | None]:
    return [asked.range for asked in server.log]


def left(target: Path) -> list[str]:
    """Names beside the lock in the target's folder."""
    return sorted(path.name for path in target.parent.iterdir() if path.suffix != ".lock")


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def unknown_host(*_: object, **__: object) -> None:
    raise socket.gaierror(-2, "Name or service not known")


def test_a_file_arrives_once(server: Loopback, target: Path, capsys: pytest.CaptureFixture) -> None:
    first = get(server, target, size=len(BYTES))
    assert target.read_bytes() == BYTES
    assert (first.path, first.bytes, first.resumed) == (target, len(BYTES), 0)
    assert first.last_modified is not None and first.last_modified.endswith("GMT")
    assert server.log[0].agent == "hanbeot/0.1 (+corpus builder)"
    assert "download a.bin: 100 %" in capsys.readouterr().err
    assert get(server, target, sha1=SHA1.upper()) == Fetched(target, len(BYTES), None, 0)
    assert len(server.log) == 1, "a file with the right checksum needs no request"
    assert left(target) == ["a.bin"]


def test_another_file_under_the_name_is_replaced(server: Loopback, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(OTHER)
    get(server, target)
    assert target.read_bytes() == BYTES


@pytest.mark.parametrize("sha1", [SHA1, None], ids=["checksum", "no checksum"])
def test_dropped_connections_are_taken_up_again(server: Loopback, target: Path, sha1: str | None) -> None:
    server.will("/a.bin", DROP, DROP)
    assert get(server, target, sha1).resumed == 2
    assert target.read_bytes() == BYTES
    assert ranges(server) == [None, "bytes=100000-", "bytes=200000-"]
    assert server.log[0].if_range is None
    assert server.log[1].if_range == server.log[2].if_range is not None
    assert left(target) == ["a.bin"]


def test_killed_in_the_midst_and_run_again(server: Loopback, target: Path) -> None:
    server.will("/a.bin", Behaviour(hang_after=170_000))
    code = "import sys, pathlib\nfrom corpora.sources.download import fetch\n"
    code += "fetch(sys.argv[1], pathlib.Path(sys.argv[2]), sha1=sys.argv[3])"
    command = [sys.executable, "-c", code, f"{server.address}/a.bin", str(target), SHA1]
    part = target.with_name("a.bin.part")
    with subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE) as process:
        for _ in range(1500):
            if process.poll() is not None or (part.exists() and part.stat().st_size >= 160_000):
                break
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    arrived = part.stat().st_size
    assert 160_000 <= arrived <= 170_000 and not target.exists()
    assert get(server, target).resumed == 1
    assert target.read_bytes() == BYTES
    assert ranges(server) == [None, f"bytes={arrived}-"]


def test_killed_between_the_last_byte_and_the_name(server: Loopback, target: Path) -> None:
    server.will("/a.bin", DROP)
    with pytest.raises(InputError):
        get(server, target, retries=0)
    target.with_name("a.bin.part").write_bytes(BYTES)
    get(server, target)
    assert target.read_bytes() == BYTES and len(server.log) == 1


def test_a_server_without_ranges_starts_over(server: Loopback, target: Path) -> None:
    server.will("/a.bin", DROP, Behaviour(ignore_range=True))
    assert get(server, target).resumed == 0
    assert target.read_bytes() == BYTES


def test_a_server_that_never_gets_further_is_given_up(server: Loopback, target: Path) -> None:
    server.will("/a.bin", *[Behaviour(ignore_range=True, drop_after=200_000)] * 9)
    with pytest.raises(InputError, match=r"a\.bin: the connection closed after 200,000 of 300,000 bytes; 3 tries"):
        get(server, target)
    assert len(server.log) == 3


def test_progress_counts_tries_anew(server: Loopback, target: Path) -> None:
    small, large = Behaviour(drop_after=10), Behaviour(drop_after=LEAST)
    server.will("/a.bin", small, small, large, small, large)
    assert get(server, target).resumed == 5
    server.log.clear()
    server.will("/a.bin", small, small, small)
    with pytest.raises(InputError, match="3 tries in a row without progress: run this again later"):
        get(server, target.with_name("b.bin"))
    get(server, target.with_name("b.bin"))
    assert ranges(server)[-1] == "bytes=30-", "what arrived is kept for the next call"


@pytest.mark.parametrize("ignore_condition", [False, True], ids=["If-Range heeded", "ETag compared"])
def test_a_changed_file_starts_over(server: Loopback, target: Path, ignore_condition: bool) -> None:
    server.will("/a.bin", DROP, Behaviour(ignore_condition=ignore_condition))
    server.etag = '"before"'
    with pytest.raises(InputError):
        get(server, target, None, retries=0)
    (server.folder / "a.bin").write_bytes(OTHER)
    server.etag = '"after"'
    get(server, target, None)
    assert target.read_bytes() == OTHER


def test_a_weak_etag_is_no_condition(server: Loopback, target: Path) -> None:
    server.etag = 'W/"1"'
    server.will("/a.bin", DROP)
    assert get(server, target).resumed == 1
    assert (server.log[1].if_range or "").endswith("GMT")


def test_without_checksum_and_validator_nothing_is_resumed(server: Loopback, target: Path) -> None:
    bare = {"ETag": None, "Last-Modified": None}
    server.will("/a.bin", Behaviour(drop_after=100_000, headers=bare), Behaviour(headers=bare))
    get(server, target, None)
    assert target.read_bytes() == BYTES and ranges(server) == [None, None]


def test_less_than_was_asked_for_is_taken(server: Loopback, target: Path) -> None:
    shorter = {"Content-Range": "bytes 100000-199999/300000", "Content-Length": "100000"}
    server.will("/a.bin", DROP, Behaviour(headers=shorter))
    assert get(server, target).resumed == 2
    assert target.read_bytes() == BYTES and ranges(server)[2] == "bytes=200000-"


def test_416_of_a_whole_file(server: Loopback, target: Path) -> None:
    server.will("/a.bin", Behaviour(headers={"Content-Length": str(len(BYTES) + 1000)}))
    get(server, target)
    assert target.read_bytes() == BYTES
    assert [asked.status for asked in server.log] == [200, 416]
    server.will("/a.bin", Behaviour(headers={"Content-Length": str(len(BYTES) + 1000)}))
    get(server, target, None)
    assert [asked.status for asked in server.log][2:] == [200, 416, 200], "no checksum says which length was right"


def test_416_of_a_shorter_file_starts_over(server: Loopback, target: Path) -> None:
    server.will("/a.bin", DROP, Behaviour(ignore_condition=True))
    with pytest.raises(InputError):
        get(server, target, None, retries=0)
    (server.folder / "a.bin").write_bytes(OTHER[:50_000])
    get(server, target, None)
    assert target.read_bytes() == OTHER[:50_000]
    assert [asked.status for asked in server.log] == [200, 416, 200]


@pytest.mark.parametrize(
    "told",
    ["bytes 0-299999/300000", "bytes 100001-299999/300000", "bytes 100000-299999/400000", "bytes 100000-9/300000", ""],
)
def test_a_wrong_content_range_starts_over(server: Loopback, target: Path, told: str) -> None:
    server.will("/a.bin", DROP, Behaviour(headers={"Content-Range": told}))
    get(server, target)
    assert target.read_bytes() == BYTES
    assert ranges(server) == [None, "bytes=100000-", None]


def test_wrong_bytes_are_deleted(server: Loopback, target: Path) -> None:
    server.will("/a.bin", Behaviour(body=OTHER), Behaviour(headers={"Content-Length": "1000"}))
    wrong = hashlib.sha1(OTHER).hexdigest()
    with pytest.raises(InputError, match=rf"a\.bin: sha1 is {wrong}, not {SHA1} as announced; .* run this again"):
        get(server, target)
    assert left(target) == []
    with pytest.raises(InputError, match="as announced"):
        get(server, target)
    get(server, target)
    assert target.read_bytes() == BYTES


def test_chunks_without_a_length(server: Loopback, target: Path) -> None:
    server.will("/a.bin", Behaviour(chunked=True), Behaviour(chunked=True, drop_after=100_000), Behaviour(chunked=True))
    assert get(server, target, None).bytes == len(BYTES)
    assert get(server, target.with_name("b.bin")).resumed == 1
    assert target.with_name("b.bin").read_bytes() == BYTES


def test_silence_ends_a_try(server: Loopback, target: Path) -> None:
    server.will("/a.bin", Behaviour(hang_after=0), Behaviour(hang_after=100_000))
    assert get(server, target, timeout=0.2).resumed == 1
    assert target.read_bytes() == BYTES
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"http://127.0.0.1:{mute.getsockname()[1]}/a"
        with pytest.raises(InputError, match=r"/a: no answer within 0\.1 s; 2 tries"):
            fetch(address, target.with_name("b"), sha1=None, retries=1, timeout=0.1, wait=0.001)


def test_a_trickle_is_no_progress(server: Loopback, target: Path) -> None:
    server.will("/a.bin", *[Behaviour(drip=100, pause=0.01)] * 2)
    with pytest.raises(InputError, match=r"fewer than 65,536 bytes in 0\.3 s; 2 tries"):
        get(server, target, retries=1, timeout=0.3)


@pytest.mark.parametrize(
    ("status", "told"), [(404, "check the address"), (410, "check"), (401, "by hand"), (403, "by hand"), (400, "check")]
)
def test_refusals_stop_at_once(server: Loopback, target: Path, status: int, told: str) -> None:
    server.will("/a.bin", Behaviour(status=status))
    with pytest.raises(InputError, match=rf"http://127\.0\.0\.1:\d+/a\.bin: .*{status} .*{told}") as caught:
        get(server, target)
    assert len(server.log) == 1 and "\n" not in str(caught.value)
    assert isinstance(caught.value, NotFoundError) == (status in (404, 410))


@pytest.mark.parametrize("status", [408, 429, 500, 503])
@pytest.mark.parametrize("after", ["7", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_busy_servers_say_when_to_come_again(
    server: Loopback, target: Path, status: int, after: str, slept: list[float]
) -> None:
    server.will("/a.bin", Behaviour(status=status, headers={"Retry-After": after}))
    get(server, target, wait=1000.0)
    assert [asked.status for asked in server.log] == [status, 200] and slept == [float(after.isdigit() and after)]


def test_busy_servers_that_ask_for_too_long(server: Loopback, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.will("/a.bin", Behaviour(status=429, headers={"Retry-After": "86400"}))
    with monkeypatch.context() as patch, pytest.raises(InputError, match="asks to be left alone for 24:00:00"):
        patch.setattr(web.time, "sleep", pytest.fail)
        get(server, target)
    server.will("/a.bin", Behaviour(status=503, headers={"Retry-After": "soon, I hope"}))
    get(server, target)
    server.will("/a.bin", *[Behaviour(status=500)] * 3)
    with pytest.raises(InputError, match="answers 500 Internal Server Error; 3 tries"):
        get(server, target.with_name("b.bin"))


def test_pauses_double(server: Loopback, target: Path, slept: list[float]) -> None:
    server.will("/a.bin", *[Behaviour(status=500)] * 12)
    with pytest.raises(InputError):
        get(server, target, retries=11, wait=1.0)
    assert slept == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0]


def test_no_network(target: Path, monkeypatch: pytest.MonkeyPatch, slept: list[float]) -> None:
    with pytest.raises(InputError, match=r"127\.0\.0\.1:\d+ cannot be reached .*check the network"):
        fetch(f"http://127.0.0.1:{closed_port()}/a", target, sha1=None, retries=1, wait=1000.0)
    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    with pytest.raises(InputError, match=r"no host example\.invalid is known"):
        fetch("https://example.invalid/a", target, sha1=None, retries=1, wait=1000.0)


def test_a_server_that_was_there_is_waited_for(server: Loopback, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = web.Line(f"{server.address}/a.bin", 1.0)
    gone.open({}).close()
    gone.address = f"http://127.0.0.1:{closed_port()}/a.bin"
    with pytest.raises(web.TryAgainError, match="refused"):
        gone.open({})
    monkeypatch.setattr(socket, "getaddrinfo", unknown_host)
    with pytest.raises(web.TryAgainError, match="not known"):
        gone.open({})


def test_no_more_is_taken_than_was_announced(server: Loopback, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = Behaviour(endless=True, headers={"Content-Length": None})
    server.will("/a.bin", endless, endless, endless)
    with pytest.raises(InputError, match="does not end after 300,000 bytes"):
        get(server, target, size=len(BYTES))
    monkeypatch.setattr(download, "UNANNOUNCED", 1_000_000)
    with pytest.raises(InputError, match="does not end after 1,000,000 bytes"):
        get(server, target)
    with pytest.raises(InputError, match="neither a length nor a checksum"):
        get(server, target, None)
    with pytest.raises(InputError, match="300,000 bytes long, not 5 as announced"):
        get(server, target, size=5)
    assert left(target) == []


def test_redirects(server: Loopback, target: Path) -> None:
    for status in (301, 302, 303, 307, 308):
        server.will("/old", Behaviour(status=status, headers={"Location": "/a.bin"}))
        fetch(f"{server.address}/old", target.with_name(str(status)), sha1=SHA1)
    server.will("/old", Behaviour(status=302, headers={"Location": "/a.bin", "Content-Length": None}, endless=True))
    fetch(f"{server.address}/old", target.with_name("unread"), sha1=SHA1)
    assert server.log[-2].sent < 50_000_000
    for place in ("file:///etc/passwd", "ftp://127.0.0.1/a", "data:,x", "//user:word@127.0.0.1/a", "http://[/", ""):
        server.will("/old", Behaviour(status=302, headers={"Location": place}))
        with pytest.raises(InputError, match=r"/old: redirects to .* not followed"):
            fetch(f"{server.address}/old", target, sha1=SHA1)
    server.will("/old", *[Behaviour(status=302, headers={"Location": "/old"})] * 20)
    with pytest.raises(InputError, match="answers 302"):
        fetch(f"{server.address}/old", target, sha1=SHA1)
    assert not target.exists()


def test_https_is_not_left() -> None:
    with pytest.raises(InputError, match="not followed"):
        web._Redirects().http_error_302(
            Request("https://a.example/b"), None, 302, "", {"location": "http://a.example/b"}
        )


@pytest.mark.parametrize(
    "address",
    [
        *(
            "file:///etc/passwd",
            "ftp://a/b",
            "/etc/passwd",
            "",
            "http://",
            "http:///b",
            "http://[::1/a",
            "http://a:99999/",
        ),
        *("http://a b/", "http://a/\r\nX: y", "http://한글/", "http://u:p@a/b", "http://u@a/b"),
    ],
)
def test_addresses_that_are_not_asked(target: Path, address: str) -> None:
    with pytest.raises(InputError, match=r"not an address|not supported") as caught:
        fetch(address, target, sha1=None)
    assert "\n" not in str(caught.value) and "u:p" not in str(caught.value)


def test_a_full_disk(server: Loopback, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=299_999))
        with pytest.raises(OSError, match="No space left") as caught:
            get(server, target)
    assert caught.value.errno == ENOSPC and caught.value.filename == str(target) + ".part"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, limits[1]))
    try:
        with pytest.raises(OSError) as caught:
            get(server, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == EFBIG and not target.exists()
    get(server, target)
    assert target.read_bytes() == BYTES and ranges(server)[-1] is not None, "room was made, and it goes on"


def test_two_at_once_download_once(server: Loopback, target: Path, capfd: pytest.CaptureFixture) -> None:
    server.will("/a.bin", Behaviour(drip=100_000, pause=0.1))
    threads = [threading.Thread(target=get, args=(server, target)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.log) == 1 and target.read_bytes() == BYTES
    assert "another process is downloading a.bin" in capfd.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        lambda notes: "{",
        lambda notes: "[]",
        lambda notes: json.dumps({**notes, "more": 1}),
        lambda notes: json.dumps({**notes, "total": "300000"}),
        lambda notes: json.dumps({**notes, "sha1": "0" * 40}),
        lambda notes: json.dumps({**notes, "address": "http://127.0.0.1/b"}),
        lambda notes: b"\xff\xfe".decode("latin-1"),
    ],
)
def test_notes_that_do_not_fit_are_not_believed(server: Loopback, target: Path, change) -> None:
    server.will("/a.bin", DROP)
    with pytest.raises(InputError):
        get(server, target, retries=0)
    notes = target.with_name("a.bin.part.json")
    notes.write_text(change(json.loads(notes.read_text())), "latin-1")
    get(server, target)
    assert target.read_bytes() == BYTES and ranges(server) == [None, None]


def test_headers_are_not_smuggled_in(server: Loopback, target: Path) -> None:
    server.will("/a.bin", Behaviour(drop_after=100_000, headers={"ETag": '"a\r\n X-Evil: 1"', "Last-Modified": "\x01"}))
    get(server, target)
    assert ranges(server)[1] is not None and [asked.if_range for asked in server.log] == [None, None, None]
    assert target.read_bytes() == BYTES


def test_small_texts(server: Loopback) -> None:
    address = f"{server.address}/sums"
    server.will("/sums", Behaviour(status=500), Behaviour(body=b"sums", drop_after=2), Behaviour(body=b"sums"))
    assert fetch_text(address, limit=4, wait=0.001) == "sums"
    server.will("/sums", Behaviour(body=b"sums!"), Behaviour(body="값".encode()))
    with pytest.raises(InputError, match="longer than 4 bytes"):
        fetch_text(address, limit=4)
    with pytest.raises(InputError, match="not plain text"):
        fetch_text(address, limit=4)
    server.will("/sums", *[Behaviour(body=bytes(100), drip=1, pause=0.01)] * 2)
    with pytest.raises(InputError, match=r"not done within 0\.2 s; 2 tries"):
        fetch_text(address, limit=100, timeout=0.2, retries=1, wait=0.001)
