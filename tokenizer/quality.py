"""How well a vocabulary fits a text: unknown eojeols, pieces per eojeol, and sentences to look at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tokenizers import Tokenizer

from pipeline.executor import in_batches
from tokenizer.wordpiece import PREFIX, UNK

_BATCH = 1000


@dataclass(frozen=True)
class Quality:
    """Counts over a text. An eojeol is what white space separates."""

    sentences: int
    eojeols: int
    characters: int
    tokens: int
    unknown_eojeols: int

    @property
    def unknown_share(self) -> float:
        """Share of eojeols that hold an [UNK]."""
        return self.unknown_eojeols / max(self.eojeols, 1)

    @property
    def tokens_per_eojeol(self) -> float:
        """Tokens over eojeols; special tokens around a sentence are not counted."""
        return self.tokens / max(self.eojeols, 1)

    @property
    def characters_per_token(self) -> float:
        """Characters (without white space) over tokens."""
        return self.characters / max(self.tokens, 1)


def measure(tokenizer: Tokenizer, sentences: Iterable[str]) -> Quality:
    """Tokenize every sentence and count."""
    unknown = tokenizer.token_to_id(UNK)
    totals = [0, 0, 0, 0, 0]
    for batch in in_batches(sentences, _BATCH):
        eojeols = [sentence.split() for sentence in batch]
        encodings = tokenizer.encode_batch(eojeols, is_pretokenized=True, add_special_tokens=False)
        for words, encoding in zip(eojeols, encodings, strict=True):
            holding = {word for word, number in zip(encoding.word_ids, encoding.ids, strict=True) if number == unknown}
            counted = (1, len(words), sum(map(len, words)), len(encoding.ids), len(holding))
            totals = [total + more for total, more in zip(totals, counted, strict=True)]
    return Quality(*totals)


def composition(vocabulary: list[str]) -> dict[str, int]:
    """How many entries begin a word, continue one, are single characters, or are reserved."""
    reserved = [piece for piece in vocabulary if len(piece) > 1 and piece[0] == "[" and piece[-1] == "]"]
    inner = [piece for piece in vocabulary if piece.startswith(PREFIX) and piece != PREFIX]
    singles = sum(len(piece.removeprefix(PREFIX)) == 1 for piece in vocabulary)
    return {
        "reserved": len(reserved),
        "begin a word": len(vocabulary) - len(reserved) - len(inner),
        "continue a word": len(inner),
        "single characters": singles,
    }
