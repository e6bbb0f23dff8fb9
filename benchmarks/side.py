"""One side of a comparison of training speed, measured in a process of its own; `training.py` and `accelerator.py` call
it and read the JSON that it prints.

    python benchmarks/side.py stock EXAMPLES OPTIONS
    python benchmarks/side.py ours EXAMPLES OPTIONS [FLAGS OF pretrain.train ...]

`stock` is `transformers.Trainer` with `BertForPreTraining` and `DataCollatorForLanguageModeling`, on the examples of
the first epoch; `ours` is `pretrain.train`. Both are timed from the end of the warm-up to the end of the last step,
waiting for the device at both. What is counted are real tokens, padding never.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import Dataset
from transformers import AutoTokenizer, BertForPreTraining, DataCollatorForLanguageModeling, Trainer, TrainingArguments

from pipeline.recipe import load_recipe
from pretrain import loop, model, train
from pretrain.dataset import PairDataset
from pretrain.flops import Work, needed_flops, peak_flops
from pretrain.layout import Layout
from pretrain.masking import DRAW
from pretrain.masks import IGNORED
from pretrain.prepared import Prepared, open_prepared
from pretrain.schedule import mask_key
from pretrain.settings import ModelSettings, TrainSettings


@dataclass(frozen=True)
class Options:
    """What a side is asked for. `lacks`: levers of ours that are taken away by hand, since no flag does it; `best`: the
    Trainer with all that it offers for speed, or as it comes; `profile`: a file for a table of where the time goes."""

    recipe: str
    batch: int
    warm: int
    steps: int
    cpu: bool
    sets: list[str] = field(default_factory=list)
    lacks: list[str] = field(default_factory=list)
    best: bool = False
    profile: str | None = None


@dataclass
class Clock:
    """Times the steps after the warm-up: call it before each step and once after the last one."""

    options: Options
    calls: int = 0
    since: float = 0.0
    seconds: float = 0.0
    profiler: Any = None

    def __call__(self) -> None:
        """Begin or end the measurement, if it is time."""
        if self.calls == self.options.warm:
            self._wait()
            if self.options.profile:
                self.profiler = torch.profiler.profile()
                self.profiler.start()
            self.since = time.perf_counter()
        elif self.calls == self.options.warm + self.options.steps:
            self._wait()
            self.seconds = time.perf_counter() - self.since
            if self.profiler:
                self._write_profile(Path(self.options.profile or ""))
        self.calls += 1

    @property
    def counts(self) -> bool:
        """Whether the step that was last begun is measured."""
        return self.options.warm < self.calls <= self.options.warm + self.options.steps

    def _wait(self) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    def _write_profile(self, path: Path) -> None:
        self.profiler.stop()
        order = "self_cpu_time_total" if self.options.cpu else "self_device_time_total"
        averages = self.profiler.key_averages()
        path.write_text(averages.table(sort_by=order, row_limit=30, max_name_column_width=80) + "\n", "utf-8")


class Pairs(Dataset[dict[str, Any]]):
    """The same examples as ours, one by one, as data sets of lectures give them."""

    def __init__(self, pairs: PairDataset) -> None:
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, row: int) -> dict[str, Any]:
        example = self._pairs[row]
        example["next_sentence_label"] = int(example["next_sentence_label"])
        return {name: value for name, value in example.items() if name != DRAW}


class CountingTrainer(Trainer):
    """The stock Trainer; adds up on the device what the measured steps consist of."""

    clock: Clock
    found: list[torch.Tensor]

    def training_step(self, module: Any, inputs: dict[str, torch.Tensor], *rest: Any) -> torch.Tensor:
        """Time and count, then train as ever."""
        self.clock()
        if self.clock.counts:
            lengths = inputs["attention_mask"].sum(1)
            masked = (inputs["labels"] != IGNORED).sum()
            self.found.append(torch.stack([lengths.sum(), lengths.square().sum(), masked]))
        return super().training_step(module, inputs, *rest)


def stock(prepared: Prepared, options: Options, scratch: str) -> tuple[float, Work]:
    """Seconds and work of the Trainer's measured steps."""
    recipe = load_recipe(options.recipe, options.sets)
    settings, block = recipe.section("train", TrainSettings), prepared.settings.block_size
    tokenizer = AutoTokenizer.from_pretrained(prepared.folder)
    config = model.bert_config(recipe.section("model", ModelSettings), prepared.vocab_size, block)
    dataset = Pairs(PairDataset(prepared.train, prepared.plan(0), prepared.frame, mask_key(settings, 0)))
    best: dict[str, Any] = {}
    if options.best:
        best = {"bf16": not options.cpu, "torch_compile": True, "optim": "adamw_torch_fused"}
        best |= {"dataloader_num_workers": 2 if options.cpu else 8, "remove_unused_columns": False}
    arguments = TrainingArguments(
        scratch,
        per_device_train_batch_size=options.batch,
        max_steps=options.warm + options.steps + 1,
        use_cpu=options.cpu,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        logging_strategy="no",
        **best,
    )
    collator = DataCollatorForLanguageModeling(
        tokenizer, mlm_probability=0.15, pad_to_multiple_of=block if options.best else None
    )
    trainer = CountingTrainer(BertForPreTraining(config), arguments, data_collator=collator, train_dataset=dataset)
    trainer.clock, trainer.found = Clock(options), []
    trainer.train()
    tokens, squares, masked = torch.stack(trainer.found).sum(0).tolist()
    return trainer.clock.seconds, Work(options.batch * options.steps, tokens, squares, masked)


