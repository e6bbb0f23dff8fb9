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
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoModel

from finetune.data.read import Source, read_unlabelled
from finetune.data.rows import Rows
from finetune.forward import forward, load_for_use
from finetune.kinds.kind import encode_texts
from finetune.model import longest_input
from pipeline.console import progress, say, warn
from pipeline.errors import InputError
from pipeline.stage import artifact_folder, read_recipe, run_stage, stage_parser
from pretrain.folder import check_vocabulary, load_folder_tokenizer, model_files
from pretrain.quiet import quiet

Pool = Literal["mean", "cls", "last4"]
POOLS: tuple[Pool, ...] = get_args(Pool)
#: Layers from the top that `last4` takes the mean of.
LAYERS = 4
_CHUNK = 4096


def embed(
    folder: Path,
    rows: Rows,
    pool: Pool = "mean",
    *,
    max_length: int = 0,
    cpu: bool = False,
    advance: Callable[[int], None] = lambda _: None,
) -> NDArray[np.float32]:
    """Vectors (rows, width) of the rows' texts; raises InputError for a folder that is no encoder."""
    model_files(folder)
    with quiet():
        tokenizer = load_folder_tokenizer(folder)
        model = load_for_use(folder, AutoModel, cpu=cpu)
        check_vocabulary(folder, model, tokenizer)
        model.config.output_hidden_states = pool == "last4"
        longest = longest_input(folder, model, tokenizer, max_length)
        found = []
        for begin in range(0, len(rows), _CHUNK):
            part = rows.pick(range(begin, min(begin + _CHUNK, len(rows))))
            found += forward(model, tokenizer, encode_texts(tokenizer, part, longest).examples, _TAKE[pool])
            advance(len(part))
    return np.stack(found)


def _mean(hidden: Tensor, inputs: Mapping[str, Tensor], place: int) -> NDArray[np.float32]:
    seen = inputs["attention_mask"][place].unsqueeze(-1)
    vector: NDArray[np.float32] = ((hidden[place] * seen).sum(0) / seen.sum()).float().cpu().numpy()
    return vector


def _take_mean(outputs: Any, inputs: Mapping[str, Tensor], place: int) -> NDArray[np.float32]:
    return _mean(outputs.last_hidden_state, inputs, place)


def _take_cls(outputs: Any, inputs: Mapping[str, Tensor], place: int) -> NDArray[np.float32]:
    vector: NDArray[np.float32] = outputs.last_hidden_state[place, 0].float().cpu().numpy()
    return vector


def _take_last(outputs: Any, inputs: Mapping[str, Tensor], place: int) -> NDArray[np.float32]:
    # The first of hidden_states are the embeddings.
    layers = outputs.hidden_states[1:][-LAYERS:]
    vector: NDArray[np.float32] = np.mean([_mean(layer, inputs, place) for layer in layers], axis=0, dtype=np.float32)
    return vector


_TAKE: dict[Pool, Callable[[Any, Mapping[str, Tensor], int], NDArray[np.float32]]] = {
    "mean": _take_mean,
    "cls": _take_cls,
    "last4": _take_last,
}


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
        vectors = embed(folder, rows, arguments.pool, cpu=arguments.cpu, advance=advance)
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
