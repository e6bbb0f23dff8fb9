"""WordPiece's longest match, compiled: the ids of running text, twenty times as fast as by asking for each eojeol.

Only for what it cannot get wrong. What a character does to its neighbours, whether it is part of a word, a word by
itself, or anything else (dropped, replaced, composed, white space, part of an added token), is asked of the tokenizer
once for each character; an eojeol with any of the third kind is handed back, for the library to encode. Tests hold the
ids against the library's.

The pieces are a trie in an open-addressing hash table, from (node, character) to node; one root for a word's beginning,
one for what continues it. From each root the longest piece is taken, then on from where it ends (Wu et al. 2016, the
algorithm of `tokenizers.models.WordPiece`); where there is none the whole word is [UNK].
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray
from tokenizers import Tokenizer, models

#: What a character is: handed back, part of a word, a word by itself.
_OTHER, _INSIDE, _ALONE = range(3)
#: Characters that are asked about: Latin, punctuation, kana, jamo, Hanja, syllables, full-width forms. Not marks and
#: conjoining jamo, which compose with what is before them.
_ASKED = (range(0x21, 0x250), range(0x2010, 0x2028), range(0x2030, 0x206A), range(0x2100, 0x2600))
_ASKED_EAST = (range(0x3001, 0x3400), range(0x3400, 0xA000), range(0xAC00, 0xD7A4), range(0xFF01, 0xFFEF))
#: A word between two questions.
_BETWEEN = "하하"
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)


class Matched(NamedTuple):
    """ids (tokens,) of what was matched, counts (texts,) of ids of each text, and others (n, 4): text, place in ids,
    first and last character of each eojeol that was handed back."""

    ids: NDArray[np.int64]
    counts: NDArray[np.int64]
    others: NDArray[np.int64]


@dataclass(frozen=True)
class Trie:
    """keys and nodes (slots,): the hash table; ids (nodes,): the piece that ends at a node, or -1."""

    keys: NDArray[np.uint64]
    nodes: NDArray[np.int32]
    ids: NDArray[np.int32]


class Matcher:
    """The ids of what is plain in running text, under one WordPiece tokenizer."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        model = tokenizer.model
        if not isinstance(model, models.WordPiece):
            raise ValueError(f"{type(model).__name__} does not match the longest piece")
        vocabulary = tokenizer.get_vocab(with_added_tokens=False)
        self._trie = _trie(vocabulary, model.continuing_subword_prefix)
        self._unknown, self._longest = vocabulary[model.unk_token], model.max_input_chars_per_word
        self._classes = _classes(tokenizer)

    def match(self, texts: Sequence[str]) -> tuple[str, Matched]:
        """All texts on end, and what was matched in them."""
        text = "".join(texts)
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
        ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
        trie = self._trie
        return text, Matched(
            *_match(codes, ends, self._classes, trie.keys, trie.nodes, trie.ids, self._unknown, self._longest)
        )


def _classes(tokenizer: Tokenizer) -> NDArray[np.uint8]:
    """(65536,) what each character is."""
    asked = [
        chr(code)
        for span in (*_ASKED, *_ASKED_EAST)
        for code in span
        if not unicodedata.category(chr(code)).startswith(("M", "C", "Z"))
    ]
    text = "".join(f"가{character}나 {_BETWEEN} " for character in asked)
    normal = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
    classes = np.zeros(1 << 16, np.uint8)
    remaining = iter(asked)
    character, words = next(remaining), []
    for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal):
        if word != _BETWEEN:
            words.append(word)
            continue
        if words == [f"가{character}나"]:
            classes[ord(character)] = _INSIDE
        elif words == ["가", character, "나"]:
            classes[ord(character)] = _ALONE
        character, words = next(remaining, ""), []
    if character:
        return np.zeros(1 << 16, np.uint8)  # no telling which answer belongs to which question
    for token in tokenizer.get_added_tokens_decoder().values():
        classes[ord(token.content[0]) & 0xFFFF] = _OTHER  # it is found wherever it stands
    return classes


def _trie(vocabulary: dict[str, int], prefix: str) -> Trie:
    """The pieces from root 0, what continues a word from root 1."""
    size = 1 << max(8, (2 * sum(map(len, vocabulary)) + 2).bit_length())
    edges: dict[tuple[int, int], int] = {}
    ids = [-1, -1]
    for piece, number in vocabulary.items():
        # "##" by itself is a piece like any other.
        node, rest = (1, piece[len(prefix) :]) if piece.startswith(prefix) and piece != prefix else (0, piece)
        for character in rest:
            following = edges.setdefault((node, ord(character)), len(ids))
            if following == len(ids):
                ids.append(-1)
            node = following
        if node > 1:
            ids[node] = number
    pairs = np.array(list(edges), np.uint64).reshape(-1, 2)
    keys, nodes = np.zeros(size, np.uint64), np.zeros(size, np.int32)
    _fill(keys, nodes, (pairs[:, 0] << np.uint64(21)) | pairs[:, 1], np.array(list(edges.values()), np.int32))
    return Trie(keys, nodes, np.array(ids, np.int32))


@njit(cache=True)
def _fill(keys, nodes, edges, targets):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    mask = np.uint64(len(keys) - 1)
    for place in range(len(edges)):
        slot = _slot(edges[place], mask)
        while nodes[slot]:
            slot = (slot + np.uint64(1)) & mask
        keys[slot], nodes[slot] = edges[place], targets[place]


@njit(cache=True, inline="always")
def _slot(edge, mask):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    return (edge * _MULTIPLIER >> np.uint64(40)) & mask


@njit(cache=True, nogil=True)
def _match(codes, ends, classes, keys, nodes, ids, unknown, longest):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    found = np.empty(len(codes), np.int64)
    counts = np.zeros(len(ends), np.int64)
    others = np.empty((len(codes) // 2 + len(ends) + 1, 4), np.int64)
    count = handed = place = 0
    for text in range(len(ends)):
        before = count
        while place < ends[text]:
            if codes[place] == 32:
                place += 1
                continue
            last, plain = place, True
            while last < ends[text] and codes[last] != 32:
                plain = plain and codes[last] < 65536 and classes[codes[last]] != _OTHER
                last += 1
            if not plain:
                others[handed] = text, count, place, last
                handed += 1
                place = last
            while place < last:
                end = place + 1
                if classes[codes[place]] == _INSIDE:
                    while end < last and classes[codes[end]] == _INSIDE:
                        end += 1
                count = _word(codes, place, end, keys, nodes, ids, unknown, longest, found, count)
                place = end
        counts[text] = count - before
    return found[:count].copy(), counts, others[:handed].copy()


@njit(cache=True, nogil=True)
def _word(codes, first, last, keys, nodes, ids, unknown, longest, found, count):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    """Append the ids of one word; returns how many there are now."""
    mask = np.uint64(len(keys) - 1)
    before, place = count, first
    while place < last:
        node = np.int64(0 if place == first else 1)
        number, end = np.int64(-1), place
        for at in range(place, last):
            edge = (np.uint64(node) << np.uint64(21)) | np.uint64(codes[at])
            slot = _slot(edge, mask)
            while nodes[slot] and keys[slot] != edge:
                slot = (slot + np.uint64(1)) & mask
            if not nodes[slot]:
                break
            node = np.int64(nodes[slot])
            if ids[node] >= 0:
                number, end = np.int64(ids[node]), at + 1
        if number < 0 or last - first > longest:
            found[before] = unknown
            return before + 1
        found[count] = number
        count += 1
        place = end
    return count
