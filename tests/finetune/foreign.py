"""Encoder folders tiny, as others make them: RoBERTa with bytes, DistilBERT with vocab.txt alone, BERT to be cut."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from tokenizers import BertWordPieceTokenizer, ByteLevelBPETokenizer
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    PreTrainedModel,
    RobertaConfig,
    RobertaModel,
)

#: Every byte is an entry besides; so few merges leave most syllables in pieces.
BYTES = 256


def save_bytes(folder: Path, texts: Iterable[str], merges: int) -> Path:
    """vocab.json and merges.txt, as RoBERTa's tokenizer is saved."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer.train_from_iterator(texts, len(special) + BYTES + merges, 1, special_tokens=special, show_progress=False)
    tokenizer.save_model(str(folder))
    return folder


def save_words(folder: Path, texts: Iterable[str], *, lowercase: bool) -> Path:
    """vocab.txt and nothing else. In lower case, which is what readers of such a folder assume, it is one of jamo."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = BertWordPieceTokenizer(lowercase=lowercase)
    tokenizer.train_from_iterator(texts, vocab_size=300, min_frequency=1, show_progress=False)
    tokenizer.save_model(str(folder))
    return folder


def save_model(folder: Path, model: type[PreTrainedModel], config: object) -> Path:
    """The model with weights that are always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model(config).save_pretrained(str(folder))
    return folder


def roberta(folder: Path, texts: Iterable[str], merges: int = 40) -> Path:
    """A RoBERTa of two layers."""
    config = RobertaConfig(
        vocab_size=5 + BYTES + merges, hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=130, pad_token_id=1, bos_token_id=0, eos_token_id=2,
    )  # fmt: skip
    return save_model(save_bytes(folder, texts, merges), RobertaModel, config)


def distilbert(folder: Path, texts: Iterable[str], *, lowercase: bool = True) -> Path:
    """A DistilBERT of two layers."""
    config = DistilBertConfig(
        vocab_size=300, dim=32, n_layers=2, n_heads=2, hidden_dim=64, max_position_embeddings=48
    )  # fmt: skip
    return save_model(save_words(folder, texts, lowercase=lowercase), DistilBertModel, config)


def bert(folder: Path, entries: int, layers: int, width: int = 32) -> Path:
    """A BERT without its tokenizer."""
    config = BertConfig(
        vocab_size=entries, hidden_size=width, num_hidden_layers=layers, num_attention_heads=2,
        intermediate_size=2 * width, max_position_embeddings=64,
        initializer_range=0.1,
    )  # fmt: skip
    return save_model(folder, BertModel, config)
