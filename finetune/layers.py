"""A model's layers, whatever its architecture: which weights belong to which, which are trained, at what rate.

Depth counts from the bottom: 0 are the embeddings, 1 to n the layers, n + 1 the head, the pooler with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR
from transformers import PreTrainedModel

from finetune.settings import FinetuneSettings
from pipeline.errors import InputError


def encoder_layers(model: PreTrainedModel) -> tuple[str, nn.ModuleList]:
    """The name and the list of the encoder's layers; raises InputError if it has none or shares one among all."""
    wanted = getattr(model.config, "num_hidden_layers", 0)
    lists = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.ModuleList) and len(module) == wanted and wanted
    }
    if not lists:
        raise InputError(
            f"{model.config.model_type}: its layers cannot be told apart, so train_layers, gradual_unfreezing, "
            "layer_decay and reinit_layers cannot be used"
        )
    name = min(lists, key=len)
    return name, lists[name]


def depth_of(weight: str, model: PreTrainedModel, layers: str, count: int) -> int:
    """How deep the weight of this name lies."""
    if weight.startswith(f"{layers}."):
        return 1 + int(weight[len(layers) + 1 :].partition(".")[0])
    below = weight.startswith(f"{model.base_model_prefix}.") and "embedding" in weight
    return 0 if below else count + 1


def check_ways(model: PreTrainedModel, settings: FinetuneSettings) -> tuple[str, ...]:
    """What a user should know of the ways asked for; raises InputError for more layers than the model has."""
    asked = {"train_layers": settings.train_layers, "reinit_layers": settings.reinit_layers}
    if max(asked.values()) <= 0 and settings.train_layers < 0 and not settings.gradual_unfreezing:
        return ()
    layers = len(encoder_layers(model)[1])
    for name, count in asked.items():
        if count > layers:
            raise InputError(f"finetune.{name} {count}: the model has {layers} layers; set it lower")
    reached = settings.epochs - 1
    wanted = layers + 1 if settings.train_layers < 0 else settings.train_layers
    if not settings.gradual_unfreezing or reached >= wanted:
        return ()
    return (
        f"gradual_unfreezing: {settings.epochs} epochs come down to {reached} of {layers} layers; "
        f"{wanted + 1} epochs would train all",
    )


def reinitialise(model: PreTrainedModel, count: int, seed: int) -> None:
    """Give the top `count` layers new weights; raises InputError if there are not so many."""
    name, layers = encoder_layers(model)
    if count > len(layers):
        raise InputError(f"finetune.reinit_layers {count}: the model has {len(layers)} layers")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = dict(type(model)(model.config).named_modules())[name]
    for place in range(len(layers) - count, len(layers)):
        layers[place].load_state_dict(fresh.get_submodule(str(place)).state_dict())


def freeze(model: PreTrainedModel, train_layers: int) -> None:
    """Train the top `train_layers` layers and the head; raises InputError if there are not so many."""
    name, layers = encoder_layers(model)
    if train_layers > len(layers):
        raise InputError(f"finetune.train_layers {train_layers}: the model has {len(layers)} layers; -1 trains all")
    for weight, values in model.named_parameters():
        values.requires_grad = depth_of(weight, model, name, len(layers)) > len(layers) - train_layers


def optimiser(model: PreTrainedModel, settings: FinetuneSettings, decayed: Sequence[str]) -> AdamW:
    """AdamW over the weights that are trained; those named in `decayed` decay. A group knows its `depth`."""
    by_layer = settings.layer_decay < 1 or settings.gradual_unfreezing
    name, layers = encoder_layers(model) if by_layer else ("", nn.ModuleList())
    groups: dict[tuple[int, bool], list[nn.Parameter]] = {}
    for weight, values in model.named_parameters():
        if values.requires_grad:
            depth = depth_of(weight, model, name, len(layers)) if by_layer else 1
            groups.setdefault((depth, weight in decayed), []).append(values)
    head = len(layers) + 1
    return AdamW(
        [
            {
                "params": values,
                "depth": depth,
                "weight_decay": settings.weight_decay if decays else 0.0,
                "lr": settings.learning_rate * settings.layer_decay ** (head - depth),
            }
            for (depth, decays), values in sorted(groups.items(), key=lambda item: item[0])
        ],
        lr=settings.learning_rate,
        betas=(0.9, 0.999),
        eps=1e-6,
    )


def schedule(optimizer: AdamW, settings: FinetuneSettings, steps: int, warmup: int) -> LambdaLR:
    """The rate rises over `warmup` steps and falls to 0 at `steps`; of a layer not yet trained it is 0.

    A rate of 0 instead of a frozen weight: processes that train together agree at the start on which weights they
    exchange gradients of.
    """
    head = max(group["depth"] for group in optimizer.param_groups)
    epoch = steps / settings.epochs

    def rate(step: int, depth: int) -> float:
        if settings.gradual_unfreezing and step < (head - depth) * epoch:
            return 0.0
        if step < warmup:
            return step / max(warmup, 1)
        return max(0.0, (steps - step) / max(steps - warmup, 1))

    def of(depth: int) -> object:
        return lambda step: rate(step, depth)

    return LambdaLR(optimizer, [of(group["depth"]) for group in optimizer.param_groups])  # type: ignore[misc]
