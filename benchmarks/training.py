"""Steps and real tokens a second on a CPU beside the stock Trainer, in one run.

    python benchmarks/training.py EXAMPLES [--recipe small] [--batch 64] [--steps 12] [--threads 2] [--compile]

EXAMPLES is an examples artifact. The baseline is `transformers.Trainer` with `BertForPreTraining` and
`DataCollatorForLanguageModeling`, 32 bits, as the lectures set it up, on the same examples; ours is `pretrain.train`.
Each is a process of its own with the same threads, measured by the clock after its first steps (see `side.py`).

Rows take our levers away or add them one at a time: the vocabulary head at all places instead of the masked ones;
threads that spin while they wait (`OMP_WAIT_POLICY`), which the Makefile's setting keeps from happening; batches
without padding; examples grouped by length; and, as it takes minutes, a compiled model only with `--compile`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from sides import Row, measure

from pipeline.console import answer, table
from pipeline.errors import InputError
from pipeline.stage import positive, run_stage

_PASSIVE, _SPINNING = {"OMP_WAIT_POLICY": "passive"}, {"OMP_WAIT_POLICY": "active"}
_GROUPED = {"sets": ["train.group_by_length=true"]}
STOCK = "stock Trainer"
ROWS = (
    Row(STOCK, "stock", environment=_SPINNING),
    Row("stock Trainer, passive waiting", "stock", environment=_PASSIVE),
    Row("ours, head everywhere, threads spin", options={"lacks": ["head"]}, environment=_SPINNING),
    Row("ours, head everywhere", options={"lacks": ["head"]}, environment=_PASSIVE),
    Row("ours, threads spin", environment=_SPINNING),
    Row("ours", environment=_PASSIVE),
    Row("ours, unpadded", flags=("--unpadded",), environment=_PASSIVE),
    Row("ours, grouped by length", options=_GROUPED, environment=_PASSIVE),
    Row("ours, unpadded, grouped by length", flags=("--unpadded",), options=_GROUPED, environment=_PASSIVE),
)
COMPILED = (
    Row("ours, compiled", flags=("--compile",), environment=_PASSIVE),
    Row("ours, compiled, unpadded", flags=("--compile", "--unpadded"), environment=_PASSIVE),
)


def main(argv: list[str] | None) -> None:
    """Run each side, print the table."""
    parser = argparse.ArgumentParser(description="Training speed beside the stock Trainer, on a CPU.")
    parser.add_argument("examples", type=Path)
    parser.add_argument("--recipe", default="small")
    parser.add_argument("--batch", type=positive, default=64)
    parser.add_argument("--warm", type=positive, default=10, help="steps before those that are measured")
    parser.add_argument("--steps", type=positive, default=12)
    parser.add_argument("--threads", type=positive, default=2)
    parser.add_argument("--compile", action="store_true", help="measure the compiled model too")
    parser.add_argument("--set", dest="sets", nargs="*", default=[], metavar="SECTION.KEY=VALUE")
    parser.add_argument("--only", default="", help="rows whose names hold this, beside the stock Trainer")
    arguments = parser.parse_args(argv)
    rows = [*ROWS, *(COMPILED if arguments.compile else ())]
    rows = [row for row in rows if row.name == STOCK or arguments.only in row.name]
    common = {name: getattr(arguments, name) for name in ("recipe", "batch", "warm", "steps", "sets")}
    found = measure(rows, arguments.examples, arguments.threads, {**common, "cpu": True})
    if STOCK not in found:
        raise InputError("the stock Trainer failed: there is nothing to compare with")
    first = found[STOCK]
    lines = [
        (
            name,
            f"{one['steps_per_second']:.3f}",
            f"{one['tokens_per_second']:,.0f}",
            f"{one['tokens_per_second'] / first['tokens_per_second']:.2f}",
            f"{one['memory_gb']:.2f}",
        )
        for name, one in found.items()
    ]
    columns = ("", "steps a second", "tokens a second", "times the stock Trainer", "peak memory (GB)")
    title = f"recipe {arguments.recipe}, batch {arguments.batch}, {arguments.threads} thread(s), 32 bits"
    table(title, columns, lines, stdout=True)
    answer(f"{arguments.steps} steps each, after {arguments.warm} that do not count; the aim is 1.4")


if __name__ == "__main__":
    run_stage(main)