def ours(prepared: Prepared, options: Options, scratch: str, flags: list[str]) -> tuple[float, Work]:
    """Seconds and work of our measured steps."""
    clock, works, steps_of = Clock(options), [], loop.steps_of

    def timed(*arguments: Any) -> Iterator[Any]:
        for step, batches, work in steps_of(*arguments):
            clock()
            if clock.counts:
                works.append(work + Work(masked=sum(len(batch["wanted"]) for batch in batches)))
            yield step, batches, work

    loop.steps_of = timed  # type: ignore[assignment]
    for lever in options.lacks:
        _WITHOUT[lever]()
    steps = options.warm + options.steps + 1
    sets = [f"train.max_steps={steps}", f"train.batch_size={options.batch}", "train.eval_examples=1"]
    sets += [f"train.eval_every={steps}", f"train.save_every={steps}", *options.sets]
    place = ["--recipe", options.recipe, "--from-examples", str(prepared.folder), "--artifacts", scratch]
    train.main([*place, *(["--cpu"] if options.cpu else []), *flags, "--set", *sets])
    return clock.seconds, sum(works, Work())


def _dense_head() -> None:
    """The vocabulary head at all places, as in the stock model."""

    def forward(self: model.PretrainingObjective, batch: dict[str, torch.Tensor]) -> model.Sums:
        hidden, pooled = self._packed(batch) if "bounds" in batch else self._padded(batch)
        scores = self.model.cls.predictions(hidden.flatten(0, 1))
        labels = torch.full(scores.shape[:1], IGNORED, device=scores.device)
        labels = labels.index_copy(0, batch["places"], batch["wanted"])
        relation, follows = self.model.cls.seq_relationship(pooled), batch["next_sentence_label"]
        return model.Sums(
            cross_entropy(scores.float(), labels, reduction="sum"),
            cross_entropy(relation.float(), follows, reduction="sum"),
            (scores.argmax(-1) == labels).sum(),
            (relation.argmax(-1) == follows).sum(),
            (labels != IGNORED).sum(),
            (follows != IGNORED).sum(),
        )

    model.PretrainingObjective.forward = forward  # type: ignore[method-assign]


def _plain_adam() -> None:
    """AdamW that is not fused."""
    make = loop.make_optimizer
    loop.make_optimizer = lambda *named, fused: make(*named, fused=False)  # type: ignore[assignment]


def _waiting() -> None:
    """The host waits for the device in each micro-batch, as it does where places are looked up there."""
    send = Layout.to_device

    def slow(self: Layout, batch: dict[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
        sent = send(self, batch, device)
        (sent["wanted"] != IGNORED).nonzero()
        return sent

    Layout.to_device = slow  # type: ignore[method-assign]


_WITHOUT: dict[str, Callable[[], None]] = {"head": _dense_head, "fused": _plain_adam, "ahead": _waiting}


def main(side: str, examples: str, told: str, *flags: str) -> None:
    """Measure, and print a line of JSON."""
    options, prepared = Options(**json.loads(told)), open_prepared(Path(examples))
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory())
        if side == "stock":
            seconds, work = stock(prepared, options, scratch)
        else:
            seconds, work = ours(prepared, options, scratch, list(flags))
    shape = load_recipe(options.recipe, options.sets).section("model", ModelSettings)
    flops = needed_flops(shape, prepared.vocab_size, work, pairs=prepared.settings.objective != "none") / seconds
    device = "CPU" if options.cpu else torch.cuda.get_device_name()
    peak = peak_flops(device)
    found = {
        "device": device,
        "steps_per_second": options.steps / seconds,
        "tokens_per_second": work.tokens / seconds,
        "tflops_per_second": flops / 1e12,
        "mfu": flops / peak if peak else None,
        "memory_gb": 0.0 if options.cpu else torch.cuda.max_memory_allocated() / 1e9,
        "work": asdict(work),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
