"""Stage `plan`: what a run would cost, before it is begun.

    python -m pretrain.budget --recipe base --name law --gpus 8          (make plan RECIPE=base NAME=law GPUS=8)

Nothing is trained. Examples that were made (`artifacts/examples/<name>/`) are looked at; without them every block is
taken for full and the vocabulary for as large as the recipe says. Times are FLOPs over what a device does at best,
times a utilisation: the runs of encoders that were published reach 15 to 30 %.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass
from pathlib import Path

from transformers import BertForPreTraining

from pipeline.artifact import read_manifest
from pipeline.console import answer, table
from pipeline.errors import InputError
from pipeline.recipe import Recipe
from pipeline.stage import artifact_folder, positive, read_recipe, run_stage, stage_parser
from pretrain.flops import PEAKS, Work, needed_flops
from pretrain.memory import saved_bytes
from pretrain.metrics import METRICS, read_metrics
from pretrain.model import PretrainingObjective, bert_config, new_model
from pretrain.nsp import frame_of, lengths_of
from pretrain.optim import optimizer_numbers
from pretrain.prepared import EXAMPLES, Prepared, open_prepared
from pretrain.schedule import Epoch, Schedule
from pretrain.settings import ExamplesSettings, ModelSettings, TrainSettings

#: Bytes of a number: parameters, their gradients and what the optimiser keeps are all of 32 bits.
_NUMBER = 4
#: Devices that times are told for.
_DEVICES = ("H200", "H100", "A100", "L40S", "RTX 4090", "T4")


@dataclass(frozen=True)
class Text:
    """What there is to train on: examples that were made, or what the recipe says of them."""

    settings: ExamplesSettings
    vocab_size: int
    prepared: Prepared | None

    def epoch(self, block_size: int) -> Epoch:
        """What an epoch at a block consists of; if that is not known, more full blocks than any run takes."""
        if self.prepared:
            return Epoch.of(self.prepared.plan(0, block_size))
        return Epoch(2**40, 2**40 * block_size)

    def example(self, block_size: int, rate: float) -> Work:
        """The mean work of an example at a block and a masking rate."""
        tokens, squares = float(block_size), float(block_size**2)
        if self.prepared:
            lengths = lengths_of(self.prepared.plan(0, block_size)).astype(float)
            tokens, squares = float(lengths.mean()), float((lengths**2).mean())
        return Work(1, tokens, squares, rate * (tokens - frame_of(self.settings)))

    @property
    def disk(self) -> int:
        """Bytes of the examples."""
        return sum(int(record["bytes"]) for record in self.prepared.manifest.files.values()) if self.prepared else 0


def main(argv: list[str] | None) -> None:
    """Parse the command line and print."""
    parser = stage_parser("pretrain.budget", "Tell what a run would cost, without training.")
    parser.add_argument("--from-examples", type=Path, help="examples artifact (default: artifacts/examples/<name>)")
    parser.add_argument("--gpus", type=positive, default=1, help="devices (default: 1)")
    parser.add_argument("--micro-batch", type=positive, help="examples on a device at once (default: all of a share)")
    parser.add_argument(
        "--utilisation", type=_share, default=[0.15, 0.3, 0.5], nargs="+", help="of a device's best (0.15 0.3 0.5)"
    )
    parser.add_argument(
        "--measured", type=Path, metavar="RUN", help="a run's folder: tell the time at the speed it had on its devices"
    )
    arguments = parser.parse_args(argv)
    recipe = read_recipe(arguments)
    shape, train = recipe.section("model", ModelSettings), recipe.section("train", TrainSettings)
    examples = recipe.section("examples", ExamplesSettings)
    text = _text(arguments.from_examples or artifact_folder(arguments, EXAMPLES.stage, recipe), recipe, examples)
    _tell(arguments, text, shape, train)


def _share(text: str) -> float:
    number = float(text)
    if not 0 < number <= 1:
        raise argparse.ArgumentTypeError(f"{text} is not a share above 0 and up to 1")
    return number


def _text(folder: Path, recipe: Recipe, settings: ExamplesSettings) -> Text:
    if read_manifest(folder) is None:
        size = int(recipe.tables["tokenizer"]["vocab_size"])
        answer(f"no examples at {folder}: every block is taken for full, the vocabulary for {size:,} entries")
        return Text(settings, size, None)
    prepared = open_prepared(folder)
    return Text(prepared.settings, prepared.vocab_size, prepared)


def _tell(arguments: argparse.Namespace, text: Text, shape: ModelSettings, train: TrainSettings) -> None:
    schedule = Schedule.plan(train, text.settings.block_size, text.epoch)
    known = text.prepared is not None or bool(train.phases or train.max_steps or train.max_tokens)
    model = new_model(bert_config(shape, text.vocab_size, schedule.longest_block), 0)
    rate = (train.mlm_probability + train.mlm_probability_end) / 2
    pairs = text.settings.objective != "none"
    rows = [("parameters", f"{model.num_parameters() / 1e6:,.1f} million")]
    flops = tokens = 0.0
    for phase in schedule.phases:
        example = text.example(phase.block_size, rate)
        steps = phase.steps or 1
        tokens += steps * phase.batch_size * example.tokens
        flops += steps * phase.batch_size * needed_flops(shape, text.vocab_size, example, pairs=pairs)
        if text.prepared:
            epoch = text.epoch(phase.block_size)
            rows.append((f"an epoch at {phase.block_size}", f"{epoch.examples:,} examples, {epoch.tokens:,.0f} tokens"))
        if known and phase.steps:
            epochs = f" = {steps * phase.batch_size / epoch.examples:,.1f} epochs" if text.prepared else ""
            rows.append(("steps", f"{steps:,} of {phase.batch_size} examples of up to {phase.block_size}{epochs}"))
    if known and schedule.steps:
        rows += [("tokens in all", f"{tokens:,.0f}"), ("arithmetic", f"{flops:.2e} FLOPs")]
    table(
        f"{arguments.recipe} on {arguments.gpus} device(s)",
        ("", ""),
        [*rows, *_room(arguments, schedule, model, train, text, rate)],
        stdout=True,
    )
    if schedule.minutes or known:
        _times(arguments, flops, tokens, schedule.minutes)
    else:
        answer("how long it takes is told when there are examples: the recipe counts epochs")


def _room(
    arguments: argparse.Namespace,
    schedule: Schedule,
    model: BertForPreTraining,
    train: TrainSettings,
    text: Text,
    rate: float,
) -> list[tuple[str, str]]:
    """What it takes in memory and on disk, by the phase that takes most."""
    parameters = model.num_parameters()
    checkpoint = _NUMBER * (parameters + optimizer_numbers(model, train))
    # Beside weights and gradients: copies of the weights in 16 bits, and what DDP adds gradients up in.
    trained = checkpoint + (_NUMBER + 2 + (_NUMBER if arguments.gpus > 1 else 0)) * parameters
    longest = schedule.longest_block
    shares = {
        phase.block_size: max(
            -(-other.batch_size // arguments.gpus) for other in schedule.phases if other.block_size == phase.block_size
        )
        for phase in schedule.phases
    }
    if arguments.micro_batch:
        shares = {block: min(arguments.micro_batch * longest // block, share) for block, share in shares.items()}
    objective = PretrainingObjective(model)
    sizes = {block: share * saved_bytes(objective, block, text.vocab_size, rate) for block, share in shares.items()}
    block = max(sizes, key=lambda block: sizes[block])
    kept = (train.keep_checkpoints + 2) * checkpoint + _NUMBER * parameters + text.disk
    copies = f"{train.keep_checkpoints} checkpoint(s), the best, one being written, export, examples"
    return [
        (
            "memory of a device",
            f"about {_size(trained + sizes[block])}: {_size(trained)} weights, gradients, optimiser",
        ),
        ("", f"and {_size(sizes[block])} for {shares[block]} examples at once in bf16 (less with --micro-batch)"),
        ("host memory", f"{_size(checkpoint)} for the copy of a checkpoint while it is written, beside the program's"),
        ("disk", f"{_size(kept)}: {copies}"),
    ]


def _times(arguments: argparse.Namespace, flops: float, tokens: float, minutes: float) -> None:
    """How long the run takes at some speeds; of a run by the clock, how many tokens it sees."""

    def told(speed: float) -> str:
        return f"{_count(tokens / flops * speed * 60 * minutes)} tokens" if minutes else _duration(flops / speed)

    columns = (
        "in its time on" if minutes else "time on",
        *(f"at {share:.0%} of its best" for share in arguments.utilisation),
    )
    rows = [
        (f"{name} x {arguments.gpus}", *(told(arguments.gpus * PEAKS[name] * share) for share in arguments.utilisation))
        for name in _DEVICES
    ]
    table("", columns, rows, stdout=True)
    if arguments.measured:
        answer(f"at the speed of {arguments.measured}, on its devices: {told(_measured(arguments.measured))}")


def _measured(run: Path) -> float:
    """FLOPs a second of a run, by the median of its records; raises InputError if it has none."""
    name = "tflops_per_second"
    speeds = [record[name] for record in read_metrics(run / METRICS) if name in record]
    if not speeds:
        raise InputError(f"--measured {run}: no record of a speed in {run / METRICS}")
    return statistics.median(speeds) * 1e12


def _count(number: float) -> str:
    for unit, size in (("billion", 1e9), ("million", 1e6)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number:,.0f}"


def _size(size: float) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.0f} MB"


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.0f} seconds" if seconds >= 2 else "a moment"


if __name__ == "__main__":
    run_stage(main)
