"""Models of a handful of entries, made in a test: random weights, or an answer that is known."""

from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers
from transformers import BertConfig, BertForMaskedLM

from tokenizer.wordpiece import SPECIAL_TOKENS, build_tokenizer, frame, save_tokenizer

#: Beginnings and continuations, a Hanja, marks, and entries that are never answers.
WORDPIECES = (
    *SPECIAL_TOKENS,
    "[PHONE]",
    "[unused0]",
    *("가", "나", "다", "바다", "漢", ".", ",", "(", "x"),
    *("##가", "##나", "##를", "##다", "##x", "##."),
)
SENTENCEPIECES = (
    *SPECIAL_TOKENS,
    "[PHONE]",
    "[unused0]",
    *("▁", "▁가", "▁나", "▁바다", "▁漢", "가", "나", "를", "다", ".", "▁("),
)


def wordpiece_folder(folder: Path, known: str | None = None, limit: int = 24) -> Path:
    """A WordPiece model; `known`: the entry it answers everywhere."""
    return _save(folder, build_tokenizer(WORDPIECES), WORDPIECES, known, limit)


def sentencepiece_folder(folder: Path) -> Path:
    """A model whose pieces mark beginnings of words."""
    scores = [(piece, -1.0 - len(SENTENCEPIECES[number]) / 100) for number, piece in enumerate(SENTENCEPIECES)]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=1))
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Strip(left=False, right=True)])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    return _save(folder, frame(tokenizer), SENTENCEPIECES, None, 24)


def _save(folder: Path, tokenizer: Tokenizer, pieces: Sequence[str], known: str | None, limit: int) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(tokenizer, folder)
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=limit,
        initializer_range=0.6,
    )
    model = BertForMaskedLM(config)
    if known is not None:
        with torch.no_grad():
            model.cls.predictions.bias[pieces.index(known)] = 1e4
    model.save_pretrained(folder)
    return folder
