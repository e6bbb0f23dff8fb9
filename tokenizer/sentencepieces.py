"""Learning unigram and BPE pieces with SentencePiece, to be used as a Hugging Face tokenizer.

A piece that begins an eojeol carries `▁` in front (`▁학교`, `에서`), where WordPiece marks those that do not. The
trainer is SentencePiece's; `tokenizer.sentencepiece_export` turns its model into a `tokenizers.Tokenizer`. The model is
kept as well: its encoder is the second opinion that a gate holds the tokenizer against.

The same text gives the same bytes: eojeols are handed over sorted, and the number of the trainer's threads, over which
it sums floating-point numbers, is a constant and not the machine's (one and eight give different unigram scores).
"""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Collection, Mapping

from sentencepiece import SentencePieceTrainer
from tokenizers import Tokenizer, models

from pipeline.errors import InputError
from tokenizer.sentencepiece_export import (
    SPACE,
    Pieces,
    export,
    insert_entries,
    learned_pieces,
    merges_of,
    own_ids,
    round_scores,
)
from tokenizer.settings import SIZE_UNIT, TokenizerSettings
from tokenizer.wordpiece import CLS, LONGEST_WORD, PAD, SEP, UNK, reserved_entries

__all__ = ["Pieces", "learn_pieces", "own_ids"]

#: Threads of the trainer. Another number gives another unigram vocabulary.
_THREADS = 8
#: SentencePiece writes this for the unknown and skips what holds it, so it can only be [UNK].
_UNKNOWN_SIGN = "▅"
#: Characters of the longest piece, `▁` among them; the trainer's default.
_LONGEST_PIECE = 16


def learn_pieces(eojeols: Mapping[str, int], alphabet: Collection[str], settings: TokenizerSettings) -> Pieces:
    """Learn `settings.vocab_size` entries by `settings.algorithm`, `unigram` or `bpe`.

    `eojeols` maps what white space separates, normalised and without placeholders, to its count. Those with a character
    outside `alphabet` teach nothing; every character of `alphabet` gets an entry. Ids: `reserved_entries`, then pieces,
    the most probable (unigram) or the first merged (bpe) first. Fewer entries come back if the text runs out of pieces;
    the number is a multiple of 64 all the same. Raises InputError if the characters alone do not fit.

    Of bpe's pieces each occurred `min_frequency` times when it was merged. unigram does not look at `min_frequency`:
    its trainer throws out what explains the text little, among which are pieces that occur once.
    """
    reserved = reserved_entries(settings.unused)
    known = {character for character in alphabet if _learnable(character)}
    singles = len(known) + len(SPACE)
    if len(reserved) + singles > settings.vocab_size:
        raise InputError(
            f"tokenizer.vocab_size {settings.vocab_size}: {singles} single characters and {len(reserved)} reserved "
            "entries do not fit; raise vocab_size or lower "
            + ("tokenizer.unused" if len(reserved) > singles else "the shares of [tokenizer.coverage]")
        )
    rows = _rows(eojeols, known, reserved)
    processor = _train(rows, settings, settings.vocab_size)
    if settings.algorithm == "bpe":
        merged = learned_pieces(processor)[:-singles]
        often = _often_enough(merged, known, rows, settings.min_frequency)
        if often < len(merged):
            processor = _train(rows, settings, len(reserved) + singles + often)
    processor = round_scores(processor)
    missing = -(len(reserved) + len(learned_pieces(processor))) % SIZE_UNIT
    unused = settings.unused + missing
    processor = insert_entries(processor, len(reserved), reserved_entries(unused)[len(reserved) :])
    return Pieces(export(processor), processor, unused)


def _learnable(character: str) -> bool:
    return character not in (SPACE, _UNKNOWN_SIGN) and not character.isspace()


def _rows(eojeols: Mapping[str, int], known: set[str], reserved: list[str]) -> dict[str, int]:
    """What the trainer gets to see, sorted; characters that no such eojeol holds come once, alone."""
    # A reserved entry written out may not be learned a second time.
    words = [
        word
        for word in eojeols
        if len(word) <= LONGEST_WORD
        and known.issuperset(word)
        and not ("[" in word and any(name in word for name in reserved))
    ]
    seen = set().union(*words)
    if not seen:
        raise InputError("no eojeol to learn pieces from: give more text, or lower tokenizer.min_word_count")
    counts = {word: eojeols[word] for word in words}
    counts.update(dict.fromkeys(known - seen, 1))
    return {word: counts[word] for word in sorted(counts)}


def _train(rows: Mapping[str, int], settings: TokenizerSettings, size: int) -> bytes:
    """SentencePiece's model of at most `size` entries, reserved ones first."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=(f"{word}\t{count}" for word, count in rows.items()),
        input_format="tsv",
        model_writer=model,
        model_type=settings.algorithm,
        vocab_size=size,
        hard_vocab_limit=False,
        character_coverage=1.0,
        max_sentencepiece_length=_LONGEST_PIECE,
        input_sentence_size=0,
        shuffle_input_sentence=False,
        normalization_rule_name="identity",
        add_dummy_prefix=True,
        byte_fallback=False,
        pad_id=0,
        unk_id=1,
        bos_id=2,
        eos_id=3,
        pad_piece=PAD,
        unk_piece=UNK,
        bos_piece=CLS,
        eos_piece=SEP,
        # Control symbols are never looked up in text.
        control_symbols=reserved_entries(settings.unused)[4:],
        num_threads=_THREADS,
        minloglevel=2,
    )
    return model.getvalue()


def _often_enough(merged: list[str], known: set[str], rows: Mapping[str, int], least: int) -> int:
    """How many of `merged` occurred `least` times when they were merged; the trainer goes on to pairs that never do.

    Counts fall from merge to merge, so the first rare one is found by halving. A merge's count is how often the
    tokenizer yields it that knows no later ones.
    """

    def rare(place: int) -> bool:
        piece = merged[place]
        pieces = [*merged[: place + 1], SPACE, *sorted(known)]
        ids = {name: number for number, name in enumerate(pieces)}
        learner = Tokenizer(models.BPE(ids, list(merges_of(pieces))))
        holders = [word for word in rows if piece in SPACE + word]
        found = learner.encode_batch_fast([SPACE + word for word in holders])
        number = ids[piece]
        return sum(rows[word] * each.ids.count(number) for word, each in zip(holders, found, strict=True)) < least

    if not merged or not rare(len(merged) - 1):
        return len(merged)
    return bisect_left(range(len(merged)), True, key=rare)
