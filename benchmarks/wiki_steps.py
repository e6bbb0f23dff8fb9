"""What each step from a dump to documents costs on one core.

    python benchmarks/wiki_steps.py DUMP.xml.bz2 [--pages 5000]

Million bytes of XML a second for each step alone, in this process: the published checksum, unpacking and reading XML,
wikitext to prose, and the rest of refining (cleaning, personal data, sentences, filters, marks of duplicates). The
ratio is to reading, which one process does for all workers: it says how many of them it can feed.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from corpora.raw import RawDocument
from corpora.refine import refine
from corpora.settings import CorpusSettings
from corpora.sources.download import file_sha1
from corpora.sources.mediawiki import read_pages
from corpora.wiki.prose import to_prose
from pipeline.console import table
from pipeline.recipe import load_recipe
from pipeline.stage import run_stage


def main(argv: list[str] | None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="What each step from a dump to documents costs on one core.")
    parser.add_argument("dump", type=Path)
    parser.add_argument("--pages", type=int, default=5000)
    arguments = parser.parse_args(argv)
    settings = load_recipe("base").section("corpus", CorpusSettings)
    pages = list(islice(read_pages(arguments.dump), arguments.pages))
    size = sum(len(page.markup.encode()) for page in pages) / 1e6
    prose = [to_prose(page.markup).paragraphs for page in pages]
    batch = tuple(
        RawDocument("dump", "dump", (page.title,), tuple(text), "paragraphs")
        for page, text in zip(pages, prose, strict=True)
    )
    exact = dataclasses.replace(settings, duplicate_documents=1.0)
    reading = size / _seconds(lambda: sum(1 for _ in islice(read_pages(arguments.dump), arguments.pages)))
    packed = arguments.dump.stat().st_size / 1e6
    speeds = {
        "sha1 (of the packed dump)": packed / _seconds(lambda: file_sha1(arguments.dump)),
        "unpack and read XML": reading,
        "wikitext to prose": size / _seconds(lambda: [to_prose(page.markup) for page in pages]),
        "refine the prose, exact copies": size / _seconds(lambda: refine(batch, exact)),
        "refine the prose, near-copies": size / _seconds(lambda: refine(batch, settings)),
    }
    rows = [(name, f"{speed:.1f}", f"{reading / speed:.2f}") for name, speed in speeds.items()]
    table(f"{len(pages):,} articles, {size:.1f} MB", ("step", "MB/s a core", "cores for one reader"), rows, stdout=True)


def _seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


if __name__ == "__main__":
    run_stage(main)
