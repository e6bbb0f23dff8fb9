"""Tasks that say a number of a row: how similar two sentences are, how many stars a review gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase

from finetune.data.rows import Row, Rows
from finetune.kinds.kind import Encoded, Kind, Outputs, Reading, Said, encode_texts
from finetune.scoring.numbers import score_numbers
from finetune.scoring.scores import Scores
from pipeline.errors import InputError


@dataclass(frozen=True)
class Regression(Kind):
    """Each row has a number; from `threshold` on it is a yes (`finetune.scoring.numbers`)."""

    name = "regression"
    loader = AutoModelForSequenceClassification

    threshold: float | None = None

    def names(self, train: Rows) -> tuple[str, ...]:
        """One output, called `score`; raises InputError if all numbers are the same."""
        if len({_number(row) for row in train.rows}) < 2:
            raise InputError(
                f"{train.path}: every row has the number {_number(train.rows[0])}; there is nothing to learn"
            )
        return ("score",)

    def head(self, names: Sequence[str]) -> dict[str, Any]:
        """One output, a number."""
        return {**super().head(names), "problem_type": "regression"}

    def prepare(self, model: PreTrainedModel, train: Rows) -> None:
        """Let the head begin at the mean: from 0 a short training would spend itself on getting there."""
        last = [module for module in model.modules() if isinstance(module, nn.Linear) and module.out_features == 1]
        if last and last[-1].bias is not None:
            with torch.no_grad():
                last[-1].bias.fill_(fmean(_number(row) for row in train.rows))

    def encode(self, tokenizer: PreTrainedTokenizerBase, rows: Rows, names: Sequence[str], reading: Reading) -> Encoded:
        """`labels`: the number."""
        texts = encode_texts(tokenizer, rows, reading.max_length)
        for row, example in zip(rows.rows, texts.examples, strict=True):
            if row.target is not None:
                example["labels"] = _number(row)
        return Encoded(rows, texts.examples, tuple(range(len(rows))), longer=texts.longer)

    def loss(self, outputs: Outputs, encoded: Encoded) -> float:
        """The mean squared error."""
        truth = np.array([example["labels"] for example in encoded.examples])
        return float(((outputs[0].reshape(-1).astype(np.float64) - truth) ** 2).mean())

    def answers(self, outputs: Outputs, encoded: Encoded, names: Sequence[str]) -> list[Said]:
        """The number; a regression does not say how sure it is, so the confidence is 1."""
        return [Said(float(number), 1.0) for number in outputs[0].reshape(-1)]

    def score(self, rows: Rows, answers: Sequence[Said], names: Sequence[str]) -> Scores:
        """Correlations."""
        given = [said.answer for said in answers]
        return score_numbers([_number(row) for row in rows.rows], given, threshold=self.threshold)  # type: ignore[arg-type]


def _number(row: Row) -> float:
    if not isinstance(row.target, float):
        raise TypeError(f"{row.place}: {row.target!r} is no number")
    return row.target
