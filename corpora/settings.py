"""The `[corpus]` section of a recipe."""

from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.recipe import STRICT

#: How a text file is laid out; see `corpora.layout`.
LayoutSetting = Literal["auto", "sentences", "paragraphs", "lines"]


@dataclass(frozen=True, config=STRICT)
class CorpusSettings:
    """What is kept of a raw text and how it is divided. Lengths are in characters after cleaning."""

    #: auto looks at each file; the others say how all files are laid out.
    layout: LayoutSetting
    #: Sentences outside these bounds are dropped.
    min_chars: Annotated[int, Field(ge=1)]
    max_chars: Annotated[int, Field(ge=1)]
    #: Least share of Hangul among a sentence's letters.
    min_hangul: Annotated[float, Field(ge=0, le=1)]
    #: Share of documents set aside for evaluation.
    held_out: Annotated[float, Field(ge=0, lt=1)]
    #: Size at which an output file is closed and the next begun, in million bytes.
    shard_megabytes: Annotated[int, Field(ge=1)]
    #: Decides which documents are held out.
    seed: int

    def __post_init__(self) -> None:
        if self.max_chars < self.min_chars:
            raise ValueError(f"max_chars {self.max_chars} is less than min_chars {self.min_chars}")
