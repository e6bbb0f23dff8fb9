"""Learning a WordPiece vocabulary that is the same every time and holds nothing it never uses.

The library's `WordPieceTrainer` breaks ties by the order of a hash map: six runs over the same text gave six
vocabularies. Its `BpeTrainer`, when it has no continuation prefix to add, breaks them by the pieces' ids and is
repeatable. So the distinction that the prefix carries is put into the characters first: a character inside a word
becomes a private-use code point of its own, the BPE merges are learned on that, and afterwards the code points are
read back as `##` pieces.

BPE's merges are steps on the way to longer pieces, while WordPiece takes the longest match: some steps are never
taken. Such dead entries are found by tokenizing all words, and make room for the merges that come next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from pipeline.errors import InputError
from pipeline.executor import in_batches
from tokenizer.alphabet import Alphabet
from tokenizer.settings import SIZE_UNIT, TokenizerSettings
from tokenizer.wordpiece import LONGEST_WORD, PREFIX, UNK, longest_match, reserved_entries

#: Planes 15 and 16, room for 131 thousand characters; the normaliser removes private-use characters from text.
_PRIVATE = 0xF0000
#: Copies of a word in one string handed to the trainer, which counts them again.
_REPEAT = 1000
#: Merges learned at first, as a multiple of those there is room for; 5 to 15 % of them turn out dead.
_SURPLUS = 1.25
#: Words tokenized at once.
_BATCH = 50_000

#: Where a word may be cut while learning: places between its characters.
Splits = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Learned:
    """Entries in the order of their ids: reserved ones, single characters, then pieces as they were merged."""

    vocabulary: list[str]
    #: Merges that longest match takes less than `min_frequency` times, left out.
    dead: int
    #: `[unused]` entries, those that fill the size up to a multiple of 64 among them.
    unused: int


def learn_vocabulary(
    words: Mapping[str, int], splits: Splits, alphabet: Alphabet, settings: TokenizerSettings
) -> Learned:
    """A vocabulary for words with counts; no merge crosses a place that `splits` names for a word.

    Fewer entries than `vocab_size` come back if the text runs out of pieces that occur `min_frequency` times; the
    number is a multiple of 64 all the same. Raises InputError if the characters alone do not fit.
    """
    reserved = reserved_entries(settings.unused)
    room = settings.vocab_size - len(reserved) - alphabet.slots
    if room < 0:
        raise InputError(_does_not_fit(alphabet, len(reserved), settings))
    usable = {
        word: count
        for word, count in words.items()
        if len(word) <= LONGEST_WORD and alphabet.characters.issuperset(word)
    }
    units = _units(usable, splits, alphabet)
    dead: set[str] = set()
    merges = int(room * _SURPLUS)
    while True:
        singles, candidates = _merge(units, alphabet, merges, settings.min_frequency)
        taken = _living(singles, candidates, room, usable, settings.min_frequency, dead)
        if len(taken) == room or len(candidates) < merges:
            break
        merges *= 2
    missing = -(len(reserved) + len(singles) + len(taken)) % SIZE_UNIT
    unused = settings.unused + missing
    return Learned([*reserved_entries(unused), *singles, *taken], len(dead), unused)


def count_uses(tokenizer: Tokenizer, words: Mapping[str, int]) -> NDArray[np.int64]:
    """How often each id is produced when every word is tokenized so many times as it occurs; (entries,)."""
    uses = np.zeros(tokenizer.get_vocab_size(), np.int64)
    for batch in in_batches(words.items(), _BATCH):
        encodings = tokenizer.encode_batch_fast([word for word, _ in batch], add_special_tokens=False)
        lengths = [len(encoding) for encoding in encodings]
        flat = np.fromiter(chain.from_iterable(encoding.ids for encoding in encodings), np.int64, sum(lengths))
        np.add.at(uses, flat, np.repeat(np.fromiter((count for _, count in batch), np.int64, len(batch)), lengths))
    return uses


def _living(
    singles: Sequence[str], candidates: Sequence[str], room: int, words: Mapping[str, int], least: int, dead: set[str]
) -> list[str]:
    """The first `room` candidates that are used `least` times in each other's company; the others go into `dead`."""
    while True:
        taken = list(islice((piece for piece in candidates if piece not in dead), room))
        uses = count_uses(Tokenizer(longest_match([UNK, *taken, *singles])), words)[1:]
        found = {piece for piece, used in zip(taken, uses, strict=False) if used < least}
        if not found:
            return taken
        dead |= found


def _units(words: Mapping[str, int], splits: Splits, alphabet: Alphabet) -> Counter[str]:
    """What merges are learned within: words, or parts of words, in private-use spelling, with their counts.

    Every character of the alphabet is there alone, at a word's beginning and inside, so that it gets its entries.
    """
    inner = _inner(alphabet)
    units: Counter[str] = Counter()
    for word, count in words.items():
        spelled = word[0] + "".join(inner[character] for character in word[1:])
        for start, end in pairwise((0, *splits.get(word, ()), len(word))):
            units[spelled[start:end]] += count
    for character in alphabet.characters:
        units[character] += 1
        if character not in alphabet.alone:
            units[inner[character]] += 1
    return units


def _merge(units: Mapping[str, int], alphabet: Alphabet, merges: int, least: int) -> tuple[list[str], list[str]]:
    """Single characters by code point, word-initial ones first, and the pieces in the order of their merges."""
    trainer = trainers.BpeTrainer(
        vocab_size=alphabet.slots + merges,
        min_frequency=least,
        special_tokens=[],
        max_token_length=None,
        show_progress=False,
    )
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learner.train_from_iterator(_repeated(sorted(units.items())), trainer)
    outer = {mapped: character for character, mapped in _inner(alphabet).items()}
    by_id = sorted((number, piece) for piece, number in learner.get_vocab().items())
    pieces = [_with_prefix(piece, outer) for _, piece in by_id]
    return pieces[: alphabet.slots], pieces[alphabet.slots :]


def _inner(alphabet: Alphabet) -> dict[str, str]:
    return {character: chr(_PRIVATE + place) for place, character in enumerate(sorted(alphabet.characters))}


def _repeated(spelled: Sequence[tuple[str, int]]) -> Iterator[str]:
    for word, count in spelled:
        for left in range(count, 0, -_REPEAT):
            yield " ".join([word] * min(left, _REPEAT))


def _with_prefix(piece: str, outer: Mapping[str, str]) -> str:
    text = "".join(outer.get(character, character) for character in piece)
    return PREFIX + text if piece[0] in outer else text


def _does_not_fit(alphabet: Alphabet, reserved: int, settings: TokenizerSettings) -> str:
    if reserved > alphabet.slots:
        return (
            f"tokenizer.vocab_size {settings.vocab_size}: {reserved} reserved entries and {alphabet.slots} single "
            f"characters do not fit; raise vocab_size or lower tokenizer.unused ({settings.unused})"
        )
    dearest = max(alphabet.prices, key=lambda price: price.initial + price.inner)
    return (
        f"tokenizer.vocab_size {settings.vocab_size}: {alphabet.slots} single characters (word-initial and "
        f"word-internal) and {reserved} reserved entries do not fit; raise vocab_size or lower "
        f"tokenizer.coverage.{dearest.script} ({dearest.wanted}), which takes {dearest.initial + dearest.inner}"
    )
