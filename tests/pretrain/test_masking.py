"""Masking against the slow, obvious reference, its rates, and what it never touches."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, DataCollatorForLanguageModeling

from pretrain.dataset import PairDataset
from pretrain.draws import MASKS, stream
from pretrain.masking import PairMaskingCollator, mask_table
from pretrain.masks import IGNORED, MaskTable
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


@pytest.mark.parametrize("whole_word", [False, True])
@pytest.mark.parametrize("fixed", [False, True])
@pytest.mark.parametrize(
    "rates", [(0.15, 0.8, 0.1), (0.4, 0.5, 0.5), (0.3, 1.0, 0.0), (0.3, 0.0, 0.0), (0.01, 1.0, 0.0)]
)
def test_against_the_reference(tokenizer, dataset: PairDataset, rates, fixed: bool, whole_word: bool) -> None:
    collator = PairMaskingCollator(
        tokenizer,
        mlm_probability=rates[0],
        mask_replace_prob=rates[1],
        random_replace_prob=rates[2],
        whole_word_mask=whole_word,
        fixed=fixed,
    )
    pool, masks = mask_table(tokenizer).random_ids.tolist(), reference.Masks(*rates, whole_word, fixed)
    raw = dataset.__getitems__(range(40))
    batch = collator(raw)
    for row in range(40):
        ids, special = raw["input_ids"][row].tolist(), raw["special_tokens_mask"][row].astype(bool).tolist()
        key = int(raw["draw"][row]) & reference.MASK64
        continuing = [piece.startswith("##") for piece in tokenizer.convert_ids_to_tokens(ids)]
        inputs, labels = reference.masked(ids, special, continuing, key, tokenizer.mask_token_id, pool, masks)
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


@pytest.mark.parametrize("whole_word", [False, True])
@pytest.mark.parametrize("fixed", [False, True])
def test_rates_and_what_is_never_touched(tokenizer, dataset: PairDataset, fixed: bool, whole_word: bool) -> None:
    collator = PairMaskingCollator(tokenizer, fixed=fixed, whole_word_mask=whole_word)
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

    # Words are chosen together: as many chances fewer. A fixed count is rounded, and whole words have to fit into it.
    assert near(chosen.sum() / tokens, 0.15, tokens // (3 if whole_word else 1) if not fixed else tokens // 30)
    count = int(chosen.sum())
    is_mask = ids[chosen] == tokenizer.mask_token_id
    kept = ids[chosen] == labels[chosen]
    assert near(is_mask.mean(), 0.8, count) and near(kept.mean(), 0.1, count)
    randomised = ids[chosen][~is_mask & ~kept]
    assert set(randomised.tolist()) <= set(mask_table(tokenizer).random_ids.tolist())
    assert len(set(randomised.tolist())) > 0.9 * len(randomised) * (1 - len(randomised) / 6000), "spread out"


def test_random_tokens_are_real_vocabulary(tokenizer) -> None:
    ids = mask_table(tokenizer).random_ids
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
    for options in ({"mlm": False}, {"seed": 1}):
        with pytest.raises(ValueError, match="by each example's own key"):
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
            [False] * 50,
            key & reference.MASK64,
            4,
            mask_table(tokenizer).random_ids.tolist(),
            reference.Masks(0.15, 0.8, 0.1),
        )
        assert (batch["input_ids"][0].tolist(), batch["labels"][0].tolist()) == expected


def test_eojeols_are_whole(tokenizer, dataset: PairDataset) -> None:
    """All pieces of a word are chosen or none, and which stand in for them is drawn for each by itself."""
    collator = PairMaskingCollator(tokenizer, whole_word_mask=True)
    raw = dataset.__getitems__(range(len(dataset)))
    batch = collator(raw)
    ids, labels, special = raw["input_ids"], batch["labels"].numpy(), raw["special_tokens_mask"].astype(bool)
    continues = np.array([piece.startswith("##") for piece in tokenizer.convert_ids_to_tokens(range(len(tokenizer)))])
    inside = continues[ids[:, 1:]] & ~special[:, 1:] & ~special[:, :-1]
    chosen = labels != IGNORED
    assert inside.sum() > 10_000 and (chosen[:, 1:] == chosen[:, :-1])[inside].all()
    masked = batch["input_ids"].numpy() == tokenizer.mask_token_id
    together = inside & chosen[:, 1:]
    both = (masked[:, 1:] & masked[:, :-1])[together].mean()
    assert abs(both - 0.64) < 0.04, "0.8 of 0.8"


def test_a_fixed_count_is_exact(tokenizer, dataset: PairDataset) -> None:
    raw = dataset.__getitems__(range(len(dataset)))
    text = (raw["special_tokens_mask"] == 0).sum(1)
    wanted = np.maximum(1, np.floor(0.15 * text + 0.5))
    labels = PairMaskingCollator(tokenizer, fixed=True)(raw)["labels"].numpy()
    assert ((labels != IGNORED).sum(1) == wanted).all()
    words = (PairMaskingCollator(tokenizer, fixed=True, whole_word_mask=True)(raw)["labels"].numpy() != IGNORED).sum(1)
    assert (words >= 1).all() and (words == wanted).mean() > 0.8


def test_the_rate_of_a_step(tokenizer, dataset: PairDataset) -> None:
    raw = dataset.__getitems__(range(300))
    collator = PairMaskingCollator(tokenizer)
    tokens = (raw["special_tokens_mask"] == 0).sum()
    few, more = (collator.torch_call(raw, rate)["labels"] != IGNORED for rate in (0.15, 0.4))
    assert torch.equal(few, collator(raw)["labels"] != IGNORED) and (more | ~few).all(), "more of the same"
    assert abs(more.sum() / tokens - 0.4) < 0.02


def test_the_table_of_a_vocabulary() -> None:
    wordpiece = {"[PAD]": 0, "[MASK]": 1, "##": 2, "##를": 3, "를": 4, "[unused0]": 5, "[PHONE]": 6, "[": 7}
    table = MaskTable.of(wordpiece, 1, [0, 1])
    assert table.continues.tolist() == [False, False, False, True, False, False, False, False]
    assert table.random_ids.tolist() == [2, 3, 4, 7]
    sentencepiece = {"[PAD]": 0, "[MASK]": 1, "▁": 2, "▁나": 3, "를": 4, "[unused0]": 5, "[PHONE]": 6}
    assert MaskTable.of(sentencepiece, 1, [0, 1]).continues.tolist() == [False, False, False, False, True, True, False]
