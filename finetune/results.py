"""What a run came to: its epochs, the one that was chosen, what it scored. Written as JSON and read back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from finetune.data.rows import Rows
from finetune.kinds.kind import Said
from finetune.scoring.scores import Scores

#: The run's own file, in its folder.
RESULT = "result.json"
#: Answers to test, a line each.
PREDICTIONS = "predictions.jsonl"


@dataclass(frozen=True)
class Epoch:
    """One pass over train and the looks after it; losses are means.

    train: of as many rows of train as dev has. peer: of test, where the peers' protocol was asked for.
    """

    number: int
    train_loss: float
    dev_loss: float
    train: Scores
    dev: Scores
    peer: Scores | None = None


@dataclass(frozen=True)
class Result:
    """One run: `best` is the place of the epoch that was kept; `ceiling` the best that the vocabulary allows (ner)."""

    seed: int
    epochs: tuple[Epoch, ...]
    best: int
    test: Scores
    ceiling: float | None = None

    @property
    def dev(self) -> Scores:
        """Dev after the epoch that was kept."""
        return self.epochs[self.best].dev


def write_result(result: Result, folder: Path) -> None:
    """Write `RESULT`."""
    (folder / RESULT).write_text(json.dumps(asdict(result), indent=1, ensure_ascii=False) + "\n", "utf-8")


def read_result(folder: Path) -> Result:
    """Read what `write_result` wrote."""
    return TypeAdapter(Result).validate_json((folder / RESULT).read_text("utf-8"))


def write_predictions(path: Path, rows: Rows, said: Sequence[Said], names: Sequence[str]) -> None:
    """One JSON line a row: its name, texts, truth if known, answer, confidence, and a probability of each class."""
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(f"{line}\n" for line in prediction_lines(rows, said, names))


def prediction_lines(rows: Rows, said: Sequence[Said], names: Sequence[str]) -> Iterable[str]:
    """As `write_predictions` has them."""
    for row, answer in zip(rows.rows, said, strict=True):
        line = asdict(row)
        line.pop("place")
        if row.pair is None:
            line.pop("pair")
        if row.target is None:
            line.pop("target")
        line |= {"answer": asdict(answer)["answer"], "confidence": round(answer.confidence, 6)}
        if answer.probabilities:
            shares = zip(names, answer.probabilities, strict=True)
            line["probabilities"] = {name: round(share, 6) for name, share in shares}
        yield json.dumps(line, ensure_ascii=False)
