"""What a run came to, and its answers, as files: JSON, and JSON lines."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from finetune.data.rows import Answer, Row, Rows, Span, Target
from finetune.kinds.kind import Said
from finetune.scoring.mistakes import Mistake
from finetune.scoring.outcome import Run

#: A run's own file, in its folder.
RESULT = "result.json"
#: Answers to test, a line each.
PREDICTIONS = "predictions.jsonl"
#: Wrong answers to dev that the model was most sure of.
MISTAKES = "mistakes.json"


def write_result(run: Run, folder: Path) -> None:
    """Write `RESULT`."""
    (folder / RESULT).write_text(json.dumps(asdict(run), indent=1, ensure_ascii=False) + "\n", "utf-8")


def read_result(folder: Path) -> Run:
    """Read what `write_result` wrote."""
    return TypeAdapter(Run).validate_json((folder / RESULT).read_text("utf-8"))


def read_runs(content: object) -> list[Run]:
    """Runs out of plain JSON."""
    return TypeAdapter(list[Run]).validate_python(content)


def write_mistakes(mistakes: Sequence[Mistake], folder: Path) -> None:
    """Write `MISTAKES`."""
    found = [asdict(mistake) for mistake in mistakes]
    (folder / MISTAKES).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")


def read_mistakes(folder: Path) -> tuple[Mistake, ...]:
    """Read what `write_mistakes` wrote."""
    return TypeAdapter(tuple[Mistake, ...]).validate_json((folder / MISTAKES).read_text("utf-8"))


def told(target: Target | None, text: str) -> str:
    """A target or an answer in one line; of entities with the characters that they are."""
    if target is None:
        return ""
    if isinstance(target, str):
        return target
    if isinstance(target, float):
        return f"{target:.3f}"
    parts = [
        f"{text[part.start : part.end]} ({part.label})"
        if isinstance(part, Span)
        else part.text
        if isinstance(part, Answer)
        else part
        for part in target
    ]
    return ", ".join(parts) or "-"


def prediction_lines(rows: Rows, said: Sequence[Said], names: Sequence[str]) -> Iterable[str]:
    """A JSON object a row: its name, texts, target if known, answer, confidence, and a probability of each class."""
    for row, answer in zip(rows.rows, said, strict=True):
        line = {name: value for name, value in asdict(row).items() if name != "place" and value is not None}
        line |= {"answer": asdict(answer)["answer"], "confidence": round(answer.confidence, 6)}
        if answer.probabilities:
            shares = zip(names, answer.probabilities, strict=True)
            line["probabilities"] = {name: round(share, 6) for name, share in shares}
        yield json.dumps(line, ensure_ascii=False)


_TARGETS: dict[str, TypeAdapter[Any]] = {
    "classification": TypeAdapter(str),
    "regression": TypeAdapter(float),
    "multilabel": TypeAdapter(tuple[str, ...]),
    "ner": TypeAdapter(tuple[Span, ...]),
    "qa": TypeAdapter(tuple[Answer, ...]),
}


def read_predictions(path: Path, kind: str, names: Sequence[str]) -> tuple[Rows, list[Said]]:
    """Read labelled rows and the answers to them as `prediction_lines` wrote them."""
    rows, said = [], []
    # A text may hold what `splitlines` takes for the end of a line.
    for line in map(json.loads, path.read_text("utf-8").rstrip("\n").split("\n")):
        target, answer = (_TARGETS[kind].validate_python(line[name]) for name in ("target", "answer"))
        shares = tuple(line["probabilities"][name] for name in names) if "probabilities" in line else ()
        rows.append(Row(line["text"], line.get("pair"), target, line["name"], line["name"]))
        said.append(Said(answer, line["confidence"], shares))
    return Rows(path, tuple(rows)), said
