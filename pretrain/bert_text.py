"""A text as BERT takes it, read as it comes: one sentence a line, blank lines between documents, UTF-8."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from pipeline.errors import InputError
from pipeline.files import hash_file

#: Sentences of a sample.
_SAMPLE = 200


def _lines(path: Path) -> Iterator[str]:
    number = 0
    try:
        with path.open(encoding="utf-8-sig") as stream:
            for line in stream:
                yield line.strip()
                number += 1
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 after line {number} ({error.reason}): save it as UTF-8") from None


def sample_of(path: Path) -> list[str]:
    """The first sentences of a text."""
    return list(islice(filter(None, _lines(path)), _SAMPLE))


def documents_of(path: Path) -> Iterator[list[str]]:
    """The documents of a text, as lists of sentences."""
    document: list[str] = []
    for line in _lines(path):
        if line:
            document.append(line)
        elif document:
            yield document
            document = []
    if document:
        yield document


def need_documents(path: Path, wanted: int) -> None:
    """Raise InputError before a long text is tokenised in vain; a document is not held."""
    found, inside = 0, False
    for line in _lines(path):
        found += bool(line) and not inside
        inside = bool(line)
        if found == wanted:
            return
    need(wanted, found, path)


def need(wanted: int, found: int, path: Path) -> None:
    """Raise InputError if there are fewer documents than are `wanted`."""
    if found == 0:
        raise InputError(f"{path} holds no text: write one sentence a line, and blank lines between documents")
    if found < wanted:
        raise InputError(
            f"{path} is one document, and a random next segment comes from another one: put blank lines between "
            "documents, or train without random pairs by nsp_probability=0"
        )


def hash_text(path: Path) -> str:
    """sha256 of a text; raises InputError if it cannot be read."""
    try:
        return hash_file(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
