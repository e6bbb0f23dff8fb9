"""The kind of each task, with what its papers count otherwise."""

from __future__ import annotations

from finetune.data.known import find_task
from finetune.kinds.classes import Classification, MultiLabel
from finetune.kinds.entities import Entities
from finetune.kinds.kind import Kind
from finetune.kinds.numbers import Regression
from finetune.kinds.passages import Passages
from finetune.scoring.answers import klue_form
from finetune.scoring.numbers import SAME

_KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (Classification(), MultiLabel(), Regression(), Entities(), Passages())
}
_OF_TASK: dict[str, Kind] = {
    "klue-re": Classification(without=("no_relation",)),
    "klue-sts": Regression(threshold=SAME),
    "klue-mrc": Passages(form=klue_form),
}


def kind_of(task: str) -> Kind:
    """The kind of a task by its name; raises InputError for a name there is not."""
    return _OF_TASK.get(task) or _KINDS[find_task(task).kind]
