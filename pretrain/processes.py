"""The processes of a run: what accelerate makes of them, and which part each takes."""

from __future__ import annotations

import argparse
import os

import torch
from accelerate import Accelerator

from pipeline.errors import InputError
from pretrain.dataset import Share
from pretrain.schedule import Schedule
from pretrain.settings import TrainSettings
from pretrain.sharded import asked_for_shards, sharding_plugin


def share_of(
    schedule: Schedule, settings: TrainSettings, accelerator: Accelerator, arguments: argparse.Namespace
) -> Share:
    """This process's part, by the phase whose batch has the most tokens."""
    processes = accelerator.num_processes
    least = min(phase.batch_size for phase in schedule.phases)
    if least < processes:
        raise InputError(f"a batch of {least} (train.batch_size) is less than the {processes} processes")
    if accelerator.is_fsdp2:
        _check_sharded(schedule, settings, processes)
    largest = max(
        -(-(-(-phase.batch_size // processes) * phase.block_size) // schedule.longest_block)
        for phase in schedule.phases
    )
    return Share(accelerator.process_index, processes, arguments.micro_batch or largest, arguments.workers)


def _check_sharded(schedule: Schedule, settings: TrainSettings, processes: int) -> None:
    """Raise InputError for what FSDP, whose processes hold parts of the parameters, does not do."""
    for phase in schedule.phases:
        if phase.batch_size % processes:
            raise InputError(
                f"a batch of {phase.batch_size} (train.batch_size) is no multiple of the {processes} processes, "
                "as FSDP needs it"
            )
    if settings.optimizer == "muon":
        raise InputError("Muon needs whole matrices, FSDP cuts them: train.optimizer=adamw, or launch without FSDP")
    if settings.grow_positions and len(schedule.phases) > 1:
        raise InputError("positions are not grown under FSDP: train.grow_positions=false, or launch without FSDP")


def take_part(arguments: argparse.Namespace) -> Accelerator:
    """accelerate's view of this process; raises InputError if several were launched that do not see each other."""
    # Unless told that it is the CPU, several processes on a machine without an accelerator would each train alone.
    cpu = arguments.cpu or not torch.accelerator.is_available()
    precision = arguments.precision
    if precision == "auto":
        precision = "bf16" if not cpu and torch.cuda.is_available() and torch.cuda.is_bf16_supported() else "no"
    shards = asked_for_shards()
    accelerator = Accelerator(mixed_precision=precision, cpu=cpu, fsdp_plugin=sharding_plugin() if shards else None)
    if shards and not accelerator.is_fsdp2:
        raise InputError("FSDP needs accelerators, and accelerate sees none: launch it without (make: no LAUNCH=fsdp)")
    launched = int(os.environ.get("WORLD_SIZE", "1"))
    if accelerator.num_processes != launched:
        raise InputError(
            f"{launched} processes were launched but {accelerator.num_processes} take part: check the launcher"
        )
    return accelerator
