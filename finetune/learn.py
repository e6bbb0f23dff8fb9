"""From a job to a fitted classifier: read, encode, train on train, choose on dev, score test once.

Runs on every process alike; only the main one speaks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finetune.encoding import encode
from finetune.job import Job
from finetune.metrics import Scores, score
from finetune.model import check_vocabulary, load_classifier, load_tokenizer, longest_input
from finetune.readers import Rows
from finetune.tasks import read_classification
from finetune.trainer import Fitted, fit, steps_of, training_arguments
from pipeline.console import progress, say, warn


@dataclass(frozen=True)
class Learned:
    """A fitted classifier, its longest input in tokens, its scores on test, and figures for the manifest."""

    fitted: Fitted
    max_length: int
    test: Scores
    figures: dict[str, Any]


def learn(job: Job, processes: int, *, speaks: bool) -> Learned:
    """Fine-tune as `job` says; `speaks` on the main process. Raises InputError for bad data or model."""
    settings = job.settings
    task = read_classification(job.files, settings)
    tokenizer = load_tokenizer(job.source)
    model = load_classifier(job.source, task.names, settings.seed, random_weights=job.random_weights)
    check_vocabulary(job.source, model, tokenizer)
    max_length = longest_input(job.source, model, tokenizer, settings.max_length)
    arguments = training_arguments(settings, len(task.train), processes, job.scratch, cpu=job.cpu)
    sets = {"train": task.train, "dev": task.dev, "test": task.test}
    encoded = {role: encode(tokenizer, rows.texts, task.ids(rows), max_length) for role, rows in sets.items()}
    truncated = sum(longer for _, longer in encoded.values())
    if speaks:
        _announce(sets, task.notes, len(task.names), model.num_parameters(), truncated, max_length)
    steps = steps_of(settings, len(task.train))
    with progress("finetune", steps, quiet=not speaks) as advance:
        fitted = fit(model, tokenizer, encoded["train"][0], encoded["dev"][0], task.names, arguments, advance)
    answers = fitted.answers(encoded["test"][0])
    figures = {
        "rows": {role: len(rows) for role, rows in sets.items()},
        "classes": len(task.names),
        "max_length": max_length,
        "truncated": truncated,
        "parameters": model.num_parameters(),
        "steps": steps,
        "processes": processes,
        "best_epoch": fitted.best.number,
    }
    return Learned(fitted, max_length, score(task.ids(task.test), answers, task.names), figures)


def _announce(
    sets: Mapping[str, Rows],
    notes: tuple[str, ...],
    classes: int,
    parameters: int,
    truncated: int,
    max_length: int,
) -> None:
    for note in notes:
        warn(note)
    counts = ", ".join(f"{len(rows):,} {role}" for role, rows in sets.items())
    say(f"finetune: {counts} texts, {classes} classes, {parameters / 1e6:.1f} million parameters")
    if truncated:
        say(f"finetune: {truncated:,} texts are longer than {max_length} tokens and lose their end")
