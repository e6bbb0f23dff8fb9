"""Texts in folders that are their labels: `train/pos/1.txt`, `train/neg/2.txt`, as the IMDB reviews are laid out.

One file is one text, line ends and all. Everything is taken in sorted order; hidden files are left out in silence, and
what is no text file is told. A link that leads out of the folder is refused: it would pull other files into the data.
"""

from __future__ import annotations

from pathlib import Path

from corpora.sources.names import stay_inside
from finetune.data.decoding import read_text
from finetune.data.rows import Row, Rows
from finetune.data.tables import PACKED, listed, plain
from pipeline.errors import InputError

#: IMDB's folder of texts without a label; it is no class.
UNLABELLED = "unsup"


def read_folder(folder: Path, encoding: str = "utf-8") -> Rows:
    """The texts of a folder of label folders; a label is its folder's name, a place `pos/1.txt`.

    Raises InputError for no label folders, one without texts, a folder inside one, a link that leads out.
    """
    notes: list[str] = []
    rows: list[Row] = []
    skipped: list[str] = []
    for label, files in _label_folders(folder, notes):
        for file in files:
            row = _row(folder, file, encoding, plain(label))
            if row.text:
                rows.append(row)
            else:
                skipped.append(row.place)
    return Rows(folder, tuple(rows), tuple(skipped), tuple(notes))


def read_unlabelled_folder(folder: Path, encoding: str = "utf-8") -> Rows:
    """The texts of a folder, or of the folders in it; labels are not looked at."""
    files = text_files(folder)
    if not files:
        raise InputError(f"the folder {folder} holds no text file (*.txt, packed too: {', '.join(PACKED)})")
    rows = [_row(folder, file, encoding, None) for file in files]
    return Rows(folder, tuple(row for row in rows if row.text), tuple(row.place for row in rows if not row.text))


def text_files(folder: Path) -> list[Path]:
    """The text files that lie in a folder and in the folders in it, sorted."""
    found: list[Path] = []
    for entry in _entries(folder):
        found += [file for file in _entries(entry) if _is_text(file)] if entry.is_dir() else [entry]
    return [file for file in found if _is_text(file)]


def labelled_files(folder: Path) -> list[Path]:
    """The files that `read_folder` reads."""
    return [file for _, files in _label_folders(folder, []) for file in files]


def _label_folders(folder: Path, notes: list[str]) -> list[tuple[str, list[Path]]]:
    entries = _entries(folder)
    labels = [entry for entry in entries if entry.is_dir() and entry.name != UNLABELLED]
    names = [label.name for label in labels]
    if not labels:
        raise InputError(f"the folder {folder} holds no folders named by label (as pos/1.txt and neg/2.txt)")
    if {"train", "test"} & set(names) and not any(_is_text(file) for label in labels for file in _entries(label)):
        raise InputError(f"the folder {folder} holds {listed(names)}: name one of them, {folder / names[-1]} say")
    if any(entry.name == UNLABELLED for entry in entries):
        notes.append(f"{folder}: {UNLABELLED} is left out, its texts have no label")
    return [(label.name, _texts(label, notes)) for label in labels]


def _texts(label: Path, notes: list[str]) -> list[Path]:
    entries = _entries(label)
    if inner := [entry for entry in entries if entry.is_dir()]:
        raise InputError(f"{inner[0]} is a folder inside a label's folder; put its texts into {label}, or move it away")
    texts = [entry for entry in entries if _is_text(entry)]
    if not texts:
        raise InputError(f"{label} holds no text file (*.txt); remove the folder, or put the texts of its label there")
    if other := [entry.name for entry in entries if not _is_text(entry)]:
        notes.append(f"{label}: {len(other):,} files are not read, as {other[0]}")
    return texts


def _entries(folder: Path) -> list[Path]:
    try:
        found = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise InputError(f"cannot read the folder {folder}: {error.strerror}") from None
    for entry in found:
        stay_inside(entry, folder)
    return found


def _is_text(file: Path) -> bool:
    name = file.name.lower()
    return file.is_file() and name.endswith((".txt", *(f".txt{packed}" for packed in PACKED)))


def _row(folder: Path, file: Path, encoding: str, label: str | None) -> Row:
    place = file.relative_to(folder).as_posix()
    return Row(read_text(file, encoding).strip(), None, label, place, place)
