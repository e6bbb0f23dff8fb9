"""Texts with gaps as people type them: the marks found, files read, and what cannot be asked told plainly.

The model's own mask token (`[MASK]`) is a gap for one piece. `[GAP]`, or `[빈칸]` from a Korean keyboard, is a gap for
a whole word of one to four pieces. Neither can be an entry that was learned from text, where brackets stand apart from
words; only an added token could be called so, and a vocabulary that has one is refused.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipeline.console import visible
from pipeline.errors import InputError
from probes.model import MaskedModel

#: Marks of a gap for a whole word; a Mac may write the second one in its parts.
WORD_GAPS = ("[GAP]", "[빈칸]", unicodedata.normalize("NFD", "[빈칸]"))
#: Most characters for each token that a model reads; a text beyond that is refused unread. English needs five.
CHARACTERS_A_TOKEN = 64
#: Tokens that a model without a known limit is taken to read.
_TOKENS = 512
#: Bytes of a line of a file; a text of as many characters as a model may read takes less.
_LINE_BYTES = 1 << 20
#: Marks as they are mistyped: full-width, in lower case, another model's.
_MISTYPED = re.compile(
    r"[\[［<＜【〔{｛]\s?(?:mask|ｍａｓｋ|gap|ｇａｐ|마스크|빈\s?칸)\s?[*＊]?\s?[\]］>＞】〕}｝]", re.IGNORECASE
)


@dataclass(frozen=True)
class Gapped:
    """A text cut at its gaps: `parts` has one more than `whole`, which tells the gaps for whole words."""

    parts: tuple[str, ...]
    whole: tuple[bool, ...]


def cut_at_gaps(model: MaskedModel, text: str) -> Gapped:
    """The parts of a text to be asked about; raises InputError for one that no model of this vocabulary can answer."""
    longest = CHARACTERS_A_TOKEN * (model.limit or _TOKENS)
    if len(text) > longest:
        raise InputError(
            f"the text is {len(text):,} characters long, and {model.folder} reads at most "
            f"{model.limit or _TOKENS} tokens (some two characters each): ask about a sentence or two"
        )
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InputError("the text is not valid Unicode: was it typed or written in another encoding than UTF-8?")
    gapped = split_at_gaps(model, text)
    for part in gapped.parts:
        if wrong := _MISTYPED.search(part):
            raise InputError(
                f"{visible(wrong.group())} is no mark of a gap: type {model.mask_token} for one piece, "
                f"or {WORD_GAPS[0]} for a whole word"
            )
    if not gapped.whole:
        example = f"이순신은 {model.mask_token} 중기의 무신이다."
        told = "nothing to fill: put" if text.strip() else "the text is empty: write a sentence and put"
        raise InputError(f"{told} {model.mask_token} into the text, for example: {example}")
    if any(gapped.whole):
        _check_word_gaps(model)
    return gapped


def split_at_gaps(model: MaskedModel, text: str) -> Gapped:
    """The parts of any text."""
    found = re.split("(" + "|".join(map(re.escape, (model.mask_token, *WORD_GAPS))) + ")", text)
    return Gapped(tuple(found[::2]), tuple(mark in WORD_GAPS for mark in found[1::2]))


def _check_word_gaps(model: MaskedModel) -> None:
    vocabulary = model.tokenizer.get_vocab()
    for mark in WORD_GAPS:
        if mark in vocabulary:
            raise InputError(f"{mark} is an entry of {model.folder}'s vocabulary: ask with {model.mask_token} instead")
    if not model.spelling.marks_words:
        raise InputError(
            f"the pieces of {model.folder} are neither WordPiece's (##) nor SentencePiece's (▁), so that it cannot be "
            f"told which make a word: ask with {model.mask_token} instead of {WORD_GAPS[0]}"
        )


def unknown_characters(model: MaskedModel, parts: tuple[str, ...]) -> tuple[str, ...]:
    """The characters that make words of a text unknown to a model; a word that is too long for it stands whole."""
    tokenizer, found = model.tokenizer, dict[str, None]()
    unknown = tokenizer.unk_token_id
    characters = {character for piece in tokenizer.get_vocab() for character in piece}

    def known(text: str) -> bool:
        return unknown not in tokenizer.encode(text, add_special_tokens=False)

    for part in parts:
        encoding = tokenizer(part, add_special_tokens=False, return_offsets_mapping=True)
        for number, (start, end) in zip(encoding["input_ids"], encoding["offset_mapping"], strict=True):
            if number == unknown:
                word = part[start:end]
                alone = [character for character in word if not known(character)]
                # 바 need not be an entry where 바다 is one.
                strange = [character for character in alone if character not in characters]
                found |= dict.fromkeys(strange or alone or [word[:20]])
    return tuple(found)


def read_texts(path: Path) -> Iterator[tuple[str, str]]:
    """(place, text) of a file: one text a line, or JSON lines with `text` if its name ends in .jsonl or .ndjson.

    Empty lines are passed over. Raises InputError naming file and line for what is no text, and for a file without any.
    """
    empty = True
    for place, line in read_lines(path):
        if not line.strip():
            continue
        empty = False
        yield place, _of_json(place, line) if path.suffix in (".jsonl", ".ndjson") else line
    if empty:
        raise InputError(f"{path} holds no text: write one a line")


def read_lines(path: Path) -> Iterator[tuple[str, str]]:
    """(place, line) of a file of text; raises InputError naming file and line for what is no text."""
    try:
        with path.open("rb") as stream:
            number = 0
            while line := stream.readline(_LINE_BYTES):
                number += 1
                place = f"{path}, line {number}"
                if len(line) == _LINE_BYTES:
                    raise InputError(f"{place}: longer than a megabyte; write one text a line")
                if b"\0" in line:
                    raise InputError(f"{place}: is no text (it holds zero bytes); write one text a line, in UTF-8")
                yield place, line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
    except FileNotFoundError:
        raise InputError(f"no such file: {path}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{place}: is not UTF-8 ({error.reason}); convert it, from Windows: iconv -f cp949") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def _of_json(place: str, line: str) -> str:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: is no JSON ({error})") from None
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise InputError(f'{place}: wanted {{"text": "..."}}')
    return str(record["text"])
