"""The kinds of tasks there are, by name."""

from __future__ import annotations

from finetune.kinds.classes import Classification, MultiLabel
from finetune.kinds.entities import Entities
from finetune.kinds.kind import Kind
from finetune.kinds.numbers import Regression
from finetune.kinds.passages import Passages

KINDS: dict[str, Kind] = {
    kind.name: kind for kind in (Classification(), MultiLabel(), Regression(), Entities(), Passages())
}
