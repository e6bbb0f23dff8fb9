"""How fast examples are planned, put together and masked on one core, and how much of a batch is padding.

    python benchmarks/examples_batches.py EXAMPLES [--batch 64] [--seconds 3] [--megatron DIR]

EXAMPLES is an artifact of `pretrain.examples`; its training store is planned anew for each block and objective. One
thread; seconds are of the processor, and what is compared takes turns, so that a busy machine disturbs little. The
median of the turns counts.

* plan: examples of an epoch after the first, per second. Aimed at are 2 million.
* batches: examples per second, put together from the store in the order of an epoch and masked. Aimed at are 100,000
  at block 128 and 30,000 at 512, and whole words at half the speed of tokens at least.
* The baseline is `DataCollatorForLanguageModeling` of the installed transformers on lists of ready-made items (tensors
  `input_ids`, `token_type_ids`, `next_sentence_label`, as the class of the lectures holds them) of an epoch's first
  examples. What suits it best are lists that say which tokens are special, so it is also given those. Its whole-word
  option reads an `offset_mapping`, which it cannot pad: it gets them padded, with offsets told from the pieces.
* With `--megatron`, a folder with megatron-core (`pip install --no-deps --target DIR megatron-core`), its
  `BERTMaskedWordPieceDataset` on the sentences of 5,000 documents, in a process of its own, set as its training sets
  it: whole words, n-grams up to 3, padded to the block; then torch's `default_collate`.
* padding: of batches of 256 at block 512, all of an epoch, with and without `group_by_length`. Aimed at are 3 %.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeVar

import numpy as np
import torch
import transformers
from transformers import AutoTokenizer, DataCollatorForLanguageModeling, PreTrainedTokenizerBase

from pipeline.console import answer, table
from pipeline.errors import InputError
from pipeline.stage import positive, run_stage
from pretrain.batches import EpochOrder, by_length
from pretrain.dataset import PairDataset
from pretrain.draws import MASKS, stream
from pretrain.masking import PairMaskingCollator, mask_table
from pretrain.nsp import PairPlan, draw_plan, lengths_of
from pretrain.prepared import Prepared, open_prepared
from pretrain.quiet import silence
from pretrain.settings import ExamplesSettings

#: Its artifact, block size, batch size, seconds, turns, and a folder to work in.
MEGATRON = """
import json, sys, time
from pathlib import Path
from statistics import median
from types import SimpleNamespace
import numpy as np, torch
from torch.utils.data import default_collate
from megatron.core.datasets.bert_dataset import BERTMaskedWordPieceDataset, BERTMaskedWordPieceDatasetConfig
from megatron.core.datasets.indexed_dataset import DType, IndexedDataset, IndexedDatasetBuilder
from megatron.core.datasets.utils import Split
from pretrain.prepared import open_prepared
from tokenizer.wordpiece import MASK, load_tokenizer
block, batch, seconds, turns, work = *map(int, sys.argv[2:6]), Path(sys.argv[6])
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", init_method=f"file://{work}/meeting", rank=0, world_size=1)
prepared = open_prepared(Path(sys.argv[1]))
store, vocabulary = prepared.train, load_tokenizer(prepared.folder).get_vocab()
builder = IndexedDatasetBuilder(f"{work}/text.bin", dtype=DType.optimal_dtype(prepared.vocab_size))
documents = store.documents[:5001]
for first, last in zip(documents, documents[1:]):
    ends = store.sentences[first : last + 1]
    builder.add_document(store.ids[ends[0] : ends[-1]], np.diff(ends).tolist())
builder.finalize(f"{work}/text.idx")
tokenizer = SimpleNamespace(
    cls=prepared.frame.cls, sep=prepared.frame.sep, pad=prepared.frame.pad, mask=vocabulary[MASK],
    inv_vocab={number: piece for piece, number in vocabulary.items()}, unique_identifiers={},
)
config = BERTMaskedWordPieceDatasetConfig(
    random_seed=1, sequence_length=block, path_to_cache=str(work), tokenizer=tokenizer, masking_probability=0.15,
    short_sequence_probability=0.1, masking_max_ngram=3, masking_do_full_word=True, masking_do_permutation=False,
    masking_use_longer_ngrams=False, masking_use_geometric_distribution=False, classification_head=True,
)
everything = np.arange(len(documents) - 1, dtype=np.int32)
dataset = BERTMaskedWordPieceDataset(IndexedDataset(f"{work}/text"), "text", everything, 20_000, Split.train, config)
order, step, rates = np.random.default_rng(1).permutation(len(dataset)), 0, []
for _ in range(turns + 1):
    started, made = time.process_time(), 0
    while time.process_time() - started < seconds / turns:
        rows = np.take(order, np.arange(step * batch, (step + 1) * batch), mode="wrap")
        made += len(default_collate([dataset[int(row)] for row in rows])["text"])
        step += 1
    rates.append(made / (time.process_time() - started))
