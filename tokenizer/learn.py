"""Learning a WordPiece vocabulary that is the same every time.

The library's `WordPieceTrainer` breaks ties by the order of a hash map: six runs over the same text gave six
vocabularies. Its `BpeTrainer`, when it has no continuation prefix to add, breaks them by the pieces' ids and is
repeatable. So the distinction that the prefix carries is put into the characters first: a character inside a word
becomes a private-use code point of its own, the BPE merges are learned on that, and afterwards the code points are
read back as `##` pieces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from corpora.privacy import PLACEHOLDERS
from pipeline.errors import InputError
from tokenizer.settings import TokenizerSettings
from tokenizer.wordpiece import LONGEST_WORD, PREFIX, SPECIAL_TOKENS

#: Planes 15 and 16, room for 131 thousand characters; the normaliser removes private-use characters from text.
_PRIVATE = 0xF0000
#: Copies of a word in one string handed to the trainer, which counts them again.
_REPEAT = 1000


def learn_vocabulary(words: Mapping[str, int], settings: TokenizerSettings) -> list[str]:
    """Entries in the order of their ids: special tokens, placeholders of personal data, `[unused]`, single characters,
    then pieces as they were merged.

    `words` maps each word to its count. Fewer entries than `vocab_size` come back if the text runs out of pairs that
    occur `min_frequency` times. Raises InputError if the characters alone do not fit.
    """
    reserved = [*SPECIAL_TOKENS, *PLACEHOLDERS.values(), *(f"[unused{number}]" for number in range(settings.unused))]
    alphabet = choose_alphabet(words, settings.character_coverage)
    inner = {character: chr(_PRIVATE + place) for place, character in enumerate(sorted(alphabet))}
    outer = {mapped: character for character, mapped in inner.items()}
    spelled = sorted(
        (word[0] + "".join(inner[character] for character in word[1:]), count)
        for word, count in words.items()
        if len(word) <= LONGEST_WORD and alphabet.issuperset(word)
    )
    singles = {character for word, _ in spelled for character in word}
    room = settings.vocab_size - len(reserved)
    if len(singles) > room:
        raise InputError(
            f"tokenizer.vocab_size {settings.vocab_size}: {len(singles)} single characters (word-initial and "
            f"word-internal) and {len(reserved)} reserved entries do not fit; "
            f"raise vocab_size or lower tokenizer.character_coverage ({settings.character_coverage})"
        )
    trainer = trainers.BpeTrainer(
        vocab_size=room,
        min_frequency=settings.min_frequency,
        special_tokens=[],
        max_token_length=None,
        show_progress=False,
    )
    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learner.train_from_iterator(_repeated(spelled), trainer)
    by_id = sorted((number, piece) for piece, number in learner.get_vocab().items())
    return reserved + [_with_prefix(piece, outer) for _, piece in by_id]


def choose_alphabet(words: Mapping[str, int], coverage: float) -> set[str]:
    """The most frequent characters that make up `coverage` of all character occurrences; ties go by code point.

    >>> sorted(choose_alphabet({"가가가나": 3, "다": 1}, 0.9))
    ['가', '나']
    """
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    wanted = coverage * counts.total()
    alphabet: set[str] = set()
    covered = 0
    for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if covered >= wanted:
            break
        alphabet.add(character)
        covered += count
    return alphabet


def _repeated(spelled: list[tuple[str, int]]) -> Iterator[str]:
    for word, count in spelled:
        for left in range(count, 0, -_REPEAT):
            yield " ".join([word] * min(left, _REPEAT))


def _with_prefix(piece: str, outer: Mapping[str, str]) -> str:
    text = "".join(outer.get(character, character) for character in piece)
    return PREFIX + text if piece[0] in outer else text
