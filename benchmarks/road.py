"""The road's stages, called one after the other by a benchmark: what is done stands, so it can be interrupted."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finetune.data.read import Source, read_rows
from pipeline.artifact import Figures, read_manifest
from pipeline.errors import InputError

#: What fine-tuning starts from, by the flag that asks for it.
STARTS: dict[str, tuple[str, ...]] = {"pretrained": (), "random": ("--random-weights",)}


@dataclass(frozen=True)
class Road:
    """Where the stages write, their recipe, and settings that all get."""

    work: Path
    recipe: str
    sets: Sequence[str] = ()

    def stage(self, module: str, name: str, *arguments: object, sets: Iterable[str] = ()) -> None:
        """Run a stage; raises InputError if it fails (it has said why)."""
        place = ("--recipe", self.recipe, "--artifacts", self.work, "--name", name)
        command = [sys.executable, "-m", module, *map(str, (*place, *arguments)), "--set", *self.sets, *sets]
        ended = subprocess.run(command, check=False)
        if ended.returncode:
            raise InputError(f"{module} for {name} ended with {ended.returncode}; see above")

    def folder(self, stage: str, name: str) -> Path:
        """Where a stage's artifact lies."""
        return self.work / stage / name

    def figures(self, stage: str, name: str) -> Figures:
        """The figures of a finished artifact."""
        manifest = read_manifest(self.folder(stage, name))
        if manifest is None:
            raise InputError(f"no {stage} at {self.folder(stage, name)}")
        return manifest.figures

    def accuracy(self, model: str, start: str) -> float:
        """What a fine-tuning by `finetune` reached on its test rows."""
        return float(self.figures("finetune", f"{model}-{start}")["test"]["accuracy"])

    def finetune(self, model: str, start: str, files: Files, seed: int, *, name: str = "", rate: float = 1e-3) -> None:
        """Fine-tune an exported model on some of the rows, which are the same for all models and others for each
        seed; `name`: of the fine-tuning, the model's otherwise."""
        train = files.some(self.work, seed)
        columns = ("--train", train, "--test", files.test, "--text", "document", "--label", "label")
        out = self.folder("finetune", f"{name or model}-{start}")
        place = ("--model", self.folder("export", model), "--out", out, "--cpu", *STARTS[start])
        sets = ("finetune.max_length=0", f"finetune.learning_rate={rate}", f"finetune.seed={seed}")
        self.stage("finetune.train", model, *columns, *place, sets=sets)


@dataclass(frozen=True)
class Files:
    """Labelled files with columns `document` and `label`, and how many rows of the first are learned from."""

    train: Path
    test: Path
    count: int

    def some(self, work: Path, seed: int) -> Path:
        """So many rows, drawn by `seed`, as a file of their own."""
        target = work / f"rows-{self.count}-{seed}.tsv"
        if not target.exists():
            rows = read_rows(self.train, Source("nsmc"))
            generator = np.random.Generator(np.random.Philox(key=seed))
            part = rows.pick([int(place) for place in generator.permutation(len(rows))[: self.count]])
            lines = [f"{row.text}\t{row.label}\n" for row in part.rows]
            target.write_text("document\tlabel\n" + "".join(lines), "utf-8")
        return target
