"""Names of dumps to files and checksums, as the Wikimedia site publishes them."""

import hashlib
import json
import time
from pathlib import Path

import pytest

from corpora.sources.kowiki import Dump, fetch_dump, is_dump, resolve_dump
from pipeline.errors import InputError
from tests.corpora.loopback import Behaviour, Loopback

DATE = "20260901"
MULTISTREAM = f"kowiki-{DATE}-pages-articles-multistream.xml.bz2"
SINGLE = f"kowiki-{DATE}-pages-articles.xml.bz2"
CONTENT = b"BZh9 not really"
SHA1 = hashlib.sha1(CONTENT).hexdigest()
OTHER = "0123456789abcdef0123456789abcdef01234567"
#: As of a real list: other files around, and an index whose name begins like the dump's.
SUMS = f"""{OTHER}  kowiki-{DATE}-site_stats.sql.gz
{OTHER}  {SINGLE}
{SHA1}  {MULTISTREAM}
{OTHER}  kowiki-{DATE}-pages-articles-multistream-index.txt.bz2
{OTHER}  kowiki-{DATE}-pages-meta-current.xml.bz2
"""


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def mirror(tmp_path: Path, write):
    write(f"mirror/kowiki/{DATE}/{MULTISTREAM}", CONTENT)
    write(f"mirror/kowiki/{DATE}/kowiki-{DATE}-sha1sums.txt", SUMS)
    write("mirror/kowiki/latest/kowiki-latest-sha1sums.txt", SUMS)
    with Loopback(tmp_path / "mirror") as server:
        yield server


def list_sums(mirror: Loopback, sums: str | bytes) -> None:
    body = sums if isinstance(sums, bytes) else sums.encode()
    mirror.will("/kowiki/latest/kowiki-latest-sha1sums.txt", Behaviour(body=body))


def paths(mirror: Loopback) -> list[str]:
    return [asked.path.rsplit("/", 1)[1] for asked in mirror.log]


