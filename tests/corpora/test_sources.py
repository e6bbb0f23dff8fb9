"""Names to files, files to lines; what cannot be read is named."""

import bz2
import dataclasses
import gzip
import lzma
import os
from pathlib import Path

import pytest

from corpora.build import build_corpus
from corpora.drops import Drops
from corpora.settings import SourceSettings
from corpora.sources.names import SAMPLE
from corpora.sources.text import LONGEST_LINE, read_lines
from corpora.sources.unpack import format_of, zstd
from pipeline.errors import InputError
from pipeline.executor import Workers
from tests.conftest import CORPUS, sources

TEXT = "비가 왔다.\n길이 젖었다.\n\n해가 났다.\n"
LINES = [(1, "비가 왔다."), (2, "길이 젖었다."), (3, ""), (4, "해가 났다.")]
PACKERS = {
    "txt": lambda data: data,
    "xz": lzma.compress,
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "zst": zstd.compress,
}


@pytest.mark.parametrize("kind", PACKERS)
@pytest.mark.parametrize("named", [True, False], ids=["by its name", "under a false name"])
def test_compression_is_told_by_content(write, kind: str, named: bool) -> None:
    name = f"a.txt.{kind}" if named else "a.txt"
    assert list(read_lines(write(name, PACKERS[kind](TEXT.encode())))) == LINES


def test_zst_of_several_frames(write) -> None:
    path = write("a.txt.zst", b"".join(zstd.compress(line.encode()) for line in TEXT.splitlines(keepends=True)))
    assert list(read_lines(path)) == LINES


