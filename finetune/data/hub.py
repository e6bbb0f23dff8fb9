"""Data sets of the Hugging Face Hub by name: `hf:owner/name[:config[:split]]`, fetched once into a JSONL file.

It is the corpus stage's way (`corpora.sources.hub`): the revision is looked up and is part of the file's name, rows
come from plain files of the data set's own repository at that commit, no program of it is run, and what was interrupted
goes on. Here whole rows are kept, and the numbers of classes become their names.
"""

from __future__ import annotations

from pathlib import Path

from corpora.sources.hub import fetch_dataset, is_dataset

#: Where fetched data sets lie, beside those of the corpus stage.
DOWNLOADS = Path("artifacts/downloads")

__all__ = ["DOWNLOADS", "fetch_rows", "is_dataset"]


def fetch_rows(name: str, folder: Path = DOWNLOADS) -> Path:
    """The JSONL file of a data set, fetched unless it is there.

    Raises InputError in one line for what cannot be reached, found, read or understood, and without the extra `hf`.
    """
    path, _ = fetch_dataset(name, folder, None)
    return path
