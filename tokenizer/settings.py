"""The `[tokenizer]` section of a recipe."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from pipeline.recipe import STRICT

Algorithm = Literal["wordpiece", "morpheme", "particle", "unigram", "bpe"]
Share = Annotated[float, Field(ge=0, le=1)]
#: Accelerators multiply matrices fastest whose sides are multiples of this; the vocabulary is one side of the largest.
SIZE_UNIT = 64


@dataclass(frozen=True, config=STRICT)
class Coverage:
    """`[tokenizer.coverage]`: which share of the corpus's characters of a kind must be spellable.

    The most frequent characters that make up the share get entries of their own; the rest becomes [UNK].
    """

    #: Hangul syllables.
    syllables: Share
    #: Hangul letters that stand alone (ㅋ, ㅠ).
    jamo: Share
    hanja: Share
    #: Latin letters, with and without accents, full-width ones too.
    latin: Share
    digits: Share
    #: Punctuation and symbols.
    symbols: Share
    emoji: Share
    #: Kana and the letters of all other scripts.
    other: Share


@dataclass(frozen=True, config=STRICT)
class Gates:
    """`[tokenizer.gates]`: what a vocabulary must do on held-out text, or the stage stops and says why."""

    #: Most eojeols that may hold an [UNK], as a share.
    max_unknown: Share
    #: Least share of noun+particle eojeols whose boundary (학교|에서) is a boundary of pieces.
    min_josa: Share


def _as(kind: type[Any]) -> BeforeValidator:
    """A TOML table as the dataclass: strict validation takes no dict for one."""

    def read(value: Any) -> Any:
        if isinstance(value, dict):
            return kind(**value)
        if not isinstance(value, kind):
            raise ValueError("this is a table, not a value")
        return value

    return BeforeValidator(read)


@dataclass(frozen=True, config=STRICT)
class TokenizerSettings:
    """How the vocabulary is learned."""

    #: What merges may not cross while learning: wordpiece the word's ends, morpheme any boundary of morphemes in it,
    #: particle the one before a particle (all three are plain WordPiece in use). unigram and bpe are SentencePiece's.
    algorithm: Algorithm
    #: Entries in all, with special and unused ones. Text that cannot fill it gives a smaller vocabulary, and says so.
    vocab_size: Annotated[int, Field(ge=SIZE_UNIT, multiple_of=SIZE_UNIT)]
    #: A piece is kept only if it occurs so often in the corpus.
    min_frequency: Annotated[int, Field(ge=1)]
    #: Pieces are learned from words that occur so often (unigram: from all); characters are counted in all.
    min_word_count: Annotated[int, Field(ge=1)]
    #: `[unused0]`, `[unused1]`, ...: room for words that someone adds later without resizing the model.
    unused: Annotated[int, Field(ge=0)]
    coverage: Annotated[Coverage, _as(Coverage)]
    gates: Annotated[Gates, _as(Gates)]