@pytest.mark.parametrize("kind", ["xz", "gz", "bz2", "zst"])
def test_a_cut_off_archive_is_named(write, kind: str) -> None:
    packed = PACKERS[kind](TEXT.encode() * 500)
    path = write(f"a.txt.{kind}", packed[: len(packed) * 2 // 3])
    with pytest.raises(InputError, match=rf"a\.txt\.{kind}: damaged or cut-off"):
        list(read_lines(path))


def test_line_ends_and_byte_order_mark(write) -> None:
    path = write("a.txt", b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    assert list(read_lines(path)) == LINES
    assert list(read_lines(write("b.txt", TEXT.rstrip("\n")))) == LINES


def test_not_utf8_names_the_line(write) -> None:
    path = write("old.txt", "비가 왔다.\n".encode() + "길이 젖었다.\n".encode("cp949"))
    with pytest.raises(InputError, match=r"old\.txt, line 2: not UTF-8 .*iconv"):
        list(read_lines(path))


def test_cp949_when_the_recipe_says_so(write) -> None:
    path = write("old.txt", TEXT.encode("cp949"))
    assert list(read_lines(path, encoding="cp949")) == LINES
    bad = write("bad.txt", TEXT.encode("cp949") + b"\xff\xff\n")
    with pytest.raises(InputError, match=r"bad\.txt, line 5: not cp949 \(byte 0xff at position 1"):
        list(read_lines(bad, encoding="cp949"))


def test_lines_that_are_not_text_can_be_skipped_and_are_counted(write) -> None:
    path = write("mixed.txt", "비가 왔다.\n".encode() + "길이 젖었다.\n".encode("cp949") + "해가 났다.\n".encode())
    drops = Drops()
    assert list(read_lines(path, skipped=drops)) == [(1, "비가 왔다."), (3, "해가 났다.")]
    assert drops.counts == {"not_utf8": 1} and drops.examples[0][1] == "mixed.txt:2"


@pytest.mark.parametrize("text", ["가" * 3_000_000, "오늘은 비가 왔다. " * 400_000], ids=["no spaces", "spaces"])
def test_a_line_without_end_comes_in_pieces(write, text: str) -> None:
    """Nothing is lost, no character is cut, and a piece is bounded."""
    path = write("a.txt", f"첫 줄\n{text}\n끝 줄\n")
    lines = list(read_lines(path))
    assert lines[0] == (1, "첫 줄") and lines[-1] == (3, "끝 줄")
    pieces = [line for number, line in lines if number == 2]
    assert "".join(pieces) == text and len(pieces) > 5
    assert max(len(piece.encode()) for piece in pieces) <= LONGEST_LINE
    if " " in text:
        assert all(piece.endswith(" ") for piece in pieces), "no word is cut"


@pytest.mark.parametrize(
    ("head", "told"),
    [
        (b"\0" * 257 + b"ustar" + b"\0" * 300, "a tar archive"),
        (b"text" + b"\0" * 100, "NUL"),
        (b'[\n {\n  "text": "a"\n }\n]', "JSON over several lines"),
        (b'{\n  "text": "a"\n}', "JSON over several lines"),
        (b"PK\x03\x04....", "ZIP archive"),
        (b"%PDF-1.7", "PDF"),
        (b"<!DOCTYPE html><html>", "HTML"),
        (b"<?xml version='1.0'?><rss/>", "not a MediaWiki export"),
        (b"SQLite format 3\x00", "database"),
    ],
)
def test_what_is_no_text_is_told(write, head: bytes, told: str) -> None:
    with pytest.raises(InputError, match=rf"a\.txt: .*{told}"):
        list(read_lines(write("a.txt", head)))


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.txt", '{"text": "비가 왔다."}\n', "jsonl"),
        ("a.txt", "{중괄호}로 시작하는 글이다.\n", "text"),
        ("a.jsonl", "글이다.\n", "jsonl"),
        ("a.txt", '<mediawiki xmlns="x">', "mediawiki"),
        ("a.txt", '\ufeff<?xml version="1.0"?>\n<mediawiki>', "mediawiki"),
        ("a.txt", "<글> 이야기\n", "text"),
        ("a.txt", "", "text"),
        ("a.txt", '{"text": "' + "가" * 100_000 + '"}', "jsonl"),
    ],
)
def test_formats_are_told_by_content(write, name: str, content: str, kind: str) -> None:
    for path in (write(name, content), write(f"{name}.gz", gzip.compress(content.encode()))):
        assert format_of(path) == kind


def test_a_json_array_is_told(write) -> None:
    with pytest.raises(InputError, match=r"one JSON array; write one object a line .*jq"):
        format_of(write("a.json", '[{"text": "가"}]'))


def test_utf16_is_told(write) -> None:
    with pytest.raises(InputError, match="UTF-16"):
        list(read_lines(write("a.txt", TEXT.encode("utf-16"))))


def test_folders_globs_and_order(write, tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt.gz", "sub/c.txt", ".hidden.txt", "README.md", "LICENSE"):
        write(name, b"")
    names = [source.label for source in sources(tmp_path)]
    assert names == ["a.txt.gz", "b.txt", "sub/c.txt"]
    assert [source.path.name for source in sources(tmp_path / "*.txt")] == ["b.txt"]
    assert [source.path.name for source in sources(tmp_path / "**" / "*.txt")] == ["b.txt", "c.txt"]
    twice = sources(tmp_path / "b.txt", tmp_path)
    assert [source.path.name for source in twice] == ["b.txt", "a.txt.gz", "c.txt"]


def test_links_may_not_lead_out_of_a_folder(write, tmp_path: Path) -> None:
    outside = write("outside/secret.txt", TEXT)
    inside = write("folder/a.txt", TEXT)
    (tmp_path / "folder" / "b.txt").symlink_to(inside)
    assert len(sources(tmp_path / "folder")) == 1, "a link within is the file it leads to"
    for target, name in ((outside, "c.txt"), (outside.parent, "sub")):
        link = tmp_path / "folder" / name
        link.symlink_to(target)
        with pytest.raises(InputError, match=rf"{name} is a link that leads out of the folder, to .*outside"):
            sources(tmp_path / "folder")
        link.unlink()


def test_what_the_recipe_says_of_a_source(write, tmp_path: Path) -> None:
    write("law/a.txt", TEXT)
    write("b.txt", TEXT)
    known = [
        SourceSettings(name="acts", path=str(tmp_path / "law"), licence="public domain", layout="sentences"),
        SourceSettings(name="*.txt", licence="CC0-1.0"),
    ]
    settings = dataclasses.replace(CORPUS, sources=known)
    first, second = sources("acts", tmp_path / "b.txt", settings=settings)
    assert (first.label, first.known.name, first.known.licence) == ("a.txt", "acts", "public domain")
    assert (second.known.name, second.known.licence) == ("b.txt", "CC0-1.0")


def test_sources_of_one_name_stay_apart(write, tmp_path: Path) -> None:
    """Whose licence it is must not depend on which file came last."""
    one, other = write("a/x.txt", TEXT), write("b/x.txt", '{"text": "비가 왔다."}\n')
    known = [
        SourceSettings(name=f"{tmp_path}/a/*", licence="CC0-1.0"),
        SourceSettings(name=f"{tmp_path}/b/*", licence="CC BY 4.0"),
    ]
    settings = dataclasses.replace(CORPUS, sources=known, held_out=0.0)
    found = sources(one, other, settings=settings)
    assert [(source.label, source.known.name, source.known.licence) for source in found] == [
        ("a/x.txt", "a/x.txt", "CC0-1.0"),
        ("b/x.txt", "b/x.txt", "CC BY 4.0"),
    ]
    manifest, _ = build_corpus(found, settings, tmp_path / "out", Workers())
    assert manifest.figures["formats"] == {"a/x.txt": "sentences", "b/x.txt": "jsonl"}
    page = (tmp_path / "out" / "ATTRIBUTION.md").read_text("utf-8")
    assert "CC0-1.0" in page and "CC BY 4.0" in page
    (whole,) = sources(tmp_path / "a", settings=dataclasses.replace(CORPUS, sources=known))
    assert whole.known.licence == "CC0-1.0", "a pattern for files speaks for those of a named folder"


def test_names_are_made_legible_and_discreet(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in (b"\xb9\xfd.txt", b"a  b\t.txt", "연락 010-1234-5678.txt".encode()):
        (folder / os.fsdecode(name)).write_text(TEXT, "utf-8")
    settings = dataclasses.replace(CORPUS, privacy="redact", held_out=0.0)
    labels = {source.label for source in sources(folder, settings=settings)}
    assert labels == {"a b .txt", "\\udcb9\\udcfd.txt", "연락 [PHONE].txt"}
    build_corpus(sources(folder, settings=settings), settings, tmp_path / "out", Workers())
    assert "010-1234" not in (tmp_path / "out" / "report.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda folder: (folder / "l.txt").symlink_to(folder / "l.txt"), "leads nowhere, or to itself"),
        (lambda folder: os.mkfifo(folder / "pipe"), "not a file or folder that can be read"),
    ],
    ids=["a link to itself", "a pipe"],
)
def test_odd_entries(tmp_path: Path, make, told: str) -> None:
    make(tmp_path)
    with pytest.raises(InputError, match=told):
        sources(tmp_path / "pipe" if (tmp_path / "pipe").exists() else tmp_path)
    with pytest.raises(InputError, match="an empty name"):
        sources("")


def test_damage_inside_an_archive_is_told(write) -> None:
    packed = bytearray(bz2.compress(TEXT.encode() * 2000))
    packed[20] ^= 0xFF
    with pytest.raises(InputError, match=r"a\.txt\.bz2: damaged compressed file"):
        list(read_lines(write("a.txt.bz2", bytes(packed))))


def test_cp949_without_spaces_is_cut_between_characters(write) -> None:
    text = "x" + "가각똠" * 400_000
    lines = list(read_lines(write("a.txt", text.encode("cp949")), encoding="cp949"))
    assert len(lines) > 1 and "".join(line for _, line in lines) == text


def test_names_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file or folder: .*none\.txt"):
        sources(tmp_path / "none.txt")
    with pytest.raises(InputError, match="holds no text file"):
        sources(tmp_path)
    (tmp_path / "sub").mkdir()
    with pytest.raises(InputError, match="folders only"):
        sources(tmp_path / "s*")


def test_the_sample_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = sources(SAMPLE)
    assert len(found) >= 10 and {source.known.licence for source in found} == {"CC0-1.0"}
