"""The models that a user names, opened to be asked side by side: their names, and whether they are as exported."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from pipeline.artifact import MANIFEST
from pipeline.errors import InputError
from pipeline.files import changed_files
from pretrain.folder import model_files
from probes.model import MaskedModel


def names_of(folders: Sequence[Path]) -> list[str]:
    """Folders' names, their paths where two are alike; raises InputError where one is named twice."""
    names = [folder.resolve().name for folder in folders]
    if len(set(names)) < len(names):
        names = [str(folder) for folder in folders]
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise InputError(f"--compare: a folder is named twice: {', '.join(names)}")
    return names


def open_model(folder: Path) -> MaskedModel:
    """The model of a folder; raises InputError for one of ours whose weights are not those that were exported."""
    check_exported(folder)
    return MaskedModel(folder)


def check_exported(folder: Path) -> None:
    """Raise InputError if the folder is none of a model, or one of ours that was changed after it was exported."""
    files = {path.name for path in model_files(folder)}
    for name in changed_files(folder, {name: digest for name, digest in _exported(folder).items() if name in files}):
        raise InputError(f"{folder / name} was changed after it was exported; export it again (make export)")


def in_words_of(model: MaskedModel, first: MaskedModel, text: str) -> str:
    """A text with the first model's mask token, as another model is asked."""
    return text if model is first else text.replace(first.mask_token, model.mask_token)


def _exported(folder: Path) -> dict[str, str]:
    """sha256 of files by what their export noted; nothing for folders of others."""
    try:
        noted = json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
        return {name: str(record["sha256"]) for name, record in noted.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}
