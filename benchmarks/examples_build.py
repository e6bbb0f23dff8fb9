"""Text to next-sentence examples, beside the class that Korean BERT lectures use, in one run.

    python benchmarks/examples_build.py TEXT ... --work DIR --old .compat [--recipe base] [--block 128]

The baseline is `transformers.TextDatasetForNextSentencePrediction` of transformers 4, which lies in the folder `--old`
(`make .compat/.installed`; transformers 5 has it no more). Both start from the same clean text, sentence a line, which
`corpora.build` made of all TEXTs, and from the same vocabulary, learned by the stage if DIR has none. Each building and
each opening again is a process of its own. Measured are seconds of the clock, the memory of all processes at the peak,
bytes left on disk, seconds to open again (without imports), and of the examples the share longer than the block and the
share with a random second segment. The last blank line is left out of the baseline's text: it stumbles over it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from vocabulary_stock import OPEN_GATES
from watched import Cost, watched

from corpora.document import shards
from pipeline.console import answer, say, table
from pipeline.errors import InputError
from pipeline.stage import positive, run_stage

#: The baseline: vocabulary, text, block size.
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
from pretrain.prepared import open_prepared
started = time.perf_counter()
prepared = open_prepared(Path(sys.argv[1]))
seconds = time.perf_counter() - started
plan = prepared.first_plan
longer = int((plan["a_len"] + plan["b_len"] + 3 > prepared.settings.block_size).sum())
random = int(plan["is_random_next"].sum())
print(json.dumps({"examples": len(plan), "longer": longer, "random": random, "seconds": seconds}))
"""


def main(argv: list[str] | None) -> None:
    """Build both, open both again, print the table."""
    parser = argparse.ArgumentParser(description="Next-sentence examples beside the class of the lectures.")
    parser.add_argument("text", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, required=True, help="corpus and vocabulary are left here, and used again")
    parser.add_argument("--old", type=Path, required=True, help="folder with transformers 4")
    parser.add_argument("--recipe", default="base")
    parser.add_argument("--block", type=positive, default=128)
    parser.add_argument("--workers", type=positive, default=2)
    arguments = parser.parse_args(argv)
    if not (arguments.old / "transformers").is_dir():
        raise InputError(
            f"--old {arguments.old}: no transformers in it; `make .compat/.installed` puts it into .compat"
        )
    corpus, vocabulary = _prepare(arguments)
    text = arguments.work / "old" / "text.txt"
    shutil.rmtree(text.parent, ignore_errors=True)
    text.parent.mkdir(parents=True)
    size = _join(shards(corpus, "train"), text)
    python, old = (sys.executable, "-c"), {"PYTHONPATH": str(arguments.old.resolve())}
    found: dict[str, tuple[Cost, Cost, float]] = {}
    command = [*python, OLD, vocabulary, text, arguments.block]
    # One after the other: the second one finds the first one's cache.
    first, again = watched(command, arguments.workers, old), watched(command, arguments.workers, old)
    found["TextDatasetForNextSentencePrediction"] = first, again, _bytes(text.parent) - size
    say(f"the baseline took {first.clock:.0f} s")
    folder = arguments.work / "examples" / "text"
    shutil.rmtree(folder, ignore_errors=True)
    flags = ("--from-corpus", corpus, "--from-tokenizer", vocabulary, "--workers", arguments.workers)
    sets = ("--set", f"examples.block_size={arguments.block}")
    ours = watched([*_stage("pretrain.examples", arguments), *flags, *sets], arguments.workers)
    found["pretrain.examples"] = ours, watched([*python, OPEN, folder], arguments.workers), _bytes(folder)
    _tell(found, size / 1e6, arguments.block, arguments.workers)


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


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _tell(found: dict[str, tuple[Cost, Cost, float]], megabytes: float, block: int, workers: int) -> None:
    baseline = next(iter(found.values()))[0]
    rows = []
    for name, (built, opened, left) in found.items():
        told: dict[str, Any] = json.loads(opened.printed.splitlines()[-1])
        cost = f"{built.clock:.1f}", f"{megabytes / built.clock:.2f}", f"{baseline.clock / built.clock:.1f}"
        memory = f"{built.memory:,.0f}", f"{baseline.memory / built.memory:.1f}"
        quality = f"{told['longer'] / told['examples']:.1%}", f"{told['random'] / told['examples']:.1%}"
        rows.append((name, *cost, *memory, f"{left / 1e6:,.0f}", f"{told['seconds']:.2f}", *quality))
    title = f"{megabytes:.0f} MB of clean text, block {block}, {workers} core(s)"
    costs = ("seconds", "MB/s", "times as fast", "peak MB", "times as little", "MB on disk", "seconds to open")
    table(title, ("made by", *costs, "longer than the block", "random B"), rows, stdout=True)
    answer("seconds and memory of whole processes, imports too; opening again without imports")


if __name__ == "__main__":
    run_stage(main)
