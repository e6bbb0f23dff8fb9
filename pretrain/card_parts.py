"""Pieces that several sections of a model card share."""

from __future__ import annotations

import re
from typing import Literal

from pretrain.lineage import Lineage

#: What is measured on held-out text: name, words, and how a value is written.
MEASURES = {
    "mlm_loss": ("loss of masked tokens (nats)", ".4f"),
    "mlm_accuracy": ("accuracy of masked tokens", ".2%"),
    "mlm_bits_per_character": ("bits per character of masked tokens", ".4f"),
    "mlm_unknown_share": ("share of [UNK] among masked tokens", ".3%"),
    "nsp_loss": ("loss of pairs (nats)", ".4f"),
    "nsp_accuracy": ("accuracy of pairs", ".2%"),
}
#: Prefixes of the figures measured at the start, at the best checkpoint and at the end.
MOMENTS = {"start": "start_", "best": "best_", "end": "held_out_"}
_EXPORTED = {"last": "held_out_", "best": "best_"}


def fenced(text: str, language: str = "") -> str:
    """A code block of any text: its fence is longer than any run of backticks that the text holds."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def held_out_rows(lineage: Lineage, which: Literal["last", "best"]) -> list[tuple[str, str, list[float]]]:
    """Name, words and the exported weights' value (a list of one; empty if it was not measured) of each measure."""
    figures = lineage.run.figures
    return [
        (name, words, [figures[_EXPORTED[which] + name]] if _EXPORTED[which] + name in figures else [])
        for name, (words, _) in MEASURES.items()
    ]
