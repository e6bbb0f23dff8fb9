"""Answers of one or several models as tables for a terminal, as Markdown and as JSON.

Texts and vocabularies are other people's: what could steer a terminal or break a table is shown as what it is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import zip_longest

from pipeline.console import table, visible
from probes.fillmask import Answer, Guess
from tokenizer.markdown import cell, code
from tokenizer.markdown import table as markdown_table

#: Characters of a bar that stands for probability 1, for one model and where several stand side by side.
_BAR, _BAR_BESIDE = 20, 10
_NOTHING = Guess("", 0.0)


def as_json(names: Sequence[str], answers: Sequence[Sequence[Answer]]) -> str:
    """A list of objects, text after text, of each text model after model; `answers`: of each text, of each model."""
    rows = [{"model": name, **asdict(found)} for of_text in answers for name, found in zip(names, of_text, strict=True)]
    return visible(json.dumps(rows, ensure_ascii=False, indent=1), keep="\n")


def show(names: Sequence[str], of_text: Sequence[Answer]) -> None:
    """What each model says of one text, a table for each gap, on standard output."""
    several = len(names) > 1
    for number in range(len(of_text[0].gaps)):
        kind = _kind(of_text, number)
        heads = [head for name in names for head in (visible(name) if several else kind, "probability", "")]
        title = _title(of_text[0], number)
        rows = []
        for rank, guesses in enumerate(_ranks(of_text, number), 1):
            row = [str(rank)]
            for guess in guesses:
                bar = "█" * round(guess.probability * (_BAR_BESIDE if several else _BAR))
                row += [visible(guess.piece), _share(guess), bar]
            rows.append(row)
        table(title, ("", *heads), rows, stdout=True)


def as_markdown(names: Sequence[str], of_text: Sequence[Answer]) -> str:
    """The same as Markdown tables."""
    lines = []
    several = len(names) > 1
    for number in range(len(of_text[0].gaps)):
        kind = _kind(of_text, number)
        heads = [head for name in names for head in (_cell(name) if several else kind, "probability")]
        rows = [
            (str(rank), *(each for guess in guesses for each in (_cell(guess.piece), _share(guess))))
            for rank, guesses in enumerate(_ranks(of_text, number), 1)
        ]
        lines += [f"{code(visible(of_text[0].text))}, gap {number + 1}", "", *markdown_table(("rank", *heads), rows)]
    return "\n".join(lines)


def _ranks(of_text: Sequence[Answer], gap: int) -> list[tuple[Guess, ...]]:
    return list(zip_longest(*(found.gaps[gap] for found in of_text), fillvalue=_NOTHING))


def _kind(of_text: Sequence[Answer], number: int) -> str:
    return "word" if any(guess.pieces for found in of_text for guess in found.gaps[number]) else "piece"


def _title(found: Answer, number: int) -> str:
    return visible(found.text) + (f"  (gap {number + 1})" if len(found.gaps) > 1 else "")


def _share(guess: Guess) -> str:
    return "" if guess is _NOTHING else f"{guess.probability:.1%}"


def _cell(text: str) -> str:
    return cell(visible(text))
