"""What there is to know of a plan: lengths, padding, labels, how much of the text it uses. Figures and a page."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numba import njit
from numpy.typing import NDArray

from pipeline.artifact import Figures
from pretrain.nsp import ALONE, OTHER, PairPlan, lengths_of
from pretrain.settings import ExamplesSettings
from pretrain.tokens import TokenStore

#: Bars of the histogram of lengths, and signs of the longest one.
_BARS, _WIDTH = 16, 40
#: Tokens that are looked at together when it is counted which are used: 64 MB of flags.
_WINDOW = 1 << 26


def plan_figures(store: TokenStore, plan: PairPlan, settings: ExamplesSettings) -> Figures:
    """Figures of a training plan over its store; shares are of examples unless their names say otherwise."""
    lengths = lengths_of(plan)
    examples = max(len(plan), 1)
    total = max(int(lengths.sum(dtype=np.int64)), 1)
    sizes = np.diff(store.documents)
    edges = np.linspace(0, settings.block_size, _BARS + 1).round().astype(int)
    # Of whole numbers, an edge belongs to the bar that it ends.
    counts, _ = np.histogram(lengths, edges + 0.5)
    return {
        "examples": len(plan),
        "other_share": round(int((plan["label"] == OTHER).sum()) / examples, 5),
        "alone_share": round(int((plan["label"] == ALONE).sum()) / examples, 5),
        "told_by_length": round(_told_by_length(lengths, plan["label"]), 5),
        "single_share": round(int((sizes == 1).sum()) / max(len(sizes), 1), 5),
        "mean_length": round(total / examples, 2),
        "full_share": round(int((lengths == settings.block_size).sum()) / examples, 5),
        "padding_share": round(1 - total / (examples * settings.block_size), 5),
        "used_share": round(used_tokens(store, plan) / max(len(store.ids), 1), 5),
        "lengths": [[int(end), int(count)] for end, count in zip(edges[1:], counts, strict=True)],
    }


def _told_by_length(lengths: NDArray[np.int32], labels: NDArray[np.int8]) -> float:
    """Share of the labels of every other pair that one guesses who sees their lengths and has seen the rest, always the
    commoner label; 0 without pairs."""
    pairs = labels != ALONE
    if not pairs.any():
        return 0.0
    table = 2 * lengths[pairs] + labels[pairs]
    seen, asked = (np.bincount(half, minlength=2 * (int(lengths.max()) + 1)) for half in (table[::2], table[1::2]))
    commoner = seen.reshape(-1, 2).argmax(axis=1)
    right = asked.reshape(-1, 2)[np.arange(len(commoner)), commoner].sum()
    return float(right / max(asked.sum(), 1))


def used_tokens(store: TokenStore, plan: PairPlan) -> int:
    """How many tokens of the store are in any example."""
    flags = np.zeros(min(_WINDOW, len(store.ids)), np.bool_)
    used = 0
    for begin in range(0, len(store.ids), _WINDOW):
        flags[:] = False
        _mark(plan, begin, flags)
        used += int(flags[: len(store.ids) - begin].sum())
    return used


@njit(cache=True)
def _mark(plan, begin, flags):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    for row in range(len(plan)):
        for start, length in ((plan[row].a_start, plan[row].a_len), (plan[row].b_start, plan[row].b_len)):
            first, last = max(start - begin, 0), min(start + length - begin, len(flags))
            if first < last:
                flags[first:last] = True


def write_report(path: Path, figures: Figures, settings: ExamplesSettings) -> None:
    """The page: what an epoch consists of."""
    other = {"nsp": "B is from another document", "sop": "the segments are swapped"}.get(settings.objective)
    blind = max(figures["other_share"], 1 - figures["other_share"])
    labels = [
        f"| {other} | {figures['other_share']:.2%} |",
        f"| labels guessed from the length (not seeing it: {blind:.2%}) | {figures['told_by_length']:.2%} |",
    ]
    rows = [
        f"| examples in the first epoch | {figures['examples']:,} |",
        *(labels if other else []),
        f"| one segment alone | {figures['alone_share']:.2%} |",
        f"| documents of one sentence, whose B can only be random (nsp) or is absent | {figures['single_share']:.2%} |",
        f"| mean length, special tokens too | {figures['mean_length']:,.1f} of {settings.block_size} |",
        f"| examples that fill the block | {figures['full_share']:.2%} |",
        f"| padding, if all are padded to the block | {figures['padding_share']:.2%} |",
        f"| tokens of the training text in some example (other epochs cut elsewhere) | {figures['used_share']:.2%} |",
        f"| tokens of the training text | {figures['tokens']['train']:,} |",
        f"| tokens of the held-out text | {figures['tokens']['heldout']:,} |",
    ]
    most = max((count for _, count in figures["lengths"]), default=1) or 1
    bars = [f"{end:6} {count:12,} {'█' * round(_WIDTH * count / most)}".rstrip() for end, count in figures["lengths"]]
    page = [
        "# Examples",
        "",
        f"Objective `{settings.objective}`, block {settings.block_size}, seed {settings.seed}.",
        "",
        "| | |",
        "|---|---:|",
        *rows,
        "",
        "## Lengths",
        "",
        "Tokens up to, examples:",
        "",
        "```",
        *bars,
        "```",
        "",
        "Twenty of them are in `examples.txt`; `python -m pretrain.examples --show 20` shows them with their masks.",
    ]
    path.write_text("\n".join(page) + "\n", "utf-8")
