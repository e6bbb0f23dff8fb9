"""Where a model was wrong and most sure of it: the rows worth reading, and often worth correcting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.console import visible

#: Characters of a text that are shown.
SHOWN = 100
#: Mistakes that are listed.
MOST = 20


@dataclass(frozen=True)
class Mistake:
    """A wrong answer. `place` says where the row stands (`line 7`); `confidence` in [0, 1]; texts are one line each."""

    place: str
    text: str
    truth: str
    answer: str
    confidence: float


def most_confident(
    rows: Sequence[tuple[str, str]],
    truth: Sequence[str],
    answers: Sequence[str],
    confidences: Sequence[float],
    most: int = MOST,
) -> tuple[Mistake, ...]:
    """The `most` wrong answers with the greatest confidence, among equals in the order of the rows.

    rows: (place, text) of each; truth, answers: as they are shown, wrong where they differ.
    """
    wrong = [
        (confidence, place, text, true, said)
        for (place, text), true, said, confidence in zip(rows, truth, answers, confidences, strict=True)
        if true != said
    ]
    wrong.sort(key=lambda row: -row[0])
    return tuple(
        Mistake(place, one_line(text), one_line(true), one_line(said), confidence)
        for confidence, place, text, true, said in wrong[:most]
    )


def one_line(text: str, most: int = SHOWN) -> str:
    r"""A text on one line of at most `most` characters, control characters spelled out.

    >>> one_line("좋다\n\x1b[31m 정말"), one_line("가" * 9, 5)
    ('좋다 \\u001b[31m 정말', '가가가가…')
    """
    # More is cut off first: a row may be a whole book.
    line = visible(" ".join(text[: 8 * most].split()))
    return line if len(line) <= most and len(text) <= 8 * most else line[: most - 1] + "…"
