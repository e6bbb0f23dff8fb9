"""Counting the words of a corpus, in parallel and in bounded memory.

A word is what the tokenizer's own pre-tokenizer yields; an eojeol is what white space separates. Past a number of
distinct ones the counts in hand go to disk as a sorted run, and in the end the runs are merged: the result is exact,
whatever the order of the shards and the number of workers.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Literal

from corpora.privacy import PLACEHOLDERS
from pipeline.executor import Pool, in_batches, ordered_map
from tokenizer.normalize import korean_normalizer, word_splitter

Unit = Literal["word", "eojeol"]
#: Lines handed to a worker at once.
BATCH_LINES = 20_000
#: Distinct words held before they go to disk: some 400 MB of them.
IN_MEMORY = 3_000_000

_PLACEHOLDER = re.compile("|".join(map(re.escape, PLACEHOLDERS.values())))


@dataclass(frozen=True)
class WordCounts:
    """Words that occur `least` times or more, and what was counted over all of them."""

    words: dict[str, int]
    #: Every character's occurrences, those in rarer words too.
    characters: Counter[str] = field(default_factory=Counter)
    #: Different words, and occurrences of words, before the rare ones were cut.
    distinct: int = 0
    total: int = 0


def count_words(
    paths: Sequence[Path],
    pool: Pool,
    scratch: Path,
    least: int = 1,
    unit: Unit = "word",
    progress: Callable[[float], None] = lambda lines: None,
    in_memory: int = IN_MEMORY,
) -> WordCounts:
    """How often each word occurs in the lines of `paths`; runs are written to the folder `scratch` and removed.

    Special tokens written out in a text count as their parts. Words come in the order of their code points.
    """
    words: Counter[str] = Counter()
    runs: list[Path] = []
    for counted, lines in ordered_map(pool, partial(_count, unit=unit), _batches(paths)):
        words.update(counted)
        progress(lines)
        if len(words) > in_memory:
            runs.append(_spill(words, scratch / f"words-{len(runs):04}.run"))
            words = Counter()
    rest = ((word, words[word]) for word in sorted(words))
    counts = _cut(_merged([*map(_read_run, runs), rest]), least)
    for run in runs:
        run.unlink()
    return counts


def count_batch(lines: Sequence[str], unit: Unit = "word") -> Counter[str]:
    """Words of some lines. Each distinct eojeol is normalised and split once: most occur many times."""
    eojeols = Counter(eojeol for line in lines for eojeol in line.split())
    split = split_words if unit == "word" else split_eojeols
    words: Counter[str] = Counter()
    for eojeol, count in eojeols.items():
        # A placeholder has an entry of its own; what is glued to it begins anew, as in the tokenizer.
        for part in _PLACEHOLDER.split(eojeol) if "[" in eojeol else (eojeol,):
            for word in split(part):
                words[word] += count
    return words


def _count(lines: Sequence[str], unit: Unit) -> tuple[Counter[str], int]:
    return count_batch(lines, unit), len(lines)


def split_words(text: str) -> list[str]:
    """The words of a text, exactly as the tokenizer will split it.

    >>> split_words("'조선(朝鮮)'은")
    ["'", '조선', '(', '朝', '鮮', ')', "'", '은']
    """
    normalizer, splitter = _rules()
    return [word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))]


def split_eojeols(text: str) -> list[str]:
    """The eojeols of a text after the tokenizer's normaliser.

    >>> split_eojeols("'조선(朝鮮)'은 ")
    ["'조선(朝鮮)'은"]
    """
    normalized: str = _eojeol_normalizer().normalize_str(text)
    return normalized.split()


@lru_cache(maxsize=1)
def _eojeol_normalizer() -> Any:
    return korean_normalizer(hanja_apart=False)


@lru_cache(maxsize=1)
def _rules() -> tuple[Any, Any]:  # made once a process
    return korean_normalizer(), word_splitter()


def _batches(paths: Iterable[Path]) -> Iterator[list[str]]:
    for path in paths:
        with path.open(encoding="utf-8") as stream:
            yield from in_batches(stream, BATCH_LINES)


def _spill(words: Mapping[str, int], path: Path) -> Path:
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.writelines(f"{word}\t{words[word]}\n" for word in sorted(words))
    return path


def _read_run(path: Path) -> Iterator[tuple[str, int]]:
    with path.open(encoding="utf-8", newline="\n") as stream:
        for line in stream:
            word, _, count = line.rpartition("\t")
            yield word, int(count)


def _merged(runs: Sequence[Iterable[tuple[str, int]]]) -> Iterator[tuple[str, int]]:
    """Sorted runs as one, the counts of a word added up."""
    if len(runs) == 1:
        yield from runs[0]
        return
    for word, group in groupby(heapq.merge(*runs, key=itemgetter(0)), key=itemgetter(0)):
        yield word, sum(count for _, count in group)


def _cut(words: Iterable[tuple[str, int]], least: int) -> WordCounts:
    kept: dict[str, int] = {}
    characters: Counter[str] = Counter()
    distinct = total = 0
    for word, count in words:
        distinct += 1
        total += count
        for character in word:
            characters[character] += count
        if count >= least:
            kept[word] = count
    return WordCounts(kept, characters, distinct, total)
