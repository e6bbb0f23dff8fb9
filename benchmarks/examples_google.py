"""The way of Google's `create_pretraining_data.py`, told in our own words: a baseline of `examples_build.py`.

    PYTHONPATH=.compat python benchmarks/examples_google.py VOCAB.TXT TEXT BLOCK TARGET

Tokenised by BERT's own classes in Python, which transformers 4 still has, not lower-cased. All documents are held as
lists of lists of pieces, pairs are planned and masked on such lists, and all examples are held until they are shuffled
and written: ids, kinds, mask, and up to 20 predictions with their places and weights, padded, as int32 on end. The
original writes TFRecord files, which takes TensorFlow, and is not installed for this: that its encoding of each example
is spared speaks for the baseline. Each document gives its examples once (`dupe_factor` 1; the default is 10).

Prints JSON: the number of examples, of those longer than the block, of those with a random B, and seconds without
imports.
"""

from __future__ import annotations

import json
import random
import sys
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from transformers.models.bert.tokenization_bert import (  # type: ignore[attr-defined]
    BasicTokenizer,
    WordpieceTokenizer,
    load_vocab,
)

CLS, SEP, MASK, UNK = "[CLS]", "[SEP]", "[MASK]", "[UNK]"
SHORT, RANDOM_B, MASKED = 0.1, 0.5, 0.15
MAX_PREDICTIONS = 20
#: Draws of another document before it is taken even if it is the same.
TRIES = 10

Pieces = list[str]
Documents = list[list[Pieces]]


class Pair(NamedTuple):
    """A masked example."""

    pieces: Pieces
    kinds: list[int]
    places: list[int]
    truth: Pieces
    is_random: bool


def main(vocabulary: str, text: str, block: int, target: str) -> None:
    """Tokenise, plan, mask, write."""
    started = time.perf_counter()
    generator, ids = random.Random(12345), load_vocab(vocabulary)
    documents = read(text, ids)
    generator.shuffle(documents)
    every_piece = list(ids)
    examples: list[Pair] = []
    for number in range(len(documents)):
        for first, second, is_random in pairs(documents, number, block - 3, generator):
            examples.append(masked(first, second, is_random, every_piece, generator))
    generator.shuffle(examples)
    with Path(target).open("wb") as stream:
        for example in examples:
            stream.write(packed(example, ids, block))
    told = {
        "examples": len(examples),
        "longer": sum(len(example.pieces) > block for example in examples),
        "random": sum(example.is_random for example in examples),
        "seconds": time.perf_counter() - started,
    }
    print(json.dumps(told))


def read(text: str, ids: dict[str, int]) -> Documents:
    """All documents, tokenised."""
    words = BasicTokenizer(do_lower_case=False, strip_accents=False)
    spelling = WordpieceTokenizer(vocab=ids, unk_token=UNK)
    documents: Documents = [[]]
    with Path(text).open(encoding="utf-8") as stream:
        for line in stream:
            stripped = line.strip()
            if not stripped:
                documents.append([])
            elif pieces := [piece for word in words.tokenize(stripped) for piece in spelling.tokenize(word)]:
                documents[-1].append(pieces)
    return [document for document in documents if document]


def pairs(
    documents: Documents, number: int, longest: int, generator: random.Random
) -> Iterator[tuple[Pieces, Pieces, bool]]:
    """Segments A and B of a document's examples, and whether B is random."""
    document = documents[number]
    target = generator.randint(2, longest) if generator.random() < SHORT else longest
    gathered: list[Pieces] = []
    size = place = 0
    while place < len(document):
        gathered.append(document[place])
        size += len(document[place])
        place += 1
        if place < len(document) and size < target:
            continue
        cut = generator.randint(1, len(gathered) - 1) if len(gathered) > 1 else 1
        first = [piece for sentence in gathered[:cut] for piece in sentence]
        is_random = len(gathered) == 1 or generator.random() < RANDOM_B
        if is_random:
            second = elsewhere(documents, number, target - len(first), generator)
            place -= len(gathered) - cut  # what was meant for B comes again
        else:
            second = [piece for sentence in gathered[cut:] for piece in sentence]
        shorten(first, second, longest, generator)
        yield first, second, is_random
        gathered, size = [], 0


def elsewhere(documents: Documents, number: int, size: int, generator: random.Random) -> Pieces:
    """Sentences of another document from a random one on, until there are so many pieces."""
    for _ in range(TRIES):
        other = generator.randint(0, len(documents) - 1)
        if other != number:
            break
    document, found = documents[other], list[str]()
    for sentence in document[generator.randint(0, len(document) - 1) :]:
        found.extend(sentence)
        if len(found) >= size:
            break
    return found


def shorten(first: Pieces, second: Pieces, longest: int, generator: random.Random) -> None:
    """Take pieces from an end of the longer one until both fit."""
    while len(first) + len(second) > longest:
        longer = first if len(first) > len(second) else second
        if generator.random() < 0.5:
            del longer[0]
        else:
            longer.pop()


def masked(first: Pieces, second: Pieces, is_random: bool, every_piece: Pieces, generator: random.Random) -> Pair:
    """The two framed, and some of their pieces hidden."""
    pieces = [CLS, *first, SEP, *second, SEP]
    kinds = [0] * (len(first) + 2) + [1] * (len(second) + 1)
    free = [place for place, piece in enumerate(pieces) if piece not in (CLS, SEP)]
    generator.shuffle(free)
    wanted = min(MAX_PREDICTIONS, max(1, round(len(pieces) * MASKED)))
    places = sorted(free[:wanted])
    truth = [pieces[place] for place in places]
    for place in places:
        if generator.random() < 0.8:
            pieces[place] = MASK
        elif generator.random() >= 0.5:
            pieces[place] = every_piece[generator.randint(0, len(every_piece) - 1)]
    return Pair(pieces, kinds, places, truth, is_random)


def packed(example: Pair, ids: dict[str, int], block: int) -> bytes:
    """An example as it is written, padded."""
    pad, left = [0] * (block - len(example.pieces)), [0] * (MAX_PREDICTIONS - len(example.places))
    fields = (
        *([ids[piece] for piece in example.pieces], pad),
        *([1] * len(example.pieces), pad),
        *(example.kinds, pad),
        *(example.places, left),
        *([ids[piece] for piece in example.truth], left),
        *([1] * len(example.places), left),
        [int(example.is_random)],
    )
    return b"".join(array("i", field).tobytes() for field in fields)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4])
