"""Data sets of the Hub against an emulation of it on this machine; the libraries run in processes of their own."""

import io
import json
import os
import subprocess
import sys
from dataclasses import asdict
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpora.sources import hub
from corpora.sources.hub import fetch_dataset, is_dataset
from corpora.sources.hub_library import Asked, check_origin
from pipeline.errors import InputError
from tests.conftest import REPOSITORY
from tests.corpora.hub_server import Hub, Repository, serve

with_library = pytest.mark.skipif(find_spec("datasets") is None, reason="the datasets library (extra hf) is absent")

#: Fetches what the jobs name, one after the other, between marks in the server's list of requests; prints results.
CHILD = """
import json, logging, sys, time, urllib.request
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
import datasets, huggingface_hub
from corpora.sources import hub
from pipeline.errors import InputError

def loudness():
    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    bars = [library.utils.are_progress_bars_disabled() for library in (datasets, huggingface_hub)]
    settings = [datasets.config.HF_UPDATE_DOWNLOAD_COUNTS, datasets.config.TORCH_AVAILABLE]
    return [[str(logger.handlers), logger.propagate] for logger in loggers], bars, settings

folder, endpoint, jobs = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
before, line, results = loudness(), hub._line, []
datasets.config.STREAMING_READ_MAX_RETRIES = 2
time.sleep = lambda seconds: None
for place, job in enumerate(jobs):
    with suppress(OSError):
        urllib.request.urlopen(f"{endpoint}/mark/{place}")
    hub.FRAME_ROWS = job.get("frame", 5000)

    def stopped(number, row, asked):
        if number == job.get("stop"):
            raise KeyboardInterrupt
        return line(number, row, asked)

    hub._line = stopped
    try:
        path, data = hub.fetch_dataset(job["name"], folder / job.get("folder", ""), job.get("field", "text"))
        results.append({"file": str(path), "data": asdict(data)})
    except (InputError, KeyboardInterrupt) as error:
        results.append({"error": str(error)})
json.dump({"results": results, "restored": loudness() == before, "torch": "torch" in sys.modules}, sys.stdout)
"""


def fetched(hub: Hub, folder: Path, *jobs: dict[str, Any] | str, cwd: Path = REPOSITORY, **environment: str) -> Any:
    """What CHILD prints, and its standard error as lines."""
    hidden = ("HF_", "HTTP", "NO_PROXY", "TRANSFORMERS_")
    clean = {key: value for key, value in os.environ.items() if not key.upper().startswith(hidden)}
    clean |= {
        "PYTHONPATH": str(REPOSITORY),
        "HF_ENDPOINT": hub.endpoint,
        "HF_HOME": str(folder / "home"),
        "HF_HUB_DISABLE_XET": "1",
        # Whatever is asked of others would pass here, and be seen.
        "HTTPS_PROXY": hub.endpoint,
        "NO_PROXY": "127.0.0.1",
        **environment,
    }
    listed = [{"name": job} if isinstance(job, str) else job for job in jobs]
    command = [sys.executable, "-c", CHILD, str(folder), hub.endpoint, json.dumps(listed)]
    done = subprocess.run(command, env=clean, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "said": done.stderr.splitlines()}


def rows(first: int, last: int, **more: Any) -> list[dict[str, Any]]:
    return [{"text": f"{n}번째 글이다.\n둘째 줄.", "id": n, "title": f"제목 {n}", **more} for n in range(first, last)]


def jsonl(records: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def parquet(records: list[dict[str, Any]], group: int = 1000) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), stream, row_group_size=group)
    return stream.getvalue()


def lines(path: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in hub.zstd.open(path, "rt", encoding="utf-8")]


def expected(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"text": record["text"], "id": str(record["id"]), "title": record["title"]} for record in records]


