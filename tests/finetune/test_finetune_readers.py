"""Every way a table can be wrong stops with file and line; what is right is read as it stands."""

import gzip
import lzma
import unicodedata
from importlib.resources import files
from pathlib import Path

import pytest

from finetune.readers import read_rows
from finetune.tasks import Files, class_names, read_classification
from pipeline.errors import InputError
from tests.conftest import REPOSITORY
from tests.finetune.conftest import settings

NSMC = REPOSITORY.parent / "shared" / "data" / "tasks" / "nsmc"
GOOD = "text\tlabel\n좋다\t1\n나쁘다\t0\n"


def test_tsv_knows_no_quotes(write) -> None:
    rows = read_rows(write("a.tsv", 'id\tdocument\tlabel\n1\t"재밌다\t1\n2\t뭐야" 이게\t0\n'), "document", "label")
    assert rows.texts == ('"재밌다', '뭐야" 이게')
    assert (rows.labels, rows.lines) == (("1", "0"), (2, 3))


def test_csv_knows_quotes_and_line_ends_inside_them(write) -> None:
    text = 'label,text\r\n1,"첫 줄\r\n둘째, ""줄"""\r\n\r\n0,끝\r\n'
    rows = read_rows(write("a.csv", text), "text", "label")
    assert rows.texts == ('첫 줄\n둘째, "줄"', "끝")
    assert rows.lines == (2, 5)


@pytest.mark.parametrize("name, pack", [("a.tsv.xz", lzma.compress), ("a.txt.gz", gzip.compress)])
def test_compressed(write, name, pack) -> None:
    assert read_rows(write(name, pack(GOOD.encode())), "text", "label").texts == ("좋다", "나쁘다")


def test_a_byte_order_mark_is_dropped(write) -> None:
    assert len(read_rows(write("a.tsv", b"\xef\xbb\xbf" + GOOD.encode()), "text", "label")) == 2


def test_names_are_compared_as_people_see_them(write) -> None:
    apart = unicodedata.normalize("NFD", "문장\t감정\n좋다\t긍정\n싫다\t 긍정 \n")
    assert read_rows(write("a.tsv", apart), "문장", "감정").labels == ("긍정", "긍정")


def test_rows_without_text_are_skipped_and_named(write) -> None:
    rows = read_rows(write("a.tsv", "text\tlabel\n\t1\n좋다\t1\n  \t0\n\n"), "text", "label")
    assert (rows.texts, rows.skipped) == (("좋다",), (2, 4))


@pytest.mark.parametrize(
    "name, content, said",
    [
        ("a.tsv", "", "is empty"),
        ("a.tsv", "text\tlabel\n", "no row with text"),
        ("a.tsv", "document\tlabel\nx\t1\n", "no column 'text'; there are: 'document', 'label'"),
        ("a.tsv", "text\ttext\tlabel\nx\ty\t1\n", "2 columns are named 'text'"),
        ("a.tsv", "text\tlabel\n좋다\t1\n나쁘다\n", "line 3: 1 fields, but the header has 2"),
        ("a.tsv", "text\tlabel\n좋다\t1\t0\n", "line 2: 3 fields"),
        ("a.tsv", "text\tlabel\n좋다\t \n", "line 2: no label"),
        ("a.tsv", "text\tlabel\n좋다\t1\n".encode("cp949"), "line 2: not UTF-8"),
        ("a.csv", 'text,label\n좋다,1\n"열린 따옴표,1\n끝,0\n', "line 3: not valid CSV"),
        ("a.csv", 'text,label\n"좋"다,1\n', "line 2: not valid CSV"),
        ("a.csv", "text,label\n좋다, 정말,1\n", "line 2: 3 fields"),
        ("a.json", "{}", "name the file by its format"),
    ],
)
def test_bad_tables_stop(write, name, content, said) -> None:
    path = write(name, content)
    with pytest.raises(InputError, match=said) as stopped:
        read_rows(path, "text", "label")
    assert str(path) in str(stopped.value)


def test_no_such_file_and_one_column_for_both(write, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_rows(tmp_path / "absent.tsv", "text", "label")
    with pytest.raises(InputError, match="both text and label"):
        read_rows(write("a.tsv", GOOD), "text", "text")


def test_a_single_class_stops(write) -> None:
    one = write("one.tsv", "text\tlabel\na\t1\nb\t1\n")
    with pytest.raises(InputError, match="every row is labelled '1'"):
        read_classification(Files(one, None, one, "text", "label"), settings())


@pytest.mark.parametrize("role", ["dev", "test"])
def test_a_label_that_train_lacks_stops(write, role) -> None:
    train, other = write("train.tsv", GOOD), write("other.tsv", "text\tlabel\n좋다\t1\n그저\t중립\n")
    roles = {"train": train, "dev": train, "test": train, role: other}
    with pytest.raises(InputError, match=r"other.tsv, line 3: label '중립' does not occur in .*train.tsv \('0', '1'\)"):
        read_classification(Files(**roles, text="text", label="label"), settings())


def test_too_few_rows_to_hold_any_back(write) -> None:
    train = write("train.tsv", GOOD)
    with pytest.raises(InputError, match="give --dev"):
        read_classification(Files(train, None, train, "text", "label"), settings())
    task = read_classification(Files(train, train, train, "text", "label"), settings())
    assert task.ids(task.test) == [1, 0]
    assert task.notes == ("2 of 2 test texts also stand in train.tsv",)


def test_class_names_are_in_order() -> None:
    assert class_names(("10", "9", "-1", "9")) == ("-1", "9", "10")
    assert class_names(("부정", "긍정", "9", "10")) == ("10", "9", "긍정", "부정")


def test_the_shipped_sample() -> None:
    sample = Path(str(files("finetune") / "sample"))
    paths = sample / "sentiment-train.tsv", None, sample / "sentiment-test.tsv"
    task = read_classification(Files(*paths, "text", "label"), settings())
    assert task.names == ("긍정", "부정")
    assert not set(task.test.texts) & {*task.train.texts, *task.dev.texts}
    assert task.notes == ()


@pytest.mark.skipif(not NSMC.is_dir(), reason="NSMC is not on this machine")
def test_nsmc_is_readable() -> None:
    rows = read_rows(NSMC / "test.tsv.xz", "document", "label")
    assert set(rows.labels) == {"0", "1"}
    assert len(rows) + len(rows.skipped) == rows.lines[-1] - 1
