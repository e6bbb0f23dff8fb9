"""Steps, phases, epochs and masking rates; how far a run has come."""

import dataclasses
from types import SimpleNamespace

import pytest
import torch

from pipeline.errors import InputError
from pretrain import pace
from pretrain.pace import ClockPace, Point, StepPace
from pretrain.schedule import Epoch, Schedule, mask_key, masking_at
from pretrain.settings import PhaseSettings, TrainSettings
from tests.pretrain.test_model import TRAIN

#: Half as many examples at twice the block; a fifth of it is not filled.
BLOCKS = {32: Epoch(103, 103 * 26), 64: Epoch(51, 51 * 52)}


def planned(**changes: object) -> Schedule:
    return Schedule.plan(dataclasses.replace(TRAIN, **changes), 32, BLOCKS.__getitem__)


def test_steps() -> None:
    by_epochs, by_steps, by_tokens = planned(epochs=3), planned(max_steps=100), planned(max_tokens=26 * 16 * 7 + 200)
    assert [schedule.steps for schedule in (by_epochs, by_steps, by_tokens)] == [18, 100, 7]
    assert planned(max_tokens=1).steps == 1
    assert by_steps.place(0) == by_steps.place(0) and by_steps.place(13).epoch == 2 and by_steps.place(13).offset == 1
    with pytest.raises(InputError, match="gives 103 examples of 32 tokens an epoch, fewer than a batch of 104"):
        planned(batch_size=104)


def test_phases() -> None:
    """Each has its own block, batch and rate, begins where the one before ends, and with an epoch of its own."""
    first = PhaseSettings(steps=14)
    second = PhaseSettings(tokens=52 * 10 * 9, block_size=64, batch_size=10, learning_rate=5e-4)
    third = PhaseSettings(steps=2, block_size=64)
    schedule = planned(phases=[first, second, third])
    one, two, three = schedule.phases
    assert (one.first, one.steps, one.first_epoch, one.steps_per_epoch) == (0, 14, 0, 6)
    assert (two.first, two.steps, two.first_epoch, two.steps_per_epoch) == (14, 9, 3, 5)
    assert (three.first, three.steps, three.first_epoch, three.steps_per_epoch) == (23, 2, 5, 3)
    assert (two.block_size, two.batch_size, two.learning_rate) == (64, 10, 5e-4)
    assert (three.batch_size, three.learning_rate) == (TRAIN.batch_size, TRAIN.learning_rate)
    assert schedule.steps == 25 and schedule.longest_block == 64
    places = [schedule.place(step) for step in range(25)]
    epochs = [place.epoch for place in places]
    assert epochs == [0] * 6 + [1] * 6 + [2] * 2 + [3] * 5 + [4] * 4 + [5] * 2
    assert [place.offset for place in places][12:20] == [0, 1, 0, 1, 2, 3, 4, 0]
    # No two steps take the same place of the same epoch.
    assert len({(place.epoch, place.offset) for place in places}) == 25


def test_tokens_before_a_step() -> None:
    schedule = planned(phases=[PhaseSettings(steps=4), PhaseSettings(steps=3, block_size=64)])
    each = [26 * 16.0] * 4 + [52 * 16.0] * 3
    assert [schedule.tokens_before(step) for step in range(8)] == pytest.approx([sum(each[:n]) for n in range(8)])


def test_how_long_is_said_once() -> None:
    with pytest.raises(ValueError, match="by max_steps and by budget_minutes: leave one"):
        dataclasses.replace(TRAIN, max_steps=3, budget_minutes=1.0)
    with pytest.raises(ValueError, match="one of the two"):
        PhaseSettings(steps=3, tokens=3)
    with pytest.raises(ValueError, match="one of the two"):
        PhaseSettings(block_size=64)
    with pytest.raises(ValueError, match="mlm_probability_end"):
        dataclasses.replace(TRAIN, budget_minutes=1.0, mlm_probability_end=0.3)


def test_the_rate_moves_from_the_first_value_to_the_last() -> None:
    settings = dataclasses.replace(TRAIN, mlm_probability=0.3, mlm_probability_end=0.15, max_steps=31)
    rates = [planned(max_steps=31).masking(step, settings).rate for step in range(31)]
    assert rates[0] == 0.3 and rates[-1] == pytest.approx(0.15) and rates[10] == pytest.approx(0.25)
    assert {planned(max_steps=31).masking(step, TRAIN).rate for step in range(31)} == {0.15}
    assert planned(max_steps=1).masking(0, settings).rate == 0.3