TWO = b"---\nconfigs:\n- config_name: en\n  data_files: en.jsonl\n- config_name: ko\n  data_files: ko.jsonl\n---\n"
MAIN = TWO.replace(b"data_files: ko.jsonl", b"data_files: ko.jsonl\n  default: true")
CARD = b"""---
license: [cc-by-sa-4.0, gfdl]
dataset_info:
  features: [{name: text, dtype: string}, {name: id, dtype: int64}, {name: title, dtype: string}]
  splits: [{name: train, num_examples: 250}, {name: test, num_examples: 3}]
---
"""


def several_kinds() -> dict[str, Repository]:
    holes = [{"text": "있다."}, {"text": None}, {"text": " \n"}, {"text": "또 있다.", "title": "이름"}]
    return {
        "org/lines": Repository(
            {"README.md": CARD, "train.jsonl": jsonl(rows(0, 250)), "test.jsonl": jsonl(rows(7, 10))}
        ),
        "org/tables": Repository({"data/train-0.parquet": parquet(rows(0, 30, vector=[1.0]), group=7)}),
        "org/two": Repository({"README.md": TWO, "en.jsonl": jsonl(rows(0, 2)), "ko.jsonl": jsonl(rows(2, 5))}),
        "org/main": Repository({"README.md": MAIN, "en.jsonl": jsonl(rows(0, 2)), "ko.jsonl": jsonl(rows(2, 5))}),
        "org/list": Repository({"all.json": json.dumps(rows(0, 3)).encode()}),
        "org/holes": Repository(
            {"README.md": b"---\nlicense: other\nlicense_name: kogl-1\n---\n", "a.jsonl": jsonl(holes)}
        ),
    }


@with_library
def test_rows_of_several_kinds_of_data_sets(tmp_path: Path) -> None:
    repositories = several_kinds()
    wanted = {
        "hf:org/lines": ("default", "cc-by-sa-4.0, gfdl", expected(rows(0, 250))),
        "hf:org/lines::test": ("default", "cc-by-sa-4.0, gfdl", expected(rows(7, 10))),
        "hf:org/tables": ("default", None, expected(rows(0, 30))),
        "hf:org/two:ko": ("ko", None, expected(rows(2, 5))),
        "hf:org/two:en:train": ("en", None, expected(rows(0, 2))),
        "hf:org/main": ("ko", None, expected(rows(2, 5))),
        "hf:org/list": ("default", None, expected(rows(0, 3))),
        "hf:org/holes": ("default", "kogl-1", [{"text": "있다."}, {"text": "또 있다.", "title": "이름"}]),
        "hf:former/lines": ("default", "cc-by-sa-4.0, gfdl", expected(rows(0, 250))),
    }
    with serve(repositories, moved={"former/lines": "org/lines"}) as server:
        run = fetched(server, tmp_path, *wanted, "hf:org/lines", {"name": "hf:org/lines::test", "field": "title"})
    for (name, (config, licence, texts)), result in zip(wanted.items(), run["results"], strict=False):
        repository = name.split(":")[1].replace("former", "org")
        sha = repositories[repository].sha
        path = Path(result["file"])
        assert lines(result["file"]) == texts, name
        assert result["data"] == {
            "name": repository,
            "config": config,
            "split": "test" if "test" in name else "train",
            "revision": sha,
            "address": f"{server.endpoint}/datasets/{repository}/tree/{sha}",
            "licence": licence,
            "rows": len(texts),
            "path": path.name,
        }
        record = json.loads(path.with_name(f"{path.name}.json").read_text("utf-8"))
        assert record["sha256"] == sha256(path.read_bytes()).hexdigest()
        assert path.name.startswith("hf--") and path.name.endswith(f"--{sha[:12]}.jsonl.zst")
    assert run["results"][0]["file"].endswith(
        f"/hf--org--lines--default--train--{repositories['org/lines'].sha[:12]}.jsonl.zst"
    )

    # Asked again: one look at the revision. Another column: another file.
    assert run["results"][-2] == run["results"][0]
    again = server.requests.index(("GET", f"/mark/{len(wanted)}"))
    assert server.requests[again + 1 : again + 3] == [
        ("GET", "/api/datasets/org/lines"),
        ("GET", f"/mark/{len(wanted) + 1}"),
    ]
    assert [line["text"] for line in lines(run["results"][-1]["file"])] == ["제목 7", "제목 8", "제목 9"]

    # The libraries were silent, are as they were, and asked nobody else; torch was not imported for them.
    said = [line for line in run["said"] if " 100 % " not in line]
    assert len(said) == len(wanted) + 1
    assert said[-2] == f"hf:former/lines: 250 rows, revision {sha[:12]}, licence cc-by-sa-4.0, gfdl"
    assert "hf:org/holes: 2 rows (2 more without text)" in said[-3]
    assert run["restored"] and not run["torch"]
    assert not [request for request in server.requests if request[0] == "CONNECT"]
    assert not [path for path in tmp_path.glob("hf--*") if ".part" in path.name]


