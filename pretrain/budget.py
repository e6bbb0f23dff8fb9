"""Stage `plan`: what a run would cost, before it is begun.

    python -m pretrain.budget --recipe base --name law --gpus 8          (make plan RECIPE=base NAME=law GPUS=8)

Nothing is trained. Examples that were made (`artifacts/examples/<name>/`) are looked at; without them every block is
taken for full and the vocabulary for as large as the recipe says. Times are FLOPs over what a device does at best,
times a utilisation: the runs of encoders that were published reach 15 to 30 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from pipeline.artifact import read_manifest
from pipeline.console import answer, table
from pipeline.recipe import Recipe
from pipeline.stage import artifact_folder, positive, read_recipe, run_stage, stage_parser
from pretrain.flops import PEAKS, Work, needed_flops
from pretrain.layout import Layout
from pretrain.masks import IGNORED
from pretrain.model import PretrainingObjective, bert_config, new_model
from pretrain.nsp import frame_of, lengths_of
from pretrain.prepared import EXAMPLES, open_prepared
from pretrain.schedule import Schedule
from pretrain.settings import ExamplesSettings, ModelSettings, TrainSettings

#: Bytes of a parameter while it is trained: itself, its gradient, Adam's two moments, all of 32 bits; in a checkpoint.
_TRAINED, _KEPT, _EXPORTED = 16, 12, 4
#: Devices that times are told for.
_DEVICES = ("H200", "H100", "A100", "L40S", "RTX 4090", "T4")


@dataclass(frozen=True)
class Text:
    """What an epoch consists of: the vocabulary's entries, the mean work of an example without its masks, how many
    examples (None: not known), and bytes on disk."""

    vocab_size: int
    example: Work
    examples: int | None
    disk: int


def main(argv: list[str] | None) -> None:
    """Parse the command line and print."""
    parser = stage_parser("pretrain.budget", "Tell what a run would cost, without training.")
    parser.add_argument("--from-examples", type=Path, help="examples artifact (default: artifacts/examples/<name>)")
    parser.add_argument("--gpus", type=positive, default=1, help="devices (default: 1)")
    parser.add_argument("--micro-batch", type=positive, help="examples on a device at once (default: all of a share)")
    parser.add_argument(
        "--utilisation", type=_share, default=[0.15, 0.3, 0.5], nargs="+", help="of a device's best (0.15 0.3 0.5)"
    )
    arguments = parser.parse_args(argv)
    recipe = read_recipe(arguments)
    shape, train = recipe.section("model", ModelSettings), recipe.section("train", TrainSettings)
    examples = recipe.section("examples", ExamplesSettings)
    text = _text(arguments.from_examples or artifact_folder(arguments, EXAMPLES.stage, recipe), recipe, examples)
    _tell(arguments, text, shape, train, examples)


def _share(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share above 0 and up to 1")
    return number


def _text(folder: Path, recipe: Recipe, settings: ExamplesSettings) -> Text:
    if read_manifest(folder) is None:
        size, block = int(recipe.tables["tokenizer"]["vocab_size"]), settings.block_size
        answer(f"no examples at {folder}: every block is taken for full, the vocabulary for {size:,} entries")
        return Text(size, Work(1, block, block**2), None, 0)
    prepared = open_prepared(folder)
    lengths = lengths_of(prepared.first_plan).astype(float)
    disk = sum(int(record["bytes"]) for record in prepared.manifest.files.values())
    work = Work(1, float(lengths.mean()), float((lengths**2).mean()))
    return Text(prepared.vocab_size, work, len(lengths), disk)


def _tell(
    arguments: argparse.Namespace, text: Text, shape: ModelSettings, train: TrainSettings, examples: ExamplesSettings
) -> None:
    config = bert_config(shape, text.vocab_size, examples.block_size)
    model = new_model(config, 0)
    parameters = model.num_parameters()
    steps = train.max_steps or (Schedule.plan(train, text.examples).steps if text.examples else 0)
    seen = steps * train.batch_size
    rate = (train.mlm_probability + train.mlm_probability_end) / 2
    masked = rate * (text.example.tokens - frame_of(examples))
    one = Work(1, text.example.tokens, text.example.squares, masked)
    flops = seen * needed_flops(shape, text.vocab_size, one, pairs=examples.objective != "none")
    share = -(-train.batch_size // arguments.gpus)
    micro_batch = min(arguments.micro_batch or share, share)
    saved = saved_bytes(PretrainingObjective(model), examples.block_size, text.vocab_size, rate)
    rows = [("parameters", f"{parameters / 1e6:,.1f} million")]
    if text.examples:
        tokens = text.examples * text.example.tokens
        rows += [("an epoch", f"{text.examples:,} examples, {tokens:,.0f} tokens")]
    if steps:
        epochs = f" = {seen / text.examples:,.1f} epochs" if text.examples else ""
        rows += [
            ("steps", f"{steps:,} of {train.batch_size} examples{epochs}"),
            ("tokens in all", f"{seen * text.example.tokens:,.0f}"),
            ("arithmetic", f"{flops:.2e} FLOPs"),
        ]
    trained, batch = _TRAINED * parameters, micro_batch * saved
    kept = (train.keep_checkpoints + 1) * _KEPT * parameters + _EXPORTED * parameters + text.disk
    rows += [
        ("memory of a device", f"about {_size(trained + batch)}: {_size(trained)} weights, gradients, Adam"),
        ("", f"and {_size(batch)} for {micro_batch} examples at once in bf16 (less with --micro-batch)"),
        (
            "disk",
            f"{_size(kept)}: {train.keep_checkpoints} checkpoint(s), one being written, export, examples",
        ),
    ]
    table(f"{arguments.recipe} on {arguments.gpus} device(s)", ("", ""), rows, stdout=True)
    if flops:
        _times(flops, arguments.gpus, arguments.utilisation)
    else:
        answer("how long it takes is told when there are examples: the recipe counts epochs")


def _times(flops: float, devices: int, utilisations: Sequence[float]) -> None:
    columns = ("time on", *(f"at {share:.0%} of its best" for share in utilisations))
    rows = [
        (f"{name} x {devices}", *(_duration(flops / (devices * PEAKS[name] * share)) for share in utilisations))
        for name in _DEVICES
    ]
    table("", columns, rows, stdout=True)


def saved_bytes(objective: PretrainingObjective, block_size: int, vocab_size: int, rate: float) -> int:
    """Bytes that the backward pass of one full example needs kept in bf16: counted on a forward pass of this model
    here, two examples less one.

    Without dropout, since with it attention keeps its scores here, as on an accelerator it does not; the masks of the
    other dropouts are added, a byte for each number.
    """
    objective.eval()
    counted = _saved(objective, 2, block_size, vocab_size, rate) - _saved(objective, 1, block_size, vocab_size, rate)
    config = objective.model.config
    dropped = (2 * config.num_hidden_layers + 1) * block_size * config.hidden_size if config.hidden_dropout_prob else 0
    return counted + dropped


def _saved(objective: PretrainingObjective, examples: int, block_size: int, vocab_size: int, rate: float) -> int:
    owned = {parameter.untyped_storage().data_ptr() for parameter in objective.parameters()}
    found: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in owned:
            found[storage.data_ptr()] = storage.nbytes()
        held.append(tensor)  # or another one may come to lie where it lay
        return tensor

    held: list[Tensor] = []
    ids = torch.from_numpy(np.arange(examples * block_size).reshape(examples, block_size) % vocab_size)
    labels = torch.full_like(ids, IGNORED)
    labels[:, : max(1, round(rate * block_size))] = 0
    batch = {
        "input_ids": ids,
        "token_type_ids": torch.zeros_like(ids),
        "attention_mask": torch.ones_like(ids),
        "labels": labels,
        "next_sentence_label": torch.zeros(examples, dtype=torch.long),
    }
    with saved_tensors_hooks(keep, lambda tensor: tensor), torch.autocast("cpu", torch.bfloat16):
        sums = objective(Layout()(batch))
    del sums
    return sum(found.values())


def _size(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.0f} seconds" if seconds >= 2 else "a moment"


if __name__ == "__main__":
    run_stage(main)
