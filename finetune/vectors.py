"""Texts to vectors: what a frozen encoder makes of them, and a store of those on disk.

A vector costs a pass through the encoder, and whatever is learned from vectors asks for the same ones again: they are
kept as artifacts, by the bytes of the model and by the texts. Which rows are train and which are test is no part of
that: an encoder that is not trained sees no labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoConfig, AutoModel, PreTrainedModel

from finetune.data.rows import Row, Rows
from finetune.forward import forward, load_for_use
from finetune.kinds.kind import encode_texts
from finetune.model import longest_input, match_inputs
from pipeline.artifact import Figures, Kind, build, canonical, open_artifact
from pipeline.console import progress
from pipeline.errors import InputError
from pipeline.files import hash_file
from pretrain.folder import LOCAL, check_vocabulary, first_line, load_folder_tokenizer, model_files
from pretrain.quiet import quiet

Pool = Literal["mean", "cls", "last4"]
POOLS: tuple[Pool, ...] = get_args(Pool)
#: Layers from the top that `last4` takes the mean of.
LAYERS = 4
#: Vectors in the order of their texts.
VECTORS = Kind("vectors", 1, "make features")
FILE = "vectors.npy"
_CHUNK = 4096

#: The texts of a row.
Pair = tuple[str, str | None]
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Encoder:
    """An encoder's folder and how its vectors are taken. `random_seed`: new weights of the same shape from this seed;
    `max_length`: tokens, 0 for as many as it takes. `cpu` decides no more than where it runs."""

    folder: Path
    pool: Pool = "mean"
    max_length: int = 0
    random_seed: int | None = None
    cpu: bool = False


def stored_vectors(encoder: Encoder, wanted: Iterable[Pair], artifacts: Path) -> dict[Pair, Vectors]:
    """The vector (width,) of each different text (or two texts), out of `<artifacts>/vectors/` if it is there, else
    made and put there. Raises InputError as `embed` does."""
    texts = sorted(set(wanted), key=lambda pair: (pair[0], pair[1] or ""))
    files = model_files(encoder.folder, random_weights=encoder.random_seed is not None)
    inputs = {f"model {path.name}": hash_file(path) for path in files}
    inputs["texts"] = hashlib.sha256(canonical(texts).encode()).hexdigest()
    settings = {"pool": encoder.pool, "max_length": encoder.max_length, "random_seed": encoder.random_seed}
    key = VECTORS.key(settings, inputs)

    def make(workspace: Path) -> Figures:
        every = Rows(encoder.folder, tuple(Row(text, pair, None, "", "") for text, pair in texts))
        with progress("vectors", len(texts)) as advance:
            found = embed(encoder, every, advance)
        np.save(workspace / FILE, found, allow_pickle=False)
        return {"rows": len(found), "width": found.shape[1], "model": encoder.folder.name}

    folder = artifacts / VECTORS.stage / key.made_from[:16]
    build(folder, key, make)
    open_artifact(folder, VECTORS)
    return dict(zip(texts, np.load(folder / FILE, allow_pickle=False), strict=True))


def embed(encoder: Encoder, rows: Rows, advance: Callable[[int], None] = lambda _: None) -> Vectors:
    """Vectors (rows, width) of the rows' texts; raises InputError for a folder that is no encoder."""
    model_files(encoder.folder, random_weights=encoder.random_seed is not None)
    with quiet():
        tokenizer = load_folder_tokenizer(encoder.folder)
        model = _load(encoder)
        check_vocabulary(encoder.folder, model, tokenizer)
        match_inputs(tokenizer, model)
        model.config.output_hidden_states = encoder.pool == "last4"
        longest = longest_input(encoder.folder, model, tokenizer, encoder.max_length)
        found = []
        for begin in range(0, len(rows), _CHUNK):
            part = rows.pick(range(begin, min(begin + _CHUNK, len(rows))))
            found += forward(model, tokenizer, encode_texts(tokenizer, part, longest).examples, _TAKE[encoder.pool])
            advance(len(part))
    return np.stack(found)


def _load(encoder: Encoder) -> PreTrainedModel:
    if encoder.random_seed is None:
        return load_for_use(encoder.folder, AutoModel, cpu=encoder.cpu)
    try:
        config = AutoConfig.from_pretrained(str(encoder.folder), **LOCAL)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(encoder.random_seed)
            model: PreTrainedModel = AutoModel.from_config(config, trust_remote_code=False).float()
    except Exception as error:  # OSError, ValueError, KeyError: all mean a folder that does not fit
        raise InputError(f"{encoder.folder}: the model cannot be made: {first_line(error)}") from None
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    moved: PreTrainedModel = model.to("cpu" if encoder.cpu or accelerator is None else accelerator)  # type: ignore[arg-type]
    return moved


def _mean(hidden: Tensor, inputs: Mapping[str, Tensor], place: int) -> NDArray[np.float32]:
    seen = inputs["attention_mask"][place].unsqueeze(-1)
    vector: NDArray[np.float32] = ((hidden[place] * seen).sum(0) / seen.sum()).float().cpu().numpy()
    return vector


def _take_mean(outputs: Any, inputs: Mapping[str, Tensor], place: int) -> NDArray[np.float32]:
    return _mean(outputs.last_hidden_state, inputs, place)


def _take_cls(outputs: Any, inputs: Mapping[str, Tensor], place: int) -> NDArray[np.float32]:
    vector: NDArray[np.float32] = outputs.last_hidden_state[place, 0].float().cpu().numpy()
    return vector


def _take_last(outputs: Any, inputs: Mapping[str, Tensor], place: int) -> NDArray[np.float32]:
    # The first of hidden_states are the embeddings.
    layers = outputs.hidden_states[1:][-LAYERS:]
    vector: NDArray[np.float32] = np.mean([_mean(layer, inputs, place) for layer in layers], axis=0, dtype=np.float32)
    return vector


_TAKE: dict[Pool, Callable[[Any, Mapping[str, Tensor], int], NDArray[np.float32]]] = {
    "mean": _take_mean,
    "cls": _take_cls,
    "last4": _take_last,
}