@with_library
def test_what_cannot_be_had_is_one_line(tmp_path: Path) -> None:
    outside = b"---\nconfigs:\n- config_name: a\n  data_files: %s\n---\n"
    (tmp_path / "secret.txt").write_text("비밀")
    (tmp_path / "org" / "shadow").mkdir(parents=True)
    (tmp_path / "org" / "shadow" / "train.txt").write_text("다른 글")
    repositories = {
        "org/plain": Repository({"train.jsonl": jsonl(rows(0, 3, body="글")), "test.jsonl": jsonl(rows(0, 1))}),
        "org/two": Repository({"README.md": TWO, "en.jsonl": jsonl(rows(0, 2)), "ko.jsonl": jsonl(rows(2, 5))}),
        "org/test": Repository({"test.jsonl": jsonl(rows(0, 1))}),
        "org/gated": Repository({"README.md": b"# gated", "train.jsonl": jsonl(rows(0, 3))}, access="gated"),
        "org/private": Repository({"train.jsonl": jsonl(rows(0, 3))}, access="private"),
        "org/script": Repository({"script.py": b"raise SystemExit", "data.bin": b"\0"}),
        "org/bare": Repository({"README.md": b"# nothing"}),
        "org/images": Repository({"a.png": b"\x89PNG", "b.png": b"\x89PNG"}),
        "org/numbers": Repository({"train.jsonl": jsonl([{"text": 3}, {"text": 4}])}),
        "org/empty": Repository({"train.jsonl": jsonl([{"text": None, "id": "a"}, {"text": "", "id": "b"}])}),
        "org/damaged": Repository({"train-0.jsonl": jsonl(rows(0, 3)), "train-1.jsonl": b'{"text": "a", "id": 1\n{'}),
        "org/outside": Repository({"README.md": outside % bytes(tmp_path / "secret.txt"), "a.txt": b"a"}),
        "org/beside": Repository({"README.md": outside % b"hf://datasets/org/plain/train.jsonl", "a.txt": b"a"}),
        "org/shadow": Repository({"train.txt": b"a\n"}),
    }
    errors = {
        "hf:org/two": "hf:org/two: no default config; choose one of en, ko, as hf:org/two:en",
        "hf:org/two:jp": "hf:org/two:jp: no config 'jp'; choose one of en, ko, as hf:org/two:en",
        "hf:org/two:ko:dev": "hf:org/two:ko:dev: no split 'dev'; choose one of train, as hf:org/two:ko:train",
        "hf:org/test": "hf:org/test: no split 'train'; choose one of test, as hf:org/test::test",
        "hf:org/gated": "hf:org/gated: ask for access at {hub}/datasets/org/gated, then log in with `hf auth login`",
        "hf:org/private": "{hub} has no data set org/private, or keeps it private (401); check the name, or log in",
        "hf:org/unknown": "{hub} has no data set org/unknown, or keeps it private (404); check the name, or log in",
        "hf:org/script": "hf:org/script: it needs its program script.py to be run, which is not done; take",
        "hf:org/bare": "hf:org/bare: the datasets library cannot read it: The directory at hf://datasets/org/bare@",
        "hf:org/images": "hf:org/images: made of imagefolder files; text is read from json, parquet, csv, arrow, text",
        "hf:org/numbers": "hf:org/numbers, row 1: 'text' is int, not text; name another column by corpus.text_field",
        "hf:org/empty": "hf:org/empty: none of its 2 rows has text in 'text'; name another column by corpus.text_field",
        "hf:org/damaged": "hf:org/damaged, after row 3: the datasets library cannot read it: JSON parse error",
        "hf:org/outside": "hf:org/outside: ",
        "hf:org/beside": "hf:org/beside: ",
        "hf:org/shadow": "hf:org/shadow: a file or folder org/shadow is in the way; run this from another folder",
        "hf:a--b/c": "hf:a--b/c: {hub} does not say what a--b/c is: ",
        "hf:org/plain": "hf:org/plain: no column 'content'; there are text, id, title, body; name the one",
    }
    jobs = [{"name": name, "field": "content" if name == "hf:org/plain" else "text"} for name in errors]
    with serve(repositories) as server:
        run = fetched(server, tmp_path, *jobs, cwd=tmp_path)
    for (name, error), result in zip(errors.items(), run["results"], strict=True):
        assert error.format(hub=server.endpoint) in result.get("error", "no error"), name
        assert len(result["error"].splitlines()) == 1 and len(result["error"]) < 500
    assert run["said"] == []
    assert not [path for path in tmp_path.glob("hf--*") if not path.name.endswith((".part", ".part.json"))]


