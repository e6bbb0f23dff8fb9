"""How often a test was looked at. A test set that one comes back to is slowly learned by whoever chooses; so each look
is written down, and the report says how many there were.

The record is `<artifacts>/finetune/test-uses.jsonl`, a look a line, for all models and tasks of these artifacts. A test
is known by what is in its files (sha256), not by their names. Nothing keeps a line from being deleted: the record is
for those who want to know.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from finetune.scoring.intervals import Spread, spread
from pipeline.artifact import canonical
from pipeline.console import warn
from pipeline.errors import InputError
from pipeline.files import hash_file

RECORD = "test-uses.jsonl"


@dataclass(frozen=True)
class Use:
    """One look at a test: every seed of one fine-tuning scored on it.

    date: ISO 8601, UTC. test: `digest` of its files; `files`: their names. measure, value: the measure to choose by,
    and its mean over `seeds`. settings: all that was chosen (the recipe's section), without the seed.
    """

    date: str
    test: str
    files: list[str]
    model: str
    task: str
    measure: str
    value: float
    seeds: list[int]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Uses:
    """How often a test was looked at: by how many models, with how many different settings."""

    times: int
    models: int
    settings: int

    def __str__(self) -> str:
        if not self.times:
            return "this test has not been looked at before"
        times, settings = _count(self.times, "time"), _count(self.settings, "different setting")
        return f"this test has been looked at {times} with {settings} of {_count(self.models, 'model')}"


def digest(files: Sequence[Path]) -> str:
    """What a test is known by: the sha256 of its file's bytes, of several files that of their sha256s in order.

    Raises InputError for a file that cannot be read.
    """
    try:
        found = sorted(hash_file(path) for path in files)
    except OSError as error:
        raise InputError(f"cannot read {error.filename}: {error.strerror}") from None
    return found[0] if len(found) == 1 else hashlib.sha256("\n".join(found).encode()).hexdigest()


def record_use(
    artifacts: Path,
    test: str,
    files: Sequence[Path],
    *,
    model: str,
    task: str,
    measure: str,
    value: float,
    seeds: Sequence[int],
    settings: Mapping[str, Any],
) -> Use:
    """Write down that `test` was scored, now; several processes may do so at once. See `Use`."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    names = [path.name for path in files]
    use = Use(now, test, names, model, task, measure, value, list(seeds), dict(settings))
    path = artifacts / "finetune" / RECORD
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{RECORD}.lock")), path.open("a+b") as stream:
        # A line that was cut off (a full disk) must not swallow this one.
        if stream.tell():
            stream.seek(-1, 2)
            if stream.read(1) != b"\n":
                stream.write(b"\n")
        stream.write((canonical(asdict(use)) + "\n").encode())
    return use


def uses_of(artifacts: Path, test: str) -> list[Use]:
    """All looks at `test` so far, in order. A line that is damaged is not counted, with a warning that names it: what
    was learned in hours is not lost for it. Raises InputError if the record cannot be read at all."""
    path = artifacts / "finetune" / RECORD
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            use = Use(**json.loads(line))
        except (ValueError, TypeError):
            warn(f"{path}, line {number} is damaged and not counted: mend or delete that line")
            continue
        if use.test == test:
            found.append(use)
    return found


def count_uses(uses: Sequence[Use]) -> Uses:
    """How many looks, models and settings; settings are the same if all of their values are."""
    return Uses(len(uses), len({use.model for use in uses}), len({(use.task, canonical(use.settings)) for use in uses}))


def peer_maximum(histories: Sequence[Sequence[float]]) -> Spread:
    """Over seeds, the best of the test scores of all epochs: what is reported where the checkpoint is chosen on test.

    No estimate of anything: a maximum over looks at the test. For comparison with papers that do so, on request only.
    """
    return spread([max(scores) for scores in histories])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