def test_the_other_settings_reach_the_masks() -> None:
    settings = dataclasses.replace(TRAIN, mask_replace_prob=0.7, whole_word_mask=True, fixed_mask_count=True)
    masking = masking_at(0.0, settings)
    assert (masking.mask, masking.random, masking.whole_word, masking.fixed) == (0.7, 0.1, True, True)


def test_masks_differ_by_epoch_and_seed() -> None:
    other = dataclasses.replace(TRAIN, seed=1)
    assert len({int(mask_key(settings, epoch)) for settings in (TRAIN, other) for epoch in range(5)}) == 10


def test_a_known_number_of_steps() -> None:
    schedule = planned(phases=[PhaseSettings(steps=4), PhaseSettings(steps=3, block_size=64)])
    steps, tokens = StepPace(schedule, by_tokens=False), StepPace(schedule, by_tokens=True)
    assert steps.at(5) == Point(5, 1, 7, 1) and (steps.total, steps.reached(3)) == (7, 3)
    assert tokens.at(5) == Point(26 * 16 * 4 + 52 * 16, 52 * 16, 26 * 16 * 4 + 52 * 16 * 3, 52 * 16)
    assert [pace.over(7) for pace in (steps, tokens)] == [True, True] and not tokens.over(6)


class Machine:
    """A clock and an accelerator of one of several processes: what the main one reads is what all hear."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, processes: int = 1) -> None:
        self.now, self.looks = 100.0, 0
        cpu = torch.device("cpu")
        self.accelerator = SimpleNamespace(num_processes=processes, is_main_process=True, device=cpu, reduce=self.add)
        monkeypatch.setattr(pace.time, "monotonic", self.read)

    def read(self) -> float:
        self.looks += 1
        return self.now

    def add(self, mine: object, how: str) -> object:
        assert how == "sum"
        return mine


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("each", [0.01, 0.3, 7.0])
def test_a_run_by_the_clock(monkeypatch: pytest.MonkeyPatch, each: float, processes: int) -> None:
    """It ends within a step of its time, which begins after the first step, whatever that and evaluations took; and the
    clock is not looked at for each of many short steps."""
    machine = Machine(monkeypatch, processes)
    clock = ClockPace(0.5, 0.0, 0, machine.accelerator)
    step, shares, began = 0, [], 0.0
    while not clock.over(step):
        point = clock.at(step)
        began = machine.now if step == 1 else began
        shares.append(point.done / point.total)
        machine.now += 50 if step == 0 else each + (2.0 if step % 10 == 0 else 0.0)
        step += 1
    assert 30 <= machine.now - began <= 30 + each + 2.0
    assert shares[:2] == [0, 0] and shares[-1] > (30 - 2 * each - 2.5) / 30
    assert clock.reached(step) == clock.total == 30
    assert machine.looks <= (step // 10 + 40 if each == 0.01 else step + 2)


def test_a_run_by_the_clock_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds of earlier sessions count; processes other than the main one hear its clock; what was over stays it."""
    machine = Machine(monkeypatch, 2)
    clock = ClockPace(0.5, 12.0, 40, machine.accelerator)
    assert clock.at(40) == Point(12, 0, 30) and not clock.over(41)
    machine.now += 300
    assert clock.at(41) == Point(12, 0, 30)
    machine.accelerator.is_main_process = False
    machine.accelerator.reduce = lambda mine, how: mine + 21.0
    machine.now += 500
    assert clock.at(42) == Point(21, 9, 30) and not clock.over(42)
    assert clock.reached(43) == 30 and not clock.over(43), "reckoned to be over, but the clock says otherwise"
    machine.accelerator.reduce = lambda mine, how: mine + 31.0
    clock.at(44)
    assert clock.over(45)
    assert ClockPace(0.5, 30.0, 40, machine.accelerator).over(40)


def test_settings_of_a_run_by_the_clock() -> None:
    schedule = planned(budget_minutes=2.0)
    assert (schedule.steps, schedule.minutes) == (0, 2.0)
    far = schedule.place(10_000)
    assert (far.epoch, far.offset) == divmod(10_000, 6)
    assert isinstance(TRAIN, TrainSettings) and schedule.masking(10_000, TRAIN).rate == TRAIN.mlm_probability