@with_library
def test_an_interrupted_fetch_goes_on(tmp_path: Path) -> None:
    def tables() -> Repository:
        return Repository({f"train-{n}.parquet": parquet(rows(30 * n, 30 * n + 30), group=8) for n in range(4)})

    def files() -> Repository:
        return Repository({f"train-{n}.jsonl": jsonl(rows(30 * n, 30 * n + 30)) for n in range(4)})

    repositories = {"org/stopped": tables(), "org/cut": files(), "org/short": files(), "org/older": files()}
    repositories["org/cut"].cut = ("train-2.jsonl", 100)
    jobs = [
        {"name": "hf:org/stopped", "stop": 68, "frame": 7},
        {"name": "hf:org/cut", "frame": 20},
        {"name": "hf:org/short", "stop": 5, "frame": 20},
        {"name": "hf:org/older", "stop": 50, "frame": 20},
    ]
    with serve(repositories) as server:
        first = fetched(server, tmp_path, *jobs)
        assert "hf:org/cut, after row 60: the connection was lost" in first["results"][1]["error"]
        assert first["said"] == ["hf:org/cut: the Hub does not answer; trying again"]
        assert not list(tmp_path.glob("*.zst")) and len(list(tmp_path.glob("*.zst.part"))) == 4
        with next(tmp_path.glob("*stopped*.part")).open("ab") as part:
            part.write(b"half a frame")

        repositories["org/cut"].cut = None
        again = [{"name": job["name"], "frame": job["frame"]} for job in jobs]
        notes = next(tmp_path.glob("*older*.part.json"))
        notes.write_text(json.dumps({**json.loads(notes.read_text()), "library": "0"}))
        second = fetched(server, tmp_path, *again, *({**job, "folder": "whole"} for job in again))
    assert [line for line in second["said"] if ", revision " not in line] == [
        "hf:org/stopped: goes on after row 63",
        "hf:org/cut: goes on after row 60",
        "hf:org/short: starts over; what was begun is too short, or of another version of datasets",
        "hf:org/older: starts over; what was begun is too short, or of another version of datasets",
    ]
    for result, straight in zip(second["results"][:4], second["results"][4:], strict=True):
        assert lines(result["file"]) == expected(rows(0, 120))
        assert Path(result["file"]).read_bytes() == Path(straight["file"]).read_bytes()
        assert result["data"] == straight["data"]
    assert not list(tmp_path.glob("*.part*"))