@pytest.mark.parametrize("name", ["kowiki", f"kowiki:{DATE}"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_name_becomes_a_dated_file(mirror: Loopback, name: str, slash: str) -> None:
    assert resolve_dump(name, mirror.address + slash) == Dump(
        "kowiki", DATE, f"{mirror.address}/kowiki/{DATE}/{MULTISTREAM}", MULTISTREAM, SHA1
    )
    assert len(mirror.log) == 1


def test_the_single_stream_where_there_is_no_other(mirror: Loopback) -> None:
    list_sums(mirror, f"{SHA1}  {SINGLE}\n{OTHER} *kowiki-20260801-pages-articles.xml.bz2\n")
    dump = resolve_dump("kowiki", mirror.address)
    assert (dump.file_name, dump.date, dump.sha1) == (SINGLE, DATE, SHA1)


@pytest.mark.parametrize(
    "sums",
    [
        "",
        "<html>Sign in to the network</html>",
        f"{OTHER}  kowiki-{DATE}-pages-meta-current.xml.bz2\n",
        f"{OTHER}  kowiki-20260230-pages-articles.xml.bz2\n",
        f"{OTHER}  jawiki-{DATE}-pages-articles.xml.bz2\n",
        f"{OTHER}  ../../{SINGLE}\n",
        f"{OTHER}  {SINGLE}/../../evil\n",
        f"{OTHER[:-1]}  {SINGLE}\n",
        f"{OTHER.upper()}  {SINGLE}\n",
        f"x{OTHER}  {SINGLE}\n",
    ],
)
def test_lists_without_the_dump(mirror: Loopback, sums: str) -> None:
    list_sums(mirror, sums)
    with pytest.raises(InputError, match=r"sha1sums\.txt lists no pages-articles-multistream.*kowiki:YYYYMMDD"):
        resolve_dump("kowiki", mirror.address)


def test_lists_that_are_hostile(mirror: Loopback) -> None:
    list_sums(mirror, "0" * 1_000_001)
    with pytest.raises(InputError, match="longer than 1,000,000 bytes"):
        resolve_dump("kowiki", mirror.address)
    began = time.monotonic()
    for line in ("0" * 999_000, OTHER + "  kowiki-" * 99_000, f"{OTHER}  kowiki-{DATE}-" + "a." * 450_000):
        list_sums(mirror, line)
        with pytest.raises(InputError, match="lists no"):
            resolve_dump("kowiki", mirror.address)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    "name",
    ["kowiki:", "kowiki:latest", "kowiki:20260230", "kowiki:2026091", "kowiki:２０２６０９０１", f"kowiki:{DATE}\n"],
)
def test_dates_that_are_none(mirror: Loopback, tmp_path: Path, name: str) -> None:
    assert is_dump(name)
    with pytest.raises(InputError, match="names no dump: write kowiki, or kowiki:YYYYMMDD"):
        fetch_dump(name, mirror.address, tmp_path)
    assert not mirror.log


def test_other_names_are_no_dumps() -> None:
    assert not any(map(is_dump, ["kowiki.txt", "./kowiki", "kowiki/", "Kowiki", "enwiki", "hf:kowiki", ""]))


def test_a_date_that_is_not_there(mirror: Loopback, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no dump kowiki:20200101 at .*/kowiki/ lists the dates.*dump_mirror"):
        fetch_dump("kowiki:20200101", mirror.address, tmp_path)
    mirror.will(f"/kowiki/{DATE}/kowiki-{DATE}-sha1sums.txt", Behaviour(body=SUMS.replace(DATE, "20260801").encode()))
    with pytest.raises(InputError, match="lists no"):
        fetch_dump(f"kowiki:{DATE}", mirror.address, tmp_path)
    with pytest.raises(InputError, match=r"corpus\.dump_mirror: .*not an address"):
        fetch_dump("kowiki", "dumps.wikimedia.org", tmp_path)


def test_a_dump_that_is_there_needs_no_network(mirror: Loopback, tmp_path: Path) -> None:
    path, dump, fetched = fetch_dump("kowiki", mirror.address, tmp_path)
    assert path.read_bytes() == CONTENT and path == fetched.path == tmp_path / MULTISTREAM
    assert (dump.date, dump.sha1, dump.size) == (DATE, SHA1, len(CONTENT))
    record = json.loads((tmp_path / f"{MULTISTREAM}.json").read_text())
    assert record == {
        "wiki": "kowiki",
        "date": DATE,
        "address": f"{mirror.address}/kowiki/{DATE}/{MULTISTREAM}",
        "file_name": MULTISTREAM,
        "sha1": SHA1,
        "size": len(CONTENT),
        "last_modified": fetched.last_modified,
    }
    assert fetched.last_modified is not None
    assert fetch_dump(f"kowiki:{DATE}", mirror.address, tmp_path) == (path, dump, fetched)
    assert len(mirror.log) == 2
    again = fetch_dump("kowiki", mirror.address, tmp_path)
    assert again[1] == dump and paths(mirror)[2:] == ["kowiki-latest-sha1sums.txt"]
    mirror.will("/kowiki/latest/kowiki-latest-sha1sums.txt", Behaviour(status=403))
    with pytest.raises(InputError, match=rf"403 .* name its date: kowiki:{DATE}$"):
        fetch_dump("kowiki", mirror.address, tmp_path)


def test_a_dump_that_was_published_anew_replaces_the_old(mirror: Loopback, tmp_path: Path) -> None:
    fetch_dump("kowiki", mirror.address, tmp_path)
    (mirror.folder / "kowiki" / DATE / MULTISTREAM).write_bytes(CONTENT * 2)
    sha1 = hashlib.sha1(CONTENT * 2).hexdigest()
    list_sums(mirror, SUMS.replace(SHA1, sha1))
    path, dump, _ = fetch_dump("kowiki", mirror.address, tmp_path)
    assert (dump.sha1, dump.size) == (sha1, 2 * len(CONTENT)) and path.read_bytes() == CONTENT * 2
    assert fetch_dump(f"kowiki:{DATE}", mirror.address, tmp_path)[1] == dump


def test_a_file_fetched_by_hand_is_checked_and_taken(mirror: Loopback, tmp_path: Path) -> None:
    (tmp_path / MULTISTREAM).write_bytes(CONTENT)
    mirror.will(f"/kowiki/{DATE}/kowiki-{DATE}-sha1sums.txt", Behaviour(status=403))
    with pytest.raises(InputError, match=r"name its path$"):
        fetch_dump(f"kowiki:{DATE}", mirror.address, tmp_path)
    mirror.log.clear()
    assert fetch_dump(f"kowiki:{DATE}", mirror.address, tmp_path)[2].last_modified is None
    assert paths(mirror) == [f"kowiki-{DATE}-sha1sums.txt"]
    fetch_dump(f"kowiki:{DATE}", mirror.address, tmp_path)
    assert len(mirror.log) == 1


@pytest.mark.parametrize("record", ["{", "[]", "{}", '{"last_modified": 1}', "changed", "text"])
def test_a_record_that_does_not_fit_is_not_believed(mirror: Loopback, tmp_path: Path, record: str) -> None:
    path, dump, _ = fetch_dump("kowiki", mirror.address, tmp_path)
    beside = tmp_path / f"{MULTISTREAM}.json"
    if record == "changed":
        path.write_bytes(CONTENT[::-1])
    elif record == "text":
        beside.write_text(json.dumps({**json.loads(beside.read_text()), "address": ["x"]}))
    else:
        beside.write_text(record)
    mirror.log.clear()
    assert fetch_dump(f"kowiki:{DATE}", mirror.address, tmp_path)[1] == dump
    assert path.read_bytes() == CONTENT
    assert paths(mirror) == [f"kowiki-{DATE}-sha1sums.txt"] + [MULTISTREAM] * (record == "changed")
    assert json.loads(beside.read_text())["address"] == dump.address
