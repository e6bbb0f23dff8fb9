"""Names to files, files to lines; what cannot be read is named."""

import bz2
import gzip
import lzma
from pathlib import Path

import pytest

from corpora.sources import SAMPLE, find_files, read_lines, zstd
from pipeline.errors import InputError

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


def test_utf16_is_told(write) -> None:
    with pytest.raises(InputError, match="UTF-16"):
        list(read_lines(write("a.txt", TEXT.encode("utf-16"))))


def test_folders_globs_and_order(write, tmp_path: Path) -> None:
    for name in ("b.txt", "a.txt.gz", "sub/c.txt", ".hidden.txt", "README.md", "LICENSE"):
        write(name, b"")
    names = [label for _, label in find_files([str(tmp_path)])]
    assert names == ["a.txt.gz", "b.txt", "sub/c.txt"]
    assert [source.path.name for source in find_files([str(tmp_path / "*.txt")])] == ["b.txt"]
    assert [source.path.name for source in find_files([str(tmp_path / "**" / "*.txt")])] == ["b.txt", "c.txt"]
    twice = find_files([str(tmp_path / "b.txt"), str(tmp_path)])
    assert [source.path.name for source in twice] == ["b.txt", "a.txt.gz", "c.txt"]


def test_names_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no such file or folder: .*none\.txt"):
        find_files([str(tmp_path / "none.txt")])
    with pytest.raises(InputError, match="holds no text file"):
        find_files([str(tmp_path)])
    (tmp_path / "sub").mkdir()
    with pytest.raises(InputError, match="folders only"):
        find_files([str(tmp_path / "s*")])


def test_the_sample_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert len(find_files([SAMPLE])) >= 10