torch.distributed.destroy_process_group()
print(json.dumps(median(rates[1:])))
"""
Objective = Literal["nsp", "sop", "none"]
BLOCKS = (128, 512)
OBJECTIVES: tuple[Objective, ...] = ("nsp", "sop", "none")
#: Examples a second that are aimed at.
PLANNED, BATCHED = 2_000_000, {128: 100_000, 512: 30_000}
#: Turns that each way of doing a thing has.
TURNS = 5
#: Ready-made items, in batches of which the baseline goes round.
ITEMS = 1024
#: The batches whose padding is counted.
PADDED = 256

#: One turn of the wheel: makes the step's batch, says how many examples it has.
Make = Callable[[int], int]
Item = dict[str, Any]
Name = TypeVar("Name")


def main(argv: list[str] | None) -> None:
    """Measure all, print the tables."""
    parser = argparse.ArgumentParser(description="Plans, batches and padding: examples per second of one core.")
    parser.add_argument("examples", type=Path, help="an artifact of pretrain.examples")
    parser.add_argument("--batch", type=positive, default=64)
    parser.add_argument("--seconds", type=positive, default=3, help="of each measurement")
    parser.add_argument("--megatron", type=Path, help="folder with megatron-core")
    arguments = parser.parse_args(argv)
    if arguments.megatron and not (arguments.megatron / "megatron" / "core").is_dir():
        raise InputError(f"--megatron {arguments.megatron}: no megatron/core in it; see the benchmark's first lines")
    torch.set_num_threads(1)
    silence()
    prepared = open_prepared(arguments.examples)
    tokenizer = AutoTokenizer.from_pretrained(str(prepared.folder), local_files_only=True)
    _plans(prepared, arguments.seconds)
    for block in BLOCKS:
        _batches(prepared, tokenizer, block, arguments)
    _padding(prepared)
    answer(f"one thread, seconds of the processor; torch {torch.__version__}, transformers {transformers.__version__}")


def rates(ways: Mapping[Name, Make], seconds: float) -> dict[Name, float]:
    """Examples per processor second of each, after one call to compile and warm up: the median of turns."""
    steps = dict.fromkeys(ways, 1)
    found: dict[Name, list[float]] = {name: [] for name in ways}
    for make in ways.values():
        make(0)
    for _ in range(TURNS):
        for name, make in ways.items():
            made, started = 0, time.process_time()
            while (spent := time.process_time() - started) < seconds / TURNS:
                made += make(steps[name])
                steps[name] += 1
            found[name].append(made / spent)
    return {name: median(turns) for name, turns in found.items()}


def _settings(prepared: Prepared, block: int, objective: Objective = "nsp") -> ExamplesSettings:
    return dataclasses.replace(prepared.settings, block_size=block, objective=objective, duplicate_epochs=0)


def _plans(prepared: Prepared, seconds: float) -> None:
    wanted = {(block, objective): _settings(prepared, block, objective) for block in BLOCKS for objective in OBJECTIVES}
    sizes: dict[tuple[int, Objective], int] = {}

    def planned(which: tuple[int, Objective], step: int) -> int:
        sizes[which] = len(draw_plan(prepared.train, wanted[which], 1 + step))
        return sizes[which]

    rows = []
    for (block, objective), rate in rates({which: partial(planned, which) for which in wanted}, seconds).items():
        size = sizes[block, objective]
        rows.append((str(block), objective, f"{size:,}", f"{rate / 1e6:.2f}", f"{rate / PLANNED:.2f}"))
    tokens, documents = len(prepared.train.ids), prepared.train.document_count
    title = f"plan of an epoch: {tokens / 1e6:.1f} million tokens, {documents:,} documents"
    table(title, ("block", "objective", "examples", "million a second", "of what is aimed at"), rows, stdout=True)


def _batches(prepared: Prepared, tokenizer: PreTrainedTokenizerBase, block: int, arguments: argparse.Namespace) -> None:
    plan = draw_plan(prepared.train, _settings(prepared, block), 1)
    dataset = PairDataset(prepared.train, plan, prepared.frame, stream(prepared.settings.seed, MASKS, 1))
    order = EpochOrder(len(plan), arguments.batch, max(len(plan) // arguments.batch, 1), prepared.settings.seed, 1)
    ways = {**_ours(tokenizer, dataset, order), **_stock(tokenizer, dataset, order, block)}
    found = rates(ways, arguments.seconds)
    if arguments.megatron:
        found["megatron-core, whole words"] = _megatron(block, arguments)
    tokens, baseline = found["ours, tokens"], found["stock, tokens, the lectures' items"]
    rows = []
    for name, rate in found.items():
        aimed = f"{rate / BATCHED[block]:.2f}" if name.startswith("ours") else "-"
        rows.append((name, f"{rate:,.0f}", f"{rate / tokens:.4f}", f"{rate / baseline:.2f}", aimed))
    mean = f"{lengths_of(plan).mean():.0f} tokens on average"
    title = f"batches of {arguments.batch} at block {block}, {len(plan):,} examples of {mean}"
    columns = ("made by", "examples/s", "of ours, tokens", "times stock", "of what is aimed at")
    table(title, columns, rows, stdout=True)


def _ours(tokenizer: PreTrainedTokenizerBase, dataset: PairDataset, order: EpochOrder) -> dict[str, Make]:
    def make(collator: PairMaskingCollator, step: int) -> int:
        return len(collator.torch_call(dataset.__getitems__(order.rows(step % order.steps)))["input_ids"])

    masking = partial(PairMaskingCollator, tokenizer, mlm_probability=0.15)
    collators = {
        "tokens": masking(),
        "whole words": masking(whole_word_mask=True),
        "fixed": masking(fixed=True),
        "whole words, fixed": masking(whole_word_mask=True, fixed=True),
    }
    return {f"ours, {name}": partial(make, collator) for name, collator in collators.items()}


def _stock(tokenizer: PreTrainedTokenizerBase, dataset: PairDataset, order: EpochOrder, block: int) -> dict[str, Make]:
    steps = max(1, min(order.steps, ITEMS // order.batch_size))
    rows = [order.rows(step) for step in range(steps)]
    collator = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it masks whole words by [MASK] alone
        of_words = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, whole_word_mask=True)
    continues = mask_table(tokenizer).continues
    plain = [[_item(dataset, row) for row in of_step] for of_step in rows]
    telling = [[_item(dataset, row, "special_tokens_mask") for row in of_step] for of_step in rows]
    padded = [[_listed(_padded(item, continues, block, tokenizer.pad_token_id)) for item in batch] for batch in telling]
    listed = [[_listed(item) for item in batch] for batch in telling]

    def make(collator: DataCollatorForLanguageModeling, batches: Sequence[list[Item]], step: int) -> int:
        return len(collator(batches[step % steps])["input_ids"])

    return {
        "stock, tokens, the lectures' items": partial(make, collator, plain),
        "stock, tokens, lists with special_tokens_mask": partial(make, collator, listed),
        "stock, whole words, padded lists with offsets": partial(make, of_words, padded),
    }


def _item(dataset: PairDataset, row: int, *more: str) -> Item:
    """One example as tensors."""
    found = dataset[row]
    return {name: torch.tensor(found[name]) for name in ("input_ids", "token_type_ids", "next_sentence_label", *more)}


def _listed(item: Item) -> Item:
    """The same as lists and numbers."""
    return {name: tensor.tolist() for name, tensor in item.items()}


def _padded(item: Item, continues: np.ndarray[Any, Any], block: int, pad: int) -> Item:
    """The same with padding and with character offsets, of pieces of one character each and a space before a word."""
    missing = block - len(item["input_ids"])
    fill = {"input_ids": pad, "token_type_ids": 0, "special_tokens_mask": 1}
    longer = {name: torch.nn.functional.pad(item[name], (0, missing), value=value) for name, value in fill.items()}
    ends = np.cumsum(np.where(continues[longer["input_ids"].numpy()], 1, 2))
    offsets = torch.from_numpy(np.stack([ends - 1, ends], axis=1))
    return {**longer, "next_sentence_label": item["next_sentence_label"], "offset_mapping": offsets}


def _megatron(block: int, arguments: argparse.Namespace) -> float:
    with tempfile.TemporaryDirectory(prefix="megatron-") as work:
        numbers = (block, arguments.batch, arguments.seconds, TURNS)
        command = [sys.executable, "-W", "ignore", "-c", MEGATRON, arguments.examples, *numbers, work]
        paths = {"PYTHONPATH": str(arguments.megatron.resolve()), "OMP_NUM_THREADS": "1"}
        ended = subprocess.run(
            [str(part) for part in command], env={**os.environ, **paths}, capture_output=True, text=True, check=False
        )
    if ended.returncode:
        raise InputError(f"megatron-core ended with {ended.returncode}: {ended.stderr.strip()[-1000:]}")
    return float(json.loads(ended.stdout.splitlines()[-1]))


def _padding(prepared: Prepared) -> None:
    block = 512
    plan = draw_plan(prepared.train, _settings(prepared, block), 1)
    steps = len(plan) // PADDED
    if not steps:
        raise InputError(f"{prepared.folder} has {len(plan)} examples of block {block}, fewer than {PADDED}")
    rows = []
    for name, bins in (("any length", None), ("about one length", by_length(plan, block))):
        order = EpochOrder(len(plan), PADDED, steps, prepared.settings.seed, 1, bins)
        share = padding(plan, (order.rows(step) for step in range(steps)))
        rows.append((name, f"{share:.2%}"))
    whole = f"{1 - lengths_of(plan).mean() / block:.2%} if every example is padded to the block"
    title = f"padding in {steps} batches of {PADDED} at block {block}; {whole}"
    table(title, ("a batch has", "padding"), rows, stdout=True)


def padding(plan: PairPlan, batches: Iterable[np.ndarray[Any, Any]]) -> float:
    """Share of padding in batches of rows, each padded to its longest."""
    lengths = [lengths_of(plan[rows]) for rows in batches]
    return float(1 - sum(each.sum() for each in lengths) / sum(each.max() * len(each) for each in lengths))


if __name__ == "__main__":
    run_stage(main)
