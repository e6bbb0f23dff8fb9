"""The algorithms of `tokenizer.algorithm`, from a corpus's shards to a tokenizer.

wordpiece, morpheme and particle learn from words, unigram and bpe (SentencePiece) from eojeols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tokenizers import Tokenizer

from pipeline.console import progress, say
from pipeline.executor import HERE, Pool
from tokenizer.alphabet import Alphabet, choose_alphabet, stands_alone
from tokenizer.learn import count_uses, learn_vocabulary
from tokenizer.morphemes import split_words_apart
from tokenizer.sentencepieces import learn_pieces, own_ids
from tokenizer.settings import TokenizerSettings
from tokenizer.wordpiece import build_tokenizer, reserved_entries, vocabulary_of
from tokenizer.words import Unit, WordCounts, count_words

#: Lines -> their ids without [CLS] and [SEP], by whoever learned the vocabulary.
Encode = Callable[[Sequence[str]], list[list[int]]]

#: Algorithms whose run-time is longest match over words.
WORDPIECE = ("wordpiece", "morpheme", "particle")
#: So many words and fewer are analysed in this process, which needs an analyser for the held-out text anyway: each of
#: several workers would first have to load one, and that takes longer.
FEW_WORDS = 30_000


@dataclass(frozen=True)
class Result:
    """A learned tokenizer and what is to be told of it."""

    tokenizer: Tokenizer
    encode: Encode
    alphabet: Alphabet
    counts: WordCounts
    #: Pieces that were learned and left out because longest match never takes them.
    replaced: int
    #: `[unused]` entries.
    unused: int
    #: Whether a word is split by longest match, as WordPiece does.
    longest_match: bool
    #: Pieces of more than one character that no word of the corpus yields.
    dead: tuple[str, ...] = ()


def learn(paths: Sequence[Path], lines: int, settings: TokenizerSettings, pool: Pool, scratch: Path) -> Result:
    """Learn from the `lines` lines of `paths`. Raises InputError if the characters do not fit into the vocabulary."""
    unit: Unit = "word" if settings.algorithm in WORDPIECE else "eojeol"
    # unigram seeds its pieces by how many eojeols they stand in: without the rare ones it lacks frequent words.
    least = 1 if settings.algorithm == "unigram" else settings.min_word_count
    with progress("counting", lines) as advance:
        counts = count_words(paths, pool, scratch, least, unit, advance)
    alphabet = choose_alphabet(counts.characters, settings.coverage, stands_alone if unit == "word" else _one_entry)
    say(
        f"tokenizer: learning {settings.vocab_size:,} entries from {len(counts.words):,} distinct {unit}s "
        f"({counts.distinct - len(counts.words):,} rarer ones left out), {alphabet.slots:,} for single characters"
    )
    result = (_by_words if unit == "word" else _by_eojeols)(counts, alphabet, settings, pool)
    return replace(result, dead=_never_used(result.tokenizer, counts.words, result.unused))


def _one_entry(character: str) -> bool:
    """Of SentencePiece a character begins a word and goes on in one by the same entry."""
    return True


def _by_words(counts: WordCounts, alphabet: Alphabet, settings: TokenizerSettings, pool: Pool) -> Result:
    splits: Mapping[str, Sequence[int]] = {}
    if settings.algorithm != "wordpiece":
        with progress("morphemes", len(counts.words)) as advance:
            where = pool if len(counts.words) > FEW_WORDS else HERE
            splits = split_words_apart(counts.words, where, settings.algorithm == "particle", advance)
    learned = learn_vocabulary(counts.words, splits, alphabet, settings)
    tokenizer = build_tokenizer(learned.vocabulary)
    return Result(tokenizer, partial(_encode, tokenizer), alphabet, counts, learned.dead, learned.unused, True)


def _by_eojeols(counts: WordCounts, alphabet: Alphabet, settings: TokenizerSettings, pool: Pool) -> Result:
    pieces = learn_pieces(counts.words, alphabet.characters, settings)

    def encode(lines: Sequence[str]) -> list[list[int]]:
        return [own_ids(pieces, line) for line in lines]

    return Result(pieces.tokenizer, encode, alphabet, counts, 0, pieces.unused, False)


def _encode(tokenizer: Tokenizer, lines: Sequence[str]) -> list[list[int]]:
    return [encoding.ids for encoding in tokenizer.encode_batch(lines, add_special_tokens=False)]


def _never_used(tokenizer: Tokenizer, words: Mapping[str, int], unused: int) -> tuple[str, ...]:
    """Asked of the finished tokenizer, in the way that a model will ask it."""
    uses = count_uses(tokenizer, words)
    reserved = len(reserved_entries(unused))
    entries = enumerate(vocabulary_of(tokenizer))
    return tuple(
        piece
        for number, piece in entries
        if number >= reserved and not uses[number] and len(piece.removeprefix("##").removeprefix("▁")) > 1
    )
