"""What a run writes down and shows of the steps since the last record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import torch

from pretrain.evaluate import Scores
from pretrain.flops import Work, needed_flops, peak_flops
from pretrain.metrics import MetricsLog
from pretrain.run import Run
from pretrain.watch import Watch

#: Steps between two records in metrics.jsonl and two looks at the loss; each look waits for the device.
LOG_EVERY = 10


def write_record(run: Run, watch: Watch, log: MetricsLog, count: Callable[[str], None], done: int, rate: float) -> None:
    """Write a record of the steps since the last one; raises InputError if they are trouble (see `pretrain.watch`)."""
    steps = watch.gathered(run.objective, done)
    scores = Scores.from_sums(steps.sums.sum(0))
    seconds = max(time.monotonic() - run.recent_since, 1e-9)
    speed = run.recent_work.tokens / seconds
    use = _utilisation(run, replace(run.recent_work, masked=steps.masked), seconds)
    record = {
        "step": done,
        **scores.as_dict(),
        "masked_tokens": steps.masked,
        "learning_rate": rate,
        "grad_norm": round(steps.norm, 4),
        "tokens_per_second": round(speed),
        **use,
    }
    log.write(record)
    mfu = f"  mfu {use['mfu']:.1%}" if "mfu" in use else ""
    nsp = "" if scores.nsp_loss is None else f"  nsp {scores.nsp_loss:.3f}"
    note = f"step {done:,}  mlm {scores.mlm_loss:.3f}{nsp}  lr {rate:.2e}  {speed:,.0f} tokens/s{mfu}{run.told}"
    count(note)
    watch.note(record, steps)
    run.begin_record()


def _utilisation(run: Run, work: Work, seconds: float) -> dict[str, float]:
    """Needed FLOPs a second, in 10^12, and their share of what all devices could do at 16 bits if that is known."""
    pairs = run.prepared.settings.objective != "none"
    speed = needed_flops(run.shape, run.prepared.vocab_size, work, pairs=pairs) / seconds
    found = {"tflops_per_second": round(speed / 1e12, 4)}
    if run.accelerator.device.type == "cuda" and (peak := peak_flops(torch.cuda.get_device_name())):
        found["mfu"] = round(speed / (peak * run.share.processes), 4)
    return found
