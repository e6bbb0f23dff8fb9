"""A frozen encoder (or TF-IDF) with a head, under the protocol of a fine-tuning: chosen on dev, test scored once."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline

from finetune.data.rows import Rows
from finetune.heads import KINDS, Head, find_head, linear_parts, make_head, outputs_of, settings_of, write_linear
from finetune.job import Job
from finetune.kinds.classes import labels_of
from finetune.kinds.every import kind_of
from finetune.kinds.kind import Encoded, Said
from finetune.learn import mistakes_among
from finetune.publish import model_name, publish
from finetune.results import PREDICTIONS, prediction_lines, write_mistakes
from finetune.scoring.outcome import Run
from finetune.scoring.scores import Scores
from finetune.sets import Sets, read_sets
from finetune.taskfile import TaskFile, write_task
from finetune.vectors import Encoder, Pool, stored_vectors
from finetune.words import Words
from pipeline.artifact import Figures, Key, Kind, Manifest, build
from pipeline.console import progress, say, warn
from pipeline.errors import InputError

FEATURES = Kind("features", 1, "make features")
LINEAR = "head.safetensors"
TFIDF = "tfidf"
#: Settings of the recipe that decide something here.
USED = (
    "max_length",
    "dev_share",
    "test_share",
    "seed",
    "seeds",
    "cleaning",
    "exclude_overlap",
    "choice",
    "class_weights",
)
#: What a head sees of train, dev and test: (rows, width) each.
Seen = dict[str, Any]


@dataclass(frozen=True)
class Headed:
    """A job whose model stays as it is (None: TF-IDF in its place), and the head on it."""

    job: Job
    head: str
    pool: Pool | None

    @property
    def kind(self) -> str:
        """The kind of its task."""
        return self.job.data.source.resolved().kind

    @property
    def balanced(self) -> bool:
        """Whether rare classes count as much as frequent ones."""
        return self.job.settings.class_weights == "balanced"

    @property
    def called(self) -> str:
        """What it is called in tables."""
        return f"{TFIDF if self.pool is None else f'{model_name(self.job)}, frozen, {self.pool}'} + {self.head}"

    @property
    def settings(self) -> dict[str, Any]:
        """All that is chosen."""
        used = {name: getattr(self.job.settings, name) for name in USED}
        return {"vectors": self.pool or TFIDF, "head": self.head, **used, "random_weights": self.job.random_weights}

    def key(self) -> Key:
        """What decides the output."""
        whole = self.job.key(with_model=self.pool is not None)
        source = {name: value for name, value in whole.settings.items() if name in _OF_DATA}
        return FEATURES.key({**self.settings, **source}, whole.inputs)


#: Of a job's settings, those that decide its rows.
_OF_DATA = ("task", "text", "pair", "label", "encoding", "cleaning")


@dataclass(frozen=True)
class Tried:
    """A head fitted with one value of its setting, and what it said and scored on dev."""

    value: float | None
    fitted: Pipeline
    said: list[Said]
    scores: Scores


@dataclass(frozen=True)
class Ran:
    """One seed: its scores, the chosen head, its answers to test, and dev's score of each value."""

    run: Run
    best: Tried
    said: list[Said]
    tried: tuple[tuple[float | None, float], ...]


def make_features(headed: Headed) -> tuple[Manifest, bool]:
    """The artifact, and whether it had to be made; raises InputError for a task or a head that do not go together."""
    job, kind = headed.job, headed.kind
    if kind not in KINDS:
        raise InputError(
            f"task {job.data.source.task} answers within a text, a head on whole texts cannot: make finetune"
        )
    head = find_head(headed.head, kind, sparse=headed.pool is None, balanced=headed.balanced)
    job.check_place(FEATURES)
    return build(job.folder, headed.key(), partial(_make, headed, head))


def _make(headed: Headed, head: Head, folder: Path) -> Figures:
    job, settings = headed.job, headed.job.settings
    sets = read_sets(job)
    for note in sets.notes:
        warn(note)
    counts = ", ".join(f"{part.rows:,} {part.name}" for part in sets.parts)
    say(f"features: {counts} texts, {headed.called}")
    # Weights drawn at random are another encoder with each seed.
    draws = head.seeded or job.random_weights
    notes = [] if draws or settings.seeds == 1 else [f"{headed.head} draws nothing: one run stands for all seeds"]
    seen: Seen = {}
    ran: list[Ran] = []
    for seed in range(settings.seed, settings.seed + (settings.seeds if draws else 1)):
        if not seen or job.random_weights:
            seen = _see(headed, sets, seed)
        ran.append(_run(headed, head, sets, seen, seed, notes))
    best = max(range(len(ran)), key=lambda place: (ran[place].run.dev.choice, -place))
    kept = ran[best]
    if head.setting:
        tried = ", ".join(f"{value:g}: {score:.4f}" for value, score in kept.tried if value is not None)
        notes.append(f"{head.setting} {kept.best.value:g} was chosen by {sets.choice} on dev ({tried})")
    _write(headed, sets, kept, folder)
    runs = [one.run for one in ran]
    figures = publish(job, sets, runs, best, folder, notes, model=headed.called, chosen=headed.settings)
    width = int(seen["train"].shape[1])
    return {"kind": headed.kind, "width": width, "head": headed.head, "setting": kept.best.value, **figures}


