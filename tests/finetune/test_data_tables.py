"""Records of every format: what is right is read as it stands, what is wrong stops with file and place."""

import bz2
import gzip
import json
import lzma
import unicodedata

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from finetune.data.read import Source, fingerprint, input_files, read_rows, read_unlabelled
from finetune.data.rows import Row
from pipeline.errors import InputError

ONE = Source("classification")
GOOD = "text\tlabel\n좋다\t1\n나쁘다\t0\n"
RECORDS = [{"text": "좋다", "label": "1"}, {"text": "나쁘다", "label": "0"}]


def pairs(rows) -> list[tuple]:
    return [(row.text, row.target) for row in rows.rows]


def parquet(path, records) -> None:
    pq.write_table(pa.Table.from_pylist(records), path)


def test_the_same_rows_from_every_format(write, tmp_path) -> None:
    parquet(tmp_path / "a.parquet", RECORDS)
    lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in RECORDS)
    files = {
        write("a.tsv", GOOD): "line",
        write("a.txt.gz", gzip.compress(GOOD.encode())): "line",
        write("b.tsv", b"\xef\xbb\xbf" + GOOD.encode()): "line",
        write("a.csv.bz2", bz2.compress(GOOD.replace("\t", ",").encode())): "line",
        write("a.jsonl", lines): "line",
        write("a.jsonl.xz", lzma.compress(lines.encode())): "line",
        write("a.json", json.dumps(RECORDS, indent=1)): "record",
        write("a.json.xz", lzma.compress(json.dumps({"version": 1, "data": RECORDS}).encode())): "record",
        tmp_path / "a.parquet": "row",
    }
    for path, word in files.items():
        rows = read_rows(path, ONE)
        assert pairs(rows) == [("좋다", "1"), ("나쁘다", "0")], path
        first = 2 if path.name.startswith(("a.t", "b.t", "a.c")) else 1
        assert [row.place for row in rows.rows] == [f"{word} {first}", f"{word} {first + 1}"]


def test_tsv_knows_no_quotes_and_csv_does(write) -> None:
    rows = read_rows(write("a.tsv", 'id\tdocument\tlabel\n7\t"재밌다\t1\n8\t뭐야" 이게\t0\n'), Source("nsmc"))
    assert rows.rows[0] == Row('"재밌다', None, "1", "line 2", "7")
    assert rows.rows[1].text == '뭐야" 이게'
    rows = read_rows(write("a.csv", 'label,text\r\n1,"첫 줄\r\n둘째, ""줄"""\r\n\r\n0,끝\r\n'), ONE)
    assert [(row.text, row.place) for row in rows.rows] == [('첫 줄\n둘째, "줄"', "line 2"), ("끝", "line 5")]


def test_files_without_a_header(write) -> None:
    rows = read_rows(write("fci.txt", "0\t만화\n6\t어디 가\n"), Source("3i4k"))
    assert pairs(rows) == [("만화", "0"), ("어디 가", "6")]
    assert rows.rows[0].place == "line 1"
    with pytest.raises(InputError, match="line 2: 3 fields, but the file should have 2"):
        read_rows(write("fci.txt", "0\t만화\n6\t어디\t가\n"), Source("3i4k"))


def test_rows_without_text_are_skipped_and_told(write) -> None:
    rows = read_rows(write("a.tsv", "text\tlabel\n\t1\n좋다\t1\n  \t0\n\n"), ONE)
    assert (pairs(rows), rows.skipped) == ([("좋다", "1")], ("line 2", "line 4"))
    two = read_rows(write("b.tsv", "text\tb\tlabel\n가\t\t1\n나\t다\t0\n"), Source("classification", pair="b"))
    assert ([(row.text, row.pair) for row in two.rows], two.skipped) == ([("나", "다")], ("line 2",))


def test_very_long_rows(write) -> None:
    long = "가나 " * 100_000
    for name, text in (("a.tsv", f"text\tlabel\n{long}\t1\n"), ("a.csv", f'text,label\n"{long}",1\n')):
        assert read_rows(write(name, text), ONE).rows[0].text == long.strip()
    record = json.dumps({"text": long, "label": 1}, ensure_ascii=False)
    assert len(read_rows(write("a.jsonl", record + "\n"), ONE).rows[0].text) == len(long) - 1


def test_names_are_those_of_the_file_unless_they_repeat(write) -> None:
    lines = "id\ttext\tlabel\n7\t가\t1\n{}\t나\t0\n"
    assert [row.name for row in read_rows(write("a.tsv", lines.format(8)), ONE).rows] == ["7", "8"]
    assert [row.name for row in read_rows(write("a.tsv", lines.format(7)), ONE).rows] == ["line 2", "line 3"]


def test_names_are_compared_as_people_see_them(write) -> None:
    apart = unicodedata.normalize("NFD", "문장\t감정\n좋다\t긍정\n싫다\t 긍정 \n")
    source = Source("classification", text="문장", label="감정")
    assert [row.target for row in read_rows(write("a.tsv", apart), source).rows] == ["긍정", "긍정"]
    apart = unicodedata.normalize("NFD", '{"문장": "좋다", "감정": "긍정"}\n')
    assert read_rows(write("a.jsonl", apart), source).rows[0].target == "긍정"


