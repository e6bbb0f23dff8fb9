"""Steps, epochs and masking rates."""

import dataclasses

import pytest

from pipeline.errors import InputError
from pretrain.schedule import Schedule, mask_key
from tests.pretrain.test_model import TRAIN


def test_steps() -> None:
    assert Schedule.plan(dataclasses.replace(TRAIN, epochs=3), 103) == Schedule(18, 6)
    assert Schedule.plan(dataclasses.replace(TRAIN, max_steps=100), 103) == Schedule(100, 6)
    with pytest.raises(InputError, match=r"gives 15 examples an epoch, fewer than train\.batch_size 16"):
        Schedule.plan(TRAIN, 15)


def test_the_rate_moves_from_the_first_value_to_the_last() -> None:
    settings = dataclasses.replace(TRAIN, mlm_probability=0.3, mlm_probability_end=0.15)
    rates = [Schedule(31, 10).masking(step, settings).rate for step in range(31)]
    assert rates[0] == 0.3 and rates[-1] == pytest.approx(0.15) and rates[10] == pytest.approx(0.25)
    assert {Schedule(31, 10).masking(step, TRAIN).rate for step in range(31)} == {0.15}
    assert Schedule(1, 1).masking(0, settings).rate == 0.3


def test_the_other_settings_reach_the_masks() -> None:
    settings = dataclasses.replace(TRAIN, mask_replace_prob=0.7, whole_word_mask=True, fixed_mask_count=True)
    masking = Schedule(1, 1).masking(0, settings)
    assert (masking.mask, masking.random, masking.whole_word, masking.fixed) == (0.7, 0.1, True, True)


def test_masks_differ_by_epoch_and_seed() -> None:
    other = dataclasses.replace(TRAIN, seed=1)
    assert len({int(mask_key(settings, epoch)) for settings in (TRAIN, other) for epoch in range(5)}) == 10
