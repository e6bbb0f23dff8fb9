"""Assembled batches, their order, and their division over processes."""

import dataclasses
import threading
from itertools import chain, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader
from transformers import AutoTokenizer

from pretrain.batches import BINS, EpochOrder, assemble, by_length, share_of
from pretrain.dataset import PairDataset, Share, StepBatches
from pretrain.draws import MASKS, stream
from pretrain.masking import PairMaskingCollator
from pretrain.nsp import PAIR, draw_plan, lengths_of
from pretrain.prepared import Prepared, open_prepared
from tests.conftest import EXAMPLES


@pytest.fixture(scope="module")
def prepared(sample_examples: Path) -> Prepared:
    return open_prepared(sample_examples)


@pytest.fixture(scope="module")
def collator(sample_examples: Path) -> PairMaskingCollator:
    return PairMaskingCollator(AutoTokenizer.from_pretrained(sample_examples))


def dataset_of(prepared: Prepared, epoch: int = 0) -> PairDataset:
    return PairDataset(prepared.train, prepared.plan(epoch), prepared.frame, stream(0, MASKS, epoch))


@pytest.mark.parametrize("objective", ["nsp", "sop", "none"])
def test_a_batch_is_what_the_tokenizer_would_frame(
    prepared: Prepared, collator: PairMaskingCollator, objective: str
) -> None:
    rows = draw_plan(prepared.train, dataclasses.replace(EXAMPLES, objective=objective), 0)[:50]
    arrays = assemble(prepared.train, rows, prepared.frame)
    pairs = []
    for row in rows:
        segments = [
            prepared.train.ids[row[start] : row[start] + row[length]].tolist()
            for start, length in (("a_start", "a_len"), ("b_start", "b_len"))
        ]
        second = [*segments[1], 3] if segments[1] else []
        ids = [2, *segments[0], 3, *second]
        types = [0] * (len(segments[0]) + 2) + [1] * len(second)
        special = collator.tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True)
        pairs.append({"input_ids": ids, "token_type_ids": types, "special_tokens_mask": special})
    expected = collator.tokenizer.pad(pairs, return_tensors="np")
    expected["special_tokens_mask"][expected["input_ids"] == 0] = 1
    for name in ("input_ids", "token_type_ids", "attention_mask", "special_tokens_mask"):
        assert (arrays[name] == expected[name]).all(), name
    assert arrays["next_sentence_label"].tolist() == rows["label"].tolist()
    assert set(rows["label"].tolist()) == ({-100} if objective == "none" else {0, 1})


@pytest.mark.parametrize(("multiple", "width"), [(1, 30), (8, 32), (32, 32)])
def test_padded_on_to_a_multiple(prepared: Prepared, multiple: int, width: int) -> None:
    plan = prepared.plan(0)
    rows = plan[lengths_of(plan) <= 30][:8]
    narrow, wide = (assemble(prepared.train, rows, prepared.frame, each) for each in (1, multiple))
    assert wide["input_ids"].shape[1] == width
    padding = {"input_ids": 0, "token_type_ids": 0, "attention_mask": 0, "special_tokens_mask": 1}
    for name, value in padding.items():
        short = narrow[name].shape[1]
        assert (wide[name][:, :short] == narrow[name]).all() and (wide[name][:, short:] == value).all()


def test_one_by_one_is_all_at_once(prepared: Prepared) -> None:
    dataset = dataset_of(prepared)
    together = dataset.__getitems__([5, 9, 2])
    for place, row in enumerate((5, 9, 2)):
        alone = dataset[row]
        for name, value in alone.items():
            assert (np.atleast_1d(together[name][place])[: np.size(value)] == value).all()


def all_rows(order: EpochOrder, first: int = 0) -> list[list[int]]:
    return [order.rows(step).tolist() for step in range(first, order.steps)]


def test_an_epoch_visits_every_example_once() -> None:
    rows = list(chain(*all_rows(EpochOrder(103, 10, 10, seed=0, epoch=0))))
    assert len(set(rows)) == 100
    more = list(chain(*all_rows(EpochOrder(95, 10, 10, seed=0, epoch=1))))
    assert set(more) == set(range(95)) and len(more) == 100, "a missing few come from the beginning again"


