"""Checkpoints without pickle: weights and optimiser state as safetensors, the rest as JSON, written beside and renamed.

    checkpoints/step-00000300/
        model.safetensors       weights, under Hugging Face's names
        optimizer.safetensors   exp_avg.<parameter>, exp_avg_sq.<parameter>
        state.json              the step, written last, with the sha256 of the two files

The step is the whole state of the data and of every random draw. AdamW's own step count is the same number.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.console import warn
from pipeline.files import flush, hash_file, write_atomic
from pretrain.sharded import gather, scatter

MODEL, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"
_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Checkpoint:
    """A complete checkpoint on disk: steps done, and the seconds and real tokens that they took."""

    folder: Path
    step: int
    seconds: float
    tokens: int


def save_checkpoint(
    root: Path,
    step: int,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    keep: int,
    seconds: float = 0.0,
    tokens: int = 0,
    *,
    writes: bool = True,
) -> Checkpoint:
    """Write the checkpoint of `step` (steps done) under `root`, then delete all but the last `keep`.

    A crash or a full disk in between leaves those before as they were. Every process of a run calls it: parameters may
    be in parts; the one that `writes` writes.
    """
    final = root / f"step-{step:08}"
    weights = gather(dict(model.named_parameters()), keep=writes)
    moments = gather(_optimizer_tensors(model, optimizer), keep=writes)
    if not writes:
        return Checkpoint(final, step, seconds, tokens)
    draft = root / f".step-{step:08}.building"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        save_file(weights, draft / MODEL, metadata={"format": "pt"})
        save_file(moments, draft / OPTIMIZER)
        hashes = {name: hash_file(draft / name) for name in (MODEL, OPTIMIZER)}
        for name in (MODEL, OPTIMIZER):
            flush(draft / name)
        state = {"step": step, "seconds": round(seconds, 2), "tokens": tokens, "sha256": hashes}
        write_atomic(draft / STATE, json.dumps(state, indent=1) + "\n")
        if final.exists():
            shutil.rmtree(final)
        draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    for old in _folders(root)[:-keep]:
        shutil.rmtree(old)
    return Checkpoint(final, step, seconds, tokens)


def latest_checkpoint(root: Path) -> Checkpoint | None:
    """The newest checkpoint whose files are what was written; damaged ones are passed over with a warning."""
    for folder in reversed(_folders(root)):
        try:
            state = json.loads((folder / STATE).read_text("utf-8"))
            damaged = [name for name, digest in state["sha256"].items() if hash_file(folder / name) != digest]
            found = Checkpoint(folder, int(state["step"]), float(state["seconds"]), int(state["tokens"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            damaged = [f"{STATE} ({error})"]
        if not damaged:
            return found
        warn(f"{folder} is damaged ({', '.join(damaged)}); using the checkpoint before it")
    return None


@torch.no_grad()
def load_checkpoint(
    checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer, *, reads: bool = True
) -> None:
    """Put a checkpoint's weights and optimiser state into `model` and `optimizer`.

    Every process of a run calls it; the main one `reads` and hands on, so that the others need no files.
    """
    weights = load_file(checkpoint.folder / MODEL) if reads else {}
    moments = load_file(checkpoint.folder / OPTIMIZER) if reads else {}
    parameters = dict(model.named_parameters())
    if reads and (wrong := weights.keys() ^ parameters.keys()):
        raise RuntimeError(f"{checkpoint.folder / MODEL} is of another model: {', '.join(sorted(wrong))}")
    for name, parameter in parameters.items():
        parameter.copy_(scatter(weights.get(name), parameter))
        device = parameter.device if _on_device(optimizer) else "cpu"
        optimizer.state[parameter] = {
            "step": torch.tensor(float(checkpoint.step), device=device),
            **{moment: scatter(moments.get(f"{moment}.{name}"), parameter) for moment in _MOMENTS},
        }


def _on_device(optimizer: torch.optim.Optimizer) -> bool:
    """Fused and capturable AdamW keep their step count where the parameters are."""
    return any(group.get("fused") or group.get("capturable") for group in optimizer.param_groups)


def _optimizer_tensors(model: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{moment}.{name}": optimizer.state[parameter][moment]
        for name, parameter in model.named_parameters()
        for moment in _MOMENTS
    }


def _folders(root: Path) -> list[Path]:
    return sorted(root.glob("step-*")) if root.is_dir() else []
