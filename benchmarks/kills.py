"""kill -9 of a run of several processes, again and again: does what it goes on to differ from an undisturbed run?

    python benchmarks/kills.py EXAMPLES [--kills 100] [--processes 2] [--optimizer muon]

EXAMPLES is an examples artifact. A small run is started with `accelerate launch` (gloo, on the CPU) and all its
processes are killed at a moment drawn from `--seed`: while it starts, between its steps, or when a checkpoint has begun
to be written; then the same command starts again. When it was killed so often it may end, and its last weights,
optimiser state and every number of its metrics but speeds are compared with those of a run of the same command that
nothing disturbed. Exit code 1 if anything differs. What a kill hit is read off the disk after it: a draft of a
checkpoint that this start has begun, a log that this start has opened, or neither.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from safetensors.numpy import load_file

from pipeline.console import answer, fail, progress, table
from pipeline.errors import InputError
from pipeline.stage import positive, run_stage

#: Steps between checkpoints; steps that a start may take before its kill (its checkpoints, and those begun again).
_SAVE_EVERY, _STEPS_A_KILL = 4, 20
#: Seconds between two looks at the disk; that a start may take; that a write of so small a model takes at most.
_LOOK, _PATIENCE, _WRITE = 0.0005, 300.0, 0.02
#: What is drawn for a kill, with its weight: starting takes longest, so that it is hit the least often.
_AIMS = {"starting": 1, "training": 2, "saving": 3}
#: Numbers that tell how fast it was, not what was learned.
_SPEEDS = ("tokens_per_second", "tflops_per_second", "mfu")
_SMALL = (
    "model.hidden_size=64",
    "model.num_hidden_layers=2",
    "model.num_attention_heads=2",
    "model.intermediate_size=256",
    "model.max_position_embeddings=512",
    "model.hidden_dropout_prob=0.1",
    "train.batch_size=16",
    "train.eval_examples=32",
    "train.learning_rate=1e-3",
    "train.keep_checkpoints=2",
    f"train.save_every={_SAVE_EVERY}",
    f"train.eval_every={10 * _SAVE_EVERY}",
)


@dataclass(frozen=True)
class Attempt:
    """One start of the command, and where it writes."""

    launcher: psutil.Popen
    run: Path
    told: Path
    began: float
    workers: list[psutil.Process] = field(default_factory=list)

    @property
    def checkpoints(self) -> set[str]:
        """Names of the finished ones."""
        return {path.name for path in (self.run / "checkpoints").glob("step-*")}

    def trains(self) -> bool:
        """Whether this start has opened its log, which it does when all before is done."""
        return self._newer(self.run / "metrics.jsonl")

    def writes(self) -> bool:
        """Whether a checkpoint that this start has begun is unfinished."""
        with contextlib.suppress(FileNotFoundError):
            return any(
                entry.name.endswith(".building") and entry.stat().st_mtime > self.began
                for entry in os.scandir(self.run / "checkpoints")
            )
        return False

    def lives(self) -> bool:
        """Whether it has not ended; raises InputError if it has failed."""
        code = self.launcher.poll()
        if code:
            raise InputError(f"the run ended by itself with {code}: {self.told.read_text()[:6000]}")
        return code is None

    def waits_for(self, happened: Callable[[], bool]) -> bool:
        """Wait for something that this start does; False if it ended before."""
        deadline = time.monotonic() + _PATIENCE
        while not happened():
            if not self.lives():
                return False
            if time.monotonic() > deadline:
                raise InputError(f"nothing happens for {_PATIENCE} s: {self.told.read_text()[:6000]}")
            time.sleep(_LOOK)
        return self.lives()

    def note_workers(self) -> None:
        """Look who works, so that the kill need not."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.workers[:] = self.launcher.children(recursive=True)

    def kill(self) -> None:
        """SIGKILL to all that the launcher started and to itself, and wait until none is left.

        Workers lead process groups of their own: a signal to the launcher's would spare them.
        """
        _signal(self.workers, signal.SIGKILL)
        _signal([self.launcher], signal.SIGSTOP)  # it starts no more
        family = [*self.workers, self.launcher]
        with contextlib.suppress(psutil.NoSuchProcess):
            family += self.launcher.children(recursive=True)
        _signal(family, signal.SIGKILL)
        _, left = psutil.wait_procs(family, timeout=30)
        if left:
            raise RuntimeError(f"still there after kill -9: {left}")

    def _newer(self, path: Path) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return path.stat().st_mtime > self.began
        return False


