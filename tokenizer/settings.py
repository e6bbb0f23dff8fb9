"""The `[tokenizer]` section of a recipe."""

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.recipe import STRICT


@dataclass(frozen=True, config=STRICT)
class TokenizerSettings:
    """How the vocabulary is learned."""

    #: Entries in all, with special and unused ones. Text that cannot fill it gives a smaller vocabulary, and says so.
    vocab_size: Annotated[int, Field(ge=64)]
    #: A piece made of two is kept only if it occurs so often in the corpus.
    min_frequency: Annotated[int, Field(ge=1)]
    #: Share of the corpus's characters that must be spellable; the rarest rest becomes [UNK].
    character_coverage: Annotated[float, Field(gt=0, le=1)]
    #: `[unused0]`, `[unused1]`, ...: room for words that someone adds later without resizing the model.
    unused: Annotated[int, Field(ge=0)]
