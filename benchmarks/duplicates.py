"""How many planted copies of real documents are found, how many others are taken for copies, and what it costs.

    python benchmarks/duplicates.py TEXT [--documents 5000] [--threshold 0.8]

Every tenth document of TEXT (one sentence a line, a blank line between documents) gets a copy, without spaces, in which
one word in N was changed; N differs from row to row. The baseline of the ratio is refining
without signatures.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import time
from itertools import islice
from pathlib import Path

import numpy as np

from corpora.dedup import decide, mark
from corpora.document import Document, read_documents
from corpora.raw import RawDocument
from corpora.refine import refine
from corpora.settings import CorpusSettings
from pipeline.console import answer, table
from pipeline.recipe import load_recipe
from pipeline.stage import run_stage

#: A copy has one word in so many changed.
CHANGED = (100, 60, 30, 15, 8)
#: Characters of the shortest document that gets a copy.
SHORTEST = 400


def main(argv: list[str] | None) -> None:
    """Print the table and the ratio."""
    parser = argparse.ArgumentParser(description="Planted near-copies of real documents, found or not.")
    parser.add_argument("text", type=Path)
    parser.add_argument("--documents", type=int, default=5000)
    parser.add_argument("--threshold", type=float, default=0.8)
    arguments = parser.parse_args(argv)
    documents: list[Document] = list(islice(read_documents([arguments.text]), arguments.documents))
    rows = [_planted(documents, share, arguments.threshold) for share in CHANGED]
    columns = ("one word changed in", "copies", "found", "others taken for copies")
    table(f"near-copies at {arguments.threshold}", columns, rows, stdout=True)
    settings = load_recipe("base").section("corpus", CorpusSettings)
    without = _seconds(documents, dataclasses.replace(settings, duplicate_documents=1.0))
    with_them = _seconds(documents, dataclasses.replace(settings, duplicate_documents=arguments.threshold))
    answer(f"refining takes {with_them / without:.2f} times as long with signatures as without ({without:.1f} s)")


def _planted(documents: list[Document], share: int, threshold: float) -> tuple[str, ...]:
    generator = random.Random(share)
    mixed: list[Document] = []
    planted: list[bool] = []
    for place, document in enumerate(documents):
        mixed.append(document)
        planted.append(False)
        if place % 10 == 0 and sum(map(len, document)) >= SHORTEST:
            words = " ".join(document).split(" ")
            for _ in range(max(1, len(words) // share)):
                words[generator.randrange(len(words))] = "바꿈"
            mixed.append(["".join(words)])
            planted.append(True)
    near = decide(mark(mixed, near=True), threshold, 0).near
    truth = np.array(planted)
    return f"{share}", f"{truth.sum():,}", f"{(near & truth).sum():,}", f"{(near & ~truth).sum():,}"


def _seconds(documents: list[Document], settings: CorpusSettings) -> float:
    batch = tuple(
        RawDocument("text", "text", (str(place),), tuple(document), "paragraphs")
        for place, document in enumerate(documents)
    )
    started = time.process_time()
    refine(batch, settings)
    return time.process_time() - started


if __name__ == "__main__":
    run_stage(main)