def _signal(processes: Sequence[psutil.Process], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def main(argv: list[str] | None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", type=Path)
    parser.add_argument("--kills", type=positive, default=100)
    parser.add_argument("--processes", type=positive, default=2)
    parser.add_argument("--optimizer", choices=["adamw", "muon"], default="adamw")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        began = time.monotonic()
        undisturbed, start_up = _undisturbed(arguments, Path(scratch, "undisturbed"))
        alone = time.monotonic() - began
        hit, starts = _killed(arguments, Path(scratch, "killed"), start_up)
        differs = _differences(undisturbed, Path(scratch, "killed", "pretrain", "t"))
    rows = [
        *((f"killed while {aim}", f"{hit[aim]:,}") for aim in _AIMS),
        ("starts", f"{starts:,}"),
        ("steps", f"{_steps(arguments):,}"),
        ("seconds, undisturbed", f"{alone:,.0f}"),
        ("seconds, killed", f"{time.monotonic() - began - alone:,.0f}"),
    ]
    table(f"{arguments.processes} processes, {arguments.optimizer}, seed {arguments.seed}", ("", ""), rows, stdout=True)
    if differs:
        fail(f"{len(differs)} thing(s) differ, for example {differs[0]}")
        sys.exit(1)
    answer("weights, optimiser state and metrics at the end: bit for bit those of the undisturbed run")


def _steps(arguments: argparse.Namespace) -> int:
    return _STEPS_A_KILL * arguments.kills + 5 * _SAVE_EVERY


def _start(arguments: argparse.Namespace, root: Path) -> Attempt:
    several = ("--multi_gpu",) if arguments.processes > 1 else ()
    launcher = (*several, f"--num_processes={arguments.processes}", "--num_machines=1", "--main_process_port=0")
    sets = (*_SMALL, f"train.max_steps={_steps(arguments)}", f'train.optimizer="{arguments.optimizer}"')
    flags = ("--from-examples", arguments.examples.resolve(), "--artifacts", root, "--name", "t", "--cpu")
    command = [sys.executable, "-m", "accelerate.commands.launch", *launcher, "-m", "pretrain.train", *flags]
    root.mkdir(exist_ok=True)
    told = root / "told.txt"
    with told.open("w") as stream:
        # Files' times and the clock are compared: the system's own, which may stand some milliseconds behind.
        (root / "clock").touch()
        began = (root / "clock").stat().st_mtime
        launched = psutil.Popen(
            [str(part) for part in (*command, "--set", *sets)],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"},
        )
    return Attempt(launched, root / "pretrain" / "t", told, began)


def _undisturbed(arguments: argparse.Namespace, root: Path) -> tuple[Path, float]:
    """The finished run, and how many seconds passed before its first step."""
    attempt, began = _start(arguments, root), time.monotonic()
    attempt.waits_for(attempt.trains)
    start_up = time.monotonic() - began
    while attempt.lives():
        time.sleep(0.2)
    return attempt.run, start_up


def _killed(arguments: argparse.Namespace, root: Path, start_up: float) -> tuple[Counter[str], int]:
    """What the kills hit, and how often the command was started until it ended by itself."""
    draws, hit, starts = random.Random(arguments.seed), Counter[str](), 0
    with progress("kills", arguments.kills) as advance:
        while hit.total() < arguments.kills:
            aim = draws.choices(list(_AIMS), list(_AIMS.values()))[0]
            attempt = _start(arguments, root)
            starts += 1
            if not _reached(attempt, aim, start_up, draws):
                raise InputError(f"the run ended after {hit.total()} kills: these are too few steps for so many kills")
            attempt.kill()
            if "Traceback" in (told := attempt.told.read_text()):
                raise InputError(f"the run failed before it was killed: {told[-2000:]}")
            what = "saving" if attempt.writes() else "training" if attempt.trains() else "starting"
            hit[what] += 1
            advance(1, what)
    attempt = _start(arguments, root)
    while attempt.lives():
        time.sleep(0.2)
    return hit, starts + 1


def _reached(attempt: Attempt, aim: str, start_up: float, draws: random.Random) -> bool:
    """Wait for a moment to kill; False if the run ended before."""
    if aim == "starting":
        time.sleep(draws.uniform(0, start_up))
        return attempt.lives()
    newest, more = max(attempt.checkpoints, default=""), draws.randint(0, 2)
    if not attempt.waits_for(attempt.trains):
        return False
    attempt.note_workers()
    if not attempt.waits_for(lambda: sum(name > newest for name in attempt.checkpoints) >= more):
        return False
    if aim == "saving":
        if not attempt.waits_for(attempt.writes):
            return False
        time.sleep(draws.uniform(0, _WRITE))
    else:
        time.sleep(draws.uniform(0, 0.1))
    return attempt.lives()


def _differences(one: Path, other: Path) -> list[str]:
    """Names of what is not the same, bit for bit, in two finished runs."""
    newest = max((one / "checkpoints").glob("step-*"))
    found = []
    for name in ("model.safetensors", "optimizer.safetensors"):
        first, second = (load_file(run / "checkpoints" / newest.name / name) for run in (one, other))
        found += sorted(first.keys() ^ second.keys())
        found += [key for key in first if key in second and first[key].tobytes() != second[key].tobytes()]
    records = [_records(run) for run in (one, other)]
    if len(records[0]) != len(records[1]):
        found.append(f"metrics.jsonl: {len(records[0])} records and {len(records[1])}")
    found += [
        f"metrics.jsonl: {first} and {second}" for first, second in zip(*records, strict=False) if first != second
    ]
    return found


def _records(run: Path) -> list[dict[str, float]]:
    lines = (run / "metrics.jsonl").read_text("utf-8").splitlines()
    return [{key: value for key, value in json.loads(line).items() if key not in _SPEEDS} for line in lines]


if __name__ == "__main__":
    run_stage(main)
