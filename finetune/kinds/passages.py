"""Answers that stand in a passage (extractive question answering, SQuAD's task).

The model says of each token how well an answer begins there and how well it ends there; the answer is the pair with the
greatest sum, at most `LONGEST` tokens apart, over all windows of the passage. The answer is a stretch of the passage's
own characters, spaces and particles included: what is taken off to compare it is the scorer's business.

Where train has questions without an answer (SQuAD 2.0), [CLS] is what such a question is answered with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy
from transformers import AutoModelForQuestionAnswering, PreTrainedTokenizerBase

from finetune.data.rows import Answer, Row, Rows
from finetune.kinds.kind import Encoded, Kind, Offset, Outputs, Reading, Said
from finetune.kinds.windows import windows
from finetune.scoring.answers import Form, korquad_form, score_answers
from finetune.scoring.scores import Scores
from pipeline.errors import InputError

#: Tokens of an answer at most (bytes within a character are not counted), and how many beginnings and ends of each
#: window are tried with each other (SQuAD's scripts: 30 words; Korean answers have about two pieces a word).
LONGEST = 48
BEST = 20
#: The name of what a model of this kind can say besides a stretch of the passage.
NOTHING = "no answer"


@dataclass(frozen=True)
class Passages(Kind):
    """Each row is a question (`pair`) about a passage (`text`); answers are compared as `form` has them."""

    name = "qa"
    loader = AutoModelForQuestionAnswering

    form: Form = korquad_form

    def names(self, train: Rows) -> tuple[str, ...]:
        """(`NOTHING`,) if some question of train has no answer, so that saying so can be learned."""
        answered = sum(bool(answers_of(row)) for row in train.rows)
        if not answered:
            raise InputError(f"{train.path}: no question has an answer; there is nothing to learn")
        return (NOTHING,) if answered < len(train) else ()

    def head(self, names: Sequence[str]) -> dict[str, Any]:
        """Beginning and end, whatever the folder's own task had; what can be said stands in the task's own file."""
        return {"num_labels": 2}

    def encode(self, tokenizer: PreTrainedTokenizerBase, rows: Rows, names: Sequence[str], reading: Reading) -> Encoded:
        """`start_positions`, `end_positions`: the first and last token of the answer, or [CLS] in other windows."""
        questions = [row.pair or "" for row in rows.rows]
        examples, owners, offsets, _ = windows(tokenizer, questions, [row.text for row in rows.rows], reading)
        for example, owner, own in zip(examples, owners, offsets, strict=True):
            row = rows.rows[owner]
            if row.target is not None:
                found = answers_of(row)
                start, end = answer_tokens(own, found[0]) if found else (0, 0)
                example["start_positions"], example["end_positions"] = start, end
        return Encoded(rows, examples, owners, tuple(offsets))

    def loss(self, outputs: Outputs, encoded: Encoded) -> float:
        """Cross-entropy of beginning and end, the mean of both over windows."""
        found = []
        for name, logits in zip(("start_positions", "end_positions"), outputs, strict=False):
            truth = torch.tensor([example[name] for example in encoded.examples])
            kept = torch.as_tensor(logits).double().clone()
            for row, example in zip(kept, encoded.examples, strict=True):
                row[len(example["input_ids"]) :] = -torch.inf
            found.append(cross_entropy(kept, truth).item())
        return sum(found) / 2

    def answers(self, outputs: Outputs, encoded: Encoded, names: Sequence[str]) -> list[Said]:
        """The best stretch of each passage, as sure as it is among all that were tried; () where there is none."""
        tried: list[list[tuple[float, Offset | None]]] = [[] for _ in range(len(encoded.rows))]
        nothing = [np.inf] * len(encoded.rows)
        for starts, ends, owner, own in zip(*outputs[:2], encoded.owners, encoded.offsets, strict=True):
            tried[owner] += best_stretches(starts[: len(own)], ends[: len(own)], own)
            nothing[owner] = min(nothing[owner], float(starts[0]) + float(ends[0]))
        said = []
        for row, found, none in zip(encoded.rows.rows, tried, nothing, strict=True):
            if NOTHING in names:
                found.append((none, None))
            said.append(_said(row, found))
        return said

    def score(self, rows: Rows, answers: Sequence[Said], names: Sequence[str]) -> Scores:
        """Exact match and F1."""
        truth = [[answer.text for answer in answers_of(row)] for row in rows.rows]
        given = [said.answer[0].text if said.answer else "" for said in answers]  # type: ignore[index,union-attr]
        return score_answers(truth, given, form=self.form)


def answers_of(row: Row) -> tuple[Answer, ...]:
    """The target of a row of this kind."""
    if not isinstance(row.target, tuple) or not all(isinstance(answer, Answer) for answer in row.target):
        raise TypeError(f"{row.place}: {row.target!r} are no answers")
    return row.target  # type: ignore[return-value]


def answer_tokens(offsets: Sequence[Offset | None], answer: Answer) -> tuple[int, int]:
    """The first and the last token that touch the answer; (0, 0) if the window does not hold all of it.

    White space at its ends is left aside: no token stands for it.
    """
    begin = answer.start + len(answer.text) - len(answer.text.lstrip())
    behind = answer.start + len(answer.text.rstrip())
    text = [(place, offset) for place, offset in enumerate(offsets) if offset]
    touching = [place for place, (start, end) in text if start < behind and end > begin]
    if not touching or text[0][1][0] > begin or text[-1][1][1] < behind:
        return 0, 0
    return touching[0], touching[-1]


def best_stretches(
    starts: NDArray[Any], ends: NDArray[Any], offsets: Sequence[Offset | None]
) -> list[tuple[float, Offset | None]]:
    """(score, characters) of the stretches of one window that are worth comparing; both arrays (tokens,)."""
    places = np.array([place for place, offset in enumerate(offsets) if offset])
    if not len(places):
        return []
    first = np.argsort(-starts[places], kind="stable")[:BEST]
    last = np.argsort(-ends[places], kind="stable")[:BEST]
    found: list[tuple[float, Offset | None]] = []
    for start in first:
        for end in last:
            left, right = offsets[places[start]], offsets[places[end]]
            if left and right and start <= end < start + LONGEST:
                found.append((float(starts[places[start]]) + float(ends[places[end]]), (left[0], right[1])))
    return found


def _said(row: Row, tried: Sequence[tuple[float, Offset | None]]) -> Said:
    if not tried:
        return Said((), 1.0)
    # Windows overlap: the same stretch is counted once.
    best: dict[Offset | None, float] = {}
    for score, stretch in tried:
        best[stretch] = max(score, best.get(stretch, -np.inf))
    shares = torch.tensor(list(best.values()), dtype=torch.float64).softmax(-1)
    place = int(shares.argmax())
    stretch = list(best)[place]
    answer = (Answer(row.text[slice(*stretch)], stretch[0]),) if stretch else ()
    return Said(answer, float(shares[place]))
