"""`pretrain.train` with FSDP on CPUs, where accelerate would quietly leave it out.

accelerate's own FSDP 2 code works there too, over gloo; only the state that it keeps has to say so. Everything else,
the config file that ships included, is what runs on accelerators. It looks on the way that parameters, gradients and
moments are parts, that layers are gathered one by one, and that gradients are added up over processes once a step.
"""

import os
import sys

from accelerate import Accelerator, PartialState
from accelerate.utils import DistributedType
from torch import distributed
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor

from pipeline.stage import run_stage
from pretrain import processes, train


class OnCpu(Accelerator):
    def __init__(self, fsdp_plugin=None, **flags) -> None:
        super().__init__(fsdp_plugin=fsdp_plugin, **flags)
        assert fsdp_plugin is not None and not self.is_fsdp2, "this stand-in is no longer needed"
        self.state.distributed_type = DistributedType.FSDP
        self.state.fsdp_plugin = fsdp_plugin
        # As accelerate does: each new look at the state begins with what stands here.
        PartialState._shared_state["distributed_type"] = DistributedType.FSDP

    def prepare(self, model, optimizer):
        prepared = super().prepare(model, optimizer)
        units = [type(module).__name__ for module in model.modules() if isinstance(module, FSDPModule)]
        assert sorted(units) == ["FSDPBertLayer"] * 2 + ["FSDPPretrainingObjective"], units
        assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(model.parameters()))
        return prepared

    def clip_grad_norm_(self, parameters, *rest):
        parameters = list(parameters)
        for parameter in parameters:
            for tensor in (parameter, parameter.grad):
                assert isinstance(tensor, DTensor) and tensor.to_local().numel() < tensor.numel()
        seen["steps"] += 1
        assert self.is_fsdp2
        return super().clip_grad_norm_(parameters, *rest)


#: By what FSDP adds up gradients, by version of torch.
REDUCE = next(name for name in ("reduce_scatter_single", "reduce_scatter_tensor") if hasattr(distributed, name))
seen = {"steps": 0, "reduced": 0}


def counting(reduce):
    def counted(*arguments, **flags):
        seen["reduced"] += 1
        return reduce(*arguments, **flags)

    return counted


if __name__ == "__main__":
    processes.Accelerator = OnCpu
    setattr(distributed, REDUCE, counting(getattr(distributed, REDUCE)))
    code = 0
    try:
        run_stage(train.main)
    except SystemExit as left:
        code = int(left.code or 0)
    if os.environ["RANK"] == "0":
        # Two layers and what is around them.
        assert seen["reduced"] == 3 * seen["steps"], seen
        print(f"looked at {seen['steps']} steps in parts, {seen['reduced']} sums", file=sys.stderr)
    # gloo's threads outlive the groups that FSDP holds; an interpreter that ends then is aborted now and then.
    sys.stderr.flush()
    os._exit(code)
