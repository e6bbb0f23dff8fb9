"""The corpus stage on good, odd and bad input."""

import dataclasses
from pathlib import Path

import pytest

from corpora.build import build_corpus
from corpora.document import read_documents, shards
from corpora.layout import detect_layout, raw_documents
from corpora.settings import CorpusSettings
from pipeline.errors import InputError
from pipeline.executor import Workers
from tests.conftest import CORPUS, REPOSITORY, sources

SETTINGS = dataclasses.replace(CORPUS, min_chars=5, max_chars=100, min_hangul=0.3, held_out=0.0)
TWO = "비가 많이 왔다.\n길이 모두 젖었다.\n\n해가 다시 났다.\n"


def built(path: Path, settings: CorpusSettings = SETTINGS, workers: int = 1):
    folder = path.parent / "out"
    manifest, _ = build_corpus(sources(path), settings, folder, Workers(workers))
    return list(read_documents(shards(folder, "train"))), manifest.figures


@pytest.mark.parametrize(
    "text",
    [
        TWO,
        TWO + "\n\n\n",
        "\n\n" + TWO,
        TWO.replace("\n", "\r\n"),
        "\ufeff" + TWO,
        TWO.rstrip("\n"),
        TWO.replace("\n\n", "\n \n"),
    ],
    ids=[
        "plain",
        "trailing blanks",
        "leading blanks",
        "crlf",
        "bom",
        "no last newline",
        "a blank line of spaces",
    ],
)
def test_one_sentence_a_line(write, text: str) -> None:
    documents, _ = built(write("a.txt", text))
    assert documents == [["비가 많이 왔다.", "길이 모두 젖었다."], ["해가 다시 났다."]]


def test_paragraphs_are_split_and_lines_of_their_own(write) -> None:
    text = "비가 많이 왔다. 길이 모두 젖었다.\n\n해가 다시 났다. 무지개가 떴다.\n"
    documents, figures = built(write("a.txt", text))
    assert documents == [["비가 많이 왔다.", "길이 모두 젖었다."], ["해가 다시 났다.", "무지개가 떴다."]]
    assert figures["formats"] == {"a.txt": "paragraphs"}
    documents, figures = built(write("b.txt", text.replace("\n\n", "\n")))
    assert len(documents) == 2 and figures["formats"] == {"b.txt": "lines"}


def test_the_recipe_can_say_the_layout(write) -> None:
    text = "비가 많이 왔다. 길이 모두 젖었다.\n해가 다시 났다. 무지개가 떴다.\n"
    counts = {}
    for layout in ("sentences", "paragraphs", "lines"):
        documents, _ = built(write(f"{layout}/a.txt", text), dataclasses.replace(SETTINGS, layout=layout))
        counts[layout] = [len(document) for document in documents]
    assert counts == {"sentences": [2], "paragraphs": [4], "lines": [2, 2]}


def test_drops_are_counted_and_shown(write) -> None:
    path = write("a.txt", TWO + "\n네.\nEnglish only here.\n" + "가" * 101 + "\n\n네네.\n")
    _, figures = built(path)
    assert figures["dropped"] == {"empty_document": 2, "little_hangul": 1, "too_long": 1, "too_short": 2}
    shown = (path.parent / "out" / "dropped.tsv").read_text("utf-8").splitlines()
    assert "little_hangul\ta.txt:7\tEnglish only here." in shown and len(shown) == 4


def test_a_very_long_line(write) -> None:
    sentences = "오늘은 비가 많이 왔다. " * 300_000
    documents, _ = built(write("a.txt", sentences + "\n"))
    assert 1 < len(documents) < 9 and {sentence for document in documents for sentence in document} == {sentences[:13]}
    assert sum(map(len, documents)) == 300_000
    with pytest.raises(InputError, match=r"nothing is left of .*b\.txt: dropped 11 too_long; see \[corpus\]"):
        built(write("b.txt", "가" * 3_500_000))


def test_a_file_without_blank_lines_is_cut_so_that_memory_stays_flat() -> None:
    lines = ((number, "가" * 100_000) for number in range(1, 26))
    parts = list(raw_documents(lines, "sentences", "a", "a.txt"))
    assert [len(part.lines) for part in parts] == [10, 10, 5]
    assert [part.places[0] for part in parts] == ["1", "11", "21"]


@pytest.mark.parametrize("content", ["", "\n\n \n", "\ufeff"], ids=["empty", "blank", "only a byte order mark"])
def test_no_text(write, content: str) -> None:
    with pytest.raises(InputError, match=r"no text in .*a\.txt"):
        built(write("a.txt", content))


def test_an_error_leaves_the_earlier_corpus(write) -> None:
    good = write("a.txt", TWO)
    documents, _ = built(good)
    bad = write("b.txt", TWO.encode() + b"\xff\xfe\n")
    with pytest.raises(InputError, match=r"b\.txt, line 5: not UTF-8"):
        built(bad)
    assert list(read_documents(shards(good.parent / "out", "train"))) == documents


def test_the_same_bytes_for_any_number_of_workers(tmp_path: Path) -> None:
    """Reports too: every file but the manifest, which says when and how fast."""
    files = sources(REPOSITORY / "corpora" / "sample")
    settings = dataclasses.replace(SETTINGS, held_out=0.1, privacy="redact", duplicate_documents=0.8)
    one, *others = (
        build_corpus(files, settings, tmp_path / str(workers), Workers(workers))[0].files for workers in (1, 2, 8)
    )
    assert others == [one, one] and {"report.md", "dropped.tsv", "train-00000.txt"} <= set(one)


def test_shards_are_closed_at_their_size(write) -> None:
    path = write("a.txt", "\n\n".join(f"문서 {number}에는 문장이 하나만 있습니다." for number in range(40_000)))
    documents, figures = built(path)
    parts = shards(path.parent / "out", "train")
    assert len(parts) == -(-figures["train"]["bytes"] // 1_000_000) > 1
    assert all(part.stat().st_size < 1_001_000 for part in parts) and len(documents) == 40_000


def test_layout_is_told_by_the_share_of_lines_with_several_sentences() -> None:
    one, two = "비가 왔다.", "비가 왔다. 길이 젖었다."
    assert detect_layout([one] * 95 + [two] * 5) == "sentences"
    assert detect_layout([one] * 80 + [two] * 20) == "lines"
    assert detect_layout([two, "", two]) == "paragraphs"
    assert detect_layout([]) == "sentences"
    assert detect_layout(["", *[two] * 250, "", *[two] * 250, "", ""]) == "lines", "a stray blank line says nothing"
    assert detect_layout([*[two] * 50, "", *[two] * 50, "", *[two] * 50]) == "paragraphs"


def test_a_changed_character_rebuilds_and_a_moved_file_does_not(write, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert build_corpus(sources(write("a.txt", TWO)), SETTINGS, folder, Workers())[1]
    assert not build_corpus(sources(write("elsewhere/a.txt", TWO)), SETTINGS, folder, Workers())[1]
    assert build_corpus(sources(write("a.txt", TWO.replace("많이", "조금"))), SETTINGS, folder, Workers())[1]
