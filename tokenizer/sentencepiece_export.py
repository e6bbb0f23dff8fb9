"""A SentencePiece model as a Hugging Face tokenizer that gives the same ids, and SentencePiece's own ids to compare.

What makes the two agree:

* Text is normalised by ours, never by SentencePiece. Runs of white space become one space, and a `▁` that someone typed
  is white space, since both libraries read it so.
* Unigram scores are rounded to multiples of 1/1024. SentencePiece adds them up in 32 bits, `tokenizers` in 64; equal
  sums (ㅋㅋ+ㅋ and ㅋ+ㅋㅋ) would be told apart by rounding errors. Sums of such multiples are exact in both up to
  16,384, some two thousand pieces in one eojeol, and of equals both take the same.
* Neighbouring unknown characters are one [UNK].
* `tokenizers` looks up reserved entries in text as it does pieces, SentencePiece does not. Both get a `[unused0]` that
  someone typed in two parts, cut after the bracket, where no piece goes across: a piece keeps to one script.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sentencepiece import SentencePieceProcessor
from sentencepiece.sentencepiece_model_pb2 import ModelProto, TrainerSpec  # type: ignore[attr-defined]
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers

from corpora.privacy import PLACEHOLDERS
from tokenizer.normalize import korean_normalizer
from tokenizer.wordpiece import SPECIAL_TOKENS, UNK, frame

#: SentencePiece's sign for the space in front of an eojeol.
SPACE = "▁"
#: Scores are multiples of its inverse.
_GRAIN = 1024.0

_Piece = ModelProto.SentencePiece
_MARKS = (*SPECIAL_TOKENS, *PLACEHOLDERS.values())
_MARK = re.compile("|".join(map(re.escape, _MARKS)))
#: What follows the bracket of a reserved entry written out in text.
_NAME = rf"(?:{'|'.join(mark[1:-1] for mark in _MARKS)}|unused[0-9]+)\]"
#: Where a line is cut for SentencePiece.
_PART = re.compile(rf"(?={SPACE})|(?<=\[)(?={_NAME})")


@dataclass(frozen=True)
class Pieces:
    """What was learned: a tokenizer to save, and the serialised model of the trainer with the same ids."""

    tokenizer: Tokenizer
    processor: bytes
    #: `[unused]` entries, those that fill the size up to a multiple of 64 among them.
    unused: int


def round_scores(processor: bytes) -> bytes:
    """The model with its scores rounded; see the top of this module."""
    model = ModelProto.FromString(processor)
    for piece in model.pieces:
        piece.score = round(piece.score * _GRAIN) / _GRAIN
    return _serialized(model)


def insert_entries(processor: bytes, place: int, names: Sequence[str]) -> bytes:
    """The model with reserved entries from the id `place` on; those behind move up."""
    model = ModelProto.FromString(processor)
    added = [_Piece(piece=name, score=0.0, type=_Piece.CONTROL) for name in names]
    pieces = [*model.pieces[:place], *added, *model.pieces[place:]]
    del model.pieces[:]
    model.pieces.extend(pieces)
    model.trainer_spec.control_symbols.extend(names)
    model.trainer_spec.vocab_size = len(pieces)
    return _serialized(model)


def learned_pieces(processor: bytes) -> list[str]:
    """Pieces that were learned, single characters among them, best score (for BPE: the first learned) first."""
    learned = [piece for piece in ModelProto.FromString(processor).pieces if piece.type == _Piece.NORMAL]
    return [piece.piece for piece in sorted(learned, key=lambda piece: -piece.score)]


def export(processor: bytes) -> Tokenizer:
    """The tokenizer of a SentencePiece model: the same entries under the same ids."""
    model = ModelProto.FromString(processor)
    entries = [(piece.piece, piece.score) for piece in model.pieces]
    if model.trainer_spec.model_type == TrainerSpec.UNIGRAM:
        tokenizer = Tokenizer(models.Unigram(entries, unk_id=model.trainer_spec.unk_id, byte_fallback=False))
    else:
        ids = {piece: number for number, (piece, _) in enumerate(entries)}
        merges = list(merges_of(learned_pieces(processor)))
        tokenizer = Tokenizer(models.BPE(ids, merges, unk_token=UNK, fuse_unk=True))
    tokenizer.normalizer = eojeol_normalizer()
    # "first": no line begins without a space, but the 를 of [MASK]를 gets none and so continues a word.
    spaces = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="first", split=True)
    reserved = pre_tokenizers.Split(Regex(rf"\[(?={_NAME})"), "merged_with_previous")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([spaces, reserved])
    tokenizer.decoder = decoders.Metaspace(replacement=SPACE, prepend_scheme="first", split=True)
    return frame(tokenizer)


def eojeol_normalizer() -> normalizers.Normalizer:
    """`korean_normalizer` without spaces around Hanja, then single spaces and none at the end.

    The one in front tells `[MASK] 를` from `[MASK]를`.
    """
    # Metaspace takes a line whose first character was cleaned away (a byte order mark) for the rest of another.
    cleaned = normalizers.Replace(Regex(r"\A[\p{C}\uFFFD]+"), " ")
    spaces = normalizers.Replace(Regex(rf"[\s{SPACE}]+"), " ")
    return normalizers.Sequence(
        [cleaned, korean_normalizer(hanja_apart=False), spaces, normalizers.Strip(left=False, right=True)]
    )


def merges_of(pieces: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pairs to merge, the most urgent first: all divisions of each piece into two pieces.

    SentencePiece knows no pairs: it joins whatever neighbours make up a piece, the first learned piece first.

    >>> list(merges_of(["가나", "가나다", "가", "나", "다"]))
    [('가', '나'), ('가나', '다')]
    """
    known = set(pieces)
    for piece in pieces:
        for end in range(len(piece) - 1, 0, -1):
            if piece[:end] in known and piece[end:] in known:
                yield piece[:end], piece[end:]


def own_ids(pieces: Pieces, text: str) -> list[int]:
    """Ids of a raw line by SentencePiece's encoder, without [CLS] and [SEP].

    Special tokens and placeholders are found by us, in raw text as `tokenizers` does; the rest is normalised by ours.
    """
    encoder, normalizer = _encoder(pieces.processor), eojeol_normalizer()
    ids: list[int] = []
    place = 0
    for start, end in [*(match.span() for match in _MARK.finditer(text)), (len(text), len(text))]:
        part = normalizer.normalize_str(text[place:start]).replace(" ", SPACE)
        if place == 0 and part and not part.startswith(SPACE):
            part = SPACE + part
        # An eojeol at a time, which makes no difference but that sums stay small and so exact.
        for eojeol in encoder.encode([section for section in _PART.split(part) if section], num_threads=1):
            ids += eojeol
        if start < end:
            ids.append(encoder.piece_to_id(text[start:end]))
        place = end
    return ids


@lru_cache(maxsize=1)
def _encoder(processor: bytes) -> SentencePieceProcessor:
    """The model's encoder taking text as it is: the sign for a space is written out by us."""
    model = ModelProto.FromString(processor)
    model.normalizer_spec.add_dummy_prefix = False
    model.normalizer_spec.remove_extra_whitespaces = False
    return SentencePieceProcessor(model_proto=_serialized(model))


def _serialized(model: ModelProto) -> bytes:
    serialized: bytes = model.SerializeToString(deterministic=True)
    return serialized
