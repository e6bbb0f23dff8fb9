"""Which characters a vocabulary can spell: by the share of the text they make up, script by script.

A limit on their number (the stock trainers stop at 1,000) lets the frequent scripts push out the rare: a text's Hanja
and emoji, and Hangul syllables of which comments use thousands. In WordPiece each chosen character gets an entry at a
word's beginning and one inside a word, unless the tokenizer sets it apart as a word of its own; SentencePiece, where
the beginning is a piece `▁`, needs one for both.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from corpora.scripts import script_of
from tokenizer.settings import Coverage
from tokenizer.words import split_words

#: The keys of `[tokenizer.coverage]` by script; scripts that are not named fall under `other`.
KINDS = {
    "Hangul": "syllables",
    "jamo": "jamo",
    "Hanja": "hanja",
    "Latin": "latin",
    "digits": "digits",
    "punctuation": "symbols",
    "symbols": "symbols",
    "emoji": "emoji",
}
REST = "other"


@dataclass(frozen=True)
class Price:
    """What the coverage of one kind of character costs."""

    script: str
    #: Different characters in the text, and how many of them are in the alphabet.
    distinct: int
    taken: int
    #: Share of their occurrences that was asked for, and that the alphabet covers.
    wanted: float
    covered: float
    #: Entries for them at a word's beginning and inside a word.
    initial: int
    inner: int


@dataclass(frozen=True)
class Alphabet:
    """The characters that can be spelled. `alone` are those with one entry, as words of their own."""

    characters: frozenset[str]
    alone: frozenset[str]
    prices: tuple[Price, ...]

    @property
    def slots(self) -> int:
        """Entries that single characters take."""
        return 2 * len(self.characters) - len(self.alone)


def stands_alone(character: str) -> bool:
    """Whether the tokenizer makes a word of it wherever it stands: punctuation and Hanja.

    >>> stands_alone("漢"), stands_alone("."), stands_alone("ㅋ")
    (True, True, False)
    """
    return character in split_words(f"가{character}가")


def choose_alphabet(
    counts: Mapping[str, int], coverage: Coverage, alone: Callable[[str], bool] = stands_alone
) -> Alphabet:
    """The most frequent characters of each kind that make up its share; ties go by code point.

    `counts` maps each character to its occurrences; `alone` tells those that need but one entry.
    """
    kinds = by_kind(counts)
    wanted: dict[str, float] = asdict(coverage)
    chosen: set[str] = set()
    prices = []
    for kind, share in wanted.items():
        characters = kinds.get(kind, Counter())
        taken = cover(characters, share)
        total = characters.total()
        covered = sum(characters[character] for character in taken) / total if total else 1.0
        inner = len(taken) - sum(map(alone, taken))
        prices.append(Price(kind, len(characters), len(taken), share, covered, len(taken), inner))
        chosen |= taken
    return Alphabet(frozenset(chosen), frozenset(filter(alone, chosen)), tuple(prices))


def by_kind(counts: Mapping[str, int]) -> dict[str, Counter[str]]:
    """The characters' occurrences for each key of `[tokenizer.coverage]`.

    >>> by_kind({"가": 9, "ㅋ": 3, "?": 1})
    {'syllables': Counter({'가': 9}), 'jamo': Counter({'ㅋ': 3}), 'symbols': Counter({'?': 1})}
    """
    kinds: dict[str, Counter[str]] = defaultdict(Counter)
    for character, count in counts.items():
        kinds[KINDS.get(script_of(character), REST)][character] = count
    return dict(kinds)


def cover(counts: Mapping[str, int], share: float) -> set[str]:
    """The fewest characters that make up `share` of all occurrences.

    >>> sorted(cover({"가": 9, "나": 3, "다": 1}, 0.9))
    ['가', '나']
    """
    wanted = share * sum(counts.values())
    taken: set[str] = set()
    covered = 0
    for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if covered >= wanted:
            break
        taken.add(character)
        covered += count
    return taken
