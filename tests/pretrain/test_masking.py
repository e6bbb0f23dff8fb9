"""Masking against the slow, obvious reference, its rates, and what it never touches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, DataCollatorForLanguageModeling

from pretrain.dataset import PairDataset
from pretrain.draws import MASKS, stream
from pretrain.masking import IGNORED, PairMaskingCollator, replaceable_ids
from pretrain.prepared import open_prepared
from tests.pretrain import reference


@pytest.fixture(scope="module")
def tokenizer(sample_examples: Path):
    return AutoTokenizer.from_pretrained(sample_examples)


@pytest.fixture(scope="module")
def dataset(sample_examples: Path) -> PairDataset:
    prepared = open_prepared(sample_examples)
    return PairDataset(prepared.train, prepared.plan(0), prepared.frame, stream(0, MASKS, 0))


def test_it_is_a_stock_collator(tokenizer) -> None:
    collator = PairMaskingCollator(tokenizer)
    assert isinstance(collator, DataCollatorForLanguageModeling)
    assert (collator.mlm_probability, collator.mask_replace_prob, collator.random_replace_prob) == (
        0.15,
        0.8,
        0.1,
    )


@pytest.mark.parametrize("rates", [(0.15, 0.8, 0.1), (0.4, 0.5, 0.5), (0.3, 1.0, 0.0), (0.3, 0.0, 0.0)])
def test_against_the_reference(tokenizer, dataset: PairDataset, rates) -> None:
    collator = PairMaskingCollator(
        tokenizer, mlm_probability=rates[0], mask_replace_prob=rates[1], random_replace_prob=rates[2]
    )
    words = replaceable_ids(tokenizer).tolist()
    raw = dataset.__getitems__(range(40))
    batch = collator(raw)
    for row in range(40):
        ids, special = raw["input_ids"][row].tolist(), raw["special_tokens_mask"][row].astype(bool).tolist()
        key = int(raw["draw"][row]) & reference.MASK64
        inputs, labels = reference.masked(ids, special, key, tokenizer.mask_token_id, words, rates)
        assert batch["input_ids"][row].tolist() == inputs
        assert batch["labels"][row].tolist() == labels


def test_a_list_of_examples_is_masked_as_an_assembled_batch(tokenizer, dataset: PairDataset) -> None:
    collator = PairMaskingCollator(tokenizer)
    rows = [3, 1, 4, 15]
    together = collator(dataset.__getitems__(rows))
    listed = collator([dataset[row] for row in rows])
    assert together.keys() == listed.keys()
    for name in together:
        assert torch.equal(together[name], listed[name].to(together[name].dtype)), name


def test_masks_do_not_depend_on_neighbours_or_padding(tokenizer, dataset: PairDataset) -> None:
    collator = PairMaskingCollator(tokenizer)
    alone = collator(dataset.__getitems__([7]))
    width = alone["input_ids"].shape[1]
    among = collator(dataset.__getitems__([0, 7, 1, 2]))
    assert torch.equal(among["labels"][1, :width], alone["labels"][0])
    assert torch.equal(among["input_ids"][1, :width], alone["input_ids"][0])
    padded = PairMaskingCollator(tokenizer, pad_to_multiple_of=64)([dataset[7]])
    assert padded["input_ids"].shape[1] == 64
    assert torch.equal(padded["labels"][0, :width], alone["labels"][0])


def test_rates_and_what_is_never_touched(tokenizer, dataset: PairDataset) -> None:
    collator = PairMaskingCollator(tokenizer)
    raw = dataset.__getitems__(range(len(dataset)))
    batch = collator(raw)
    ids, labels = batch["input_ids"].numpy(), batch["labels"].numpy()
    chosen = labels != IGNORED
    special = raw["special_tokens_mask"].astype(bool)
    assert not (chosen & special).any()
    assert (ids[~chosen] == raw["input_ids"][~chosen]).all()
    assert (labels[chosen] == raw["input_ids"][chosen]).all()
    tokens = int((~special).sum())
    assert tokens > 30_000

    def near(share: float, expected: float, count: int) -> bool:
        return abs(share - expected) < 4 * (expected * (1 - expected) / count) ** 0.5

    assert near(chosen.sum() / tokens, 0.15, tokens)
    count = int(chosen.sum())
    is_mask = ids[chosen] == tokenizer.mask_token_id
    kept = ids[chosen] == labels[chosen]
    assert near(is_mask.mean(), 0.8, count) and near(kept.mean(), 0.1, count)
    randomised = ids[chosen][~is_mask & ~kept]
    assert set(randomised.tolist()) <= set(replaceable_ids(tokenizer).tolist())
    assert len(set(randomised.tolist())) > 0.9 * len(randomised) * (1 - len(randomised) / 6000), "spread out"


def test_random_tokens_are_real_vocabulary(tokenizer) -> None:
    ids = replaceable_ids(tokenizer)
    pieces = tokenizer.convert_ids_to_tokens(ids.tolist())
    assert not [piece for piece in pieces if piece.startswith("[") and piece.endswith("]") and len(piece) > 2]
    assert len(ids) == len(tokenizer) - 5 - 9 - 4, "all but special and unused entries and placeholders"


def test_another_epoch_masks_otherwise(tokenizer, sample_examples: Path) -> None:
    prepared = open_prepared(sample_examples)
    labels = []
    for epoch in range(2):
        dataset = PairDataset(prepared.train, prepared.plan(0), prepared.frame, stream(0, MASKS, epoch))
        labels.append(PairMaskingCollator(tokenizer)(dataset.__getitems__(range(20)))["labels"])
    assert not torch.equal(*labels)


def test_special_tokens_are_found_without_being_told(tokenizer, dataset: PairDataset) -> None:
    raw = dataset.__getitems__(range(8))
    expected = PairMaskingCollator(tokenizer)(dict(raw))
    del raw["special_tokens_mask"]
    assert torch.equal(PairMaskingCollator(tokenizer)(raw)["labels"], expected["labels"])


def test_what_it_cannot_do_is_refused(tokenizer) -> None:
    for options in ({"whole_word_mask": True}, {"mlm": False}, {"seed": 1}):
        with pytest.raises(ValueError, match="masks single tokens"):
            PairMaskingCollator(tokenizer, **options)
    with pytest.raises(ValueError, match="'draw'"):
        PairMaskingCollator(tokenizer)([{"input_ids": [2, 5, 3]}])


def test_a_key_of_any_sign(tokenizer) -> None:
    ids = np.full((1, 50), 100)
    for key in (-1, 0, -(2**63), 2**63 - 1):
        batch = PairMaskingCollator(tokenizer)({"input_ids": ids, "draw": np.array([key])})
        expected = reference.masked(
            ids[0].tolist(),
            [False] * 50,
            key & reference.MASK64,
            4,
            replaceable_ids(tokenizer).tolist(),
            (0.15, 0.8, 0.1),
        )
        assert (batch["input_ids"][0].tolist(), batch["labels"][0].tolist()) == expected
