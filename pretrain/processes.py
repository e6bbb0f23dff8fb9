"""The processes of a run: what accelerate makes of them, and which part each takes."""

from __future__ import annotations

import argparse
import os

import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType

from pipeline.errors import InputError
from pretrain.dataset import Share
from pretrain.schedule import Schedule
from pretrain.settings import TrainSettings
from pretrain.sharded import asked_for_shards, sharding_plugin
from pretrain.zero import ZeroAccelerator, asked_for_zero


def share_of(
    schedule: Schedule, settings: TrainSettings, accelerator: Accelerator, arguments: argparse.Namespace
) -> Share:
    """This process's part, by the phase whose batch has the most tokens."""
    processes = accelerator.num_processes
    least = min(phase.batch_size for phase in schedule.phases)
    if least < processes:
        raise InputError(f"a batch of {least} (train.batch_size) is less than the {processes} processes")
    if accelerator.is_fsdp2 or isinstance(accelerator, ZeroAccelerator):
        _check_cut(schedule, settings, processes, "FSDP" if accelerator.is_fsdp2 else "DeepSpeed")
    largest = max(
        -(-(-(-phase.batch_size // processes) * phase.block_size) // schedule.longest_block)
        for phase in schedule.phases
    )
    return Share(accelerator.process_index, processes, arguments.micro_batch or largest, arguments.workers)


def _check_cut(schedule: Schedule, settings: TrainSettings, processes: int, way: str) -> None:
    """Raise InputError for what a way of running whose processes hold parts does not do."""
    for phase in schedule.phases:
        if phase.batch_size % processes:
            raise InputError(
                f"a batch of {phase.batch_size} (train.batch_size) is no multiple of the {processes} processes, "
                f"as {way} needs it"
            )
    if settings.optimizer == "muon":
        raise InputError(f"Muon needs whole matrices, {way} cuts them: train.optimizer=adamw, or launch without {way}")
    if settings.grow_positions and len(schedule.phases) > 1:
        raise InputError(f"positions are not grown under {way}: train.grow_positions=false, or launch without {way}")


def take_part(arguments: argparse.Namespace, settings: TrainSettings) -> Accelerator:
    """accelerate's view of this process; raises InputError if several were launched that do not see each other."""
    # Unless told that it is the CPU, several processes on a machine without an accelerator would each train alone.
    cpu = arguments.cpu or not torch.accelerator.is_available()
    precision = arguments.precision
    if precision == "auto":
        precision = "bf16" if not cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"
    accelerator = _accelerator(precision, cpu, settings)
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if accelerator.num_processes != launched:
        raise InputError(
            f"{launched} processes were launched but {accelerator.num_processes} take part: check the launcher"
        )
    return accelerator


def _accelerator(precision: str, cpu: bool, settings: TrainSettings) -> Accelerator:
    """As `accelerate launch` was told to run; raises InputError where accelerate would quietly not do so."""
    shards, zero = asked_for_shards(), asked_for_zero()
    accelerator: Accelerator
    if zero:
        accelerator = ZeroAccelerator(precision=precision, cpu=cpu, max_grad_norm=settings.max_grad_norm)
    else:
        accelerator = Accelerator(mixed_precision=precision, cpu=cpu, fsdp_plugin=sharding_plugin() if shards else None)
    for way, asked, works in (
        ("FSDP", shards, accelerator.is_fsdp2),
        ("DeepSpeed", zero, accelerator.distributed_type == DistributedType.DEEPSPEED),
    ):
        if asked and not works:
            raise InputError(
                f"{way} needs accelerators, and accelerate sees none: launch it without (make: no LAUNCH={way.lower()})"
            )
    return accelerator
