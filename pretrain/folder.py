"""A Hugging Face folder, ours or anyone's, read with plain errors.

Only local folders, only safetensors, no code of the folder's own (`auto_map`). What transformers would let pass in
silence stops here: a folder without vocabulary (it makes one of five tokens), a tokenizer with ids beyond the embedding
matrix, layers that the configuration does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from torch import nn
from transformers import AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from pipeline.errors import InputError
from pretrain.checkpoint import OPTIMIZER

CONFIG = "config.json"
#: What goes with every `from_pretrained`: nothing fetched, no code of the folder's own, and no question about it.
LOCAL: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
TOKENIZER_CONFIG = "tokenizer_config.json"
#: Any one of these holds a vocabulary (`*.model`: SentencePiece, under one of several names).
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
#: Names the files of weights that were saved in several.
_INDEX = ".safetensors.index.json"
#: What else a tokenizer may consist of.
TOKENIZER_REST = (TOKENIZER_CONFIG, "merges.txt", "special_tokens_map.json", "added_tokens.json")
#: A weight of a numbered layer, as encoders name them.
_LAYER = re.compile(r"\blayers?\.\d+\.")


def model_files(folder: Path, *, random_weights: bool = False) -> list[Path]:
    """The files of `folder` that decide what is learned: configuration, tokenizer, and weights if used.

    Raises InputError if the folder, its config.json, its vocabulary or its safetensors are missing, or if its index
    names other files.
    """
    if not folder.is_dir():
        raise InputError(
            f"no model folder {folder}: make one with `python -m pretrain.export`, or fetch one with "
            "`hf download NAME --local-dir DIR` and name it with --model DIR"
        )
    # A checkpoint's folder holds what its optimiser keeps, too.
    found = _matching(folder, ("*.safetensors", f"*{_INDEX}"))
    weights = [path for path in found if path.name != OPTIMIZER]
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder} holds no {CONFIG}, so it is no Hugging Face model folder")
    if not _matching(folder, VOCABULARIES):
        raise InputError(f"{folder} holds no tokenizer (none of {', '.join(VOCABULARIES)})")
    if not weights and not random_weights:
        raise InputError(
            f"{folder} holds no *.safetensors; weights in pickles (*.bin) are not read, since opening one "
            "can run code: convert them, or compare with --random-weights"
        )
    for path in weights:
        if path.name.endswith(_INDEX):
            _check_index(path)
    return [folder / CONFIG, *tokenizer_files(folder), *([] if random_weights else weights)]


def load_folder_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder that `model_files` has accepted; raises InputError if it cannot be used."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **LOCAL)
    except Exception as error:  # whatever the tokenizer libraries raise, bare Exception included
        raise InputError(f"{folder}: the tokenizer cannot be loaded: {first_line(error)}") from None
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise InputError(f"{folder}: the tokenizer has only its {len(tokenizer)} special tokens, no vocabulary")
    if tokenizer.pad_token_id is None:
        raise InputError(f"{folder}: the tokenizer has no padding token; set pad_token in {TOKENIZER_CONFIG}")
    return tokenizer


def check_vocabulary(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise InputError if the tokenizer can give an id that has no embedding."""
    embedding: Any = model.get_input_embeddings()
    rows = len(embedding.weight)
    if len(tokenizer) > rows:
        raise InputError(
            f"{folder}: the tokenizer has {len(tokenizer):,} entries, the model's embedding only {rows:,} "
            "rows: they are not from the same training"
        )


def need_tokens(folder: Path, tokenizer: PreTrainedTokenizerBase, names: Iterable[str]) -> None:
    """Raise InputError if the tokenizer does not say which of its entries is one of these (`cls_token`, ...)."""
    for name in names:
        if getattr(tokenizer, f"{name}_id") is None:
            raise InputError(f"{folder}: the tokenizer has no {name}; name it in {TOKENIZER_CONFIG}")


def check_layers(folder: Path, unexpected: Iterable[str]) -> None:
    """Raise InputError if among the weights that a class has no use for there is a layer: heads may go, layers not."""
    if left := sorted(name for name in unexpected if _LAYER.search(name)):
        raise InputError(f"{folder}: {CONFIG} says fewer layers than the weights have: {left[0]} would be left out")


def position_limit(model: PreTrainedModel) -> int | None:
    """Positions an input may take; RoBERTa's kin begin behind the padding id: 514 rows are 512 positions."""
    table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    if isinstance(table, nn.Embedding):
        return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
    return getattr(model.config, "max_position_embeddings", None)


def tokenizer_files(folder: Path) -> list[Path]:
    """The files that a folder's tokenizer consists of."""
    return _matching(folder, (*VOCABULARIES, *TOKENIZER_REST))


def first_line(error: Exception) -> str:
    """The first line of an error's text, libraries explain at length; what it only points at is said."""
    text = str(error).strip()
    if "ignore_mismatched_sizes" in text:
        return f"its weights have other shapes than {CONFIG} says (hidden_size, vocab_size ...)"
    if "trust_remote_code" in text:
        return "it wants to run code of its own, and code in a model's folder is never run here"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = " ".join(lines[:2]) if lines and lines[0].endswith(":") else "".join(lines[:1])
    # Of a KeyError or an IndexError the text alone is no sentence.
    return f"{type(error).__name__} {told}".strip() if isinstance(error, LookupError) or not told else told


def _check_index(path: Path) -> None:
    """Raise InputError unless an index of weights names safetensors in its own folder: others would be read as well."""
    try:
        names = set(json.loads(path.read_text("utf-8"))["weight_map"].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        raise InputError(f"{path} is no index of weights (weight_map): save the model again") from None
    for name in sorted(map(str, names)):
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise InputError(f"{path} names {name!r}: only *.safetensors beside it are read; save the model again")


def _matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    return sorted(path for pattern in patterns for path in folder.glob(pattern) if path.is_file())
