"""What each stage of a finished road cost, read from its manifests.

    python benchmarks/stages.py [--artifacts artifacts] NAME

Seconds, million bytes of corpus text a second, peak memory of the stage and the largest of its workers, and each
stage's share of the whole: the baseline of the ratios is the road itself.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.artifact import read_manifest
from pipeline.console import table
from pipeline.stage import run_stage

STAGES = ("corpus", "tokenizer", "examples", "pretrain", "export")


def main(argv: list[str] | None) -> None:
    """Print the table of one name's stages."""
    parser = argparse.ArgumentParser(description="What each stage of a finished road cost.")
    parser.add_argument("name")
    parser.add_argument("--artifacts", type=Path, default=Path("artifacts"))
    arguments = parser.parse_args(argv)
    found = {stage: read_manifest(arguments.artifacts / stage / arguments.name) for stage in STAGES}
    figures = {stage: manifest.figures for stage, manifest in found.items() if manifest}
    corpus = figures.get("corpus", {})
    megabytes = sum(corpus.get(split, {}).get("bytes", 0) for split in ("train", "heldout")) / 1e6
    total = sum(numbers["seconds"] for numbers in figures.values())
    rows = []
    for stage, numbers in figures.items():
        seconds = numbers["seconds"]
        speed = f"{megabytes / max(seconds, 0.01):.2f}" if stage in ("corpus", "tokenizer", "examples") else "-"
        memory = f"{numbers['peak_memory_mb']:,}"
        rows.append((stage, f"{seconds:,.1f}", speed, memory, f"{seconds / total:.1%}"))
    table(
        f"{arguments.name}: {megabytes:,.1f} MB of text, {total:,.1f} s",
        ("stage", "seconds", "MB/s", "peak memory (MB)", "share of time"),
        rows,
        stdout=True,
    )


if __name__ == "__main__":
    run_stage(main)