def _see(headed: Headed, sets: Sets, seed: int) -> Seen:
    """The vectors of all rows; `seed` is that of random weights."""
    job, parts = headed.job, {"train": sets.train, "dev": sets.dev, "test": sets.test}
    pairs = {role: [(row.text, row.pair) for row in rows.rows] for role, rows in parts.items()}
    if headed.pool is None:
        words = Words(pairs["train"])
        return {role: words.vectors(texts) for role, texts in pairs.items()}
    encoder = Encoder(job.model, headed.pool, job.settings.max_length, seed if job.random_weights else None, job.cpu)
    store = stored_vectors(encoder, (pair for texts in pairs.values() for pair in texts), job.artifacts)
    return {role: np.stack([store[pair] for pair in texts]) for role, texts in pairs.items()}


def _run(headed: Headed, head: Head, sets: Sets, seen: Seen, seed: int, notes: list[str]) -> Ran:
    """One seed: fitted with each value, and the best on dev scored on test."""
    truth, values = _truth(headed.kind, sets), settings_of(head, len(sets.train))
    best: Tried | None = None
    tried = []
    with progress(f"{headed.head} {seed}", len(values)) as advance:
        for value in values:
            fitted = make_head(head, headed.kind, value, seed, sparse=headed.pool is None, balanced=headed.balanced)
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                fitted.fit(seen["train"], truth)
            if any(issubclass(each.category, ConvergenceWarning) for each in told):
                notes.append(f"{headed.head} with {head.setting} {value}, seed {seed}, ended before it had converged")
            scores, said = _scored(headed, sets, fitted, seen["dev"], sets.dev)
            tried.append((value, scores.choice))
            # Of equals the first, which is the most cautious.
            if best is None or scores.choice > best.scores.choice:
                best = Tried(value, fitted, said, scores)
            advance(1, f"dev {scores.choice:.3f}")
    if best is None:
        raise ValueError("no value to try")
    test, said = _scored(headed, sets, best.fitted, seen["test"], sets.test)
    return Ran(Run(seed, (), 0, best.scores, test), best, said, tuple(tried))


def _scored(headed: Headed, sets: Sets, fitted: Pipeline, vectors: Any, rows: Rows) -> tuple[Scores, list[Said]]:
    kind = kind_of(headed.job.data.source.task)
    outputs = outputs_of(fitted, vectors, headed.kind, len(sets.names))
    said = kind.answers((outputs,), Encoded(rows, [], ()), sets.names)
    return kind.score(rows, said, sets.names).led_by(sets.choice), said


def _write(headed: Headed, sets: Sets, kept: Ran, folder: Path) -> None:
    """All but the summary."""
    task, settings = headed.job.data.source.resolved(), headed.job.settings
    write_task(
        TaskFile(task.name, task.text, task.pair, sets.names, sets.cleaning, settings.max_length, 0, sets.choice),
        folder,
    )
    linear = linear_parts(kept.best.fitted) if headed.pool else None
    if linear:
        write_linear(linear, folder / LINEAR)
    lines = prediction_lines(sets.test, kept.said, sets.names)
    (folder / PREDICTIONS).write_text("".join(f"{line}\n" for line in lines), "utf-8")
    write_mistakes(mistakes_among(sets.dev, kept.best.said), folder)


def _truth(kind: str, sets: Sets) -> Any:
    """What the head is to learn: places in the names, a matrix of 0 and 1, or numbers."""
    rows, place = sets.train.rows, {name: number for number, name in enumerate(sets.names)}
    if kind == "classification":
        return np.array([place[row.label] for row in rows])
    if kind == "regression":
        return np.array([row.target for row in rows], dtype=np.float64)
    marks = np.zeros((len(rows), len(place)), dtype=np.int64)
    for number, row in enumerate(rows):
        marks[number, [place[label] for label in labels_of(row)]] = 1
    return marks
