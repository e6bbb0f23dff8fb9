"""Assembled batches, their order, and their division over processes."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer

from pretrain.batches import EpochOrder, assemble, share_of
from pretrain.dataset import PairDataset, Share, step_batches
from pretrain.draws import MASKS, stream
from pretrain.masking import PairMaskingCollator
from pretrain.prepared import Prepared, open_prepared


@pytest.fixture(scope="module")
def prepared(sample_examples: Path) -> Prepared:
    return open_prepared(sample_examples)


@pytest.fixture(scope="module")
def collator(sample_examples: Path) -> PairMaskingCollator:
    return PairMaskingCollator(AutoTokenizer.from_pretrained(sample_examples))


def dataset_of(prepared: Prepared, epoch: int = 0) -> PairDataset:
    return PairDataset(prepared.train, prepared.plan(epoch), prepared.frame, stream(0, MASKS, epoch))


def test_a_batch_is_what_the_tokenizer_would_frame(prepared: Prepared, collator: PairMaskingCollator) -> None:
    rows = prepared.plan(0)[:50]
    arrays = assemble(prepared.train, rows, prepared.frame)
    pairs = []
    for row in rows:
        segments = [
            prepared.train.ids[row[start] : row[start] + row[length]].tolist()
            for start, length in (("a_start", "a_len"), ("b_start", "b_len"))
        ]
        ids = [2, *segments[0], 3, *segments[1], 3]
        types = [0] * (len(segments[0]) + 2) + [1] * (len(segments[1]) + 1)
        special = collator.tokenizer.get_special_tokens_mask(ids, already_has_special_tokens=True)
        pairs.append({"input_ids": ids, "token_type_ids": types, "special_tokens_mask": special})
    expected = collator.tokenizer.pad(pairs, return_tensors="np")
    expected["special_tokens_mask"][expected["input_ids"] == 0] = 1
    for name in ("input_ids", "token_type_ids", "attention_mask", "special_tokens_mask"):
        assert (arrays[name] == expected[name]).all(), name
    assert arrays["next_sentence_label"].tolist() == rows["is_random_next"].tolist()


def test_one_by_one_is_all_at_once(prepared: Prepared) -> None:
    dataset = dataset_of(prepared)
    together = dataset.__getitems__([5, 9, 2])
    for place, row in enumerate((5, 9, 2)):
        alone = dataset[row]
        for name, value in alone.items():
            assert (np.atleast_1d(together[name][place])[: np.size(value)] == value).all()


def test_an_epoch_visits_every_example_once() -> None:
    rows = np.concatenate(list(EpochOrder(103, 10, 10, seed=0, epoch=0).rows()))
    assert len(set(rows.tolist())) == 100
    more = np.concatenate(list(EpochOrder(95, 10, 10, seed=0, epoch=1).rows()))
    assert set(more.tolist()) == set(range(95)) and len(more) == 100, "a missing few come from the beginning again"


def test_any_step_can_be_the_first() -> None:
    order = EpochOrder(103, 10, 10, seed=0, epoch=3)
    assert np.array_equal(list(order.rows())[7:], list(order.rows(7)))
    assert not np.array_equal(list(order.rows()), list(EpochOrder(103, 10, 10, seed=0, epoch=4).rows()))
    assert not np.array_equal(list(order.rows()), list(EpochOrder(103, 10, 10, seed=1, epoch=3).rows()))


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


def steps(prepared, collator, processes=1, micro_batch=12, workers=0, first=0):
    """Every step's examples in global order, gathered over the processes."""
    order = EpochOrder(len(prepared.plan(1)), 12, 5, seed=0, epoch=1)
    by_rank = [
        list(
            step_batches(dataset_of(prepared, 1), order, collator, Share(rank, processes, micro_batch, workers), first)
        )
        for rank in range(processes)
    ]
    return [[example for rank in by_rank for example in examples_of(rank[step])] for step in range(5 - first)]


@pytest.mark.parametrize(
    ("processes", "micro_batch", "workers"), [(2, 12, 0), (4, 2, 0), (1, 5, 0), (1, 12, 2), (2, 3, 1)]
)
def test_the_same_examples_and_masks_however_they_are_divided(
    prepared, collator, processes: int, micro_batch: int, workers: int
) -> None:
    assert steps(prepared, collator, processes, micro_batch, workers) == steps(prepared, collator)


def test_the_same_after_a_restart_in_the_middle(prepared, collator) -> None:
    assert steps(prepared, collator, first=3) == steps(prepared, collator)[3:]
