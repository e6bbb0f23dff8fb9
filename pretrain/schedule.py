"""Which examples a step of a run takes and how they are masked: functions of (settings, step). No torch here.

Training walks through these, and `pretrain.examples --which` asks them for any one step.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.errors import InputError
from pretrain.batches import EpochOrder, by_length
from pretrain.draws import MASKS, stream
from pretrain.masks import Masking
from pretrain.nsp import PairPlan
from pretrain.settings import TrainSettings


@dataclass(frozen=True)
class Schedule:
    """How many steps there are and to which epoch each belongs."""

    steps: int
    steps_per_epoch: int

    @classmethod
    def plan(cls, settings: TrainSettings, examples: int) -> Schedule:
        """From the number of examples of the first epoch; raises InputError if they do not fill one batch."""
        per_epoch = examples // settings.batch_size
        if not per_epoch:
            raise InputError(
                f"the corpus gives {examples} examples an epoch, fewer than train.batch_size {settings.batch_size}: "
                "lower train.batch_size or examples.block_size, or bring more text"
            )
        return cls(settings.max_steps or settings.epochs * per_epoch, per_epoch)

    def order(self, plan: PairPlan, block_size: int, settings: TrainSettings, epoch: int) -> EpochOrder:
        """The order of an epoch's examples."""
        bins = by_length(plan, block_size) if settings.group_by_length else None
        return EpochOrder(len(plan), settings.batch_size, self.steps_per_epoch, settings.seed, epoch, bins)

    def masking(self, step: int, settings: TrainSettings) -> Masking:
        """How the examples of a step (from 0) are masked: the rate moves from the first value to the last by equal
        amounts."""
        start, end = settings.mlm_probability, settings.mlm_probability_end
        return Masking(
            rate=start + (end - start) * step / max(self.steps - 1, 1),
            mask=settings.mask_replace_prob,
            random=settings.random_replace_prob,
            whole_word=settings.whole_word_mask,
            fixed=settings.fixed_mask_count,
        )


def mask_key(settings: TrainSettings, epoch: int) -> np.uint64:
    """What the masks of an epoch are drawn from."""
    return stream(settings.seed, MASKS, epoch)
