"""`pretrain.train` with DeepSpeed on CPUs, where accelerate would quietly leave it out.

DeepSpeed's own engine works there too, over gloo; only the state that accelerate keeps has to say so, and the kernel
for sums in shared memory, which would be compiled, has to stay away. Everything else, the config file that ships
included, is what runs on accelerators. It looks on the way that the optimiser keeps a part, that weights and sums over
processes are float32, and how often gradients are added up: at stage 1 once a step, at stage 2 in each micro-batch.
"""

import os
import sys

os.environ["DS_ACCELERATOR"] = "cpu"

import torch
from accelerate import PartialState
from accelerate.utils import DistributedType
from deepspeed import comm

from pipeline.stage import run_stage
from pretrain import processes, train
from pretrain.zero import ZeroAccelerator

STAGE = int(os.environ["ACCELERATE_DEEPSPEED_ZERO_STAGE"])
seen = {"steps": 0, "backwards": 0, "entered": 0, "reduced": 0}


class OnCpu(ZeroAccelerator):
    def __init__(self, **flags) -> None:
        super().__init__(**flags)
        assert self.distributed_type != DistributedType.DEEPSPEED, "this stand-in is no longer needed"
        self.plugin.set_mixed_precision("no")
        self.plugin.select(_from_accelerator_state=True)
        self.state.distributed_type = DistributedType.DEEPSPEED
        self.state.deepspeed_plugins = self.plugin
        # As accelerate does: each new look at the state begins with what stands here.
        PartialState._shared_state["distributed_type"] = DistributedType.DEEPSPEED

    def prepare(self, model, optimizer):
        engine, wrapped = super().prepare(model, optimizer)
        self.model, self.optimizer, self.engine = model, optimizer, engine
        assert engine.zero_optimization_stage() == STAGE
        # Without it the engine would switch off autocast on accelerators, and there alone.
        assert engine.torch_autocast_enabled() == (self.mixed_precision == "bf16")
        engine.optimizer.enter_backward = counting(engine.optimizer.enter_backward, "entered")
        return engine, wrapped

    def backward(self, loss, **flags):
        super().backward(loss, **flags)
        seen["backwards"] += 1

    def clip_grad_norm_(self, parameters, *rest):
        norm = super().clip_grad_norm_(parameters, *rest)
        seen["steps"] += 1
        numbers = sum(parameter.numel() for parameter in self.model.parameters())
        kept = sum(tensor.numel() for state in self.optimizer.state.values() for tensor in state.values())
        assert 0 < kept <= 2 * numbers / self.num_processes + 100, (kept, numbers)
        assert self.engine.global_steps == seen["steps"] and self.engine.was_step_applied()
        assert all(parameter.dtype == torch.float32 for parameter in self.model.parameters())
        return norm


def counting(call, name):
    """`call`, counted; of sums over processes those of gradients alone, the others are of a few numbers."""

    def counted(*arguments, **flags):
        if not arguments or arguments[0].numel() > 1000:
            assert not arguments or arguments[0].dtype == torch.float32
            seen[name] += 1
        return call(*arguments, **flags)

    return counted


if __name__ == "__main__":
    processes.ZeroAccelerator = OnCpu
    sys.modules["deepspeed.comm.torch"].build_shm_op = lambda: None
    comm.all_reduce = counting(comm.all_reduce, "reduced")
    code = 0
    try:
        run_stage(train.main)
    except SystemExit as left:
        code = int(left.code or 0)
    if os.environ["RANK"] == "0":
        # The engine begins a backward pass at the model's outputs.
        assert seen["entered"] == seen["backwards"], seen
        # All gradients fit into one bucket.
        assert seen["reduced"] == seen["steps" if STAGE == 1 else "backwards"], seen
        print(f"looked at {seen['steps']} steps in parts, {seen['reduced']} sums", file=sys.stderr)
    sys.stderr.flush()
    os._exit(code)
