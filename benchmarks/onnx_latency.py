"""CPU latency of a model in torch, ONNX and 8 bits, all in one run.

    python benchmarks/onnx_latency.py artifacts/export/law
    python benchmarks/onnx_latency.py --shape base             # the shape of a recipe with random weights

Reads a folder of `pretrain.export`, with or without ONNX files: those that are not there are written to a scratch
folder. Of each batch and length the three take turns, so that what else the machine does falls on all alike; told
are the median milliseconds of a forward pass with the logits of all positions, and how many times as fast as torch.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from transformers import BertForPreTraining

from pipeline.console import table
from pipeline.recipe import load_recipe
from pretrain.model import bert_config, new_model
from pretrain.onnx_export import (
    INT8,
    ONNX,
    Answer,
    example_batch,
    need_onnx,
    onnx_answer,
    torch_answer,
    write_int8,
    write_onnx,
)
from pretrain.quiet import silence
from pretrain.settings import ModelSettings

BATCHES, LENGTHS = (1, 32), (32, 128)
#: Seconds after which no further round of a shape is begun.
PATIENCE = 20.0


def main() -> None:
    """Measure each shape, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="an exported folder")
    parser.add_argument("--shape", help="instead of a folder: the shape of this recipe, random weights")
    parser.add_argument("--vocabulary", type=int, default=32000, help="entries of --shape (default 32,000)")
    parser.add_argument("--rounds", type=int, default=30, help="most passes of each (default 30)")
    parser.add_argument("--threads", type=int, default=1, help="of each of the three (default 1)")
    arguments = parser.parse_args()
    if bool(arguments.folder) == bool(arguments.shape):
        parser.error("name a folder, or --shape RECIPE")
    need_onnx("onnx_latency")
    silence()
    torch.set_num_threads(arguments.threads)
    model = _model(arguments)
    with TemporaryDirectory() as scratch:
        files = _files(model, arguments.folder, Path(scratch))
        answers = {"torch": torch_answer(model)}
        answers |= {name: onnx_answer(path, arguments.threads) for name, path in files.items()}
        sizes = {name: path.stat().st_size / 1e6 for name, path in files.items()}
        print(
            f"{model.num_parameters() / 1e6:.1f} million parameters, {arguments.threads} thread(s), MB: "
            + ", ".join(f"{name} {size:.1f}" for name, size in sizes.items())
        )
        rows = [
            row
            for batch in BATCHES
            for length in sorted({min(length, model.config.max_position_embeddings) for length in LENGTHS})
            for row in _shape(answers, model, batch, length, arguments.rounds)
        ]
    table(
        "median of a forward pass",
        ("batch", "length", "", "ms", "sequences/s", "torch = 1", "passes"),
        rows,
        stdout=True,
    )


def _model(arguments: argparse.Namespace) -> BertForPreTraining:
    if arguments.folder:
        return BertForPreTraining.from_pretrained(str(arguments.folder), local_files_only=True).eval()
    shape = load_recipe(arguments.shape).section("model", ModelSettings)
    return new_model(bert_config(shape, arguments.vocabulary, shape.max_position_embeddings), 0).eval()


def _files(model: BertForPreTraining, folder: Path | None, scratch: Path) -> dict[str, Path]:
    there = {name: folder / name for name in (ONNX, INT8) if folder and (folder / name).is_file()}
    if len(there) < 2:
        write_onnx(model, scratch)
        write_int8(scratch)
    return {name: there.get(name, scratch / name) for name in (ONNX, INT8)}


def _shape(
    answers: Mapping[str, Answer], model: BertForPreTraining, rows: int, length: int, rounds: int
) -> list[tuple[str, ...]]:
    batch = example_batch(rows, length, model.config.vocab_size, padded=False)
    spent: dict[str, list[float]] = {name: [] for name in answers}
    for answer in answers.values():
        answer(batch)  # the first pass allocates
    began = time.monotonic()
    for _ in range(rounds):
        for name, answer in answers.items():
            spent[name].append(_time(answer, batch))
        if time.monotonic() - began > PATIENCE:
            break
    middle = {name: statistics.median(times) for name, times in spent.items()}
    return [
        (
            f"{rows}",
            f"{length}",
            name,
            f"{1000 * value:.2f}",
            f"{rows / value:,.1f}",
            f"{middle['torch'] / value:.2f}",
            f"{len(spent[name])}",
        )
        for name, value in middle.items()
    ]


def _time(answer: Answer, batch: Mapping[str, Tensor]) -> float:
    began = time.perf_counter()
    answer(batch)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
