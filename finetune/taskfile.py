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
from pretrain.folder import first_line

TASK = "task.json"
#: Of what stands in it.
VERSION = 1


@dataclass(frozen=True)
class TaskFile:
    """`text`, `pair` and `label` are columns (no `pair`: a row is one text); `names` as the kind has them.

    cleaning: the steps that texts go through.
    """

    task: str
    text: str
    pair: str | None
    names: tuple[str, ...]
    cleaning: tuple[str, ...]
    max_length: int
    stride: int
    choice: str
    label: str = "label"
    version: int = VERSION

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
        found = json.loads(path.read_text("utf-8"))
        version = found.get("version") if isinstance(found, dict) else None
        if version != VERSION:
            raise InputError(f"{path} is of version {version}, this Hanbeot reads {VERSION}: fine-tune again")
        task = TypeAdapter(TaskFile).validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: key {key}: {first['msg']}; the file is damaged: fine-tune again") from None
    except ValueError as error:
        raise InputError(f"{path}: damaged ({first_line(error)}): fine-tune again") from None
    try:
        find_task(task.task)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return task
