"""`task.json`: what a fine-tuned folder was taught, beside the weights, so that prediction does as training did."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from finetune.data.known import find_task
from finetune.kinds.every import kind_of
from finetune.kinds.kind import Kind, Reading
from pipeline.errors import InputError

TASK = "task.json"


@dataclass(frozen=True)
class TaskFile:
    """`text` and `pair` are columns (no `pair`: a row is one text); `names` as the kind has them; `cleaning` are the
    steps that texts go through."""

    task: str
    text: str
    pair: str | None
    names: tuple[str, ...]
    cleaning: tuple[str, ...]
    max_length: int
    stride: int
    choice: str

    @property
    def reading(self) -> Reading:
        """How long its inputs are."""
        return Reading(self.max_length, self.stride)

    @property
    def kind_of_task(self) -> Kind:
        """What turns its rows into examples and its outputs into answers."""
        return kind_of(self.task)


def write_task(task: TaskFile, folder: Path) -> None:
    """Write `TASK`."""
    (folder / TASK).write_text(json.dumps(asdict(task), indent=1, ensure_ascii=False) + "\n", "utf-8")


def read_task(folder: Path) -> TaskFile:
    """Read it; raises InputError if it is not there or not understood."""
    path = folder / TASK
    if not path.is_file():
        raise InputError(f"{folder} holds no {TASK}: it is not a model that `make finetune` made")
    try:
        task = TypeAdapter(TaskFile).validate_json(path.read_text("utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not understood: {str(error).splitlines()[0]}; fine-tune again") from None
    find_task(task.task)
    return task