def test_labels_of_other_types_are_texts(write, tmp_path) -> None:
    records = [{"text": "가", "label": 1.0}, {"text": "나", "label": 0.0}]
    parquet(tmp_path / "a.parquet", records)
    assert [row.target for row in read_rows(tmp_path / "a.parquet", ONE).rows] == ["1", "0"]
    rows = read_rows(write("a.jsonl", '{"text": 12, "label": true}\n{"text": "나", "label": 3}\n'), ONE)
    assert pairs(rows) == [("12", "true"), ("나", "3")]


def test_numbers(write) -> None:
    source = Source("regression", pair="b", label="score")
    rows = read_rows(write("a.tsv", "text\tb\tscore\n가\t나\t 2.5\n다\t라\t3\n"), source)
    assert [row.target for row in rows.rows] == [2.5, 3.0]
    for wrong in ("높음", "nan", "inf", "3,5"):
        with pytest.raises(InputError, match=f"line 2: '{wrong}' in column 'score' is no number"):
            read_rows(write("a.tsv", f"text\tb\tscore\n가\t나\t{wrong}\n"), source)


def test_sets_of_labels(write, tmp_path) -> None:
    source = Source("multilabel")
    assert [row.target for row in read_rows(write("a.csv", 'text,labels\n가,"b, a,b"\n나,\n'), source).rows] == [
        ("b", "a"),
        (),
    ]
    parquet(tmp_path / "a.parquet", [{"text": "가", "labels": ["x", "y"]}, {"text": "나", "labels": []}])
    assert [row.target for row in read_rows(tmp_path / "a.parquet", source).rows] == [("x", "y"), ()]
    columns = Source("multilabel", label="욕설,혐오")
    rows = read_rows(write("b.csv", "text,욕설,혐오\n가,1,0\n나,1,1\n다,0,\n"), columns)
    assert [row.target for row in rows.rows] == [("욕설",), ("욕설", "혐오"), ()]
    with pytest.raises(InputError, match="line 2: '2' in column '혐오' is neither 1 nor 0"):
        read_rows(write("b.csv", "text,욕설,혐오\n가,1,2\n"), columns)
    with pytest.raises(InputError, match="no column '광고'"):
        read_rows(write("b.csv", "text,욕설,혐오\n가,1,2\n"), Source("multilabel", label="욕설,광고"))


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("a.tsv", "", "is empty"),
        ("a.tsv", "text\tlabel\n", "no row with text"),
        ("a.tsv", "text\tlabel\n \t1\n", "no row with text .1 without text: 'line 2'"),
        ("a.tsv", "document\tlabel\nx\t1\n", "no column 'text'; there are: 'document', 'label'"),
        ("a.tsv", "text\ttext\tlabel\nx\ty\t1\n", "2 columns are named 'text'"),
        ("a.tsv", "text\tlabel\n좋다\t1\n나쁘다\n", "line 3: 1 fields, but the header has 2"),
        ("a.tsv", "text\tlabel\n좋다\t \n", "line 2: no label"),
        ("a.csv", 'text,label\n좋다,1\n"열린 따옴표,1\n끝,0\n', "line 3: not valid CSV"),
        ("a.csv", "text,label\n좋다, 정말,1\n", "line 2: 3 fields"),
        ("a.xlsx", "{}", "name the file by its format"),
        ("a.parquet.gz", "{}", "name the file by its format"),
        ("a.parquet", "PAR1", "damaged or not a Parquet file"),
        ("a.tsv.xz", b"\xfd7zXZ\x00\x00\x01", "damaged or cut-off compressed file"),
        ("a.json.xz", b"\xfd7zXZ\x00\x00\x01", "damaged or cut-off compressed file"),
        ("a.jsonl", '{"text": "가", "label": 1}\n{"text": \n', "line 2: not JSON"),
        ("a.jsonl", '{"text": "가", "label": 1}\n[1]\n', "line 2: an object with named values is expected, not list"),
        ("a.jsonl", '{"text": "가"}\n', "line 1: no key 'label'; there are: 'text'"),
        ("a.jsonl", '{"text": "가", "text": "나", "label": 1}\n', "line 1: .*'text' stands twice"),
        ("a.jsonl", '{"text": "\\ud800", "label": 1}\n', "line 1: not JSON: half of a character"),
        ("a.jsonl", '{"text": ["가"], "label": 1}\n', "line 1: column 'text' holds a list, not a text"),
        ("a.jsonl", '{"text": "가", "label": {"a": 1}}\n', "line 1: column 'label' holds an object, not a label"),
        ("a.json", '[{"text": "가", "label": 1},\n {"text": }]', "line 2, column 11: not JSON"),
        ("a.json", '{"text": "가"}', "a list of objects is expected, not one dict"),
        ("a.json", '[{"text": "가", "label": null}]', "record 1: no label"),
    ],
)
def test_bad_tables_stop(write, name, content, said) -> None:
    path = write(name, content)
    with pytest.raises(InputError, match=said) as stopped:
        read_rows(path, ONE)
    assert str(path) in str(stopped.value)
    assert "\n" not in str(stopped.value)


