"""Counting the words of a corpus, in parallel. A word is what the tokenizer's own pre-tokenizer yields."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from corpora.privacy import PLACEHOLDERS
from pipeline.executor import Pool, in_batches, ordered_map
from tokenizer.normalize import korean_normalizer, word_splitter

#: Lines handed to a worker at once.
BATCH_LINES = 20_000

_PLACEHOLDER = re.compile("|".join(map(re.escape, PLACEHOLDERS.values())))


def count_words(
    paths: Sequence[Path],
    pool: Pool,
    progress: Callable[[float], None] = lambda lines: None,
) -> Counter[str]:
    """How often each word occurs in the lines of `paths`. Special tokens written out in a text count as their parts."""
    words: Counter[str] = Counter()
    for counted in ordered_map(pool, count_batch, _batches(paths)):
        words.update(counted)
        progress(BATCH_LINES)
    return words


def count_batch(lines: Sequence[str]) -> Counter[str]:
    """Words of some lines. Each distinct eojeol is normalised and split once: most occur many times."""
    eojeols = Counter(eojeol for line in lines for eojeol in line.split())
    words: Counter[str] = Counter()
    for eojeol, count in eojeols.items():
        # A placeholder has an entry of its own; what is glued to it begins anew, as in the tokenizer.
        for part in _PLACEHOLDER.split(eojeol) if "[" in eojeol else (eojeol,):
            for word in split_words(part):
                words[word] += count
    return words


def split_words(text: str) -> list[str]:
    """The words of a text, exactly as the tokenizer will split it.

    >>> split_words("'조선(朝鮮)'은")
    ["'", '조선', '(', '朝', '鮮', ')', "'", '은']
    """
    normalizer, splitter = _rules()
    return [word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text))]


@lru_cache(maxsize=1)
def _rules():  # type: ignore[no-untyped-def]  # noqa: ANN202 - the library's classes, made once per process
    return korean_normalizer(), word_splitter()


def _batches(paths: Iterable[Path]) -> Iterator[list[str]]:
    for path in paths:
        with path.open(encoding="utf-8") as stream:
            yield from in_batches(stream, BATCH_LINES)