def test_orders_differ_by_epoch_and_seed() -> None:
    order = all_rows(EpochOrder(103, 10, 10, seed=0, epoch=3))
    assert order != all_rows(EpochOrder(103, 10, 10, seed=0, epoch=4))
    assert order != all_rows(EpochOrder(103, 10, 10, seed=1, epoch=3))


def plan_of_lengths(count: int, block: int) -> np.ndarray:
    """A plan like a corpus's: half of it full blocks, the rest of any length."""
    lengths = np.random.default_rng(0).integers(8, block + 1, count)
    lengths[: count // 2] = block
    plan = np.zeros(count, PAIR)
    plan["a_len"], plan["b_len"] = 4, lengths - 7
    return np.random.default_rng(1).permutation(plan)


def test_batches_of_one_length() -> None:
    """Every example once, in batches whose padding is little, in an order that is not that of their lengths."""
    plan = plan_of_lengths(20_000, 512)
    lengths = lengths_of(plan)
    bins = by_length(plan, 512)
    order = EpochOrder(len(plan), 256, len(plan) // 256, seed=0, epoch=0, bins=bins)
    batches = [order.rows(step) for step in range(order.steps)]
    rows = np.concatenate(batches)
    assert len(set(rows.tolist())) == len(rows) == order.steps * 256
    widths = np.array([lengths[batch].max() for batch in batches])
    padding = 1 - lengths[rows].sum() / (widths.sum() * 256)
    plain = EpochOrder(len(plan), 256, order.steps, seed=0, epoch=0)
    plain_padding = 1 - lengths[rows].sum() / (order.steps * 256 * 512)
    assert max(lengths[plain.rows(0)]) == 512 and plain_padding > 0.2 and padding < 0.03
    assert abs(np.corrcoef(widths[:-1], widths[1:])[0, 1]) < 0.4, "short and long ones take turns"
    other = EpochOrder(len(plan), 256, order.steps, seed=0, epoch=1, bins=bins)
    companions = [set(batch.tolist()) for batch in batches]
    assert max(len(set(other.rows(0).tolist()) & batch) for batch in companions) < 128, "in other company"


def test_what_is_left_over_is_not_always_the_longest() -> None:
    plan = plan_of_lengths(1000, 128)
    lengths, bins = lengths_of(plan), by_length(plan, 128)
    left = []
    for epoch in range(60):
        order = EpochOrder(1000, 300, 3, seed=0, epoch=epoch, bins=bins)
        taken = np.concatenate([order.rows(step) for step in range(3)])
        left.append(lengths[np.setdiff1d(np.arange(1000), taken)].mean())
    assert abs(np.mean(left) - lengths.mean()) < 15 and np.std(left) > 10


def test_bins_hold_every_row_by_length() -> None:
    for block in (8, 20, 128, 512):
        plan = plan_of_lengths(300, block)
        bins = by_length(plan, block)
        assert sorted(bins.rows.tolist()) == list(range(300)) and len(bins.bounds) == BINS + 1
        lengths = lengths_of(plan)
        parts = [lengths[bins.rows[first:last]] for first, last in pairwise(bins.bounds)]
        filled = [part for part in parts if len(part)]
        assert all(a.max() < b.min() for a, b in pairwise(filled))
        assert all(part.max() - part.min() < -(-block // BINS) for part in filled)


@pytest.mark.parametrize("processes", [1, 2, 3, 8])
@pytest.mark.parametrize("micro_batch", [1, 3, 100])
def test_shares_make_up_the_global_batch(processes: int, micro_batch: int) -> None:
    rows = np.arange(20)
    parts = [part for rank in range(processes) for part in share_of(rows, rank, processes, micro_batch)]
    assert np.concatenate(parts).tolist() == rows.tolist() and max(map(len, parts)) <= micro_batch


def examples_of(batches: list[dict[str, torch.Tensor]]) -> list[tuple[list[int], list[int], int]]:
    """(masked ids, labels, NSP label) of each example, without padding."""
    found = []
    for batch in batches:
        for row in range(len(batch["input_ids"])):
            length = int(batch["attention_mask"][row].sum())
            found.append(
                (
                    batch["input_ids"][row, :length].tolist(),
                    batch["labels"][row, :length].tolist(),
                    int(batch["next_sentence_label"][row]),
                )
            )
    return found


def rate(step: int) -> float:
    """A masking rate that changes."""
    return 0.1 + 0.05 * step


def steps(prepared, collator, processes=1, micro_batch=12, workers=0, first=0, multiple=1, grouped=False):
    """Every step's examples in global order, gathered over the processes."""
    plan = prepared.plan(1)
    dataset = PairDataset(prepared.train, plan, prepared.frame, stream(0, MASKS, 1), multiple)
    bins = by_length(plan, 32) if grouped else None
    order = EpochOrder(len(plan), 12, 9, seed=0, epoch=1, bins=bins)
    by_rank = [
        list(StepBatches(dataset, order, collator, Share(rank, processes, micro_batch, workers), rate).from_step(first))
        for rank in range(processes)
    ]
    return [[example for rank in by_rank for example in examples_of(rank[step])] for step in range(9 - first)]


def test_each_step_is_masked_at_its_rate(prepared, collator) -> None:
    plan = prepared.plan(1)
    dataset, order = dataset_of(prepared, 1), EpochOrder(len(plan), 12, 9, seed=0, epoch=1)
    made = StepBatches(dataset, order, collator, Share(0, 1, 12, 0), rate)
    for step in (0, 8):
        expected = collator.torch_call(dataset.__getitems__(order.rows(step)), 0.1 + 0.05 * step)
        (found,) = made.of_step(step)
        assert expected.keys() == found.keys() and all(torch.equal(expected[name], found[name]) for name in found)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize(
    ("processes", "micro_batch", "workers", "multiple"),
    [(2, 12, 0, 1), (4, 2, 0, 1), (1, 5, 0, 32), (1, 12, 2, 1), (2, 3, 1, 8)],
)
def test_the_same_examples_and_masks_however_they_are_divided(
    prepared, collator, processes: int, micro_batch: int, workers: int, multiple: int, grouped: bool
) -> None:
    divided = steps(prepared, collator, processes, micro_batch, workers, multiple=multiple, grouped=grouped)
    assert divided == steps(prepared, collator, grouped=grouped)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("first", [1, 4, 8])
def test_the_same_after_a_restart_at_any_step(prepared, collator, first: int, grouped: bool, workers: int) -> None:
    again = steps(prepared, collator, first=first, grouped=grouped, workers=workers)
    assert again == steps(prepared, collator, grouped=grouped)[first:]


def test_a_step_is_found_without_those_before_it(prepared, collator) -> None:
    """Far into an epoch of a size that no list of its rows would fit into memory."""
    order = EpochOrder(2**45, 8, 2**42, seed=0, epoch=1)
    rows = order.rows(2**42 - 1)
    assert len(set(rows.tolist())) == 8 and rows.max() > 2**40


def test_batches_stop_being_made_when_nobody_takes_them(prepared, collator) -> None:
    order = EpochOrder(len(prepared.plan(1)), 12, 1000, seed=0, epoch=1)
    made = []
    before = threading.active_count()

    def counted(step: int) -> float:
        made.append(step)
        return 0.15

    batches = StepBatches(dataset_of(prepared, 1), order, collator, Share(0, 1, 12, 2), counted).from_step(0)
    next(batches)
    batches.close()
    assert len(made) <= 6 and threading.active_count() == before


def test_an_error_in_a_thread_is_the_caller_s(prepared, collator) -> None:
    def broken(step: int) -> float:
        raise ValueError("no rate")

    order = EpochOrder(len(prepared.plan(1)), 12, 5, seed=0, epoch=1)
    with pytest.raises(ValueError, match="no rate"):
        list(StepBatches(dataset_of(prepared, 1), order, collator, Share(0, 1, 12, 2), broken).from_step(0))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_stock_data_loader_takes_the_data_set(prepared, collator, workers: int) -> None:
    dataset = dataset_of(prepared)
    context = "spawn" if workers else None
    loader = DataLoader(
        dataset, batch_size=16, collate_fn=collator, num_workers=workers, multiprocessing_context=context
    )
    found = [example for number, batch in zip(range(3), loader, strict=False) for example in examples_of([batch])]
    expected = collator(dataset.__getitems__(range(48)))
    assert found == examples_of([expected])
