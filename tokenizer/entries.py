"""A vocabulary's entries: what they spell, and whether they begin a word or continue one.

Reads both marks: `##` of WordPiece before what continues a word, `▁` of SentencePiece before what begins one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tokenizer.wordpiece import PREFIX

#: What SentencePiece puts before a word.
WORD_MARK = "▁"


@dataclass(frozen=True)
class EntryLengths:
    """How many entries have so many characters (marks of word and continuation aside), reserved ones left out."""

    initial: Mapping[int, int]
    inner: Mapping[int, int]


def composition(vocabulary: Sequence[str]) -> dict[str, int]:
    """How many entries begin a word, continue one, are single characters, or are reserved.

    Reads both marks: `##` of WordPiece before what continues a word, `▁` of SentencePiece before what begins one.
    """
    entries = list(spelled(vocabulary))
    initial = sum(begins for _, begins in entries)
    return {
        "reserved": len(vocabulary) - len(entries),
        "begin a word": initial,
        "continue a word": len(entries) - initial,
        "single characters": sum(len(text) == 1 for text, _ in entries),
    }


def entry_lengths(vocabulary: Sequence[str]) -> EntryLengths:
    """Histogram of entries by their characters."""
    initial, inner = Counter[int](), Counter[int]()
    for text, begins in spelled(vocabulary):
        (initial if begins else inner)[len(text)] += 1
    return EntryLengths(dict(sorted(initial.items())), dict(sorted(inner.items())))


def spelled(vocabulary: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Entries as text without marks, and whether they begin a word; reserved ones ([MASK], <s>) are left out.

    >>> list(spelled(["[UNK]", "가", "##나"])), list(spelled(["<unk>", "▁", "▁가", "나"]))
    ([('가', True), ('나', False)], [('', True), ('가', True), ('나', False)])
    """
    wordpiece = any(piece.startswith(PREFIX) and len(piece) > len(PREFIX) for piece in vocabulary)
    # A WordPiece vocabulary may hold the character ▁ itself, so one entry decides nothing.
    marked = not wordpiece and any(piece.startswith(WORD_MARK) for piece in vocabulary)
    for piece in vocabulary:
        if len(piece) > 2 and (piece[0], piece[-1]) in (("[", "]"), ("<", ">")):
            continue
        if marked:
            yield piece.removeprefix(WORD_MARK), piece.startswith(WORD_MARK)
        elif piece.startswith(PREFIX) and piece != PREFIX:
            yield piece.removeprefix(PREFIX), False
        else:
            yield piece, True
