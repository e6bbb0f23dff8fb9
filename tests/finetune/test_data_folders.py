"""Texts in folders by label: sorted, nothing from outside, and every wrong layout told."""

import gzip

import pytest

from finetune.data.read import Source, fingerprint, input_files, read_rows, read_unlabelled
from pipeline.errors import InputError

ONE = Source("classification")


@pytest.fixture
def reviews(write, tmp_path):
    write("train/긍정/2.txt", "두 번째\n줄도 있다.\n")
    write("train/긍정/10.txt", "열 번째.")
    write("train/부정/1.txt.gz", gzip.compress("나쁘다.".encode()))
    write("train/부정/.DS_Store", "x")
    write("train/부정/3.txt", " \n")
    write("train/urls.txt", "http://a.kr")
    return tmp_path / "train"


def test_a_folder_is_a_label(reviews) -> None:
    rows = read_rows(reviews, ONE)
    assert [(row.text, row.target, row.place) for row in rows.rows] == [
        ("열 번째.", "긍정", "긍정/10.txt"),
        ("두 번째\n줄도 있다.", "긍정", "긍정/2.txt"),
        ("나쁘다.", "부정", "부정/1.txt.gz"),
    ]
    assert rows.skipped == ("부정/3.txt",)


def test_what_is_left_out_is_told(reviews, write) -> None:
    write("train/unsup/1.txt", "뭘까.")
    write("train/긍정/쪽지.md", "x")
    rows = read_rows(reviews, ONE)
    assert {row.target for row in rows.rows} == {"긍정", "부정"}
    assert any("unsup is left out" in note for note in rows.notes)
    assert any("1 files are not read, as 쪽지.md" in note for note in rows.notes)


def test_its_fingerprint_knows_the_labels(reviews) -> None:
    before = fingerprint(reviews)
    assert len(input_files(reviews)) == 4
    (reviews / "긍정").rename(reviews / "긍정적")
    assert fingerprint(reviews) != before


def test_links_out_of_the_folder_are_refused(reviews, tmp_path) -> None:
    outside = tmp_path / "secret.txt"
    outside.write_text("비밀")
    (reviews / "긍정" / "3.txt").symlink_to(outside)
    with pytest.raises(InputError, match=r"3\.txt is a link that leads out of the folder"):
        read_rows(reviews, ONE)
    (reviews / "긍정" / "3.txt").unlink()
    (reviews / "긍정" / "3.txt").symlink_to(reviews / "긍정" / "2.txt")
    assert len(read_rows(reviews, ONE)) == 4
    (reviews / "중립").symlink_to(tmp_path)
    with pytest.raises(InputError, match="중립 is a link that leads out of the folder"):
        read_rows(reviews, ONE)


def test_wrong_layouts(reviews, tmp_path, write) -> None:
    write("flat/1.txt", "가")
    with pytest.raises(InputError, match="flat holds no folders named by label"):
        read_rows(tmp_path / "flat", ONE)
    (tmp_path / "train" / "빈").mkdir()
    with pytest.raises(InputError, match="빈 holds no text file"):
        read_rows(reviews, ONE)
    (tmp_path / "train" / "빈").rmdir()
    write("train/긍정/깊이/1.txt", "가")
    with pytest.raises(InputError, match="깊이 is a folder inside a label's folder"):
        read_rows(reviews, ONE)
    write("root/train/pos/1.txt", "가")
    write("root/test/pos/1.txt", "가")
    with pytest.raises(InputError, match="holds 'test', 'train': name one of them"):
        read_rows(tmp_path / "root", ONE)
    with pytest.raises(InputError, match="task ner takes a file"):
        read_rows(reviews, Source("ner"))


def test_an_encoding_of_its_own(write, tmp_path) -> None:
    for label in ("가", "나"):
        write(f"old/{label}/1.txt", "좋다".encode("cp949"))
    with pytest.raises(InputError, match=r"1\.txt, line 1: not UTF-8; the file looks like CP949"):
        read_rows(tmp_path / "old", ONE)
    assert read_rows(tmp_path / "old", Source("classification", encoding="cp949")).texts == ["좋다", "좋다"]


def test_a_folder_to_be_answered_needs_no_labels(reviews, write, tmp_path) -> None:
    write("flat/2.txt", "나")
    write("flat/1.txt", "가")
    rows = read_unlabelled(tmp_path / "flat", ONE)
    assert [(row.text, row.target, row.place) for row in rows.rows] == [("가", None, "1.txt"), ("나", None, "2.txt")]
    assert len(input_files(tmp_path / "flat")) == 2
    assert [row.place for row in read_unlabelled(reviews, ONE).rows][-1] == "부정/1.txt.gz"
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match="holds no text file"):
        read_unlabelled(tmp_path / "nothing", ONE)
