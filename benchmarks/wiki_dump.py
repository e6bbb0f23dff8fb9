"""A dump downloaded over a bad connection, extracted, and compared with what should have come out.

    python benchmarks/wiki_dump.py TEXT... [--megabytes 50 200] [--work DIR] [--workers N] [--show 20]

For each size a dump is made from the real articles in TEXT (`make_dump.py`; reused if it is in DIR), served on
127.0.0.1 by a server that drops the connection twice, and built into a corpus as a user would,
`python -m corpora.build --corpus kowiki:20260901`, with the filters off that would rightly drop sentences. Printed:
speeds in million bytes a second, over the clock (with the pauses after the drops) and over the processors' time; the
peak memory of all processes together (proportional set size, sampled every 0.2 s), and how it grows with the dump;
character precision and recall against the gold (`wiki_score.py`); and what came back that should not, by construct.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]
from make_dump import DATE, make_dump
from wiki_score import Score, score

from corpora.document import read_documents, shards
from pipeline.artifact import read_manifest
from pipeline.console import answer, say, table
from pipeline.errors import InputError
from pipeline.stage import run_stage

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(REPOSITORY))
from tests.corpora.loopback import Behaviour, Loopback  # noqa: E402 (tests are no package of ours)

#: Nothing is dropped for what it is: download, XML, wikitext and sentences are measured, not taste.
SETTINGS = (
    "corpus.min_chars=1",
    "corpus.max_chars=100000",
    "corpus.min_hangul=0.0",
    "corpus.max_repeats=0",
    "corpus.boilerplate=[]",
    "corpus.privacy=keep",
    "corpus.sentence_copies=0",
    "corpus.duplicate_documents=0.0",
    "corpus.held_out=0.0",
)
#: Seconds between two looks at the memory.
INTERVAL = 0.2


@dataclass(frozen=True)
class Run:
    """One size: million bytes of XML and of the packed dump, seconds, million bytes of memory, and the comparison."""

    megabytes: float
    packed: float
    download_seconds: float
    connections: int
    seconds: float
    processor_seconds: float
    memory: float
    score: Score


def main(argv: list[str] | None) -> None:
    """Parse the command line, run every size, print the tables."""
    parser = argparse.ArgumentParser(description="Download and extract a dump that is made, and compare.")
    parser.add_argument("text", type=Path, nargs="+")
    parser.add_argument("--megabytes", type=float, nargs="+", default=[50.0, 200.0], help="XML of each dump")
    parser.add_argument("--work", type=Path, help="where dumps and corpora are left (default: nowhere)")
    parser.add_argument("--workers", type=int, help="worker processes of the stage (default: its own)")
    parser.add_argument("--show", type=int, default=0, metavar="N", help="print N sentences that are lost or too much")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="wiki-dump-") as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        runs = [measure(work, arguments.text, size, arguments.workers) for size in arguments.megabytes]
    _report(runs)
    for title, sentences in (("lost", runs[-1].score.missing), ("too much", runs[-1].score.surplus)):
        for sentence in sentences[: arguments.show]:
            answer(f"{title}: {sentence}")


def measure(work: Path, texts: Sequence[Path], megabytes: float, workers: int | None) -> Run:
    """Make, serve, build and compare a dump of one size."""
    out, artifacts = work / f"dump-{megabytes:g}", work / f"artifacts-{megabytes:g}"
    listed = out / "kowiki" / DATE / f"kowiki-{DATE}-sha1sums.txt"
    if not listed.exists():  # written last
        make_dump(out, texts, megabytes, seed=0)
    (dump,) = listed.parent.glob("*.bz2")
    size = dump.stat().st_size
    shutil.rmtree(artifacts, ignore_errors=True)
    with Loopback(out) as server:
        path = f"/kowiki/{DATE}/{dump.name}"
        server.will(path, Behaviour(drop_after=size // 3), Behaviour(drop_after=size // 3))
        command = [sys.executable, "-m", "corpora.build", "--corpus", f"kowiki:{DATE}", "--recipe", "base"]
        command += ["--name", "wiki", "--artifacts", str(artifacts)]
        command += ["--workers", str(workers)] if workers else []
        command += ["--set", *SETTINGS, f"corpus.dump_mirror={server.address}"]
        say(f"{megabytes:g} MB: " + " ".join(command[1:]))
        seconds, processor_seconds, memory = _watched(command)
        asked = [request for request in server.log if request.path == path]
    corpus = artifacts / "corpus" / "wiki"
    manifest = read_manifest(corpus)
    if manifest is None:
        raise InputError(f"the stage left no corpus in {corpus}")
    extracted = read_documents(shards(corpus, "train") + shards(corpus, "heldout"))
    return Run(
        megabytes=megabytes,
        packed=size / 1e6,
        download_seconds=asked[-1].ended - asked[0].began,
        connections=len(asked),
        seconds=seconds,
        processor_seconds=processor_seconds,
        memory=memory,
        score=score(list(read_documents([out / "gold.txt"])), list(extracted)),
    )


def _watched(command: Sequence[str]) -> tuple[float, float, float]:
    """Run a command: seconds on the clock, of the processors, and million bytes of memory at the peak."""
    environment = {**os.environ, "no_proxy": "127.0.0.1"}
    before, began, peak = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic(), 0
    with subprocess.Popen(command, cwd=REPOSITORY, env=environment) as process:
        while process.poll() is None:
            peak = max(peak, _memory(process.pid))
            time.sleep(INTERVAL)
    if process.returncode:
        raise InputError(f"the stage ended with {process.returncode}")
    seconds, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, spent, peak / 1e6


def _memory(number: int) -> int:
    """Bytes that a process and all it started hold: shared pages are divided among those who share them."""
    total = 0
    try:
        root = psutil.Process(number)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    for process in family:
        try:
            held = process.memory_full_info()
        except (psutil.NoSuchProcess, psutil.AccessDenied):  # it has just ended
            continue
        total += getattr(held, "pss", held.uss)
    return total


def _report(runs: Sequence[Run]) -> None:
    columns = ("XML MB", "packed MB", "download MB/s", "connections", "stage MB/s", "MB/s a core", "peak memory MB")
    rows = [
        (
            f"{run.megabytes:,.0f}",
            f"{run.packed:,.1f}",
            f"{run.packed / run.download_seconds:,.1f}",
            str(run.connections),
            f"{run.megabytes / run.seconds:,.2f}",
            f"{run.megabytes / run.processor_seconds:,.2f}",
            f"{run.memory:,.0f}",
        )
        for run in runs
    ]
    table("download (packed MB) and corpus stage (MB of XML)", columns, rows, stdout=True)
    if len(runs) > 1:
        first, last = runs[0], runs[-1]
        growth, memory = last.megabytes / first.megabytes, last.memory / first.memory
        answer(f"{growth:.1f} times the dump takes {memory:.2f} times the memory")
    columns = (
        "XML MB",
        "gold characters",
        "precision",
        "recall",
        "whole sentences",
        "lost documents",
        "stray documents",
    )
    rows = [
        (
            f"{run.megabytes:,.0f}",
            f"{run.score.gold:,}",
            f"{run.score.precision:.4%}",
            f"{run.score.recall:.4%}",
            f"{run.score.exact / max(1, run.score.gold):.2%}",
            f"{run.score.lost_documents:,}",
            f"{run.score.stray_documents:,}",
        )
        for run in runs
    ]
    table("characters that came back, spaces aside", columns, rows, stdout=True)
    leaks = runs[-1].score.leaks
    answer("leaks: " + (", ".join(f"{name} {count:,}" for name, count in leaks.most_common()) or "none"))


if __name__ == "__main__":
    run_stage(main)
