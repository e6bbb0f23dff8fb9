"""`pretrain.train` with FSDP on CPUs, where accelerate would quietly leave it out.

accelerate's own FSDP 2 code works there too, over gloo; only the state that it keeps has to say so. Everything else,
the config file that ships included, is what runs on accelerators.
"""

from accelerate import Accelerator
from accelerate.utils import DistributedType

from pipeline.stage import run_stage
from pretrain import train


class OnCpu(Accelerator):
    def __init__(self, fsdp_plugin=None, **flags) -> None:
        super().__init__(fsdp_plugin=fsdp_plugin, **flags)
        assert fsdp_plugin is not None and not self.is_fsdp2, "this stand-in is no longer needed"
        self.state.distributed_type = DistributedType.FSDP
        self.state.fsdp_plugin = fsdp_plugin


if __name__ == "__main__":
    train.Accelerator = OnCpu
    run_stage(train.main)
