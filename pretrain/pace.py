"""How far a run has come at a step, in what its schedule counts: steps, tokens, or seconds of the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

from accelerate import Accelerator

from pretrain.model import zeros
from pretrain.schedule import Schedule

#: Seconds between two looks at the main process's clock, and steps at most. In between it is reckoned, since for each
#: look all processes wait for another.
_LOOK_SECONDS, _LOOK_STEPS = 1.0, 10


@dataclass(frozen=True)
class Point:
    """What was done before a step, what the step adds, and what it is in all: steps, tokens, or seconds. Parts of the
    schedule begin with whole multiples of `unit`; 0: anywhere."""

    done: float
    amount: float
    total: float
    unit: float = 0.0


class Pace(Protocol):
    """Where a run stands. Every process asks for every step, in order, and hears the same."""

    #: What a progress bar counts up to.
    total: float

    def at(self, step: int) -> Point:
        """Before step `step` (from 0) is taken."""

    def over(self, steps: int) -> bool:
        """Whether the run ends after so many steps."""

    def reached(self, steps: int) -> float:
        """Where a progress bar stands after so many steps."""


class StepPace:
    """A run of a known number of steps, whose schedule counts them, or the tokens that they hold in the mean: a
    function of the step."""

    def __init__(self, schedule: Schedule, *, by_tokens: bool) -> None:
        self._schedule, self._by_tokens = schedule, by_tokens
        self.total = float(schedule.steps)

    def at(self, step: int) -> Point:
        """Exact, and without a state."""
        if not self._by_tokens:
            return Point(step, 1.0, self.total, 1.0)
        before = self._schedule.tokens_before
        amount = before(step + 1) - before(step)
        return Point(before(step), amount, before(self._schedule.steps), amount)

    def over(self, steps: int) -> bool:
        """After the last one."""
        return steps >= self._schedule.steps

    def reached(self, steps: int) -> float:
        """So many steps."""
        return float(steps)


class ClockPace:
    """A run that ends when its time is over, by the main process's clock; `before`: seconds of earlier sessions.

    It goes from the end of a session's first step: before that a model is compiled and libraries are loaded, which
    would use up the warm-up.
    """

    def __init__(self, minutes: float, before: float, first_step: int, accelerator: Accelerator) -> None:
        self.total = 60.0 * minutes
        self._before, self._began, self._accelerator = before, 0.0, accelerator
        self._looked, self._seconds, self._each = first_step, before, 0.0
        self._first = first_step
        self._next = first_step + 1

    def at(self, step: int) -> Point:
        """By the clock, or reckoned from the last look at it."""
        if step >= self._next:
            self._look(step)
        return Point(self.reached(step), self._each, self.total)

    def over(self, steps: int) -> bool:
        """When the time is over: reckoned to be, and found to be."""
        if self.reached(steps) < self.total:
            return False
        # What was reckoned from an evaluation's steps is too much. All processes reckon alike, so all look.
        if steps > self._first:
            self._look(steps)
        return self._seconds >= self.total

    def reached(self, steps: int) -> float:
        """Seconds."""
        return min(self._seconds + self._each * (steps - self._looked), self.total)

    def _look(self, step: int) -> None:
        now = time.monotonic()
        self._began = self._began or now
        seconds = self._before + now - self._began
        if self._accelerator.num_processes > 1:
            mine = zeros(self._accelerator.device)[:1] + (seconds if self._accelerator.is_main_process else 0.0)
            seconds = float(self._accelerator.reduce(mine, "sum"))
        if step > self._looked:
            self._each = (seconds - self._seconds) / (step - self._looked)
        self._looked, self._seconds = step, seconds
        steps = int(_LOOK_SECONDS / self._each) if self._each > 0 else 1
        self._next = step + min(max(steps, 1), _LOOK_STEPS)
