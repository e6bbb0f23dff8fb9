"""An encoder's folder with the head of a task: loaded and checked, or with random weights, and written again.

What transformers would let pass in silence stops here: weights that leave the encoder random, or that it has no layer
for.
"""

from __future__ import annotations

import inspect
import json
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, PreTrainedModel, PreTrainedTokenizerBase

from finetune.kinds.kind import Kind
from pipeline.errors import InputError
from pretrain.folder import (
    CONFIG,
    LOCAL,
    TOKENIZER_CONFIG,
    check_layers,
    first_line,
    position_limit,
    tokenizer_files,
)

#: Which of two texts a token is of.
TOKEN_TYPES = "token_type_ids"
#: A tokenizer that knows no limit says 1e30.
NO_LIMIT = 1_000_000


def load_model(
    folder: Path, kind: Kind, names: Sequence[str], seed: int, *, random_weights: bool = False
) -> PreTrainedModel:
    """The folder's encoder in float32 with a new head for `names` of this kind; new weights come from `seed`.

    Raises InputError if the folder is not an encoder that transformers knows, or if its weights are not all
    there.
    """
    try:
        config = AutoConfig.from_pretrained(str(folder), **LOCAL, **kind.head(names))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if random_weights:
                untrained: PreTrainedModel = kind.loader.from_config(config, trust_remote_code=False)
                untrained.float()
                return untrained
            loaded: tuple[PreTrainedModel, dict[str, Any]]
            loaded = kind.loader.from_pretrained(
                str(folder),
                config=config,
                **LOCAL,
                use_safetensors=True,
                dtype=torch.float32,
                ignore_mismatched_sizes=True,  # another task's head may go; see _check_encoder
                output_loading_info=True,
            )
    except Exception as error:  # OSError, ValueError, KeyError, safetensors' own: all mean a folder that does not fit
        raise InputError(f"{folder}: the model cannot be loaded: {first_line(error)}") from None
    _check_encoder(folder, *loaded)
    _renew_head(loaded[0], kind, seed)
    return loaded[0]


def _renew_head(model: PreTrainedModel, kind: Kind, seed: int) -> None:
    """Draw all that is not the encoder anew: the head of another task of as many classes would fit, and stay."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = kind.loader.from_config(model.config, trust_remote_code=False)
    for name, part in fresh.named_children():
        if name != model.base_model_prefix:
            model.get_submodule(name).load_state_dict(part.state_dict())


def longest_input(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, asked: int) -> int:
    """Tokens of the longest example: `asked`, or for 0 what model and tokenizer take.

    Raises InputError if more is asked than they take, or nothing is asked and they name no limit.
    """
    limits = [limit for limit in (position_limit(model), tokenizer.model_max_length) if limit and limit < NO_LIMIT]
    if not limits:
        if not asked:
            raise InputError(f"{folder} names no longest input; set finetune.max_length")
        return asked
    if asked > min(limits):
        raise InputError(f"finetune.max_length {asked} is more than the {min(limits)} tokens that {folder} takes")
    return asked or int(min(limits))


def takes_token_types(model: PreTrainedModel) -> bool:
    """Whether it tells two texts apart by a number of each token: DistilBERT does not, RoBERTa has one number only."""
    kinds: int = getattr(model.config, "type_vocab_size", 2)
    return kinds > 1 and TOKEN_TYPES in inspect.signature(model.forward).parameters


def match_inputs(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Have the tokenizer give what the model takes: folders pair BERT's tokenizer with RoBERTa (KLUE's do), whose one
    token type a second text would be beyond."""
    if not takes_token_types(model):
        tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name != TOKEN_TYPES]


def write_model(model: PreTrainedModel, source: Path, max_length: int, folder: Path) -> None:
    """Write a Hugging Face folder: the model, and the source's tokenizer files with the longest input.

    They are copied since saving a used tokenizer adds its last truncation to it, and its class under
    transformers 5's name.
    """
    model.save_pretrained(str(folder))
    for file in tokenizer_files(source):
        shutil.copyfile(file, folder / file.name)
    path = folder / TOKENIZER_CONFIG
    config: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    config["model_max_length"] = max_length
    if not takes_token_types(model):
        names = config.get("model_input_names") or ["input_ids", "attention_mask"]
        config["model_input_names"] = [name for name in names if name != TOKEN_TYPES]
    path.write_text(json.dumps(config, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _check_encoder(folder: Path, model: PreTrainedModel, report: dict[str, Iterable[Any]]) -> None:
    """Stop if part of the encoder was left random, or left out; a head is new anyway, a pooler after MLM alone."""
    changed = [name[0] if isinstance(name, tuple) else name for name in report["mismatched_keys"]]
    absent = [*report["missing_keys"], *changed]
    lost = sorted(name for name in absent if name.startswith(f"{model.base_model_prefix}.") and ".pooler." not in name)
    if lost:
        raise InputError(
            f"{folder}: {len(lost)} of the encoder's weights are absent or of another shape, for example "
            f"{lost[0]}: {CONFIG} and weights do not belong together"
        )
    check_layers(folder, report["unexpected_keys"])
