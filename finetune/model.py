"""An encoder's folder as a classifier: loaded and checked, or with random weights, and written again.

Only local folders, only safetensors. What transformers would let pass in silence stops here: a folder without
vocabulary (it makes one of five tokens), weights that leave the encoder random, a tokenizer with ids beyond
the embedding matrix.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from pipeline.errors import InputError

CONFIG = "config.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
#: Any one of these holds a vocabulary (`*.model`: SentencePiece, under one of several names).
VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
#: What else a tokenizer may consist of.
TOKENIZER_REST = (TOKENIZER_CONFIG, "merges.txt", "special_tokens_map.json", "added_tokens.json")
#: A tokenizer that knows no limit says 1e30.
NO_LIMIT = 1_000_000


def model_files(folder: Path, *, random_weights: bool = False) -> list[Path]:
    """The files of `folder` that decide what is learned: configuration, tokenizer, and weights if used.

    Raises InputError if the folder, its config.json, its vocabulary or its safetensors are missing.
    """
    if not folder.is_dir():
        raise InputError(
            f"no model folder {folder}: make one with `python -m pretrain.export`, or fetch one with "
            "`hf download NAME --local-dir DIR` and name it with --model DIR"
        )
    weights = _matching(folder, ("*.safetensors", "*.safetensors.index.json"))
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder} holds no {CONFIG}, so it is no Hugging Face model folder")
    if not _matching(folder, VOCABULARIES):
        raise InputError(f"{folder} holds no tokenizer (none of {', '.join(VOCABULARIES)})")
    if not weights and not random_weights:
        raise InputError(
            f"{folder} holds no *.safetensors; weights in pickles (*.bin) are not read, since opening one "
            "can run code: convert them, or compare with --random-weights"
        )
    return [folder / CONFIG, *_tokenizer_files(folder), *([] if random_weights else weights)]


def load_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder that `model_files` has accepted; raises InputError if it cannot be used."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # whatever the tokenizer libraries raise, bare Exception included
        raise InputError(f"{folder}: the tokenizer cannot be loaded: {_first_line(error)}") from None
    if len(tokenizer) <= len(tokenizer.all_special_tokens):
        raise InputError(f"{folder}: the tokenizer has only its {len(tokenizer)} special tokens, no vocabulary")
    if tokenizer.pad_token_id is None:
        raise InputError(f"{folder}: the tokenizer has no padding token; set pad_token in {TOKENIZER_CONFIG}")
    return tokenizer


def load_classifier(folder: Path, names: Sequence[str], seed: int, *, random_weights: bool = False) -> PreTrainedModel:
    """The folder's encoder in float32 with a head over the classes `names`; new weights come from `seed`.

    Raises InputError if the folder is not an encoder that transformers knows, or if its weights are not all
    there.
    """
    labels = dict(enumerate(names))
    try:
        config = AutoConfig.from_pretrained(
            str(folder),
            local_files_only=True,
            id2label=labels,
            label2id={name: number for number, name in labels.items()},
            problem_type="single_label_classification",
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if random_weights:
                untrained: PreTrainedModel = AutoModelForSequenceClassification.from_config(config)
                untrained.float()
                return untrained
            loaded: tuple[PreTrainedModel, dict[str, Any]]
            loaded = AutoModelForSequenceClassification.from_pretrained(
                str(folder),
                config=config,
                local_files_only=True,
                use_safetensors=True,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # another task's head may go; see _check_encoder
                output_loading_info=True,
            )
    except Exception as error:  # OSError, ValueError, KeyError, safetensors' own: all mean a folder that does not fit
        raise InputError(f"{folder}: the model cannot be loaded: {_first_line(error)}") from None
    _check_encoder(folder, *loaded)
    return loaded[0]


def check_vocabulary(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise InputError if the tokenizer can give an id that has no embedding."""
    embedding: Any = model.get_input_embeddings()
    rows = len(embedding.weight)
    if len(tokenizer) > rows:
        raise InputError(
            f"{folder}: the tokenizer has {len(tokenizer):,} entries, the model's embedding only {rows:,} "
            "rows: they are not from the same training"
        )


def longest_input(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: int) -> int:
    """Tokens of the longest example: `asked`, or for 0 what model and tokenizer take.

    Raises InputError if more is asked than they take, or nothing is asked and they name no limit.
    """
    limits = [limit for limit in (_positions(model), tokenizer.model_max_length) if limit and limit < NO_LIMIT]
    if not limits:
        if not asked:
            raise InputError(f"{folder} names no longest input; set finetune.max_length")
        return asked
    if asked > min(limits):
        raise InputError(f"finetune.max_length {asked} is more than the {min(limits)} tokens that {folder} takes")
    return asked or int(min(limits))


def write_model(model: PreTrainedModel, source: Path, max_length: int, folder: Path) -> None:
    """Write a Hugging Face folder: the model, and the source's tokenizer files with the longest input.

    They are copied since saving a used tokenizer adds its last truncation to it, and its class under
    transformers 5's name.
    """
    model.save_pretrained(str(folder))
    for file in _tokenizer_files(source):
        shutil.copyfile(file, folder / file.name)
    path = folder / TOKENIZER_CONFIG
    config: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    config["model_max_length"] = max_length
    path.write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _tokenizer_files(folder: Path) -> list[Path]:
    return _matching(folder, (*VOCABULARIES, *TOKENIZER_REST))


def _matching(folder: Path, patterns: Iterable[str]) -> list[Path]:
    return sorted(path for pattern in patterns for path in folder.glob(pattern) if path.is_file())


def _check_encoder(folder: Path, model: PreTrainedModel, report: dict[str, Iterable[Any]]) -> None:
    """Stop if part of the encoder was left random; a head is new anyway, a pooler after MLM alone."""
    changed = [name[0] if isinstance(name, tuple) else name for name in report["mismatched_keys"]]
    absent = [*report["missing_keys"], *changed]
    lost = sorted(name for name in absent if name.startswith(f"{model.base_model_prefix}.") and ".pooler." not in name)
    if lost:
        raise InputError(
            f"{folder}: {len(lost)} of the encoder's weights are absent or of another shape, for example "
            f"{lost[0]}: {CONFIG} and weights do not belong together"
        )


def _positions(model: PreTrainedModel) -> int | None:
    """Positions an input may take; RoBERTa's kin begin behind the padding id: 514 rows are 512 positions."""
    table = getattr(getattr(model.base_model, "embeddings", None), "position_embeddings", None)
    if isinstance(table, nn.Embedding):
        return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
    return getattr(model.config, "max_position_embeddings", None)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
