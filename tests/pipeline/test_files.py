"""Large files are read once to check them, and again whenever they may have changed."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from pipeline import files
from pipeline.artifact import Kind, build, open_artifact
from pipeline.errors import InputError
from pipeline.files import changed_files

KIND = Kind("corpus", 1, "make corpus")
LONG_AGO = 10**18


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read, in order."""
    names: list[str] = []
    whole = files.hash_file

    def counted(path: Path) -> str:
        names.append(path.name)
        return whole(path)

    monkeypatch.setattr(files, "hash_file", counted)
    monkeypatch.setattr(files, "LARGE", 1000)
    monkeypatch.setattr(files, "_COARSE", -1.0)
    return names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "things"
    place.mkdir()
    (place / "large").write_bytes(b"x" * 5000)
    (place / "small").write_bytes(b"y" * 10)
    for path in place.iterdir():
        os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return place


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_a_large_file_is_read_once(folder: Path, read: list[str]) -> None:
    expected = hashes(folder)
    assert changed_files(folder, expected) == [] and read == ["large", "small"]
    assert changed_files(folder, expected) == [] and read == ["large", "small", "small"]


def test_whatever_touches_it_has_it_read_again(folder: Path, read: list[str]) -> None:
    expected, large = hashes(folder), folder / "large"
    changed_files(folder, expected)
    large.write_bytes(b"x" * 4999 + b"z")
    assert changed_files(folder, expected) == ["large"], "another time"
    time.sleep(0.02)  # a tick of the file system's clock
    os.utime(large, ns=(LONG_AGO, LONG_AGO))
    assert changed_files(folder, expected) == ["large"], "the old time put back"
    other = folder / "other"
    other.write_bytes(large.read_bytes())
    os.utime(other, ns=(LONG_AGO, LONG_AGO))
    other.replace(large)
    assert changed_files(folder, expected) == ["large"], "the old time and size, but another file"
    large.write_bytes(b"x" * 5000)
    os.utime(large, ns=(LONG_AGO, LONG_AGO))
    assert changed_files(folder, expected) == []
    assert changed_files(folder, {**expected, "large": "0" * 64}) == ["large"], "another sha256 is wanted"


def test_what_was_written_just_now_is_not_noted(folder: Path, read: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the coarse tick of a file system's clock a second write would not show."""
    monkeypatch.setattr(files, "_COARSE", 60.0)
    for _ in range(2):
        assert changed_files(folder, hashes(folder)) == []
    assert read.count("large") == 2


@pytest.mark.parametrize("note", [b"", b"[]", b"{", b"\xff"])
def test_a_damaged_note_is_as_good_as_none(folder: Path, read: list[str], note: bytes) -> None:
    changed_files(folder, hashes(folder))
    (folder.parent / ".things.checked").write_bytes(note)
    assert changed_files(folder, hashes(folder)) == [] and read.count("large") == 2


def test_an_artifact_notices(tmp_path: Path, read: list[str]) -> None:
    def make(workspace: Path) -> dict[str, int]:
        (workspace / "large").write_bytes(b"x" * 5000)
        return {}

    place = tmp_path / "corpus" / "x"
    build(place, KIND.key({}, {}), make)
    os.utime(place / "large", ns=(LONG_AGO, LONG_AGO))
    read.clear()
    for _ in range(3):
        open_artifact(place, KIND)
    assert read == ["large"]
    (place / "large").write_bytes(b"y" * 5000)
    with pytest.raises(InputError, match="large was changed"):
        open_artifact(place, KIND)
