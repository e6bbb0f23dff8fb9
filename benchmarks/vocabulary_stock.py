"""Our vocabularies beside the one of the widely taught recipe, learned from the same text in the same run.

    python benchmarks/vocabulary_stock.py TEXT --reviews FILE [--megabytes 20] [--runs 5] [--vocab-size 32000]

The baseline is `tokenizers.BertWordPieceTokenizer` as Korean BERT lectures train it: no lower-casing, min_frequency 2,
everything else as it comes, so 1,000 characters (`limit_alphabet`) in whatever order a hash map gives them. Ours are
learned by the stage, `python -m tokenizer.train --recipe base`. All read the same train shards of one corpus artifact,
made of the first million bytes of TEXT (one sentence a line, a blank line between documents), and each run is a process
of its own. Measured is

* the share of eojeols with an [UNK] on held-out documents of TEXT and on lines of another kind, `--reviews`;
* how many different vocabularies the runs gave, and how many entries are not in all of them;
* processor seconds (median of the runs) and peak memory, whole processes: ours also judge the vocabulary and write a
  report, and read the morphemes of the text where the algorithm asks for them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median

from tokenizers import Tokenizer
from watched import watched

from corpora.document import read_documents, shards
from pipeline.console import answer, say, table
from pipeline.errors import InputError
from pipeline.stage import positive, run_stage
from tokenizer.wordpiece import UNK, load_tokenizer, vocabulary_of

#: The recipe as it is taught: folder, vocabulary size, files.
STOCK = """
import sys
from tokenizers import BertWordPieceTokenizer
tokenizer = BertWordPieceTokenizer(clean_text=True, handle_chinese_chars=True, strip_accents=False, lowercase=False)
tokenizer.train(sys.argv[3:], vocab_size=int(sys.argv[2]), min_frequency=2, show_progress=False)
tokenizer.save(sys.argv[1] + "/tokenizer.json")
"""
#: What a vocabulary is worth is what is measured: no gate stops it.
OPEN_GATES = ("tokenizer.gates.max_unknown=1.0", "tokenizer.gates.min_josa=0.0")
#: Documents held out of TEXT.
HELD_OUT = 0.05


@dataclass(frozen=True)
class Run:
    """One learning: the tokenizer, processor seconds, and million bytes of memory at the peak."""

    tokenizer: Tokenizer
    seconds: float
    memory: float


def main(argv: list[str] | None) -> None:
    """Learn all vocabularies, print the table."""
    parser = argparse.ArgumentParser(description="Our vocabularies beside the stock recipe's.")
    parser.add_argument("text", type=Path)
    parser.add_argument("--reviews", type=Path, required=True, help="lines of another kind, to count [UNK] in")
    parser.add_argument("--megabytes", type=float, default=20.0, help="of TEXT to learn from")
    parser.add_argument("--lines", type=positive, default=100_000, help="of reviews")
    parser.add_argument("--runs", type=positive, default=5)
    parser.add_argument("--vocab-size", type=positive, default=32_000)
    parser.add_argument("--algorithms", nargs="+", default=["wordpiece", "morpheme"])
    parser.add_argument("--cores", type=positive, default=1, help="threads of the library, worker processes of ours")
    parser.add_argument("--work", type=Path, help="where all is left; has to be empty (default: nowhere)")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="vocabularies-") as temporary:
        work = (arguments.work or Path(temporary)).resolve()
        if (work / "artifacts").exists():
            raise InputError(f"{work} holds an earlier comparison: delete it or name another --work")
        runs = learn_all(work, arguments)
        corpus = work / "artifacts" / "corpus" / "text"
        documents = read_documents(shards(corpus, "heldout"))
        held_out = Counter(_eojeols(sentence for document in documents for sentence in document))
        with arguments.reviews.open(encoding="utf-8") as stream:
            reviews = Counter(_eojeols(islice(stream, arguments.lines)))
    _report(runs, held_out, reviews, arguments)


def learn_all(work: Path, arguments: argparse.Namespace) -> dict[str, list[Run]]:
    """Every vocabulary so often as asked, in turn, so that a busy minute of the machine falls on all alike."""
    work.mkdir(parents=True, exist_ok=True)
    text = work / "text.txt"
    with text.open("w", encoding="utf-8") as stream:
        stream.writelines(_first(arguments.text, int(arguments.megabytes * 1e6)))
    artifacts = ("--recipe", "base", "--artifacts", work / "artifacts")
    corpus = (*artifacts, "--name", "text", "--corpus", text, "--set", f"corpus.held_out={HELD_OUT}")
    watched([sys.executable, "-m", "corpora.build", *corpus], arguments.cores)
    files = shards(work / "artifacts" / "corpus" / "text", "train")
    runs: dict[str, list[Run]] = {name: [] for name in ("stock", *arguments.algorithms)}
    for number in range(arguments.runs):
        for name, learned in runs.items():
            folder = work / "artifacts" / "tokenizer" / f"{name}-{number}"
            if name == "stock":
                folder.mkdir(parents=True)
                command = [sys.executable, "-c", STOCK, folder, arguments.vocab_size, *files]
            else:
                flags = ("--name", folder.name, "--from-corpus", work / "artifacts" / "corpus" / "text")
                sets = (f"tokenizer.algorithm={name}", f"tokenizer.vocab_size={arguments.vocab_size}", *OPEN_GATES)
                command = [sys.executable, "-m", "tokenizer.train", *artifacts, *flags]
                command += ["--workers", arguments.cores, "--set", *sets]
            cost = watched(command, arguments.cores)
            say(f"{name}, run {number + 1}: {cost.processors:.1f} s, {cost.memory:,.0f} MB")
            learned.append(Run(load_tokenizer(folder), cost.processors, cost.memory))
    return runs


def _first(path: Path, size: int) -> Iterator[str]:
    """Lines of a file until `size` bytes are reached."""
    with path.open(encoding="utf-8") as stream:
        for line in stream:
            if size <= 0:
                return
            size -= len(line.encode())
            yield line


def _eojeols(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        yield from line.split()


def unknown_share(tokenizer: Tokenizer, eojeols: Counter[str]) -> float:
    """Share of eojeols, by their counts, that hold an [UNK]."""
    distinct = list(eojeols)
    encodings = tokenizer.encode_batch(distinct, add_special_tokens=False)
    unknown = tokenizer.token_to_id(UNK)
    held = sum(eojeols[word] for word, found in zip(distinct, encodings, strict=True) if unknown in found.ids)
    return held / eojeols.total()


def _report(
    runs: dict[str, list[Run]], held_out: Counter[str], reviews: Counter[str], arguments: argparse.Namespace
) -> None:
    rows = []
    base_seconds, base_memory = _cost(runs["stock"])
    for name, learned in runs.items():
        vocabularies = [vocabulary_of(run.tokenizer) for run in learned]
        sets: list[set[object]] = [set(vocabulary) for vocabulary in vocabularies]
        seconds, memory = _cost(learned)
        rows.append(
            (
                name,
                f"{len(vocabularies[0]):,}",
                *(_range([unknown_share(run.tokenizer, text) for run in learned]) for text in (reviews, held_out)),
                str(len(set(map(tuple, vocabularies)))),
                f"{len(set.union(*sets) - set.intersection(*sets)):,}",
                *(f"{seconds:.1f}", f"{seconds / base_seconds:.2f}"),
                *(f"{memory:,.0f}", f"{memory / base_memory:.2f}"),
            )
        )
    title = (
        f"{arguments.megabytes:g} MB of text, {len(runs['stock'])} runs, {arguments.cores} core(s); [UNK] in "
        f"{reviews.total():,} eojeols of reviews and {held_out.total():,} held-out ones"
    )
    columns = ("vocabulary", "entries", "[UNK] reviews", "[UNK] held out", "different", "entries not in all")
    table(title, (*columns, "seconds", "ratio", "peak MB", "ratio"), rows, stdout=True)
    answer("ratios are to stock; different: vocabularies, by entry and id, that as many runs gave")


def _cost(learned: Sequence[Run]) -> tuple[float, float]:
    return median(run.seconds for run in learned), median(run.memory for run in learned)


def _range(shares: Sequence[float]) -> str:
    low, high = (f"{share:.3%}" for share in (min(shares), max(shares)))
    return low if low == high else f"{low} - {high}"


if __name__ == "__main__":
    run_stage(main)
