"""Data sets of the Hub, from an emulation of it on this machine; the libraries run in a process of their own."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finetune.data.hub import fetch_rows
from pipeline.errors import InputError
from tests.conftest import REPOSITORY
from tests.corpora.hub_server import Repository, serve

with_library = pytest.mark.skipif(find_spec("datasets") is None, reason="the datasets library (extra hf) is absent")

CHILD = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from finetune.data.read import Source, fingerprint, input_files, read_rows
from pipeline.errors import InputError

results = []
for name, task in json.loads(sys.argv[2]):
    try:
        rows = read_rows(name, Source(task), Path(sys.argv[1]))
        files = input_files(name, Path(sys.argv[1]))
        results.append([[asdict(row) for row in rows.rows], [file.name for file in files]])
    except InputError as error:
        results.append(str(error))
json.dump(results, sys.stdout)
"""


def asked(endpoint: str, folder: Path, *jobs: tuple[str, str]) -> list:
    hidden = ("HF_", "HTTP", "NO_PROXY", "TRANSFORMERS_")
    clean = {key: value for key, value in os.environ.items() if not key.upper().startswith(hidden)}
    clean |= {
        "PYTHONPATH": str(REPOSITORY), "HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "home"),
        "HF_HUB_DISABLE_XET": "1", "HTTPS_PROXY": endpoint, "NO_PROXY": "127.0.0.1",
    }  # fmt: skip
    command = [sys.executable, "-c", CHILD, str(folder), json.dumps(jobs)]
    done = subprocess.run(command, env=clean, cwd=REPOSITORY, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def parquet(records: list[dict]) -> bytes:
    stream = BytesIO()
    pq.write_table(pa.Table.from_pylist(records), stream)
    return stream.getvalue()


TOPICS = b"""---
dataset_info:
  features:
  - name: guid
    dtype: string
  - name: title
    dtype: string
  - name: label
    dtype: {class_label: {names: {'0': "IT", '1': "\xec\xa0\x95\xec\xb9\x98"}}}
---
"""
TAGS = b"""---
dataset_info:
  features:
  - {name: tokens, list: string}
  - name: ner_tags
    list: {class_label: {names: {'0': B-PS, '1': I-PS, '2': O}}}
---
"""


@with_library
def test_rows_of_the_hub(tmp_path: Path) -> None:
    topics = [{"guid": f"y{n}", "title": f"제목 {n}", "label": n % 2} for n in range(3)]
    tags = [{"tokens": ["박", "씨"], "ner_tags": [0, 2]}]
    answers = [{"id": "q", "context": "서울은", "question": "?", "answers": {"text": ["서울"], "answer_start": [0]}}]
    repositories = {
        "klue/ynat": Repository({"README.md": TOPICS, "data/train.parquet": parquet(topics)}),
        "klue/ner": Repository({"README.md": TAGS, "data/test.parquet": parquet(tags)}),
        "org/qa": Repository({"train.jsonl": json.dumps(answers[0]).encode()}),
        "org/none": Repository({"train.jsonl": json.dumps({"text": "가"}).encode()}),
    }
    with serve(repositories) as hub:
        jobs = [
            ("hf:klue/ynat", "klue-ynat"), ("hf:klue/ner::test", "klue-ner"), ("hf:org/qa", "korquad"),
            ("hf:org/none", "classification"), ("hf:org/absent", "nsmc"), ("hf:klue/ynat::dev", "klue-ynat"),
        ]  # fmt: skip
        ynat, ner, qa, none, absent, split = asked(hub.endpoint, tmp_path, *jobs)
        assert {path for verb, path in hub.requests if verb == "CONNECT"} == set()
        downloads = len([path for _, path in hub.requests if "resolve" in path])
        again = asked(hub.endpoint, tmp_path, jobs[0])
        assert len([path for _, path in hub.requests if "resolve" in path]) == downloads
    assert again == [ynat]
    assert [(row["text"], row["target"], row["name"]) for row in ynat[0]] == [
        ("제목 0", "IT", "y0"),
        ("제목 1", "정치", "y1"),
        ("제목 2", "IT", "y2"),
    ]
    assert ynat[1] == [f"hf--klue--ynat--default--train+--{repositories['klue/ynat'].sha[:12]}.jsonl.zst"]
    assert ner[0][0]["target"] == [{"start": 0, "end": 1, "label": "PS"}]
    assert qa[0][0]["target"] == [{"text": "서울", "start": 0}]
    assert "line 1: no key 'label'; there are: 'text'" in none
    assert "has no data set org/absent" in absent
    assert "no split 'dev'; choose one of train" in split


def test_without_the_library_it_is_said(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(InputError, match=r"hf:org/name needs the datasets library .*pip install 'hanbeot\[hf\]'"):
        fetch_rows("hf:org/name", tmp_path)
    with pytest.raises(InputError, match="names no data set"):
        fetch_rows("hf:", tmp_path)
