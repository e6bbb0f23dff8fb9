"""One fine-tuning, as asked for: what it reads, what decides its output, and where that may be put."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finetune.settings import FinetuneSettings
from finetune.tasks import Files
from pipeline.artifact import Key, read_manifest
from pipeline.errors import InputError
from pipeline.files import hash_file
from pipeline.recipe import as_table
from pretrain.folder import model_files

#: Raised when the output's meaning changes.
FORMAT = 1
STAGE = "finetune"


@dataclass(frozen=True)
class Job:
    """`source` is the encoder's folder, `folder` the output's; `cpu` is not part of the key."""

    source: Path
    files: Files
    folder: Path
    settings: FinetuneSettings
    random_weights: bool = False
    cpu: bool = False

    @property
    def scratch(self) -> Path:
        """Where all processes keep checkpoints; the main one deletes it, holding the output's lock."""
        return self.folder.parent / f".{self.folder.name}.checkpoints"

    def key(self) -> Key:
        """What decides the output: settings, columns, and the bytes of data and model, not their places."""
        inputs = {role: _hash(path) for role, path in self.files.named().items()}
        for path in model_files(self.source, random_weights=self.random_weights):
            inputs[f"model {path.name}"] = hash_file(path)
        settings = {
            "finetune": as_table(self.settings),
            "task": "classification",
            "text": self.files.text,
            "label": self.files.label,
            "random_weights": self.random_weights,
        }
        return Key(STAGE, FORMAT, settings, inputs)

    def check_place(self) -> None:
        """Raise InputError if the output would replace anything but an earlier fine-tuning."""
        folder = self.folder
        if folder.is_file():
            raise InputError(f"{folder} is a file; --out names a folder")
        if not folder.is_dir() or not any(folder.iterdir()):
            return
        manifest = read_manifest(folder)
        if manifest is None or manifest.stage != STAGE:
            raise InputError(f"{folder} holds something else than a fine-tuned model; name another folder with --out")
        if folder.resolve() == self.source.resolve():
            raise InputError(f"--out and --model are both {folder}; name another folder with --out")


def _hash(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"no such file: {path}")
    return hash_file(path)
