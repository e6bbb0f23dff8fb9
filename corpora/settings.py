"""The `[corpus]` section of a recipe."""

from dataclasses import field
from typing import Annotated, Any, Literal

import regex
from pydantic import BeforeValidator, Field
from pydantic.dataclasses import dataclass

from pipeline.recipe import STRICT

#: How text is laid out; see `corpora.layout`.
LayoutSetting = Literal["auto", "sentences", "paragraphs", "lines"]
#: Encodings a text file may have.
Encoding = Literal["utf-8", "cp949"]


@dataclass(frozen=True, config=STRICT)
class SourceSettings:
    """One `[[corpus.sources]]` table: what is known of a source that `CORPUS` names. Empty keys say nothing."""

    #: As `CORPUS` names it; `*` stands for anything, so that "law/*.txt" speaks for several.
    name: str
    #: Where it lies, if `name` is not the path itself: a file, folder, glob, dump or data set.
    path: str = ""
    #: Who may do what with the text, as a licence's short name; it goes into the report.
    licence: str = ""
    #: Whom to name, where the licence asks for it.
    attribution: str = ""
    #: Where the text came from, and when.
    address: str = ""
    date: str = ""
    #: Instead of the section's own.
    text_field: str = ""
    layout: Literal["", "auto", "sentences", "paragraphs", "lines"] = ""
    encoding: Literal["", "utf-8", "cp949"] = ""


def _as_source(value: Any) -> Any:
    """A TOML table as the dataclass: strict validation takes no dict for one."""
    return SourceSettings(**value) if isinstance(value, dict) else value


@dataclass(frozen=True, config=STRICT)
class CorpusSettings:
    """What is kept of a raw text and how it is divided. Lengths are in characters after cleaning."""

    #: auto looks at each file; the others say how all files are laid out.
    layout: LayoutSetting
    #: Encoding of text and JSONL files.
    encoding: Encoding
    #: What to do at a line that is not text in that encoding, or not the JSON it should be: stop with its number,
    #: or leave it out and count it.
    errors: Literal["stop", "skip"]
    #: Field of a JSONL record, or column of a Parquet file or data set, that holds the text.
    text_field: str
    #: Sentences outside these bounds are dropped.
    min_chars: Annotated[int, Field(ge=1)]
    max_chars: Annotated[int, Field(ge=1)]
    #: Least share of Hangul among a sentence's letters.
    min_hangul: Annotated[float, Field(ge=0, le=1)]
    #: A character or pair of characters in a row is cut to so many (ㅋㅋㅋㅋㅋ -> ㅋㅋㅋ); 0 leaves all.
    max_repeats: Annotated[int, Field(ge=0, le=1000)]
    #: Regular expressions; a sentence in which one is found is dropped.
    boilerplate: list[str]
    #: What becomes of personal data: redact puts a placeholder, drop leaves the sentence out, keep does nothing.
    privacy: Literal["redact", "drop", "keep"]
    #: A sentence is kept so many times in the whole corpus; 0 keeps all.
    sentence_copies: Annotated[int, Field(ge=0)]
    #: A document is dropped if an earlier one is so similar (Jaccard); 1 drops copies alone, 0 keeps all.
    duplicate_documents: Annotated[float, Field(ge=0, le=1)]
    #: Share of documents set aside for evaluation.
    held_out: Annotated[float, Field(ge=0, lt=1)]
    #: Size at which an output file is closed and the next begun, in million bytes.
    shard_megabytes: Annotated[int, Field(ge=1)]
    #: Decides which documents are held out.
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    #: Where dumps are fetched from: the Wikimedia site, or a mirror with the same folders.
    dump_mirror: str
    #: What is known of the sources.
    sources: list[Annotated[SourceSettings, BeforeValidator(_as_source)]] = field(default_factory=list)

    @property
    def looks_for_near_duplicates(self) -> bool:
        """Whether documents are compared for likeness, which needs their signatures."""
        return 0 < self.duplicate_documents < 1

    def __post_init__(self) -> None:
        if self.max_chars < self.min_chars:
            raise ValueError(f"max_chars {self.max_chars} is less than min_chars {self.min_chars}")
        for pattern in self.boilerplate:
            try:
                regex.compile(pattern)
            except regex.error as error:
                raise ValueError(f"boilerplate {pattern!r} is not a regular expression: {error}") from None
