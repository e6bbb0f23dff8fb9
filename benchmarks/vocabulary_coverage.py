"""What an alphabet costs and what it saves: entries taken by single characters against eojeols with an [UNK].

    python benchmarks/vocabulary_coverage.py CORPUS [--recipe base] [--shares 0.9 0.99 ...]

CORPUS is a corpus artifact with held-out documents. An eojeol becomes an [UNK] if one of its characters is not in the
alphabet, whatever the algorithm, so no vocabulary is learned here. For every kind of character in
`[tokenizer.coverage]` and every share, the table has the entries that those characters take (word-initial and
word-internal) and the share of held-out eojeols with one that was left out, by group of sources (kowiki-00.txt,
kowiki-01.txt: kowiki). The recipe's own shares are marked.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from vocabulary_table import groups

from corpora.document import CORPUS, shards
from pipeline.artifact import open_artifact
from pipeline.console import answer, table
from pipeline.executor import Workers, worker_pool
from pipeline.recipe import as_table, load_recipe
from pipeline.stage import positive, run_stage
from tokenizer.alphabet import by_kind, cover, stands_alone
from tokenizer.settings import TokenizerSettings
from tokenizer.words import count_batch, count_words

SHARES = (0.9, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99995, 0.99999, 1.0)
#: Characters -> how many eojeols consist of just these.
Texts = dict[str, Counter[frozenset[str]]]


def main(argv: list[str] | None) -> None:
    """Count characters, print the table."""
    parser = argparse.ArgumentParser(description="Entries for single characters against eojeols with an [UNK].")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--recipe", default="base")
    parser.add_argument("--shares", type=float, nargs="+", default=list(SHARES))
    parser.add_argument("--workers", type=positive, default=2)
    arguments = parser.parse_args(argv)
    open_artifact(arguments.corpus, CORPUS)
    coverage = as_table(load_recipe(arguments.recipe).section("tokenizer", TokenizerSettings).coverage)
    with worker_pool(Workers(arguments.workers)) as pool, tempfile.TemporaryDirectory() as scratch:
        counts = count_words(shards(arguments.corpus, "train"), pool, Path(scratch)).characters
    texts = {name: _eojeols(sentences) for name, sentences in groups(arguments.corpus).items()}
    kinds = by_kind(counts)
    rows = []
    for kind, asked in coverage.items():
        for share in sorted({*arguments.shares, asked}):
            mark = "*" if share == asked else ""
            rows.append((kind, f"{share:g}{mark}", *_row(kinds.get(kind, Counter()), share, texts)))
    table("coverage", ("kind", "share", "characters", "entries", *texts), rows, stdout=True)
    answer(
        f"under the sources: held-out eojeols that lack a character of the kind; * what recipe {arguments.recipe} asks"
    )


def _eojeols(sentences: Iterable[str]) -> Counter[frozenset[str]]:
    eojeols = Counter(eojeol for sentence in sentences for eojeol in sentence.split())
    alphabets: Counter[frozenset[str]] = Counter()
    for eojeol, count in eojeols.items():
        alphabets[frozenset("".join(count_batch([eojeol])))] += count
    return alphabets


def _row(counts: Counter[str], share: float, texts: Texts) -> tuple[str, ...]:
    """`counts`: of the characters of one kind. One that the corpus lacks is lacking at any share, and not counted."""
    taken = cover(counts, share)
    entries = 2 * len(taken) - sum(map(stands_alone, taken))
    left_out = counts.keys() - taken
    lacking = (
        sum(count for eojeol, count in text.items() if eojeol & left_out) / text.total() for text in texts.values()
    )
    return (f"{len(taken):,}", f"{entries:,}", *(f"{each:.4%}" for each in lacking))


if __name__ == "__main__":
    run_stage(main)
