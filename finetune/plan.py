"""A ladder's plan: which models, on which tasks."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import field
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from finetune.data.known import find_task
from finetune.data.read import Source, input_files
from finetune.heads import KINDS
from pipeline.errors import InputError
from pretrain.folder import model_files

TFIDF = "tfidf"
WAYS = ("random", "frozen")
#: No key that nobody reads.
KNOWN = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=KNOWN)
class Entry:
    """A task with its files and columns; `set` are its own settings, `name` what its column is called."""

    task: str
    train: str
    test: str | None = None
    dev: str | None = None
    text: str | None = None
    pair: str | None = None
    label: str | None = None
    name: str | None = None
    set: list[str] = field(default_factory=list)

    @property
    def called(self) -> str:
        """Its name in the table."""
        return self.name or self.task

    def able(self, model: str) -> bool:
        """Whether this way of learning fits the kind of task."""
        return find_task(self.task).kind in KINDS or not (model == TFIDF or model.startswith("frozen:"))


@dataclass(frozen=True, config=KNOWN)
class Plan:
    """Models, of which the first is what the others are compared with, and tasks."""

    models: list[str]
    tasks: list[Entry]


def called(model: str) -> str:
    """A model's name in the table.

    >>> called("random:runs/law"), called("frozen:runs/law"), called("runs/law/")
    ('law, random', 'law, frozen', 'law')
    """
    way, colon, folder = model.partition(":")
    return f"{Path(folder).name}, {way}" if colon and way in WAYS else Path(model).name


def read_plan(path: Path | None, models: Sequence[str], tasks: Sequence[str]) -> Plan:
    """The plan in a file, or what flags say, checked before anything is trained.

    Raises InputError if neither or both are given, and for a file that is no plan, a task there is not, a file or a
    model's folder that is not there, and two models or tasks of one name.
    """
    if path is not None:
        if models or tasks:
            raise InputError("give --plan, or --models and --tasks")
        plan = _from_file(path)
    else:
        plan = Plan(list(models), [_entry(task) for task in tasks])
    if not plan.models or not plan.tasks:
        raise InputError("a ladder needs models and tasks: --plan FILE, or --models ... --tasks TASK=TRAIN,TEST ...")
    for what, names in (("models", list(map(called, plan.models))), ("tasks", [task.called for task in plan.tasks])):
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"two {what} are called {name!r}: rename a folder, or give a task a name of its own")
            if Path(name).name != name or name.startswith("."):
                raise InputError(f"{name!r} cannot name a folder: give another name")
    for entry in plan.tasks:
        Source(entry.task, entry.text, entry.pair, entry.label).resolved()
        for named in (entry.train, entry.dev, entry.test):
            if named is not None:
                input_files(named)
    for model in plan.models:
        way, colon, folder = model.partition(":")
        if model != TFIDF:
            known = colon and way in WAYS
            model_files(Path(folder if known else model), random_weights=bool(known) and way == "random")
    return plan


def _from_file(path: Path) -> Plan:
    try:
        return TypeAdapter(Plan).validate_python(tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"cannot read the plan {path}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(f"{path}: {place}: {first['msg']}") from None


def _entry(text: str) -> Entry:
    task, equals, files = text.partition("=")
    train, *rest = files.split(",")
    if not equals or not train or len(rest) > 1 or not all(rest):
        raise InputError(f"--tasks {text}: write it as TASK=TRAIN or TASK=TRAIN,TEST; more is said in a plan")
    return Entry(task, train, rest[0] if rest else None)
