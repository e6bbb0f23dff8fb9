"""Texts to vectors: what an encoder makes of them, as a NumPy file.

    python -m finetune.embed --model artifacts/export/law --file texts.txt --out texts.npy

(make embed MODEL=DIR FILE=texts.txt OUT=texts.npy). Any encoder, fine-tuned or not. Writes (rows, width) float32
in the rows' order; `--pool` says what a vector is:

* mean: the mean over the tokens of the last layer, special ones included, as sentence-transformers has it
* cls: the first token's
* last4: the mean over tokens and over the last four layers

The numbers can be compared by their angle; how much that says depends on what the encoder was taught.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from finetune.data.read import Source, read_unlabelled
from finetune.vectors import POOLS, Encoder, embed
from pipeline.console import progress, say, warn
from pipeline.errors import InputError
from pipeline.stage import artifact_folder, read_recipe, run_stage, stage_parser


def main(argv: list[str] | None) -> None:
    """Parse the command line, write the vectors."""
    arguments = _parser().parse_args(argv)
    if arguments.out.suffix != ".npy":
        raise InputError(f"--out {arguments.out}: name it *.npy")
    folder = arguments.model or artifact_folder(arguments, "export", read_recipe(arguments))
    source = Source("classification", arguments.text_column, arguments.pair_column, None, arguments.encoding)
    rows = read_unlabelled(arguments.file, source)
    if rows.skipped:
        warn(f"{rows.path}: {len(rows.skipped):,} rows without text have no vector ({rows.skipped[0]} ...)")
    with progress("embed", len(rows)) as advance:
        vectors = embed(Encoder(folder, arguments.pool, cpu=arguments.cpu), rows, advance)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    beside = arguments.out.with_name(f".{arguments.out.name}.part")
    try:
        with beside.open("wb") as stream:
            np.save(stream, vectors, allow_pickle=False)
        beside.replace(arguments.out)
    finally:
        beside.unlink(missing_ok=True)
    say(f"embed: {vectors.shape[0]:,} vectors of {vectors.shape[1]} numbers -> {arguments.out}")


def _parser() -> argparse.ArgumentParser:
    parser = stage_parser("finetune.embed", "Write an encoder's vectors of texts.")
    parser.add_argument("--model", type=Path, help="an encoder folder (default: artifacts/export/<name>)")
    parser.add_argument("--file", required=True, help="one text a line (.txt), a table, or a folder of texts")
    parser.add_argument("--text-column", metavar="COLUMN", help="column of the text (default: text)")
    parser.add_argument("--pair-column", metavar="COLUMN", help="column of a second text (default: none)")
    parser.add_argument("--encoding", default="utf-8", help="of a text file: utf-8 or cp949 (default: utf-8)")
    parser.add_argument("--pool", choices=POOLS, default="mean", help="what a text's vector is (default: mean)")
    parser.add_argument("--out", type=Path, required=True, help="a .npy file")
    parser.add_argument("--cpu", action="store_true", help="use the CPU even if there is an accelerator")
    return parser


if __name__ == "__main__":
    run_stage(main)
