"""From a job to a fitted classifier: read, encode, train on train, choose on dev, score test once.

Runs on every process alike; only the main one speaks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from finetune.encoding import encode, unknown_share
from finetune.job import STAGE, Job
from finetune.metrics import Scores, score
from finetune.model import load_classifier, longest_input
from finetune.tasks import read_classification
from finetune.trainer import Fitted, fit, steps_of, training_arguments
from pipeline.artifact import Figures
from pipeline.console import progress, say, warn
from pretrain.folder import check_vocabulary, load_folder_tokenizer

#: Share of unknown tokens from which it is said.
NOTABLE_UNKNOWN = 0.05


@dataclass(frozen=True)
class Learned:
    """A fitted classifier, its longest input in tokens, its scores on test, and figures for the manifest."""

    fitted: Fitted
    max_length: int
    test: Scores
    figures: Figures


def learn(job: Job, processes: int, *, speaks: bool) -> Learned:
    """Fine-tune as `job` says; `speaks` on the main process. Raises InputError for bad data or model."""
    settings = job.settings
    task = read_classification(job.files, settings)
    tokenizer = load_folder_tokenizer(job.source)
    model = load_classifier(job.source, task.names, settings.seed, random_weights=job.random_weights)
    check_vocabulary(job.source, model, tokenizer)
    max_length = longest_input(job.source, model, tokenizer, settings.max_length)
    arguments = training_arguments(settings, len(task.train), processes, job.scratch, cpu=job.cpu)
    sets = {"train": task.train, "dev": task.dev, "test": task.test}
    encoded = {role: encode(tokenizer, rows.texts, task.ids(rows), max_length) for role, rows in sets.items()}
    figures: Figures = {
        "rows": {role: len(rows) for role, rows in sets.items()},
        "classes": len(task.names),
        "max_length": max_length,
        "truncated": sum(longer for _, longer in encoded.values()),
        "unknown": round(unknown_share(tokenizer, encoded["train"][0]), 4),
        "parameters": model.num_parameters(),
        "steps": steps_of(settings, len(task.train)),
        "processes": processes,
    }
    if speaks:
        _announce(figures, task.notes)
    with progress(STAGE, figures["steps"], quiet=not speaks) as advance:
        fitted = fit(model, tokenizer, encoded["train"][0], encoded["dev"][0], task.names, arguments, advance)
    test = score(task.ids(task.test), fitted.answers(encoded["test"][0]), task.names)
    return Learned(fitted, max_length, test, {**figures, "best_epoch": fitted.best.number})


def _announce(figures: Figures, notes: Sequence[str]) -> None:
    for note in notes:
        warn(note)
    if figures["unknown"] > NOTABLE_UNKNOWN:
        warn(
            f"{figures['unknown']:.0%} of train's tokens are unknown to the model's vocabulary: does its tokenizer "
            "know Korean? (a folder with vocab.txt alone is read with accents stripped, which takes Hangul apart)"
        )
    counts = ", ".join(f"{rows:,} {role}" for role, rows in figures["rows"].items())
    millions = figures["parameters"] / 1e6
    say(f"{STAGE}: {counts} texts, {figures['classes']} classes, {millions:.1f} million parameters")
    if figures["truncated"]:
        say(
            f"{STAGE}: {figures['truncated']:,} texts are longer than {figures['max_length']} tokens and lose their end"
        )
