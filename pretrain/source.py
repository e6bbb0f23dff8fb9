"""A BERT that a run begins from, read from its folder: which files decide what it is, and whether it can be used.

What another architecture under the same names would bring in silence stops here: positions that are not added up, a
decoder, an encoder of which part is absent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import BertConfig, BertForPreTraining

from pipeline.errors import InputError
from pretrain.folder import CONFIG, LOCAL, first_line, load_folder_tokenizer, model_files
from pretrain.quiet import quiet
from pretrain.rundir import RUN
from tokenizer.wordpiece import load_tokenizer

#: Word embeddings, and the bias that each entry has where the masked-language-model head tells it.
WORDS = "bert.embeddings.word_embeddings.weight"
BIAS = "cls.predictions.bias"
TYPES = "bert.embeddings.token_type_embeddings.weight"
#: What a head for one of the tasks, or the sentence pair, needs; any of it may be absent from a folder.
_OPTIONAL = ("cls.", "bert.pooler.", TYPES)
_DECODER = "cls.predictions.decoder."


@dataclass(frozen=True)
class Source:
    """A folder's model: `weights` under the names of `BertForPreTraining`, in float32, each once, without `missing`."""

    folder: Path
    config: BertConfig
    weights: dict[str, Tensor]
    #: Names of the weights that the folder does not hold, and of those that `BertForPreTraining` does not have.
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    tokenizer: Tokenizer


def source_files(folder: Path) -> list[Path]:
    """The files that decide what a run begins from; raises InputError for a folder that is none of a model."""
    if not folder.is_dir():
        raise InputError(
            f"train.init_from: no folder {folder}: export a run with `python -m pretrain.export`, or fetch a "
            "model with `hf download NAME --local-dir DIR`"
        )
    if (folder / RUN).is_file():
        raise InputError(
            f"train.init_from: {folder} is a run: name one of its checkpoints, or export it with "
            "`python -m pretrain.export` (make export) and name the folder that it makes"
        )
    if not any(folder.glob("*.safetensors")):
        raise InputError(
            f"train.init_from: {folder} holds no *.safetensors; weights in pickles (*.bin) are not read, since opening "
            "one can run code: convert them"
        )
    return model_files(folder)


def open_source(folder: Path) -> Source:
    """The model of a folder; raises InputError if it is no BERT of the kind that is trained here, or damaged."""
    source_files(folder)
    _check_kind(folder)
    try:
        with quiet(), torch.random.fork_rng(devices=[]):
            loaded: Any = BertForPreTraining.from_pretrained(
                str(folder),
                **LOCAL,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
    except Exception as error:  # OSError, ValueError, RuntimeError, safetensors' own: a folder that does not fit
        raise InputError(f"train.init_from: {folder}: the model cannot be loaded: {first_line(error)}") from None
    model: BertForPreTraining = loaded[0]
    report: dict[str, set[str]] = loaded[1]
    missing = sorted(name for name in report["missing_keys"] if not name.startswith(_DECODER))
    unexpected = sorted(report["unexpected_keys"])
    if lost := [name for name in missing if not name.startswith(_OPTIONAL)]:
        raise InputError(
            f"train.init_from: {folder} lacks {len(lost)} of its encoder's weights, for example {lost[0]}: "
            f"{CONFIG} and weights do not belong together"
        )
    weights = {name: tensor.detach() for name, tensor in model.named_parameters() if not name.startswith(_DECODER)}
    head = model.cls.predictions.decoder
    weights[BIAS] = head.bias.detach()
    if not torch.equal(head.weight, weights[WORDS]):
        unexpected.append(f"{_DECODER}weight (here the word embeddings are the decoder)")
    weights = {name: tensor for name, tensor in weights.items() if name not in missing}
    for name, tensor in weights.items():
        if not torch.isfinite(tensor).all():
            raise InputError(f"train.init_from: {folder}: {name} holds values that are no numbers")
    return Source(folder, model.config, weights, tuple(missing), tuple(unexpected), _tokenizer(folder))


def _check_kind(folder: Path) -> None:
    path = folder / CONFIG
    try:
        told = dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"train.init_from: {path} cannot be read: {first_line(error)}") from None
    kind = told.get("model_type")
    positions = told.get("position_embedding_type") or "absolute"
    if kind != "bert":
        raise InputError(f"train.init_from: {folder} holds a model of type {kind!r}; a run begins from a BERT only")
    if positions != "absolute":
        raise InputError(f"train.init_from: {folder} has positions of type {positions!r}; here they are 'absolute'")
    for name in ("is_decoder", "add_cross_attention", "quantization_config"):
        if told.get(name):
            raise InputError(f"train.init_from: {path} sets {name}: it is no plain encoder")


def _tokenizer(folder: Path) -> Tokenizer:
    """What `tokenizer.json` says, since loaders may rebuild it; else what a loader makes of the other files."""
    if (folder / "tokenizer.json").is_file():
        return load_tokenizer(folder)
    found = getattr(load_folder_tokenizer(folder), "backend_tokenizer", None)
    if not isinstance(found, Tokenizer):
        raise InputError(f"train.init_from: {folder} has no tokenizer.json: save its tokenizer as a fast one")
    return found
