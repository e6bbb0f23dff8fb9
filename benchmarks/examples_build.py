"""Text to next-sentence examples, beside the class that Korean BERT lectures use and BERT's own way, in one run.

    python benchmarks/examples_build.py TEXT ... --work DIR --old .compat [--recipe base] [--block 128]

The first baseline is `transformers.TextDatasetForNextSentencePrediction` of transformers 4, which lies in the folder
`--old` (`make .compat/.installed`; transformers 5 has it no more). All start from the same clean text, sentence a line,
which `corpora.build` made of all TEXTs, and from the same vocabulary, learned by the stage if DIR has none. Each
building and each opening again is a process of its own. Measured are seconds of the clock, the memory of all processes
at the peak, bytes left on disk, seconds to open again (without imports), and of the examples the share longer than the
block and the share with a random second segment. The last blank line is left out of the baselines' text: the class
stumbles over it. Ours is built twice and the second time counts: in a new installation the first one compiles for some
seconds, and says how long it took.

The second is the way of google-bert's `create_pretraining_data.py`, told again in `examples_google.py` (which says what
is left out, TensorFlow above all). It holds everything as Python lists and is slow, so it gets the first documents of
the text alone, `--google-megabytes` of them (0: none), and its seconds are without imports, which weigh more in a small
text. Its memory and bytes on disk are those of that text.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from vocabulary_stock import OPEN_GATES
from watched import Cost, watched

from corpora.document import shards
from pipeline.console import answer, say, table
from pipeline.errors import InputError
from pipeline.stage import positive, run_stage

#: The second baseline: vocab.txt, text, block size, what to write.
GOOGLE = Path(__file__).parent / "examples_google.py"
#: The first: vocabulary, text, block size.
OLD = """
import json, sys, time, warnings
from transformers import AutoTokenizer, TextDatasetForNextSentencePrediction
warnings.simplefilter("ignore")
tokenizer, block = AutoTokenizer.from_pretrained(sys.argv[1]), int(sys.argv[3])
started = time.perf_counter()
examples = TextDatasetForNextSentencePrediction(tokenizer, sys.argv[2], block)
seconds = time.perf_counter() - started
sizes = [len(example["input_ids"]) for example in examples]
random = sum(int(example["next_sentence_label"]) for example in examples)
longer = sum(size > block for size in sizes)
print(json.dumps({"examples": len(sizes), "longer": longer, "random": random, "seconds": seconds}))
"""
#: Ours opened again: the artifact's folder.
OPEN = """
import json, sys, time
from pathlib import Path
from pretrain.nsp import OTHER, lengths_of
from pretrain.prepared import open_prepared
started = time.perf_counter()
prepared = open_prepared(Path(sys.argv[1]))
seconds = time.perf_counter() - started
plan = prepared.first_plan
longer = int((lengths_of(plan) > prepared.settings.block_size).sum())
random = int((plan["label"] == OTHER).sum())
print(json.dumps({"examples": len(plan), "longer": longer, "random": random, "seconds": seconds}))
"""


@dataclass(frozen=True)
class Made:
    """What a way of building cost, of so many million bytes of text, and left behind, in million bytes."""

    text: float
    cost: Cost
    left: float
    examples: int
    longer: int
    random: int
    #: Seconds to open again, if that was measured.
    opened: float | None

    @classmethod
    def of(cls, text: float, cost: Cost, left: float, printed: str, *, reopened: bool = True) -> Made:
        """From what was printed about the examples."""
        told: dict[str, Any] = json.loads(printed.splitlines()[-1])
        seconds = told["seconds"] if reopened else None
        return cls(text, cost, left / 1e6, told["examples"], told["longer"], told["random"], seconds)

    @property
    def speed(self) -> float:
        """Million bytes of text a second."""
        return self.text / self.cost.clock


def main(argv: list[str] | None) -> None:
    """Build all, open them again, print the table."""
    arguments = _arguments(argv)
    corpus, vocabulary = _prepare(arguments)
    text = _emptied(arguments.work / "old") / "text.txt"
    size = _join(shards(corpus, "train"), text)
    found = {"TextDatasetForNextSentencePrediction": _of_lectures(text, vocabulary, arguments)}
    say(f"the baseline took {next(iter(found.values())).cost.clock:.0f} s")
    if arguments.google_megabytes:
        found["create_pretraining_data"] = _of_google(text, vocabulary, arguments)
    found["pretrain.examples"] = _ours(size / 1e6, corpus, vocabulary, arguments)
    _tell(found, arguments.block, arguments.workers)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Next-sentence examples beside the class of the lectures.")
    parser.add_argument("text", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, required=True, help="corpus and vocabulary are left here, and used again")
    parser.add_argument("--old", type=Path, required=True, help="folder with transformers 4")
    parser.add_argument("--recipe", default="base")
    parser.add_argument("--block", type=positive, default=128)
    parser.add_argument("--workers", type=positive, default=2)
    parser.add_argument("--google-megabytes", type=float, default=4.0, help="text that BERT's own way gets (default 4)")
    arguments = parser.parse_args(argv)
    if not (arguments.old / "transformers").is_dir():
        raise InputError(
            f"--old {arguments.old}: no transformers in it; `make .compat/.installed` puts it into .compat"
        )
    return arguments


def _of_lectures(text: Path, vocabulary: Path, arguments: argparse.Namespace) -> Made:
    size, old = text.stat().st_size, {"PYTHONPATH": str(arguments.old.resolve())}
    command = [sys.executable, "-c", OLD, vocabulary, text, arguments.block]
    # One after the other: the second one finds the first one's cache.
    first, again = watched(command, arguments.workers, old), watched(command, arguments.workers, old)
    return Made.of(size / 1e6, first, _bytes(text.parent) - size, again.printed)


def _of_google(text: Path, vocabulary: Path, arguments: argparse.Namespace) -> Made:
    pieces = vocabulary / "vocab.txt"
    if not pieces.is_file():
        raise InputError(f"{vocabulary} has no vocab.txt, which BERT's own way reads: give --google-megabytes 0")
    folder = _emptied(arguments.work / "google")
    part, target = folder / "text.txt", folder / "examples.bin"
    with part.open("w", encoding="utf-8") as stream:
        size = _first(text, int(arguments.google_megabytes * 1e6), stream)
    # -u, so that what is run is named where it fails.
    command = [sys.executable, "-u", GOOGLE, pieces, part, arguments.block, target]
    cost = watched(command, arguments.workers, {"PYTHONPATH": str(arguments.old.resolve())})
    inside = float(json.loads(cost.printed.splitlines()[-1])["seconds"])
    return Made.of(size / 1e6, replace(cost, clock=inside), _bytes(folder) - size, cost.printed, reopened=False)


def _ours(megabytes: float, corpus: Path, vocabulary: Path, arguments: argparse.Namespace) -> Made:
    folder = arguments.work / "examples" / "text"
    flags = ("--from-corpus", corpus, "--from-tokenizer", vocabulary, "--workers", arguments.workers)
    sets = ("--set", f"examples.block_size={arguments.block}")
    clocks = []
    for _ in range(2):  # the first one may have to compile what it runs
        shutil.rmtree(folder, ignore_errors=True)
        cost = watched([*_stage("pretrain.examples", arguments), *flags, *sets], arguments.workers)
        clocks.append(f"{cost.clock:.1f}")
    say(f"pretrain.examples took {clocks[0]} s the first time, {clocks[1]} s the second")
    again = watched([sys.executable, "-c", OPEN, folder], arguments.workers)
    return Made.of(megabytes, cost, _bytes(folder), again.printed)


def _stage(module: str, arguments: argparse.Namespace) -> tuple[object, ...]:
    recipe = ("--recipe", arguments.recipe, "--artifacts", arguments.work, "--name", "text")
    return (sys.executable, "-m", module, *recipe)


def _prepare(arguments: argparse.Namespace) -> tuple[Path, Path]:
    """The corpus, all of it in train so that both get all, and a vocabulary."""
    workers = ("--workers", arguments.workers)
    build = (*_stage("corpora.build", arguments), *workers, "--set", "corpus.held_out=0", "--corpus", *arguments.text)
    watched(build, arguments.workers)
    watched((*_stage("tokenizer.train", arguments), *workers, "--set", *OPEN_GATES), arguments.workers)
    return arguments.work / "corpus" / "text", arguments.work / "tokenizer" / "text"


def _join(paths: Sequence[Path], target: Path) -> int:
    """Shards as one file without a blank line at the end; its size in bytes."""
    with target.open("w", encoding="utf-8") as stream:
        waiting = ""
        for path in paths:
            with path.open(encoding="utf-8") as shard:
                for line in shard:
                    if line.strip():
                        stream.write(waiting + line)
                        waiting = ""
                    else:
                        waiting = line
    return target.stat().st_size


def _first(text: Path, size: int, target: TextIO) -> int:
    """Copy the first whole documents, up to `size` bytes and the end of the document there; returns how many bytes."""
    written = 0
    with text.open(encoding="utf-8") as stream:
        for line in stream:
            if written >= size and not line.strip():
                break
            target.write(line)
            written += len(line.encode())
    return written


def _emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _tell(found: dict[str, Made], block: int, workers: int) -> None:
    baseline = next(iter(found.values()))
    rows = []
    for name, made in found.items():
        same = made.text == baseline.text
        speed = f"{made.cost.clock:.1f}", f"{made.speed:.2f}", f"{made.speed / baseline.speed:.2f}"
        times = f"{baseline.cost.memory / made.cost.memory:.1f}" if same else "-"
        memory = f"{made.cost.memory:,.0f}", times, f"{made.left:,.0f}"
        opened = "-" if made.opened is None else f"{made.opened:.2f}"
        quality = f"{made.longer / made.examples:.1%}", f"{made.random / made.examples:.1%}"
        rows.append((name, f"{made.text:.1f}", *speed, *memory, opened, *quality))
    title = f"{baseline.text:.0f} MB of clean text, block {block}, {workers} core(s)"
    costs = ("MB", "seconds", "MB/s", "times as fast", "peak MB", "times as little", "on disk", "seconds to open")
    table(title, ("made by", *costs, "longer", "random B"), rows, stdout=True)
    if google := found.get("create_pretraining_data"):
        ours = found["pretrain.examples"]
        answer(f"pretrain.examples is {ours.speed / google.speed:.1f} times as fast as create_pretraining_data")
    answer("seconds and memory of whole processes; imports are in both, but not in create_pretraining_data's seconds")
    answer("opening again is without imports; longer: than the block")


if __name__ == "__main__":
    run_stage(main)
