"""A smaller BERT cut out of a larger one: fewer layers, a narrower stream, fewer heads and neurons, other positions.

Layers are kept evenly over the depth, the first and the last always: 6 of 12 are 0 2 4 7 9 11, those of DistilBERT
(Sanh et al. 2019). The residual stream is one space for the whole net, so one set of its dimensions is kept everywhere;
heads stay whole, and each layer keeps its own heads and neurons. What is kept is what is read with most weight, by the
norm of the weights (structured pruning by magnitude, as Li et al. 2017 for filters), times the size of what is read.

No data is looked at, so a narrow cut costs much: layer norms measure what is left, not what there was. Of a small model
(2 layers of 128, held-out MLM loss 6.0; random weights 9.0) half the layers begin at 6.1, half the neurons at 6.0, half
the width at 7.4, where the choice of dimensions is worth 0.03 to 0.18 nats over others after 60 steps.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import BertConfig

from pipeline.errors import InputError

Weights = Mapping[str, Tensor]

_LAYER = re.compile(r"bert\.encoder\.layer\.(\d+)\.(.*)")
#: Which axes of a weight are the stream (H), the heads side by side (A), the neurons (I); "." is none of them.
_AXES = tuple(
    (re.compile(pattern), axes)
    for pattern, axes in (
        (r"(query|key|value)\.weight", "AH"),
        (r"(query|key|value)\.bias", "A"),
        (r"attention\.output\.dense\.weight", "HA"),
        (r"intermediate\.dense\.weight", "IH"),
        (r"intermediate\.dense\.bias", "I"),
        (r"layer\.\d+\.output\.dense\.weight", "HI"),
        (r"(pooler|transform)\.dense\.weight", "HH"),
        (r"_embeddings\.weight|seq_relationship\.weight", ".H"),
        (r"(LayerNorm\.(weight|bias)|(output|pooler|transform)\.dense\.bias)", "H"),
        (r"(predictions|seq_relationship)\.bias", "."),
    )
)


@dataclass(frozen=True)
class Cut:
    """Weights of the new shape, and which layers of the source they are."""

    weights: dict[str, Tensor]
    layers: tuple[int, ...]


def cut(weights: Weights, old: BertConfig, new: BertConfig) -> Cut:
    """The weights of a BERT of shape `old` for one of shape `new`, all but the rows of words and positions.

    Raises InputError naming the key of the recipe where `new` is larger, or has heads of another size.
    """
    for name in ("num_hidden_layers", "hidden_size", "intermediate_size"):
        if getattr(new, name) > getattr(old, name):
            raise InputError(
                f"model.{name} {getattr(new, name)} is more than the {getattr(old, name)} of train.init_from: "
                "a model can begin from one as large or larger"
            )
    size, asked = (shape.hidden_size // shape.num_attention_heads for shape in (old, new))
    if size != asked:
        raise InputError(
            f"model.hidden_size {new.hidden_size} over model.num_attention_heads {new.num_attention_heads} makes heads "
            f"of {asked}, those of train.init_from are of {size}: keep hidden_size / num_attention_heads at {size}"
        )
    kept = layers_kept(old.num_hidden_layers, new.num_hidden_layers)
    return Cut(_narrowed(_shallower(weights, kept), old, new), kept)


def layers_kept(source: int, target: int) -> tuple[int, ...]:
    """The `target` layers of `source` that are kept, evenly spread, first and last among them; of one, the first.

    >>> layers_kept(12, 6), layers_kept(12, 4), layers_kept(12, 1)
    ((0, 2, 4, 7, 9, 11), (0, 4, 7, 11), (0,))
    """
    gaps = max(target - 1, 1)
    return tuple((2 * number * (source - 1) + gaps) // (2 * gaps) for number in range(target))


def _shallower(weights: Weights, kept: tuple[int, ...]) -> dict[str, Tensor]:
    found = {}
    for name, tensor in weights.items():
        if not (match := _LAYER.fullmatch(name)):
            found[name] = tensor
        elif int(match[1]) in kept:
            found[f"bert.encoder.layer.{kept.index(int(match[1]))}.{match[2]}"] = tensor
    return found


def _narrowed(weights: dict[str, Tensor], old: BertConfig, new: BertConfig) -> dict[str, Tensor]:
    layers, size = new.num_hidden_layers, new.hidden_size // new.num_attention_heads
    if new.hidden_size < old.hidden_size:
        dimensions = _largest(_reading(weights, layers), new.hidden_size)
        weights = {name: _taken(name, tensor, "H", dimensions) for name, tensor in weights.items()}
    for layer in range(layers):
        place = f"bert.encoder.layer.{layer}."
        chosen = {}
        if new.num_attention_heads < old.num_attention_heads:
            heads = _largest(_heads(weights, place, size), new.num_attention_heads)
            chosen["A"] = (heads[:, None] * size + torch.arange(size)).flatten()
        if new.intermediate_size < old.intermediate_size:
            chosen["I"] = _largest(_neurons(weights, place), new.intermediate_size)
        for axis, indices in chosen.items():
            inside = [name for name in weights if name.startswith(place)]
            weights |= {name: _taken(name, weights[name], axis, indices) for name in inside}
    return weights


def _reading(weights: Weights, layers: int) -> Tensor:
    """(hidden,) The weight with which each dimension of the stream is read, summed over all that reads it.

    A layer norm gives a dimension the mean square weight**2 + bias**2; times the squared norm of its column in the
    matrix behind. Each matrix has the same say: its column counts as a share of all its columns.
    """
    blocks = [f"bert.encoder.layer.{layer}." for layer in range(layers)]
    readers: list[tuple[str, list[str]]] = []
    norms = ["bert.embeddings.LayerNorm.", *(f"{block}output.LayerNorm." for block in blocks)]
    for norm, block in zip(norms, blocks, strict=False):
        readers.append((norm, [f"{block}attention.self.{part}.weight" for part in ("query", "key", "value")]))
        readers.append((f"{block}attention.output.LayerNorm.", [f"{block}intermediate.dense.weight"]))
    readers.append((norms[-1], ["bert.pooler.dense.weight", "cls.predictions.transform.dense.weight"]))
    readers.append(("cls.predictions.transform.LayerNorm.", ["bert.embeddings.word_embeddings.weight"]))
    total = torch.zeros(len(weights[f"{norms[0]}weight"]), dtype=torch.float64)
    for norm, matrices in readers:
        for matrix in (name for name in matrices if name in weights and f"{norm}weight" in weights):
            square = weights[f"{norm}weight"].double() ** 2 + weights[f"{norm}bias"].double() ** 2
            read = square * weights[matrix].double().square().sum(0)
            total += read / read.sum().clamp_min(1e-300)
    return total


def _heads(weights: Weights, place: str, size: int) -> Tensor:
    """(heads,) Norm of the values of each head of a layer times that of the weights that read them."""
    values = weights[f"{place}attention.self.value.weight"].double().square().sum(1)
    read = weights[f"{place}attention.output.dense.weight"].double().square().sum(0)
    return values.view(-1, size).sum(1) * read.view(-1, size).sum(1)


def _neurons(weights: Weights, place: str) -> Tensor:
    """(intermediate,) Norm of the weights into each neuron of a layer times that of the weights out of it."""
    into = weights[f"{place}intermediate.dense.weight"].double().square().sum(1)
    bias = weights[f"{place}intermediate.dense.bias"].double().square()
    return (into + bias) * weights[f"{place}output.dense.weight"].double().square().sum(0)


def _largest(importance: Tensor, count: int) -> Tensor:
    """The indices of the `count` largest, in their order; among equal ones the first."""
    return importance.argsort(descending=True, stable=True)[:count].sort().values


def _taken(name: str, tensor: Tensor, axis: str, indices: Tensor) -> Tensor:
    axes = next(axes for pattern, axes in _AXES if pattern.search(name))
    for place, kind in enumerate(axes):
        if kind == axis:
            tensor = tensor.index_select(place, indices)
    return tensor
