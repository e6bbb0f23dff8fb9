"""Which examples a step of a run takes and how they are masked: functions of (settings, step). No torch here.

A run is one phase, or several one after the other (128 tokens, then 512, as BERT's own), each with a block, a batch and
a learning rate. Each begins a new epoch, so that no example comes back with the masks it had. Training walks through
these, and `pretrain.examples --which` asks them for any one step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.errors import InputError
from pretrain.batches import EpochOrder, by_length
from pretrain.draws import MASKS, stream
from pretrain.masks import Masking
from pretrain.nsp import PairPlan, lengths_of
from pretrain.settings import PhaseSettings, TrainSettings


@dataclass(frozen=True)
class Epoch:
    """What the first epoch at some block consists of: how many examples, and their real tokens."""

    examples: int
    tokens: int

    @classmethod
    def of(cls, plan: PairPlan) -> Epoch:
        """That of a plan."""
        return cls(len(plan), int(lengths_of(plan).sum()))


@dataclass(frozen=True)
class Phase:
    """Steps from `first` on, `steps` of them (0: until the time is over), that are alike."""

    first: int
    steps: int
    first_epoch: int
    steps_per_epoch: int
    block_size: int
    batch_size: int
    learning_rate: float
    #: Real tokens of a step, in the mean over the first epoch.
    tokens_per_step: float


@dataclass(frozen=True)
class Place:
    """Where a step stands: its phase, its epoch, and its place in that."""

    phase: Phase
    epoch: int
    offset: int


@dataclass(frozen=True)
class Schedule:
    """The phases of a run; `minutes`: how long it is by the clock, if that is what ends it."""

    phases: tuple[Phase, ...]
    minutes: float = 0.0

    @classmethod
    def plan(cls, settings: TrainSettings, block_size: int, epoch_at: Callable[[int], Epoch]) -> Schedule:
        """From the settings, the examples' own block, and what the first epoch at a block consists of.

        Raises InputError if a phase has fewer examples than one batch.
        """
        whole = PhaseSettings(steps=settings.max_steps, tokens=settings.max_tokens) if _sized(settings) else None
        phases: list[Phase] = []
        first = first_epoch = 0
        parts: list[PhaseSettings | None] = [*settings.phases] or [whole]
        for part in parts:
            phase = _phase(part, settings, block_size, epoch_at, (first, first_epoch))
            phases.append(phase)
            first += phase.steps
            first_epoch += -(-phase.steps // phase.steps_per_epoch)
        return cls(tuple(phases), settings.budget_minutes)

    @property
    def steps(self) -> int:
        """Steps in all; 0 if the clock ends the run."""
        return 0 if self.minutes else self.phases[-1].first + self.phases[-1].steps

    @property
    def longest_block(self) -> int:
        """Tokens of the longest block."""
        return max(phase.block_size for phase in self.phases)

    def phase_of(self, step: int) -> Phase:
        """The phase of a step (from 0)."""
        return next(phase for phase in reversed(self.phases) if phase.first <= step)

    def place(self, step: int) -> Place:
        """Where a step (from 0) stands."""
        phase = self.phase_of(step)
        epoch, offset = divmod(step - phase.first, phase.steps_per_epoch)
        return Place(phase, phase.first_epoch + epoch, offset)

    def tokens_before(self, step: int) -> float:
        """Real tokens of the steps before this one, each counted as the mean of its phase."""
        return sum(
            phase.tokens_per_step * min(max(step - phase.first, 0), phase.steps or step) for phase in self.phases
        )

    def order(self, plan: PairPlan, place: Place, settings: TrainSettings) -> EpochOrder:
        """The order of the examples of an epoch."""
        phase = place.phase
        bins = by_length(plan, phase.block_size) if settings.group_by_length else None
        return EpochOrder(len(plan), phase.batch_size, phase.steps_per_epoch, settings.seed, place.epoch, bins)

    def masking(self, step: int, settings: TrainSettings) -> Masking:
        """How the examples of a step (from 0) are masked."""
        return masking_at(step / max(self.steps - 1, 1), settings)


def masking_at(share: float, settings: TrainSettings) -> Masking:
    """How examples are masked at a share of the steps, from 0 at the first to 1 at the last: the rate moves from its
    first value to the last by equal amounts."""
    start, end = settings.mlm_probability, settings.mlm_probability_end
    return Masking(
        rate=start + (end - start) * share,
        mask=settings.mask_replace_prob,
        random=settings.random_replace_prob,
        whole_word=settings.whole_word_mask,
        fixed=settings.fixed_mask_count,
    )


def mask_key(settings: TrainSettings, epoch: int) -> np.uint64:
    """What the masks of an epoch are drawn from."""
    return stream(settings.seed, MASKS, epoch)


def _sized(settings: TrainSettings) -> bool:
    return bool(settings.max_steps or settings.max_tokens)


def _phase(
    part: PhaseSettings | None,
    settings: TrainSettings,
    block_size: int,
    epoch_at: Callable[[int], Epoch],
    begins: tuple[int, int],
) -> Phase:
    """A phase of the run that begins with a step and an epoch; None: the whole run, by epochs or by the clock."""
    block = (part and part.block_size) or block_size
    batch = (part and part.batch_size) or settings.batch_size
    epoch = epoch_at(block)
    per_epoch = epoch.examples // batch
    if not per_epoch:
        raise InputError(
            f"the corpus gives {epoch.examples} examples of {block} tokens an epoch, fewer than a batch of {batch}: "
            "lower train.batch_size or examples.block_size, or bring more text"
        )
    tokens = epoch.tokens / epoch.examples * batch
    if part is None:
        steps = 0 if settings.budget_minutes else settings.epochs * per_epoch
    else:
        steps = part.steps or max(1, round(part.tokens / tokens))
    rate = (part and part.learning_rate) or settings.learning_rate
    return Phase(begins[0], steps, begins[1], per_epoch, block, batch, rate, tokens)
