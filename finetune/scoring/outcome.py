"""What came out of a fine-tuning, as the report is told it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from finetune.scoring.mistakes import Mistake
from finetune.scoring.protocol import Uses
from finetune.scoring.scores import Scores


@dataclass(frozen=True)
class Part:
    """Rows of train, dev or test.

    source: the file, or what it was carved from (`a fifth of train.tsv`). skipped: rows left out for having no text.
    duplicates: rows whose text stands in a part before it (train, dev, test) too; `excluded`: they are left out.
    classes: rows of each class, () where there are none.
    """

    name: str
    source: str
    rows: int
    skipped: int = 0
    duplicates: int = 0
    excluded: bool = False
    classes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Epoch:
    """One pass over train. Losses are means; `train`, `dev`, `test` are values of the measure to choose by.

    train: None where train is not scored. test: only where test was looked at after each epoch (the peers' protocol).
    """

    number: int
    train_loss: float
    dev_loss: float
    dev: float
    train: float | None = None
    test: float | None = None


@dataclass(frozen=True)
class Run:
    """One seed: its epochs, the one chosen on dev, and how that one scored."""

    seed: int
    epochs: tuple[Epoch, ...]
    best_epoch: int
    dev: Scores
    test: Scores | None


@dataclass(frozen=True)
class Outcome:
    """A fine-tuning with all of its seeds.

    task: the task's name; kind: classification, regression, multilabel, ner or qa; model: what was tuned. measure: the
    name of the measure to choose by. runs: at least one; `chosen` is the place of the one whose model is kept and whose
    classes, confusion and mistakes are shown. mistakes: of `mistakes_of`, a part's name. uses: looks at this test
    before this one. peer: whether to print what choosing on test would have given. notes: sentences for the reader.
    """

    task: str
    kind: str
    model: str
    measure: str
    parts: tuple[Part, ...]
    settings: Mapping[str, object]
    runs: tuple[Run, ...]
    chosen: int = 0
    mistakes: tuple[Mistake, ...] = ()
    mistakes_of: str = "dev"
    uses: Uses | None = None
    peer: bool = False
    notes: tuple[str, ...] = field(default=())

    @property
    def kept(self) -> Run:
        """The run whose model is kept."""
        return self.runs[self.chosen]
