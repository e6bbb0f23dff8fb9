"""Real tokens a second and model FLOPs utilisation on an accelerator, beside the stock Trainer, in one run.

    python benchmarks/accelerator.py EXAMPLES [EXAMPLES ...] [--recipe base] [--steps 50] [--profile FOLDER]
    python benchmarks/accelerator.py EXAMPLES --recipe small --steps 3 --batch 8 --cpu          (to try it)

EXAMPLES are examples artifacts, of block 128 and of 512 for the figures that are told. For each there are three sides:
the Trainer as the lectures use it; the Trainer with all that it offers for speed (16 bits, torch.compile, fused AdamW,
workers, one width); ours with its best flags. Then ours with one lever taken away at a time. Each row is a process of
its own (see `side.py`), all on one device, on the same examples.

The best of both sides have no dropout of attention probabilities, which the kernel for sequences of different lengths
does not have; a row of its own says what that costs. Utilisation counts real tokens alone (`pretrain/flops.py`).
`--profile` writes what takes the time, for each row a table of kernels; the figures of such a run are not to be told.
"""

from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import Any

from sides import Row, measure

from pipeline.artifact import read_manifest
from pipeline.console import answer, table
from pipeline.errors import InputError
from pipeline.stage import positive, run_stage
from pretrain.prepared import EXAMPLES

#: Tokens of a step where no batch is given: 256 examples of 128 tokens, 64 of 512.
_TOKENS = 32768
_NO_DROPOUT = "model.attention_probs_dropout_prob=0.0"
LECTURE = "Trainer, as in lectures"


def rows_of(block: int, *, cpu: bool) -> list[Row]:
    """The rows for examples of so many tokens; a CPU trains with 32 bits."""
    half = () if cpu else ("--precision", "bf16")
    compiled, unpadded = ("--compile",), ("--unpadded",)
    best, still = (*compiled, *unpadded, *half), {"sets": [_NO_DROPOUT]}
    rows = [
        Row(LECTURE, "stock"),
        Row("Trainer, its best", "stock", options={**still, "best": True}),
        Row("ours, its best", flags=best, options=still),
        Row("- not compiled", flags=(*unpadded, *half), options=still),
        Row("- padded to the block", flags=(*compiled, *half), options=still),
        Row(
            "- padded, grouped by length",
            flags=(*half, "--pad-to-multiple-of", str(min(block, 16))),
            options={"sets": [_NO_DROPOUT, "train.group_by_length=true"]},
        ),
        Row("- head at all places", flags=best, options={**still, "lacks": ["head"]}),
        Row("- places looked up on the device", flags=best, options={**still, "lacks": ["ahead"]}),
        Row("- AdamW not fused", flags=best, options={**still, "lacks": ["fused"]}),
        Row("- with attention dropout 0.1", flags=best, options={"sets": [_NO_DROPOUT.replace("0.0", "0.1")]}),
    ]
    return rows if cpu else [*rows, Row("- 32 bits", flags=(*compiled, *unpadded, "--precision", "no"), options=still)]


def main(argv: list[str] | None) -> None:
    """Run each row on each examples artifact, print a table for each."""
    parser = argparse.ArgumentParser(description="Training speed beside the stock Trainer, on an accelerator.")
    parser.add_argument("examples", type=Path, nargs="+")
    parser.add_argument("--recipe", default="base")
    parser.add_argument("--batch", type=positive, help=f"examples a step (default: of {_TOKENS:,} tokens)")
    parser.add_argument("--warm", type=positive, default=20, help="steps before those that are measured")
    parser.add_argument("--steps", type=positive, default=50)
    parser.add_argument("--threads", type=positive, default=8)
    parser.add_argument("--cpu", action="store_true", help="on the CPU with 32 bits, to see that it runs")
    parser.add_argument("--only", default="", help="rows whose names hold this")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="write what takes the time, a file a row")
    arguments = parser.parse_args(argv)
    for examples in arguments.examples:
        manifest = read_manifest(examples)
        if manifest is None:
            raise InputError(f"{examples} holds no examples: {EXAMPLES.command} makes them")
        _compare(arguments, examples, int(manifest.figures["block_size"]))


def _compare(arguments: argparse.Namespace, examples: Path, block: int) -> None:
    batch = arguments.batch or _TOKENS // block
    common = {"recipe": arguments.recipe, "batch": batch, "warm": arguments.warm, "steps": arguments.steps}
    rows = [row for row in rows_of(block, cpu=arguments.cpu) if arguments.only in row.name]
    # One device, or the Trainer takes all it sees.
    device = {"CUDA_VISIBLE_DEVICES": os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]}
    rows = [
        Row(row.name, row.side, row.flags, {**row.options, **_profile(arguments.profile, block, row.name)}, device)
        for row in rows
    ]
    found = measure(rows, examples, arguments.threads, {**common, "cpu": arguments.cpu})
    if not found:
        raise InputError(f"every row failed on {examples}")
    base = found.get(LECTURE)
    lines = [
        (
            name,
            f"{one['tokens_per_second']:,.0f}",
            f"{one['tokens_per_second'] / base['tokens_per_second']:.2f}" if base else "",
            f"{one['mfu']:.1%}" if one["mfu"] else "unknown",
            f"{one['tflops_per_second']:,.2f}",
            f"{one['memory_gb']:.1f}",
        )
        for name, one in found.items()
    ]
    columns = ("", "real tokens a second", "times the first", "MFU", "TFLOPS", "peak memory (GB)")
    where = next(iter(found.values()))["device"]
    table(f"{where}: {arguments.recipe}, block {block}, {batch} examples a step", columns, lines, stdout=True)
    answer(f"{arguments.steps} steps each, after {arguments.warm} that do not count")


def _profile(folder: Path | None, block: int, name: str) -> dict[str, Any]:
    if folder is None:
        return {}
    folder.mkdir(parents=True, exist_ok=True)
    return {"profile": str(folder / f"{block}-{re.sub(r'[^a-z0-9.]+', '-', name.lower()).strip('-')}.txt")}


if __name__ == "__main__":
    run_stage(main)
