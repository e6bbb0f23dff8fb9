"""Attention over a packed batch: sequences of different lengths one after another, with no padding between them.

The encoder stays Hugging Face's, code and weights: these functions are entered into transformers' attention interface
and get, with the tensors of a batch of one row, the keyword arguments that `BertModel.forward` was called with:

    bounds  (n + 1,) int32    where each sequence begins; the last one is the number of tokens
    slots   (tokens,) int64   each token's place in the padded batch, its rows one after another
    grid    (n, width) bool   where that has tokens; no sequence is longer than `width`

Two ways to compute the same: torch's kernel for sequences of different lengths (CUDA from compute capability 8.0, 16
bits, no dropout of attention probabilities), or `scaled_dot_product_attention`, which is exact anywhere: sequence by
sequence on a CPU, elsewhere padded for attention alone.
"""

from __future__ import annotations

from contextlib import suppress
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, BertForPreTraining

varlen_attn: Any = None
with suppress(ImportError):  # before torch 2.10
    from torch.nn.attention.varlen import varlen_attn
if varlen_attn is not None and "scale" not in signature(varlen_attn).parameters:  # the first ones had none
    varlen_attn = None

#: The names that transformers knows them by.
VARLEN, EXACT = "hanbeot_varlen", "hanbeot_unpadded"


def take_unpadded(model: BertForPreTraining, device: torch.device, *, half: bool) -> str:
    """Make a model take packed batches, and no others, from now on; says which way attention is computed.

    `half`: whether it is trained with 16-bit floats.
    """
    dropout = model.config.attention_probs_dropout_prob
    if device.type != "cuda":
        name, told = EXACT, "by scaled_dot_product_attention"
    elif dropout:
        name, told = EXACT, f"padded, as the kernel without padding has no model.attention_probs_dropout_prob {dropout}"
    elif not half or varlen_attn is None or torch.cuda.get_device_capability(device) < (8, 0):
        name, told = EXACT, "padded, as the kernel without padding wants 16 bits, compute capability 8.0, torch 2.12"
    else:
        name, told = VARLEN, "by the kernel for sequences of different lengths"
    model.set_attn_implementation(name)
    return told


def attend_varlen(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **named: Any
) -> tuple[Tensor, None]:
    """Like `attend_exact`, by torch's kernel. Raises ValueError for dropout, which it does not have."""
    bounds, _, grid = _packed(named)
    if named.get("dropout"):
        raise ValueError("attention without padding has no dropout: model.attention_probs_dropout_prob has to be 0")
    width = grid.shape[1]
    tokens = [side[0].transpose(0, 1) for side in (query, key, value)]
    return varlen_attn(*tokens, bounds, bounds, width, width, scale=named.get("scaling"))[None], None


def attend_exact(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **named: Any
) -> tuple[Tensor, None]:
    """query, key, value (1, heads, tokens, size) -> what each token takes from those of its own sequence, (1, tokens,
    heads, size). Raises ValueError for a batch that is not packed."""
    bounds, slots, grid = _packed(named)
    options = {"dropout_p": named.get("dropout", 0.0), "scale": named.get("scaling")}
    if query.device.type == "cpu" and not torch.compiler.is_compiling():
        # Three fifths of the time of the padded way at block 512, and no slower at 128.
        lengths = bounds.diff().tolist()
        parts = zip(*(side.split(lengths, dim=2) for side in (query, key, value)), strict=True)
        return torch.cat([scaled_dot_product_attention(*part, **options) for part in parts], dim=2).transpose(
            1, 2
        ), None
    query, key, value = (_padded(side, slots, grid) for side in (query, key, value))
    mixed = scaled_dot_product_attention(query, key, value, attn_mask=grid[:, None, None, :], **options)
    return mixed.transpose(1, 2).flatten(0, 1).index_select(0, slots)[None], None


def _padded(side: Tensor, slots: Tensor, grid: Tensor) -> Tensor:
    """(1, heads, tokens, size) -> (n, heads, width, size), zeros where there is no token."""
    tokens = side[0].transpose(0, 1)
    room = tokens.new_zeros(grid.numel(), *tokens.shape[1:]).index_copy(0, slots, tokens)
    return room.view(*grid.shape, *tokens.shape[1:]).transpose(1, 2)


def _packed(named: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
    try:
        return named["bounds"], named["slots"], named["grid"]
    except KeyError:
        raise ValueError("this model takes packed batches only: see pretrain.layout") from None


AttentionInterface.register(VARLEN, attend_varlen)
AttentionInterface.register(EXACT, attend_exact)
