"""What is learned: three sets of rows, read, cleaned and checked against each other.

The best epoch is chosen on dev, and test is looked at once a run. Published scores for Korean encoders choose on test
where no dev set exists (KoELECTRA's NSMC configuration); here what is not given is carved from train instead.

Rows of a dev or test that is given are cleaned as train's are, but none is dropped: scores stay comparable with those
of others on the same file.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from finetune.data.cleaning import clean, resolve_steps
from finetune.data.duplicates import Overlap, exclude, find_overlap
from finetune.data.read import read_rows
from finetune.data.rows import Row, Rows, Span
from finetune.data.split import split_rows
from finetune.job import Job
from finetune.kinds.every import kind_of
from finetune.kinds.kind import Kind, Said
from finetune.scoring.outcome import Part
from pipeline.errors import InputError

_PLACES = 3


@dataclass(frozen=True)
class Sets:
    """`names`: the classes, in the order of the model's outputs; `notes`: sentences that the user should see."""

    train: Rows
    dev: Rows
    test: Rows
    names: tuple[str, ...]
    choice: str
    cleaning: tuple[str, ...]
    parts: tuple[Part, ...]
    notes: tuple[str, ...]


def read_sets(job: Job) -> Sets:
    """Read, clean, split and check all rows.

    Raises InputError for what the readers and cleaning raise, a task of two texts without the second, fewer than two
    classes, a class that train does not have, and a train file too small to carve dev or test from.
    """
    settings, task = job.settings, job.data.source.resolved()
    kind = kind_of(task.name)
    if task.pair and not kind.pairs:
        raise InputError(f"task {task.name} is on one text a row: leave --pair out")
    steps = resolve_steps(settings.cleaning, task.kind)
    read = {role: read_rows(named, job.data.source) for role, named in job.data.named().items()}
    notes = [note for rows in read.values() for note in (*_skipped(rows), *rows.notes)]
    cleaned = {}
    for role, rows in read.items():
        cleaned[role], counts = clean(rows, steps, keep=role != "train")
        notes += _cleaned(rows, len(rows) - len(cleaned[role]), counts)
    whole = cleaned["train"]
    if "test" in cleaned:
        # Before dev is carved: a dev of test's rows would choose by them.
        overlap = find_overlap(whole, cleaned["test"])
        notes += _shared(overlap, settings.exclude_overlap, cleaned["test"], "test", whole)
        whole = exclude(whole, overlap) if settings.exclude_overlap else whole
    if not len(whole):
        raise InputError(f"{whole.path}: no rows are left to train on")
    shares = {"dev": settings.dev_share, "test": settings.test_share}
    dev_share, test_share = (0.0 if role in cleaned else share for role, share in shares.items())
    if dev_share + test_share >= 1:
        raise InputError(
            f"finetune.dev_share {dev_share} and finetune.test_share {test_share} leave nothing to train on: "
            "set them lower, or give files with --dev and --test"
        )
    split = split_rows(whole, dev_share, test_share, settings.seed)
    train, dev, test = split.train, cleaned.get("dev", split.dev), cleaned.get("test", split.test)
    if "dev" in cleaned:
        notes += _shared(find_overlap(train, dev), False, dev, "dev", train)
        notes += [f"{shared:,} texts of dev stand in test too" for shared in (find_overlap(dev, test).test,) if shared]
    twice = find_overlap(train, test).test
    names = kind.names(train)
    for rows in (dev, test):
        kind.check(rows, train, names)
    choice = settings.choice or task.choice
    _check_choice(kind, dev, names, choice)
    parts = tuple(
        _part(role, rows, job, read, len(whole), twice if role == "test" else 0)
        for role, rows in (("train", train), ("dev", dev), ("test", test))
    )
    return Sets(train, dev, test, names, choice, steps, parts, tuple(notes))


def _check_choice(kind: Kind, rows: Rows, names: tuple[str, ...], choice: str) -> None:
    """Raise InputError for a measure that there is not, before anything is trained: it is what right answers score."""
    right = [
        Said(row.target, 1.0, tuple(float(row.target == name) for name in names))
        for row in rows.rows
        if row.target is not None
    ]
    kind.score(rows, right, names).led_by(choice)


def _part(role: str, rows: Rows, job: Job, read: dict[str, Rows], whole: int, twice: int) -> Part:
    given = role in read
    source = read[role].path.name if given else f"{len(rows) / whole:.0%} of {rows.path.name}"
    skipped = len(read[role].skipped) if given else 0
    counts = Counter(label for row in rows.rows for label in labels_of_row(row))
    classes = tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return Part(role, source, len(rows), skipped, twice, job.settings.exclude_overlap, classes)


def labels_of_row(row: Row) -> tuple[str, ...]:
    """What a row is counted under: its label or labels, the kinds of its entities."""
    if isinstance(row.target, str):
        return (row.target,)
    if isinstance(row.target, tuple):
        return tuple(
            part.label if isinstance(part, Span) else part for part in row.target if isinstance(part, str | Span)
        )
    return ()


def _skipped(rows: Rows) -> list[str]:
    if not rows.skipped:
        return []
    places = ", ".join(rows.skipped[:_PLACES]) + (", ..." if len(rows.skipped) > _PLACES else "")
    return [f"{rows.path}: {len(rows.skipped):,} rows without text skipped ({places})"]


def _shared(overlap: Overlap, excluded: bool, rows: Rows, role: str, train: Rows) -> list[str]:
    if not overlap.test:
        return []
    what = "finetune.exclude_overlap=true leaves them out of train" if role == "test" else "take them out of one"
    if excluded:
        what = f"{len(overlap.train):,} rows of train left out"
    return [f"{overlap.test:,} of {len(rows):,} {role} texts also stand in {train.path.name}: {what}"]


def _cleaned(rows: Rows, dropped: int, counts: dict[str, int]) -> list[str]:
    """What cleaning did to a file, if it was asked for."""
    if not counts:
        return []
    told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    return [f"{rows.path.name}: cleaning changed or dropped rows: {told}; {dropped:,} of {len(rows):,} dropped"]
