"""ZeRO stages 1 and 2 (Rajbhandari et al. 2020) by DeepSpeed's engine, behind accelerate's interface.

Each process has all weights; of the optimiser's state, and at stage 2 of the gradients, it has a part. The engine
clips and steps within the backward pass of a step's last micro-batch, so what it is to do is
said before that: how far to clip, and which micro-batch is the last. DeepSpeed itself is imported by accelerate alone,
and only when a run is launched with it.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import AutocastKwargs, DeepSpeedPlugin, is_deepspeed_available
from torch import Tensor, nn

from pipeline.errors import InputError

#: Where `accelerate launch` leaves what its config file says.
_ASKED, _STAGE, _FILE = (
    "ACCELERATE_USE_DEEPSPEED",
    "ACCELERATE_DEEPSPEED_ZERO_STAGE",
    "ACCELERATE_DEEPSPEED_CONFIG_FILE",
)
_OFFLOADS = ("ACCELERATE_DEEPSPEED_OFFLOAD_OPTIMIZER_DEVICE", "ACCELERATE_DEEPSPEED_OFFLOAD_PARAM_DEVICE")
#: Numbers that are added up over processes at once: 200 MB. DeepSpeed's own half a billion would be 2 GB.
_BUCKET = 50_000_000


def asked_for_zero() -> bool:
    """Whether `accelerate launch` was told to use DeepSpeed; raises InputError for what does not work with it."""
    if os.environ.get(_ASKED, "false").lower() != "true":
        return False
    if os.environ.get(_FILE, "none") != "none":
        raise InputError(
            "DeepSpeed's own config file is not read, training sets what would stand in it: write zero_stage into "
            "accelerate's (pretrain/launch/deepspeed.yaml), without deepspeed_config_file"
        )
    stage = os.environ.get(_STAGE, "2")
    if stage not in ("1", "2"):
        instead = "FSDP cuts weights too (make: LAUNCH=fsdp)" if stage == "3" else "DDP cuts nothing (make: LAUNCH=ddp)"
        raise InputError(f"training runs on DeepSpeed's ZeRO stages 1 and 2, zero_stage is {stage}: {instead}")
    if any(os.environ.get(name, "none") != "none" for name in _OFFLOADS):
        raise InputError("training with DeepSpeed does not offload: leave offload_..._device out of accelerate's file")
    if not is_deepspeed_available():
        raise InputError("DeepSpeed is not installed: pip install 'hanbeot[deepspeed]'")
    return True


class ZeroAccelerator(Accelerator):
    """accelerate with DeepSpeed's engine and the arithmetic of DDP: autocast casts, all that is kept or added up over
    processes is float32.

    DeepSpeed by itself would keep weights, and accelerate tell it to, in `precision`. Norms of gradients that are
    above `max_grad_norm` are scaled down to it (0: none are).
    """

    def __init__(self, *, precision: str, cpu: bool, max_grad_norm: float) -> None:
        self.precision, self.max_grad_norm = precision, max_grad_norm
        self.plugin = DeepSpeedPlugin()
        super().__init__(mixed_precision="no", cpu=cpu, deepspeed_plugin=self.plugin)

    @property
    def mixed_precision(self) -> str:
        """`no` or `bf16`."""
        return self.precision

    def prepare(self, *prepared: Any, **flags: Any) -> Any:
        """accelerate's, under the engine's settings."""
        # torch's, of what the engine calls it by.
        warnings.filterwarnings("ignore", r".*torch\.distributed\..* is deprecated", FutureWarning)
        self.plugin.deepspeed_config.update(
            # The loop makes micro-batches, as many as it wants, and divides their losses: this is of no effect.
            train_micro_batch_size_per_gpu=1,
            gradient_accumulation_steps=1,
            gradient_clipping=self.max_grad_norm,
            # The engine would switch off an autocast that it is not told of, and add up in 16 bits what modules named
            # here have.
            torch_autocast={
                "enabled": self.precision == "bf16",
                "dtype": "bfloat16",
                "lower_precision_safe_modules": [],
            },
            # These wait for the device in each forward pass.
            timers={"throughput": {"enabled": False}},
        )
        self.plugin.deepspeed_config["zero_optimization"]["reduce_bucket_size"] = _BUCKET
        return super().prepare(*prepared, **flags)

    @contextmanager
    def autocast(self, autocast_handler: AutocastKwargs | None = None) -> Iterator[None]:
        """As accelerate's without DeepSpeed: an evaluation does not ask the engine."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            yield

    @contextmanager
    def no_sync(self, model: nn.Module) -> Iterator[None]:
        """For micro-batches before a step's last: the engine does not step. At stage 2 it adds up gradients all the
        same, so that each process keeps its part of them alone."""
        self.sync_gradients = False
        try:
            yield
        finally:
            self.sync_gradients = True

    def clip_grad_norm_(self, parameters: Iterable[Tensor], max_norm: float, norm_type: float = 2) -> Tensor:
        """The norm before it was scaled down, which is done; infinite if there were gradients that are no numbers:
        then the engine did not step."""
        norm = self.deepspeed_engine_wrapped.engine.get_global_grad_norm()
        return torch.as_tensor(norm, device=self.device)
