"""Where a run begins: random weights, or those of a folder (`train.init_from`), fitted to the recipe's shape and words.

What the folder and the run have in common is copied; layers, width and positions are cut (`pretrain.cut`), the rows of
another vocabulary mapped (`tokenizer.transfer`); what the folder lacks is drawn from the seed as in a run from
nothing. All of it is told, and kept in `start.json` beside the run.

The folder is an input of the run by its content: moved it is the same, changed it is another, and the run is refused.
Once there is a checkpoint the folder may be gone, since its weights are not needed any more: the run goes on, with a
warning that nothing could be compared.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from transformers import BertConfig, BertForPreTraining

from pipeline.console import table, warn
from pipeline.errors import InputError
from pipeline.files import hash_file, write_atomic
from pretrain.carried import KEPT, told
from pretrain.cut import cut
from pretrain.draws import WEIGHTS, stream
from pretrain.model import new_model
from pretrain.positions import grown
from pretrain.prepared import Prepared
from pretrain.rundir import RUN
from pretrain.settings import TrainSettings
from pretrain.source import BIAS, TYPES, WORDS, Source, open_source, source_files
from tokenizer.transfer import Transfer, transfer

#: What a run that began from a folder began with: what was carried, and what of the folder's configuration it keeps.
START = "start.json"
#: The inputs of a run's key that are files of the folder.
_INPUT = "start "
_POSITIONS = "bert.embeddings.position_embeddings.weight"
_BEGINS = "train.init_from"


@dataclass(frozen=True)
class Start:
    """A model as a run begins with it, and what became of each part of the folder: (part, words)."""

    model: BertForPreTraining
    carried: tuple[tuple[str, str], ...]


def start_settings(settings: TrainSettings) -> dict[str, str]:
    """What stands for `init_from` in a run's key: not the path, since the folder's content is among the inputs."""
    return {"init_from": "the folder among the inputs" if settings.init_from else ""}


def start_inputs(settings: TrainSettings, run: Path) -> dict[str, str]:
    """The files that a run begins from, for its key: `start model.safetensors` -> sha256.

    Of a folder that is gone, those noted in `run`, the run's own folder. Raises InputError for a folder that is none
    of a model, or that is gone before the run began.
    """
    if not settings.init_from:
        return {}
    folder = Path(settings.init_from)
    if not folder.exists() and (noted := _noted_inputs(run)):
        return noted
    return {f"{_INPUT}{path.name}": hash_file(path) for path in source_files(folder)}


def starting_model(
    config: BertConfig,
    sinusoidal_range: float,
    settings: TrainSettings,
    prepared: Prepared,
    run: Path,
    *,
    noted: dict[str, object] | None,
    tell: bool,
) -> BertForPreTraining:
    """The model that a run begins with; for one that is resumed, of the configuration that was `noted`, to be filled.

    With `tell` (the main process) what was carried is printed and written into `run`.
    """
    if not settings.init_from:
        return new_model(config, settings.seed, sinusoidal_range)
    folder = Path(settings.init_from)
    if noted is not None:
        if tell and not folder.exists():
            warn(f"{_BEGINS}: {folder} is gone and could not be compared; going on from the checkpoint")
        return new_model(_with(config, noted), settings.seed)
    vocabulary = Tokenizer.from_buffer(prepared.tokenizer_files["tokenizer.json"])
    try:
        start = start_from(open_source(folder), config, settings.seed, vocabulary)
    except InputError:
        if tell:
            _give_up(run)
        raise
    if tell:
        kept = {name: getattr(start.model.config, name) for name in KEPT}
        note = {"folder": str(folder), "config": kept, "carried": dict(start.carried)}
        write_atomic(run / START, json.dumps(note, indent=1, ensure_ascii=False) + "\n")
        unused = [("sinusoidal_range", "not used: the folder has positions")] if sinusoidal_range else []
        table(f"pretrain begins from {folder}", ("part", "begins as"), [*start.carried, *unused])
    return start.model


def start_from(source: Source, config: BertConfig, seed: int, vocabulary: Tokenizer) -> Start:
    """A model of shape `config` over `vocabulary` that begins as `source`; new weights come from `seed`.

    Raises InputError where the source is smaller than asked, or its vocabulary cannot be mapped.
    """
    found = cut(source.weights, source.config, config)
    mapped = _mapped(source.tokenizer, vocabulary)
    weights = dict(found.weights)
    for number, name in enumerate((WORDS, BIAS), start=1):
        if name in weights:
            draws = int(stream(seed, WEIGHTS, number))
            weights[name] = torch.from_numpy(mapped.initial_rows(weights[name].numpy(), draws))
    weights[_POSITIONS] = grown(weights[_POSITIONS], config.max_position_embeddings)
    model = new_model(_with(config, source.config.to_dict()), seed)
    _fill(model, weights)
    return Start(model, tuple(told(source, found, mapped, model.config, vocabulary)))


@torch.no_grad()
def _fill(model: BertForPreTraining, weights: dict[str, Tensor]) -> None:
    for name, parameter in model.named_parameters():
        if name in weights:
            given = weights[name]
            # Rows of segment types may be fewer or more than two; all else is of the model's shape by now.
            rows = min(len(given), len(parameter)) if name == TYPES else len(parameter)
            parameter[:rows].copy_(given[:rows] if name == TYPES else given)


def _give_up(run: Path) -> None:
    """Leave no claim on the folder of a run that could not begin, so that it can be begun otherwise."""
    if [path.name for path in run.iterdir()] == [RUN]:
        (run / RUN).unlink()
        run.rmdir()


def _mapped(old: Tokenizer, new: Tokenizer) -> Transfer:
    entries = new.get_vocab(with_added_tokens=True)
    if old.get_vocab(with_added_tokens=True) == entries:
        size = len(entries)
        return Transfer(np.arange(size), ((),) * size, (), size)
    return transfer(old, new)


def _with(config: BertConfig, given: dict[str, object]) -> BertConfig:
    changed = deepcopy(config)
    for name in KEPT:
        setattr(changed, name, given[name])
    return changed


def _noted_inputs(run: Path) -> dict[str, str]:
    try:
        inputs = json.loads((run / RUN).read_text("utf-8"))["inputs"]
        return {name: digest for name, digest in inputs.items() if name.startswith(_INPUT)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def noted_config(settings: TrainSettings, run: Path) -> dict[str, object]:
    """What of its folder's configuration a run that is resumed keeps; {} for one from random weights. Raises InputError
    if that was damaged."""
    if not settings.init_from:
        return {}
    path = run / START
    try:
        kept = dict(json.loads(path.read_text("utf-8"))["config"])
        return {name: kept[name] for name in KEPT}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is absent or damaged ({error}): delete {run}, or give this run another NAME"
        ) from None
