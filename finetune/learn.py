"""One run: an encoder with a new head, trained on train, chosen on dev, scored on test once.

Runs on every process alike; only the main one speaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from finetune.data.rows import Rows
from finetune.job import Job
from finetune.kinds.entities import ceiling
from finetune.kinds.every import kind_of
from finetune.kinds.kind import Encoded, Example, Kind, Reading, Said
from finetune.layers import check_ways, freeze, reinitialise
from finetune.memory import memory_told
from finetune.model import load_model, longest_input, match_inputs
from finetune.results import told
from finetune.scoring.mistakes import Mistake, most_confident
from finetune.scoring.outcome import Run
from finetune.sets import Sets
from finetune.trainer import Fitted, Lesson, fit, steps_of, training_arguments
from pipeline.artifact import Figures
from pipeline.console import progress, say, warn
from pretrain.folder import check_vocabulary, load_folder_tokenizer

#: Share of unknown tokens from which it is said.
NOTABLE_UNKNOWN = 0.05
#: Of the longest input, what windows share if nobody says.
STRIDE = 4


@dataclass(frozen=True)
class Bench:
    """What all runs of a job have in common: rows as examples, their names, the tokenizer, how long inputs are."""

    kind: Kind
    names: tuple[str, ...]
    tokenizer: PreTrainedTokenizerBase
    reading: Reading
    encoded: dict[str, Encoded]
    choice: str
    parameters: int
    ways: tuple[str, ...] = ()

    @property
    def ceiling(self) -> float | None:
        """The best that this vocabulary allows on test; None of kinds that answer for the row as a whole."""
        if self.kind.name != "ner" or "test" not in self.encoded:
            return None
        test = self.encoded["test"]
        return self.kind.score(test.rows, ceiling(test), self.names).measures[self.choice]

    @property
    def notes(self) -> list[str]:
        """What a reader of the scores should know."""
        if self.ceiling is None:
            return list(self.ways)
        return [
            *self.ways,
            f"perfect tags of this vocabulary's tokens would score {self.choice} {self.ceiling:.4f} on test",
        ]

    @property
    def figures(self) -> Figures:
        """For the manifest."""
        return {
            "kind": self.kind.name,
            "rows": {role: len(encoded.rows) for role, encoded in self.encoded.items()},
            "classes": len(self.names),
            "parameters": self.parameters,
            "max_length": self.reading.max_length,
            "truncated": sum(encoded.longer for encoded in self.encoded.values()),
            "windows": sum(len(encoded.examples) - len(encoded.rows) for encoded in self.encoded.values()),
            **({"ceiling": round(self.ceiling, 4)} if self.ceiling is not None else {}),
            "unknown": round(unknown_share(self.tokenizer, self.encoded["train"].examples), 4),
        }


@dataclass(frozen=True)
class Learned:
    """A run that is done: what it came to, its model, its answers to test, and where it was wrong on dev."""

    run: Run
    fitted: Fitted
    said: list[Said]
    mistakes: tuple[Mistake, ...]


def set_up(job: Job, sets: Sets, *, with_test: bool = True) -> Bench:
    """Rows into examples; raises InputError for a model or data that do not fit the task or each other."""
    kind = kind_of(job.data.source.task)
    tokenizer = load_folder_tokenizer(job.model)
    model = load_model(job.model, kind, sets.names, job.settings.seed, random_weights=job.random_weights)
    check_vocabulary(job.model, model, tokenizer)
    match_inputs(tokenizer, model)
    ways = check_ways(model, job.settings)
    if job.settings.class_weights != "none":
        kind.weights(sets.train, sets.names)
    longest = longest_input(job.model, model, tokenizer, job.settings.max_length)
    reading = Reading(longest, job.settings.stride or longest // STRIDE)
    encoded = {
        role: kind.encode(tokenizer, rows, sets.names, reading)
        for role, rows in (("train", sets.train), ("dev", sets.dev), ("test", sets.test))
        if role != "test" or with_test
    }
    examples = len(encoded["train"].examples)
    if examples < job.settings.batch_size:
        ways += (
            f"finetune.batch_size {job.settings.batch_size} is more than all {examples} examples: one step an epoch",
        )
    return Bench(kind, sets.names, tokenizer, reading, encoded, sets.choice, model.num_parameters(), ways)


def learn(job: Job, sets: Sets, bench: Bench, seed: int, processes: int, *, speaks: bool) -> Learned:
    """Train with one seed and score test; raises InputError as `tune` does."""
    lesson, fitted = tune(job, sets, bench, seed, processes, speaks=speaks)
    dev, test = bench.encoded["dev"], bench.encoded["test"]
    with memory_told(_advice(job, bench)):
        scores, said = lesson.score(fitted.outputs(test), test)
        mistakes = mistakes_among(dev.rows, lesson.score(fitted.outputs(dev), dev)[1])
    return Learned(Run(seed, fitted.epochs, fitted.best_epoch, fitted.dev, scores), fitted, said, mistakes)


def tune(job: Job, sets: Sets, bench: Bench, seed: int, processes: int, *, speaks: bool) -> tuple[Lesson, Fitted]:
    """Train with one seed, and choose the epoch on dev; raises InputError if memory does not suffice."""
    settings = replace(job.settings, seed=seed)
    model = _model(job, sets, bench, seed)
    train, dev = bench.encoded["train"], bench.encoded["dev"]
    weights = bench.kind.weights(sets.train, bench.names) if settings.class_weights == "balanced" else None
    looks = {
        "train": some_rows(train, len(dev.rows)),
        "dev": dev,
        **({"peer": bench.encoded["test"]} if job.peer else {}),
    }
    lesson = Lesson(bench.kind, bench.names, bench.choice, train, looks, weights)
    arguments = training_arguments(settings, len(train.examples), processes, job.scratch / "checkpoints", cpu=job.cpu)
    steps, collator = steps_of(settings, len(train.examples)), bench.kind.collator(bench.tokenizer)
    with memory_told(_advice(job, bench)), progress(f"finetune {seed}", steps, quiet=not speaks) as advance:
        fitted = fit(model, lesson, settings, arguments, collator, advance)
    return lesson, fitted


def _advice(job: Job, bench: Bench) -> str:
    """What to do when memory does not suffice."""
    return (
        f"with finetune.batch_size {job.settings.batch_size} and inputs of up to {bench.reading.max_length} tokens: "
        "set finetune.batch_size or finetune.max_length lower"
    )


def some_rows(encoded: Encoded, count: int) -> Encoded:
    """So many rows with their examples, evenly from all: files are often sorted by label."""
    total = len(encoded.rows)
    count = min(count, total)
    rows = [place * total // count for place in range(count)]
    new = {row: place for place, row in enumerate(rows)}
    kept = [place for place, owner in enumerate(encoded.owners) if owner in new]
    return Encoded(
        encoded.rows.pick(rows),
        [encoded.examples[place] for place in kept],
        tuple(new[encoded.owners[place]] for place in kept),
        tuple(encoded.offsets[place] for place in kept) if encoded.offsets else (),
    )


def announce(bench: Bench, notes: Sequence[str]) -> None:
    """Say what is learned from what."""
    figures = bench.figures
    for note in (*notes, *bench.ways):
        warn(note)
    if figures["unknown"] > NOTABLE_UNKNOWN:
        warn(
            f"{figures['unknown']:.0%} of train's tokens are unknown to the model's vocabulary: does its tokenizer "
            "know Korean? (a folder with vocab.txt alone is read with accents stripped, which takes Hangul apart: if "
            'its entries are syllables, write {"do_lower_case": false} into its tokenizer_config.json)'
        )
    counts = ", ".join(f"{rows:,} {role}" for role, rows in figures["rows"].items())
    classes = f", {figures['classes']} classes" if len(bench.names) > 1 else ""
    say(f"finetune: {counts} texts{classes}, {bench.parameters / 1e6:.1f} million parameters")
    longest = figures["max_length"]
    if figures["truncated"]:
        say(f"finetune: {figures['truncated']:,} texts are longer than {longest} tokens and lose their end")
    if figures["windows"]:
        say(f"finetune: texts longer than {longest} tokens are read in {figures['windows']:,} windows more")


def unknown_share(tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example]) -> float:
    """Share of the examples' tokens, special ones aside, that the vocabulary cannot spell."""
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    words = [number for example in examples for number in example["input_ids"] if number not in special]
    return words.count(tokenizer.unk_token_id) / max(len(words), 1)


def mistakes_among(rows: Rows, said: Sequence[Said]) -> tuple[Mistake, ...]:
    """The most confident mistakes. Of a regression any answer is more or less wrong: there is no list of those."""
    if any(isinstance(one.answer, float) for one in said):
        return ()
    return most_confident(
        [(row.place, row.text if row.pair is None else f"{row.pair} / {row.text}") for row in rows.rows],
        [told(row.target, row.text) for row in rows.rows],
        [told(one.answer, row.text) for one, row in zip(said, rows.rows, strict=True)],
        [one.confidence for one in said],
    )


def _model(job: Job, sets: Sets, bench: Bench, seed: int) -> PreTrainedModel:
    model = load_model(job.model, bench.kind, bench.names, seed, random_weights=job.random_weights)
    bench.kind.prepare(model, sets.train)
    if job.settings.reinit_layers:
        reinitialise(model, job.settings.reinit_layers, seed)
    if job.settings.train_layers >= 0:
        freeze(model, job.settings.train_layers)
    return model
