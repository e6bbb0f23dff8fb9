"""All algorithms side by side: particles kept, [UNK], tokens per eojeol, dead entries, time and memory.

    python benchmarks/vocabulary_table.py TEXT ... --work DIR [--recipe base] [--algorithms wordpiece particle ...]
                                          [--own law.txt] [--workers 2]

Builds one corpus of all TEXTs with the recipe (a fiftieth held out), learns a vocabulary by each algorithm with open
gates, and measures all of them on the same held-out sentences. Sources are grouped by the letters that their names
begin with (kowiki-00.txt, kowiki-01.txt: kowiki). Noun+particle eojeols are found by kiwipiepy in whole sentences, and
again by mecab-ko, which had no part in the learning, if `mecab` (python-mecab-ko) is installed. `--own TEXT` adds a
vocabulary learned from that source alone, measured on that source's held-out sentences. Seconds and memory are those of
the stage, its judgement included, on `--workers` processes; the ratio's baseline is the first algorithm. What is in
DIR already is used as it is.
"""

from __future__ import annotations

import argparse
import importlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from vocabulary_stock import OPEN_GATES
from watched import watched

from corpora.document import CORPUS
from pipeline.artifact import open_artifact, read_manifest
from pipeline.console import say, table
from pipeline.errors import InputError
from pipeline.stage import run_stage
from tokenizer.josa import JosaCase, find_cases, kept
from tokenizer.judge import held_out
from tokenizer.morphemes import Morpheme
from tokenizer.quality import count_eojeols, inspect
from tokenizer.wordpiece import load_tokenizer

ALGORITHMS = ("wordpiece", "particle", "morpheme", "unigram", "bpe")
#: Share of the documents held out; noun+particle eojeols looked at in each group of sources.
HELD_OUT, CASES = 0.02, 12_000
COLUMNS = ("text", "algorithm", "entries", "tokens per eojeol", "[UNK] eojeols", "josa (kiwi)", "josa (mecab)")


def main(argv: list[str] | None) -> None:
    """Learn what is not there yet, print two tables."""
    parser = argparse.ArgumentParser(description="All algorithms side by side.")
    parser.add_argument("text", type=Path, nargs="+")
    parser.add_argument("--work", type=Path, required=True, help="where artifacts are made and left")
    parser.add_argument("--recipe", default="base")
    parser.add_argument("--algorithms", nargs="+", choices=ALGORITHMS, default=list(ALGORITHMS))
    parser.add_argument("--own", type=Path, help="one of the TEXTs that gets a vocabulary of its own too")
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args(argv)
    corpus = _corpus("all", arguments.text, arguments)
    folders = {name: _vocabulary(name, corpus, name, arguments) for name in arguments.algorithms}
    texts = groups(corpus)
    cases = {name: _cases(sentences) for name, sentences in texts.items()}
    rows = [
        _row(name, algorithm, folder, texts[name], cases[name])
        for name in texts
        for algorithm, folder in folders.items()
    ]
    if arguments.own:
        rows += _own(arguments, texts, cases)
    table("vocabularies", COLUMNS, rows, stdout=True)
    _costs(folders)


def _corpus(name: str, texts: Sequence[Path], arguments: argparse.Namespace) -> Path:
    flags = ("--recipe", arguments.recipe, "--artifacts", arguments.work, "--name", name)
    sets = ("--set", f"corpus.held_out={HELD_OUT}", "--workers", arguments.workers)
    watched([*_python("corpora.build"), *flags, *sets, "--corpus", *texts], arguments.workers)
    folder: Path = arguments.work / "corpus" / name
    return folder


def _vocabulary(name: str, corpus: Path, algorithm: str, arguments: argparse.Namespace) -> Path:
    flags = ("--recipe", arguments.recipe, "--artifacts", arguments.work, "--name", name, "--from-corpus", corpus)
    sets = ("--set", f"tokenizer.algorithm={algorithm}", *OPEN_GATES, "--workers", arguments.workers)
    cost = watched([*_python("tokenizer.train"), *flags, *sets], arguments.workers)
    say(f"{name}: {cost.processors:.0f} s of the processors")
    folder: Path = arguments.work / "tokenizer" / name
    return folder


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module)


def groups(corpus: Path) -> dict[str, list[str]]:
    """The held-out sentences of a corpus artifact by group of sources."""
    texts: dict[str, list[str]] = {}
    for source, sentences in held_out(corpus, open_artifact(corpus, CORPUS)).sources.items():
        texts.setdefault(_group(source), []).extend(sentences)
    return texts


def _group(source: str) -> str:
    found = re.match(r"[^\W\d_]+", source)
    return found[0] if found else source


def _cases(sentences: Sequence[str]) -> tuple[list[JosaCase], list[JosaCase] | None]:
    """By kiwi and, if it is installed, by mecab."""
    try:
        tagger = importlib.import_module("mecab").MeCab()
    except ImportError:
        return find_cases(sentences, CASES), None

    def analyse(texts: Iterable[str]) -> Iterator[list[Morpheme]]:
        for text in texts:
            # NNBC, a noun that counts, is an NNB elsewhere; fused tokens (VV+EP) are one morpheme without a boundary.
            yield [
                Morpheme(str(token.feature.pos).replace("NNBC", "NNB"), token.span.start, token.span.end)
                for token in tagger.parse(text)
            ]

    return find_cases(sentences, CASES), find_cases(sentences, CASES, analyse)


def _row(
    group: str,
    algorithm: str,
    folder: Path,
    sentences: Sequence[str],
    cases: tuple[list[JosaCase], list[JosaCase] | None],
) -> tuple[str, ...]:
    tokenizer = load_tokenizer(folder)
    quality = inspect(tokenizer, count_eojeols({group: sentences})).total
    shares = ["-" if found is None else f"{kept(tokenizer, found).share:.2%} of {len(found):,}" for found in cases]
    figures = (f"{quality.tokens_per_eojeol:.3f}", f"{quality.unknown_share:.3%}")
    return (group, algorithm, f"{tokenizer.get_vocab_size():,}", *figures, *shares)


def _own(
    arguments: argparse.Namespace,
    texts: Mapping[str, Sequence[str]],
    cases: Mapping[str, tuple[list[JosaCase], list[JosaCase] | None]],
) -> list[tuple[str, ...]]:
    """The split goes by a document's own text, so the same documents are held out of both corpora."""
    group = _group(arguments.own.name)
    if group not in texts:
        raise InputError(f"--own {arguments.own}: not one of the texts")
    corpus = _corpus("own", [arguments.own], arguments)
    algorithm = arguments.algorithms[1 if len(arguments.algorithms) > 1 else 0]
    folder = _vocabulary("own", corpus, algorithm, arguments)
    return [_row(group, f"{algorithm}, its own", folder, texts[group], cases[group])]


def _costs(folders: Mapping[str, Path]) -> None:
    rows = []
    first = 0.0
    for name, folder in folders.items():
        manifest = read_manifest(folder)
        assert manifest is not None
        figures = manifest.figures
        first = first or figures["seconds"]
        dead = (f"{figures['dead_replaced']:,}", f"{figures['dead']:,}")
        cost = (f"{figures['seconds']:.0f}", f"{figures['seconds'] / first:.2f}", f"{figures['peak_memory_mb']:,}")
        rows.append((name, *dead, *cost))
    columns = ("algorithm", "dead, replaced", "dead, left", "clock seconds", "ratio", "peak MB, stage and worker")
    table("what they cost", columns, rows, stdout=True)


if __name__ == "__main__":
    run_stage(main)
