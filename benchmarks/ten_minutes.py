"""From raw text in ten minutes: what `RECIPE=tenminute` makes of a text, and what that is worth to a classifier.

    python benchmarks/ten_minutes.py TEXT ... --work DIR --train train.tsv.xz --test test.tsv.xz [--rows 2000]

Runs the road's own stages into DIR. Lines that are documents of the test file are left out of the text first. Then the
model is fine-tuned on some rows (columns `document` and `label`), the best epoch chosen on a part of them and test
scored once, for each seed, and the same shape from random weights: the difference is what the ten minutes gave.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from road import STARTS, Files, Road
from vocabulary_downstream import deviation, judge

from finetune.data.read import Source, read_rows
from pipeline.console import answer, table
from pipeline.stage import positive, run_stage

NAME = "ten"


def main(argv: list[str] | None) -> None:
    """Run the road, print the tables."""
    arguments = _parser().parse_args(argv)
    road = Road(arguments.work, arguments.recipe, tuple(arguments.sets))
    arguments.work.mkdir(parents=True, exist_ok=True)
    files = Files(arguments.train, arguments.test, arguments.rows)
    corpus = _without(arguments.text, arguments.test, arguments.work / "text")
    seconds = {}
    stages = (
        ("corpora.build", "--corpus", *corpus),
        ("tokenizer.train",),
        ("pretrain.examples",),
        ("pretrain.train",),
        ("pretrain.export",),
    )
    for module, *flags in stages:
        began = time.monotonic()
        road.stage(module, NAME, *flags)
        seconds[module] = time.monotonic() - began
    for seed in range(arguments.seeds):
        for start in STARTS:
            road.finetune(NAME, start, files, seed, name=f"{NAME}-{seed}", rate=arguments.rate)
    _tell(road, seconds, arguments)


def _without(texts: list[Path], test: Path, folder: Path) -> list[Path]:
    """Copies of the texts, less the lines that are documents of the test file."""
    hidden = {text.strip() for text in read_rows(test, Source("nsmc")).texts}
    folder.mkdir(exist_ok=True)
    copies, left_out = [], 0
    for number, text in enumerate(texts):
        copy = folder / f"{number}-{text.name}"
        copies.append(copy)
        lines = text.read_text("utf-8").splitlines()
        kept = [line for line in lines if not line.strip() or line.strip() not in hidden]
        left_out += len(lines) - len(kept)
        copy.write_text("\n".join(kept) + "\n", "utf-8")
    answer(f"{left_out:,} lines are documents of {test} and were left out")
    return copies


def _tell(road: Road, seconds: dict[str, float], arguments: argparse.Namespace) -> None:
    figures = road.figures("pretrain", NAME)
    rows = [(module, f"{spent:,.0f}") for module, spent in seconds.items()]
    table("seconds (next to none for what was done before)", ("stage", "seconds"), rows, stdout=True)
    names = ("mlm_loss", "mlm_accuracy", "mlm_bits_per_character", "nsp_accuracy")
    held_out = [
        (name, *(f"{figures[f'{prefix}_{name}']:.3f}" for prefix in ("start", "held_out")))
        for name in names
        if f"held_out_{name}" in figures
    ]
    steps = f"{figures['steps']:,} steps, {figures['tokens_per_second'] * figures['seconds'] / 1e6:.1f} million tokens"
    table(steps, ("held out", "start", "end"), held_out, stdout=True)
    scores = {
        start: np.array([100 * road.accuracy(f"{NAME}-{seed}", start) for seed in range(arguments.seeds)])
        for start in STARTS
    }
    difference, interval, verdict = judge(scores["pretrained"] - scores["random"])
    table(
        f"test accuracy (%) after {arguments.rows:,} rows, {arguments.seeds} seeds",
        ("weights", "mean ± deviation", "pretrained - random", "95 % interval", "so"),
        [
            (start, f"{values.mean():.2f} ± {deviation(values):.2f}", *told)
            for (start, values), told in zip(
                scores.items(), [(difference, interval, verdict), ("", "", "")], strict=True
            )
        ],
        stdout=True,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="What RECIPE=tenminute makes of a text, and what that is worth.")
    parser.add_argument("text", nargs="+", type=Path, help="plain text in UTF-8")
    parser.add_argument("--work", type=Path, required=True, help="folder of all artifacts; kept, so it can go on")
    parser.add_argument("--train", type=Path, required=True, metavar="FILE", help="columns document and label")
    parser.add_argument("--test", type=Path, required=True, metavar="FILE")
    parser.add_argument("--rows", type=positive, default=2000, help="rows to learn from")
    parser.add_argument("--seeds", type=positive, default=3)
    parser.add_argument("--rate", type=float, default=5e-4, help="learning rate of fine-tuning")
    parser.add_argument("--recipe", default="tenminute")
    parser.add_argument("--set", dest="sets", nargs="*", default=[], metavar="SECTION.KEY=VALUE", help="for all stages")
    return parser


if __name__ == "__main__":
    run_stage(main)
