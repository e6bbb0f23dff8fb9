"""One fine-tuning, as asked for: what it reads, what decides its output, and where that may be put."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finetune.data.cleaning import resolve_steps
from finetune.data.known import find_task
from finetune.data.read import Source, fingerprint
from finetune.settings import FinetuneSettings
from pipeline.artifact import Key, Kind, read_manifest
from pipeline.errors import InputError
from pipeline.files import hash_file
from pipeline.recipe import as_table
from pretrain.folder import model_files

#: What this stage makes.
FINETUNE = Kind("finetune", 2, "make finetune")


@dataclass(frozen=True)
class Data:
    """Where the rows lie: files, folders or `hf:` names. `dev` and `test` are carved from train where they are None."""

    train: str
    dev: str | None
    test: str | None
    source: Source

    def named(self) -> dict[str, str]:
        """Role -> what was named, of those that were."""
        given = {"train": self.train, "dev": self.dev, "test": self.test}
        return {role: path for role, path in given.items() if path is not None}


@dataclass(frozen=True)
class Job:
    """`model` is the encoder's folder, `folder` the output's; `cpu` is not part of the key.

    artifacts: where the uses of tests are recorded.
    peer: also score test after every epoch, as those do who choose on test; nothing is chosen by it.
    """

    model: Path
    data: Data
    folder: Path
    settings: FinetuneSettings
    artifacts: Path
    random_weights: bool = False
    peer: bool = False
    cpu: bool = False

    @property
    def scratch(self) -> Path:
        """Where runs that are done wait for the others, and all processes keep checkpoints."""
        return self.folder.parent / f".{self.folder.name}.runs"

    def key(self, *, with_model: bool = True) -> Key:
        """What decides the output: settings, columns, and the bytes of data and model, not their places."""
        inputs = {role: fingerprint(named) for role, named in self.data.named().items()}
        for path in model_files(self.model, random_weights=self.random_weights) if with_model else ():
            inputs[f"model {path.name}"] = hash_file(path)
        source = self.data.source
        settings = {
            "finetune": as_table(self.settings),
            # With the words of a file of stop words.
            "cleaning": list(resolve_steps(self.settings.cleaning, find_task(source.task).kind)),
            "task": source.task,
            "text": source.text,
            "pair": source.pair,
            "label": source.label,
            "encoding": source.encoding,
            "random_weights": self.random_weights,
            "peer": self.peer,
        }
        return FINETUNE.key(settings, inputs)

    def check_place(self, kind: Kind = FINETUNE) -> None:
        """Raise InputError if the output would replace anything but an earlier one of this kind."""
        folder = self.folder
        if folder.is_file():
            raise InputError(f"{folder} is a file; --out names a folder")
        if not folder.is_dir() or not any(folder.iterdir()):
            return
        manifest = read_manifest(folder)
        if manifest is None or manifest.stage != kind.stage:
            raise InputError(f"{folder} holds something else than what `{kind.command}` made; name another with --out")
        if folder.resolve() == self.model.resolve():
            raise InputError(f"--out and --model are both {folder}; name another folder with --out")
