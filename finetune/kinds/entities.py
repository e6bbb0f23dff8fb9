"""Named entities: which stretches of a text are what.

Rows carry entities as stretches of characters, whatever their files looked like, and answers are stretches again, so
that scores do not depend on how a vocabulary cuts words. Between them stand tags of tokens (BIO, Ramshaw and Marcus
1995): the first token that touches an entity is B, those that follow are I. A token that holds an entity and more (a
particle that the vocabulary does not cut off, a whole eojeol that it cannot spell) cannot be told apart from it:
`ceiling` says what perfect tags would score, and it is reported beside the score.

A text longer than the model reads is read in overlapping windows; each token is answered in the window in which it has
the most text around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForTokenClassification, DataCollatorForTokenClassification, PreTrainedTokenizerBase

from finetune.data.rows import Row, Rows, Span
from finetune.kinds.kind import Encoded, Kind, Outputs, Reading, Said
from finetune.kinds.windows import windows
from finetune.scoring.entities import score_entities
from finetune.scoring.scores import Scores
from pipeline.errors import InputError

#: The tag of a token of no entity.
OUTSIDE = "O"
#: The label of a token that is not asked about; torch's cross-entropy leaves it out.
IGNORED = -100

#: A token: its characters, its tag, and how sure that is.
Token = tuple[int, int, str, float]


class Entities(Kind):
    """Each row has entities."""

    name = "ner"
    loader = AutoModelForTokenClassification
    pairs = False

    def names(self, train: Rows) -> tuple[str, ...]:
        """The kinds of entities, by code point."""
        names = tuple(sorted({span.label for row in train.rows for span in spans_of(row)}))
        if not names:
            raise InputError(f"{train.path}: no row has an entity; there is nothing to learn")
        return names

    def check(self, rows: Rows, train: Rows, names: Sequence[str]) -> None:
        """Every kind of entity is one of `names`."""
        for row in rows.rows:
            for span in spans_of(row):
                if span.label not in names:
                    raise InputError(
                        f"{rows.path}, {row.place}: {span.label!r} ({row.text[span.start : span.end][:40]!r}) does not "
                        f"occur in {train.path} ({', '.join(names)}), so it cannot be learned"
                    )

    def head(self, names: Sequence[str]) -> dict[str, Any]:
        """A score for each tag."""
        return super().head(tags_of(names))

    def collator(self, tokenizer: PreTrainedTokenizerBase) -> Any:
        """Labels are filled up with what is not asked about."""
        return DataCollatorForTokenClassification(tokenizer, label_pad_token_id=IGNORED)

    def encode(self, tokenizer: PreTrainedTokenizerBase, rows: Rows, names: Sequence[str], reading: Reading) -> Encoded:
        """`labels`: (length,) places in `tags_of(names)`."""
        examples, owners, offsets, _ = windows(tokenizer, [row.text for row in rows.rows], None, reading)
        number = {tag: place for place, tag in enumerate(tags_of(names))}
        for example, owner, own in zip(examples, owners, offsets, strict=True):
            row = rows.rows[owner]
            if row.target is not None:
                tags = iter(tag_tokens([offset for offset in own if offset], spans_of(row)))
                example["labels"] = [number[next(tags)] if offset else IGNORED for offset in own]
        return Encoded(rows, examples, owners, tuple(offsets))

    def loss(self, outputs: Outputs, encoded: Encoded) -> float:
        """Cross-entropy, the mean over tokens."""
        rows, truth = [], []
        for logits, example in zip(outputs[0], encoded.examples, strict=True):
            rows.append(logits[: len(example["labels"])])
            truth += example["labels"]
        together = torch.as_tensor(np.concatenate(rows)).double()
        return cross_entropy(together, torch.tensor(truth), ignore_index=IGNORED).item()

    def answers(self, outputs: Outputs, encoded: Encoded, names: Sequence[str]) -> list[Said]:
        """Entities; as sure as the least sure token of any, or of the text if there is none."""
        tags = tags_of(names)
        tokens: list[dict[tuple[int, int], tuple[int, Token]]] = [{} for _ in range(len(encoded.rows))]
        for logits, owner, own in zip(outputs[0], encoded.owners, encoded.offsets, strict=True):
            shares = torch.as_tensor(logits[: len(own)]).double().softmax(-1)
            best = shares.max(-1)
            for place, offset in enumerate(own):
                if offset is None:
                    continue
                around = min(place, len(own) - 1 - place)
                known = tokens[owner].get(offset)
                if known is None or around > known[0]:
                    token = (*offset, tags[int(best.indices[place])], float(best.values[place]))
                    tokens[owner][offset] = (around, token)
        return [_said([token for _, token in sorted(found.values(), key=lambda pair: pair[1])]) for found in tokens]

    def score(self, rows: Rows, answers: Sequence[Said], names: Sequence[str]) -> Scores:
        """F1 of entities and of characters."""
        given: list[tuple[Span, ...]] = [said.answer for said in answers]  # type: ignore[misc]
        return score_entities([spans_of(row) for row in rows.rows], given, [row.text for row in rows.rows])


def spans_of(row: Row) -> tuple[Span, ...]:
    """The target of a row of this kind."""
    if not isinstance(row.target, tuple) or not all(isinstance(span, Span) for span in row.target):
        raise TypeError(f"{row.place}: {row.target!r} are no entities")
    return row.target  # type: ignore[return-value]


def tags_of(names: Sequence[str]) -> tuple[str, ...]:
    """The tags of tokens, in the order of a model's outputs.

    >>> tags_of(["LC", "PS"])
    ('O', 'B-LC', 'I-LC', 'B-PS', 'I-PS')
    """
    return (OUTSIDE, *(f"{part}-{name}" for name in names for part in "BI"))


def tag_tokens(offsets: Sequence[tuple[int, int]], spans: Sequence[Span]) -> list[str]:
    """The tag of each token, by the entity that it touches; of two, by the one it touches first.

    Offsets and spans ascend. A window that begins within an entity begins with its I.

    >>> tag_tokens([(0, 2), (2, 3), (3, 4)], [Span(0, 3, "PS")])
    ['B-PS', 'I-PS', 'O']
    """
    tags = []
    at = 0
    for start, end in offsets:
        while at < len(spans) and spans[at].end <= start:
            at += 1
        if at == len(spans) or spans[at].start >= end:
            tags.append(OUTSIDE)
        else:
            tags.append(f"{'B' if spans[at].start >= start else 'I'}-{spans[at].label}")
    return tags


def join_tokens(tokens: Sequence[Token]) -> tuple[Span, ...]:
    """Entities out of tags: an I that follows nothing of its kind begins one, as in the scorer of CoNLL 2000."""
    spans: list[Span] = []
    before = OUTSIDE
    for start, end, tag, _ in tokens:
        part, _, label = tag.partition("-")
        if part == "I" and before == label:
            spans[-1] = Span(spans[-1].start, end, label)
        elif tag != OUTSIDE:
            spans.append(Span(start, end, label))
        before = label
    return tuple(spans)


def ceiling(encoded: Encoded) -> list[Said]:
    """What perfect tags would answer: the rows' own entities, as far as this vocabulary can tell them."""
    tokens: list[dict[tuple[int, int], Token]] = [{} for _ in range(len(encoded.rows))]
    for owner, own in zip(encoded.owners, encoded.offsets, strict=True):
        kept = [offset for offset in own if offset]
        for offset, tag in zip(kept, tag_tokens(kept, spans_of(encoded.rows.rows[owner])), strict=True):
            tokens[owner][offset] = (*offset, tag, 1.0)
    return [_said(sorted(found.values())) for found in tokens]


def _said(tokens: Sequence[Token]) -> Said:
    sure = [share for _, _, tag, share in tokens if tag != OUTSIDE] or [share for *_, share in tokens] or [1.0]
    return Said(join_tokens(tokens), min(sure))