def test_bad_parquet_stops(tmp_path) -> None:
    path = tmp_path / "b.parquet"
    pq.write_table(pa.table([["가"], ["나"], ["1"]], names=["text", "text", "label"]), path)
    with pytest.raises(InputError, match=r"b\.parquet: 2 columns are named 'text'"):
        read_rows(path, ONE)
    parquet(path, [{"text": b"x", "label": 1}])
    with pytest.raises(InputError, match="row 1: column 'text' holds bytes, not a text"):
        read_rows(path, ONE)


def test_nested_parquet_stops(tmp_path) -> None:
    path = tmp_path / "a.parquet"
    parquet(path, [{"text": {"ko": "가"}, "label": 1}])
    with pytest.raises(InputError, match="row 1: column 'text' holds an object, not a text"):
        read_rows(path, ONE)
    assert pairs(read_rows(path, Source("classification", text="text.ko"))) == [("가", "1")]


def test_a_column_cannot_be_two_things_and_a_task_must_be_known(write) -> None:
    path = write("a.tsv", GOOD)
    with pytest.raises(InputError, match="'text' cannot be two of"):
        read_rows(path, Source("classification", label="text"))
    with pytest.raises(InputError, match="no task 'sentiment'; there are: classification, "):
        read_rows(path, Source("sentiment"))
    with pytest.raises(InputError, match="no such file or folder"):
        read_rows(path.with_name("absent.tsv"), ONE)


def test_cp949_is_told_or_read(write) -> None:
    path = write("a.tsv", GOOD.encode("cp949"))
    with pytest.raises(InputError, match=r"line 2: not UTF-8; the file looks like CP949 .*iconv -f CP949 -t UTF-8"):
        read_rows(path, ONE)
    for name in ("cp949", "euc-kr", "EUC_KR"):
        assert pairs(read_rows(path, Source("classification", encoding=name))) == [("좋다", "1"), ("나쁘다", "0")]
    with pytest.raises(InputError, match=r"looks like UTF-8: leave cp949 out"):
        read_rows(write("b.tsv", GOOD), Source("classification", encoding="cp949"))
    with pytest.raises(InputError, match="encoding 'utf-16' is not read"):
        read_rows(path, Source("classification", encoding="utf-16"))
    with pytest.raises(InputError, match="UTF-16 text; convert it first"):
        read_rows(write("c.tsv", GOOD.encode("utf-16")), ONE)


def test_mixed_encodings_are_told_by_line(write) -> None:
    lines = [line.encode("cp949" if number % 3 == 2 else "utf-8") for number, line in enumerate(["좋다\t1"] * 30)]
    path = write("a.tsv", b"text\tlabel\n" + b"\n".join(lines))
    with pytest.raises(InputError, match=r"line 4, 7, 10, 13, 16 and 5 more: CP949 .*, but 20 lines are UTF-8"):
        read_rows(path, ONE)
    with pytest.raises(InputError, match=r"line 3: neither UTF-8 nor CP949 .*byte 0xff"):
        read_rows(write("b.tsv", "text\tlabel\n좋다\t1\n".encode() + b"\xff\xff\t1\n"), ONE)
    with pytest.raises(InputError, match="line 2: not UTF-8; the file looks like CP949"):
        read_rows(write("c.json", '[\n{"text": "좋다", "label": 1}]'.encode("cp949")), ONE)


def test_what_is_to_be_answered_needs_no_label(write) -> None:
    assert pairs(read_unlabelled(write("a.tsv", "id\ttext\n1\t좋다\n"), ONE)) == [("좋다", None)]
    assert pairs(read_unlabelled(write("b.tsv", "text\tlabel\n좋다\t\n나쁘다\t0\n"), ONE)) == [
        ("좋다", None),
        ("나쁘다", "0"),
    ]
    assert pairs(read_unlabelled(write("a.jsonl", '{"text": "가"}\n{"text": "나", "label": 1}\n'), ONE)) == [
        ("가", None),
        ("나", "1"),
    ]
    with pytest.raises(InputError, match="no column 'text'"):
        read_unlabelled(write("a.csv", "document\n좋다\n"), ONE)


def test_bare_lines_to_be_answered(write) -> None:
    rows = read_unlabelled(write("a.txt", "첫 문장.\n\n둘째 문장.\n"), ONE)
    assert ([(row.text, row.place) for row in rows.rows], rows.skipped) == (
        [("첫 문장.", "line 1"), ("둘째 문장.", "line 3")],
        ("line 2",),
    )
    assert pairs(read_unlabelled(write("b.txt", "text\n첫 문장.\n"), ONE)) == [("첫 문장.", None)]


def test_a_fingerprint_is_of_the_bytes(write) -> None:
    one, other = write("a.tsv", GOOD), write("b.tsv", GOOD)
    assert input_files(one) == [one]
    assert fingerprint(one) == fingerprint(other) != fingerprint(write("c.tsv", GOOD + "또\t1\n"))
