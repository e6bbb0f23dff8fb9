"""JSONL and Parquet: what is read, and what is named when it cannot be."""

import dataclasses
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from corpora.build import build_corpus
from corpora.document import read_documents, shards
from corpora.drops import Drops
from corpora.sources.records import LONGEST_RECORD, read_jsonl, read_parquet
from pipeline.errors import InputError
from pipeline.executor import Workers
from tests.conftest import CORPUS, sources

ROWS = [
    {"id": "7", "title": "비", "text": "비가 왔다. 길이 젖었다.\n\n해가 났다."},
    {"id": 8, "text": "바람이 분다."},
    {"text": ""},
    {"text": None},
]


def jsonl(rows: list[object]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def test_jsonl(write) -> None:
    records = list(read_jsonl(write("a.jsonl", jsonl(ROWS[:1]) + "\n" + jsonl(ROWS[1:])), "text"))
    assert records == [("1 비", ROWS[0]["text"]), ("3 8", "바람이 분다."), ("4", ""), ("5", "")]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"text": "가', "line 2: not JSON: "),
        ("비가 왔다.", "line 2: not JSON: "),
        ('["가"]', "line 2: a JSON object is expected, with the text in 'text'; it is list"),
        ('{"body": "가", "no": 1}', "line 2: no field 'text'; there are body, no; name yours by corpus.text_field"),
        ('{"text": 7}', "line 2: 'text' is int, not a text"),
        ("[" * 100_000, "line 2: not JSON: "),
        ('{"text": NaN}', "line 2: 'text' is float, not a text"),
    ],
)
def test_a_bad_line_is_named_or_skipped(write, line: str, told: str) -> None:
    path = write("a.jsonl", jsonl(ROWS[:1]) + line + "\n" + jsonl(ROWS[1:2]))
    with pytest.raises(InputError, match=f"a\\.jsonl, {told}") as caught:
        list(read_jsonl(path, "text"))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400
    skipped = Drops()
    assert [record.text for record in read_jsonl(path, "text", skipped=skipped)] == [ROWS[0]["text"], ROWS[1]["text"]]
    assert skipped.counts == {"bad_record": 1}


def test_a_line_that_is_not_utf8(write) -> None:
    path = write("a.jsonl", jsonl(ROWS[:1]).encode() + '{"text": "가"}\n'.encode("cp949"))
    with pytest.raises(InputError, match=r"a\.jsonl, line 2: not utf-8"):
        list(read_jsonl(path, "text"))
    assert list(read_jsonl(write("b.jsonl", '{"text": "가"}\n'.encode("cp949")), "text", encoding="cp949")) == [
        ("1", "가")
    ]


def test_a_record_without_end_does_not_fill_the_memory(write) -> None:
    path = write("a.jsonl", b'{"text": "' + b"a" * (LONGEST_RECORD + 10) + b'"}\n')
    with pytest.raises(InputError, match="line 1: longer than 32 MB"):
        list(read_jsonl(path, "text"))


def parquet(path, columns: dict[str, list[object]]) -> None:
    pq.write_table(pa.table(columns), path, row_group_size=2)


def test_parquet(tmp_path) -> None:
    path = tmp_path / "a.parquet"
    parquet(path, {"body": [row["text"] for row in ROWS], "id": [1, 2, 3, 4], "other": [b"x"] * 4})
    assert list(read_parquet(path, "body")) == [
        ("1 1", ROWS[0]["text"]),
        ("2 2", "바람이 분다."),
        ("3 3", ""),
        ("4 4", ""),
    ]
    with pytest.raises(
        InputError, match=r"no column 'text'; there are body, id, other; name yours by corpus\.text_field"
    ):
        list(read_parquet(path, "text"))
    with pytest.raises(InputError, match="column 'id' holds int64, not text"):
        list(read_parquet(path, "id"))


def test_parquet_columns_of_many_kinds(tmp_path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": pa.array(["비가 왔다.", None]).dictionary_encode()}), path)
    assert [record.text for record in read_parquet(path, "text")] == ["비가 왔다.", ""]
    pq.write_table(pa.table({"text": pa.nulls(2)}), path)
    assert [record.text for record in read_parquet(path, "text")] == ["", ""]
    pq.write_table(pa.table([pa.array(["가"]), pa.array(["나"])], names=["text", "text"]), path)
    with pytest.raises(InputError, match="2 columns are called 'text'"):
        list(read_parquet(path, "text"))
    far = pa.array([2**62], pa.timestamp("us"))
    pq.write_table(pa.table({"text": ["비가 왔다."], "id": far}), path)
    assert list(read_parquet(path, "text")) == [("1", "비가 왔다.")]


@pytest.mark.parametrize("damage", ["cut", "inside", "empty"])
def test_a_damaged_parquet_file_is_named(tmp_path, damage: str) -> None:
    path = tmp_path / "a.parquet"
    parquet(path, {"text": [f"{number}번째 글이다." * 50 for number in range(2000)]})
    data = bytearray(path.read_bytes())
    if damage == "inside":
        data[200:2000] = bytes(1800)
    path.write_bytes({"cut": data[: len(data) // 2], "inside": data, "empty": b"PAR1"}[damage])
    with pytest.raises(InputError, match=r"a\.parquet: damaged"):
        list(read_parquet(path, "text"))


def test_records_become_documents_of_sentences(write, tmp_path) -> None:
    write("in/a.jsonl", jsonl(ROWS))
    parquet(tmp_path / "in" / "b.parquet", {"text": ["눈이 왔다. 산이 희다."]})
    build_corpus(sources(tmp_path / "in"), dataclasses.replace(CORPUS, held_out=0.0), tmp_path / "out", Workers())
    assert list(read_documents(shards(tmp_path / "out", "train"))) == [
        ["비가 왔다.", "길이 젖었다.", "해가 났다."],
        ["바람이 분다."],
        ["눈이 왔다.", "산이 희다."],
    ]


def test_lone_surrogates_are_not_text(write, tmp_path) -> None:
    path = write("a.jsonl", '{"text": "비가 \\ud800왔다."}\n' * 2)
    build_corpus(sources(path), dataclasses.replace(CORPUS, held_out=0.0), tmp_path / "out", Workers())
    assert list(read_documents(shards(tmp_path / "out", "train"))) == [["비가 왔다."]] * 2