@with_library
def test_without_network_what_is_there_is_named(tmp_path: Path) -> None:
    asked = asdict(Asked("", "org/name", None, "train", "text"))
    del asked["name"]
    path = tmp_path / f"hf--org--name--default--train--{'0' * 12}.jsonl.zst"
    path.write_bytes(b"12345678")
    data = hub.Dataset("org/name", "default", "train", "0" * 40, "https://hub", None, 1, path.name)
    record = path.with_name(f"{path.name}.json")
    record.write_text(json.dumps({**asdict(data), "asked": asked, "bytes": 8}))
    with serve({}) as server:
        pass
    names = ("hf:org/name", "hf:org/name:ko", "hf:org/other")
    dead = fetched(server, tmp_path, *names, {"name": "hf:org/name", "field": "title"})["results"]
    assert f"no answer from {server.endpoint}" in dead[0]["error"]
    assert f"; {path} was fetched before: name that file instead, with corpus.text_field=text" in dead[0]["error"]
    assert all("; try again when there is a connection" in result["error"] for result in dead[1:])
    path.write_bytes(b"1234567")
    offline = fetched(server, tmp_path, *names, HF_HUB_OFFLINE="1")["results"]
    assert all("offline mode is enabled" in result["error"] for result in offline)
    assert all(result["error"].endswith("; try again when there is a connection") for result in offline)


@pytest.mark.parametrize(
    "name", ["hf:", "hf:a/b/c", "hf:org/name:ko:train:x", "hf:../name", "hf:org/name:a\nb", "hf:한국/글"]
)
def test_names_that_name_nothing(tmp_path: Path, name: str) -> None:
    assert is_dataset(name)
    with pytest.raises(InputError, match="names no data set: write hf:owner/name") as error:
        fetch_dataset(name, tmp_path, "text")
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_or_old_library_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"hf:org/name needs the datasets library .*: pip install 'hanbeot\[hf\]'"):
        fetch_dataset("hf:org/name", tmp_path, "text")
    monkeypatch.setitem(sys.modules, "datasets", type("Old", (), {"__version__": "3.6.0"}))
    with pytest.raises(InputError, match=r"hf:org/name needs datasets 4, not 3\.6\.0"):
        fetch_dataset("hf:org/name", tmp_path, "text")


def test_file_names_are_safe_and_distinct() -> None:
    stems = [
        Asked("", "org/name", config, split, "text").stem
        for config, split in (
            (None, "train"),
            ("ko", "train"),
            ("ko/../..", "train"),
            ("*?[a]", "test"),
            ("ko", "test"),
        )
    ]
    assert stems[:2] == ["hf--org--name--default--train", "hf--org--name--ko--train"]
    assert len(set(stems)) == len(stems)
    assert not any(character in stem for stem in stems for character in "/*?[]: ")


def test_half_a_character_is_named() -> None:
    asked = Asked("hf:org/name", "org/name", None, "train", "text")
    assert hub._line(1, {"text": "가😀", "id": 3, "title": ["x"]}, asked) == '{"text": "가😀", "id": "3"}\n'.encode()
    with pytest.raises(InputError, match="hf:org/name, row 1,234: half of a character"):
        hub._line(1234, {"text": "가\ud83d"}, asked)


@pytest.mark.parametrize("file", ["/etc/passwd", "https://else.where/a.txt", "hf://datasets/org/b@1/a.txt", "../a.txt"])
def test_rows_from_elsewhere_are_refused(file: str) -> None:
    """Whatever the version of the library, some of which follow a README.md anywhere."""
    asked, info = Asked("hf:org/a", "org/a", None, "train", "text"), SimpleNamespace(id="org/a", sha="1")
    home = "hf://datasets/org/a@1/"
    reader = type("Text", (), {"__module__": "datasets.packaged_modules.text.text", "repo_id": "org/a", "hash": "1"})()
    reader.config = SimpleNamespace(data_files={"train": [f"{home}a.txt", f"{home}b/c.txt"]})
    check_origin(asked, info, reader)
    for outside in (file, f"{home}../../b@1/a.txt"):
        reader.config.data_files["test"] = [outside]
        with pytest.raises(InputError, match=r"hf:org/a: its README\.md names '.*', outside of the data set"):
            check_origin(asked, info, reader)
