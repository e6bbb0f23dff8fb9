"""Other vocabularies beside ours, on the same held-out text: `python -m tokenizer.train --compare vocab.txt`.

A `vocab.txt` is read as WordPiece with our normaliser and splitter, so that vocabularies are compared and not their
surroundings; a `tokenizer.json` is taken as it is. Both come from elsewhere: they are data, and nothing in them is run.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers

from pipeline.errors import InputError
from tokenizer.entries import spelled
from tokenizer.josa import JosaCase, kept
from tokenizer.markdown import cell, table
from tokenizer.normalize import korean_normalizer, word_splitter
from tokenizer.quality import Quality, Text, inspect
from tokenizer.wordpiece import LONGEST_WORD, PREFIX, SPECIAL_TOKENS, UNK, vocabulary_of

#: Larger files are no vocabulary: XLM-RoBERTa's tokenizer.json with its 250 thousand entries has 17 million bytes.
LARGEST = 100_000_000
#: Counts are kept in arrays by id.
_LARGEST_ID = 10_000_000
#: Text that no vocabulary knows whole: one without a word for the unknown fails here and not after minutes.
_PROBE = ("가나다라", "뷁 힣ᄒᆞᆫ", "\U00020bb7", "ꙮ A1.", "\U0001f9ff")
COLUMNS = (
    "vocabulary",
    "entries",
    "tokens per eojeol",
    "characters per token",
    "eojeols with [UNK]",
    "noun and josa kept apart",
    "entries shared with ours",
)
_UPPER = re.compile("[A-ZＡ-Ｚ]")


@dataclass(frozen=True)
class Other:
    """A tokenizer to compare with, named by its file or folder."""

    name: str
    tokenizer: Tokenizer


@dataclass(frozen=True)
class Row:
    """One vocabulary's figures. `shared` counts entries, reserved ones aside; None if they are bytes, not text."""

    name: str
    entries: int
    quality: Quality
    josa_share: float
    shared: int | None

    @property
    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of `COLUMNS`."""
        return (
            self.name,
            f"{self.entries:,}",
            f"{self.quality.tokens_per_eojeol:.3f}",
            f"{self.quality.characters_per_token:.3f}",
            f"{self.quality.unknown_share:.4%}",
            f"{self.josa_share:.2%}",
            "-" if self.shared is None else f"{self.shared:,}",
        )


def compare(ours: Tokenizer, others: Sequence[Other], text: Text, cases: Sequence[JosaCase]) -> list[Row]:
    """A row for our tokenizer and one for each other, measured on the same text and noun+josa cases."""
    entries = _entries(ours)
    return [
        Row(
            name,
            tokenizer.get_vocab_size(),
            inspect(tokenizer, text).total,
            kept(tokenizer, cases).share,
            None if _is_bytes(tokenizer) else len(entries & _entries(tokenizer)),
        )
        for name, tokenizer in (("this one", ours), *((other.name, other.tokenizer) for other in others))
    ]


def comparison(rows: Sequence[Row]) -> str:
    """The report's section, as Markdown."""
    text = (
        "On the same text. An [UNK] may stand for a whole word, so many of them make the tokens few. An entry is "
        "shared if it is spelled the same and stands in the same place of a word."
    )
    lines = ["## Beside other vocabularies", "", text, ""]
    return "\n".join([*lines, *table(COLUMNS, [tuple(map(cell, row.cells)) for row in rows])])


def load_other(path: Path) -> Other:
    """A `vocab.txt` (any file that does not end in .json), a `tokenizer.json`, or a folder with one of them.

    Raises InputError if it is none of them, too large, or damaged.
    """
    if path.is_dir():
        found = [path / name for name in ("tokenizer.json", "vocab.txt") if (path / name).is_file()]
        if not found:
            raise InputError(f"--compare {path}: no tokenizer.json and no vocab.txt in this folder")
        return Other(path.resolve().name, _load(found[0]))
    named_by_folder = path.name in ("tokenizer.json", "vocab.txt") and path.resolve().parent.name
    return Other(path.resolve().parent.name if named_by_folder else path.stem, _load(path))


def _load(path: Path) -> Tokenizer:
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise InputError(f"--compare {path}: {size:,} bytes are no vocabulary (at most {LARGEST:,})")
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"--compare {path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        if path.suffix == ".model":
            raise InputError(f"--compare {path}: a SentencePiece model; name its tokenizer.json") from None
        raise InputError(f"--compare {path}: not UTF-8 (byte {error.start}); a vocabulary is text") from None
    return _from_json(path, text) if path.suffix == ".json" else _from_lines(path, text)


def _from_json(path: Path, text: str) -> Tokenizer:
    try:
        tokenizer = Tokenizer.from_str(text)
        # What a model's input or its training needs would be counted here.
        tokenizer.no_padding()
        tokenizer.no_truncation()
        if isinstance(tokenizer.model, models.BPE):
            tokenizer.model.dropout = None
        tokenizer.encode_batch(_PROBE, add_special_tokens=False)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the library raises bare Exception, and its panics are not even that
        raise InputError(f"--compare {path}: not a tokenizer.json that works: {error}") from None
    ids = tokenizer.get_vocab(with_added_tokens=True).values()
    if max(ids) > _LARGEST_ID:
        raise InputError(f"--compare {path}: an entry has the id {max(ids)}; ids are counted from 0")
    return tokenizer


def _from_lines(path: Path, text: str) -> Tokenizer:
    # Not splitlines: vocabularies hold U+2028 and U+0085 as entries.
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")] if text.strip() else []
    if not lines:
        raise InputError(f"--compare {path}: the file is empty")
    ids: dict[str, int] = {}
    for number, piece in enumerate(lines):
        if piece in ids:
            raise InputError(f"--compare {path}: line {number + 1} repeats {piece!r} of line {ids[piece] + 1}")
        ids[piece] = number
    if any(line.startswith("▁") for line in lines) and not any(line.startswith(PREFIX) for line in lines):
        raise InputError(
            f"--compare {path}: entries with ▁ are SentencePiece's, which a list does not tell whole; name "
            "its tokenizer.json or folder"
        )
    if UNK not in ids:
        raise InputError(f"--compare {path}: no line is {UNK}; a vocab.txt holds one WordPiece entry a line")
    tokenizer = Tokenizer(
        models.WordPiece(ids, unk_token=UNK, continuing_subword_prefix=PREFIX, max_input_chars_per_word=LONGEST_WORD)
    )
    cased = any(_UPPER.search(entry) for entry, _ in spelled(lines))
    normal = [korean_normalizer()] if cased else [korean_normalizer(), normalizers.Lowercase()]
    tokenizer.normalizer = normalizers.Sequence(normal)
    tokenizer.pre_tokenizer = word_splitter()
    tokenizer.add_special_tokens([token for token in SPECIAL_TOKENS if token in ids])
    return tokenizer


def _entries(tokenizer: Tokenizer) -> set[tuple[str, bool]]:
    return set(spelled(vocabulary_of(tokenizer)))


def _is_bytes(tokenizer: Tokenizer) -> bool:
    return isinstance(tokenizer.decoder, decoders.ByteLevel)
