"""Parameters of which each process holds a part: whole tensors out of the parts, and parts out of whole tensors.

With FSDP 2 a parameter, its gradient and its moments are `DTensor`s; what ZeRO cuts is in `pretrain.moments`.
Checkpoints hold whole tensors, whoever writes and whoever reads them: so a run goes on with any number of processes,
sharded or not. All processes have to call these functions together; the main one alone needs the files and keeps what
is gathered.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import torch
from accelerate.utils import FullyShardedDataParallelPlugin
from torch import Tensor, distributed, nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy
from torch.distributed.tensor import DTensor, distribute_tensor

from pipeline.errors import InputError
from pretrain.moments import Piece

#: Where `accelerate launch` leaves what its config file says.
_ASKED, _VERSION = "ACCELERATE_USE_FSDP", "FSDP_VERSION"
_UNSUPPORTED = {"ACCELERATE_USE_MEGATRON_LM": "Megatron-LM"}


def asked_for_shards() -> bool:
    """Whether `accelerate launch` was told to shard parameters; raises InputError for ways that are not supported."""
    for name, library in _UNSUPPORTED.items():
        if _true(name):
            raise InputError(
                f"training does not run on {library}: launch it with FSDP (make: LAUNCH=fsdp), DeepSpeed "
                "(LAUNCH=deepspeed), or with neither"
            )
    if _true(_ASKED) and os.environ.get(_VERSION, "1") != "2":
        raise InputError("training runs on FSDP 2 only: write fsdp_version: 2 into accelerate's config file")
    return _true(_ASKED)


def sharding_plugin() -> FullyShardedDataParallelPlugin:
    """FSDP 2 as the config file says, with the arithmetic of DDP: autocast casts, sums over processes are float32.

    accelerate by itself would hand sharded weights, sums of gradients and losses on in bfloat16.
    """
    return FullyShardedDataParallelPlugin(mixed_precision_policy=MixedPrecisionPolicy())


def whole(tensor: Tensor | Piece) -> Tensor:
    """The tensor itself, or the whole of which this process holds a part; detached."""
    if isinstance(tensor, Piece):
        return tensor.whole()
    tensor = tensor.detach()
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def gather(tensors: Mapping[str, Tensor | Piece], *, keep: bool) -> dict[str, Tensor]:
    """Copies of the whole tensors on the CPU under their names, made one after the other; `keep` false: none."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        full = whole(tensor)
        if keep:
            found[name] = full.to("cpu", copy=True, memory_format=torch.contiguous_format)
    return found


def settle(model: nn.Module) -> None:
    """Make parameters parts again after an evaluation of `model`, the whole of what was prepared.

    A step backwards does it by itself. Until then `parameters()` are others than those that the optimiser knows.
    """
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def heard(names: list[str]) -> frozenset[str]:
    """The main process's names, on every process."""
    found: list[list[str]] = [names]
    if distributed.is_initialized():
        distributed.broadcast_object_list(found, 0)
    return frozenset(found[0])


def scatter(tensor: Tensor | None, like: Tensor) -> Tensor:
    """The main process's whole `tensor`, on every process, laid out as `like` is: a part of it, or a copy.

    Other processes' `tensor` is not looked at.
    """
    if not distributed.is_initialized():
        assert tensor is not None
        return tensor.to(like.device, like.dtype)
    main = distributed.get_rank() == 0
    if main and (tensor is None or tensor.shape != like.shape):
        raise RuntimeError(f"a tensor of shape {tuple(like.shape)} is wanted")
    full = torch.empty(like.shape, dtype=like.dtype, device=like.device)
    if main and tensor is not None:
        full.copy_(tensor)
    if isinstance(like, DTensor):
        # The parts are sent by the main process.
        part: Tensor = distribute_tensor(full, like.device_mesh, like.placements)
        return part
    distributed.broadcast(full, 0)
    return full


def _true(name: str) -> bool:
    return os.environ.get(name, "false").lower() == "true"
