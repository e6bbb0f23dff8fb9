"""A training run, as one process sees it: what it consists of, and what came out."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from accelerate import Accelerator

from pretrain.checkpoint import CHECKPOINTS
from pretrain.dataset import Share
from pretrain.evaluate import Scores, Spelling
from pretrain.flops import Work
from pretrain.layout import Layout
from pretrain.masking import PairMaskingCollator
from pretrain.model import PretrainingObjective
from pretrain.nsp import PairPlan
from pretrain.prepared import Prepared
from pretrain.schedule import Schedule
from pretrain.settings import ModelSettings, TrainSettings


@dataclass
class Run:
    """What one training run consists of, on one process."""

    folder: Path
    prepared: Prepared
    objective: PretrainingObjective
    settings: TrainSettings
    schedule: Schedule
    collator: PairMaskingCollator
    accelerator: Accelerator
    share: Share
    shape: ModelSettings
    #: Batches are padded on to a multiple of so many tokens; 0: to the block.
    multiple: int = 1
    #: The form that the model takes batches in.
    layout: Layout = field(default_factory=Layout)
    #: Steps and their work (no padding) since the last record, and when that was.
    recent_steps: int = 0
    recent_work: Work = field(default_factory=Work)
    recent_since: float = field(default_factory=time.monotonic)
    #: The held-out plan of each block.
    heldout_plans: dict[int, PairPlan | None] = field(default_factory=dict)
    #: What the progress line says of the last evaluation.
    told: str = ""

    def begin_record(self) -> None:
        """Start counting towards the next record."""
        self.recent_steps, self.recent_work, self.recent_since = 0, Work(), time.monotonic()

    def share_at(self, block_size: int) -> Share:
        """This process's part at a block: a micro-batch is for the longest one, of shorter ones there are more."""
        return replace(self.share, micro_batch=self.share.micro_batch * self.schedule.longest_block // block_size)

    def beside(self) -> dict[str, bytes]:
        """What stands beside weights for transformers to load them: configuration and tokenizer."""
        return {"config.json": self.objective.model.config.to_json_string().encode(), **self.prepared.tokenizer_files}

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.folder / CHECKPOINTS

    @cached_property
    def spelling(self) -> Spelling:
        """What the entries of the vocabulary spell."""
        return Spelling.of(self.prepared.tokenizer_files["tokenizer.json"])


@dataclass(frozen=True)
class Outcome:
    """Steps done, held-out scores after the last one (None without held-out text); mean speed and seconds over all
    sessions."""

    steps: int
    held_out: Scores | None
    tokens_per_second: float
    seconds: float
