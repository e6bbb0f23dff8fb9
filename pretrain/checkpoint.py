"""Checkpoints without pickle: weights and optimiser state as safetensors, the rest as JSON, written beside and renamed.

    checkpoints/step-00000300/
        model.safetensors       weights, under Hugging Face's names
        config.json ...         and the tokenizer, so that transformers loads the folder
        optimizer.safetensors   AdamW: exp_avg.<parameter>, exp_avg_sq.<parameter>; Muon: momentum_buffer.<parameter>
        state.json              the step and what was measured at it, written last, with the sha256 of the other files

The step is the whole state of the data and of every random draw. AdamW's own step count is the same number.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pipeline.console import warn
from pipeline.files import flush, hash_file, write_atomic
from pretrain.moments import Piece, kept_of, put
from pretrain.sharded import gather, heard, scatter

#: Folder of a run that holds its checkpoints.
CHECKPOINTS = "checkpoints"
MODEL, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"
#: What optimisers keep of a parameter, and that of AdamW, which counts steps too.
_KEPT, _ADAMW = ("exp_avg", "exp_avg_sq", "momentum_buffer"), "exp_avg"

#: Before the name of a checkpoint that was found damaged.
_DAMAGED = "damaged-"
#: What reading a damaged `state.json` may raise.
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True)
class Position:
    """How far a run has come: steps done, the seconds and real tokens that they took, and the held-out MLM loss (nats)
    after just that step, None if it was not evaluated then."""

    step: int
    seconds: float = 0.0
    tokens: int = 0
    held_out_mlm_loss: float | None = None


@dataclass(frozen=True, kw_only=True)
class Checkpoint(Position):
    """A complete checkpoint on disk."""

    folder: Path


@dataclass(frozen=True)
class Snapshot:
    """Copies in host memory of the weights, and of what the optimiser keeps: what the two files hold."""

    model: dict[str, Tensor]
    optimizer: dict[str, Tensor]


def snapshot(model: nn.Module, optimizer: torch.optim.Optimizer, *, keep: bool = True) -> Snapshot:
    """Copy all that training goes on to change; takes as much host memory as the checkpoint does on disk, 12 bytes for
    a parameter that AdamW trains and 8 for one that Muon does.

    Every process of a run calls it, since parameters may be in parts; one that does not `keep` it gets nothing.
    """
    # Tied weights are there once, under the first of their names.
    parameters = dict(model.named_parameters())
    states: dict[str, Tensor | Piece] = {}
    for name, parameter in parameters.items():
        kept = {f"{kind}.{name}": held for kind, held in kept_of(parameter, optimizer).items() if kind in _KEPT}
        if not kept:  # a parameter that the optimiser does not know: what is written could not be gone on from
            raise RuntimeError(f"the optimiser keeps nothing of {name}")
        states |= kept
    return Snapshot(gather(parameters, keep=keep), gather(states, keep=keep))


def save_checkpoint(
    root: Path, position: Position, taken: Snapshot, keep: int, beside: Mapping[str, bytes] = MappingProxyType({})
) -> Checkpoint:
    """Write a checkpoint under `root`, with the files `beside` it, then delete all but the last `keep` and the best.

    A crash or a full disk in between leaves those before as they were.
    """
    final = root / f"step-{position.step:08}"
    draft = root / f".{final.name}.building"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        save_file(taken.model, draft / MODEL, metadata={"format": "pt"})
        save_file(taken.optimizer, draft / OPTIMIZER)
        for name, data in beside.items():
            (draft / name).write_bytes(data)
        hashes = {name: hash_file(draft / name) for name in (MODEL, OPTIMIZER, *beside)}
        for name in hashes:
            flush(draft / name)
        loss = position.held_out_mlm_loss
        state = {
            **asdict(position),
            "seconds": round(position.seconds, 2),
            "held_out_mlm_loss": loss if loss is not None and math.isfinite(loss) else None,
        }
        write_atomic(draft / STATE, json.dumps({**state, "sha256": hashes}, indent=1) + "\n")
        if final.exists():
            shutil.rmtree(final)
        draft.rename(final)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    prune(root, keep)
    return Checkpoint(folder=final, **asdict(position))


def prune(root: Path, keep: int) -> None:
    """Delete all but the last `keep` checkpoints and the best one, drafts that a killed run has left, and what was set
    aside when its step has been done again."""
    folders = _folders(root)
    for draft in root.glob(".step-*.building"):
        shutil.rmtree(draft)
    for damaged in root.glob(f"{_DAMAGED}step-*"):
        if folders and damaged.name.removeprefix(_DAMAGED) <= folders[-1].name:
            shutil.rmtree(damaged)
    measured = _by_loss(folders)
    for old in folders[:-keep]:
        if not measured or old != measured[0].folder:
            shutil.rmtree(old)


def set_aside_later(root: Path, step: int) -> None:
    """Rename checkpoints of steps after `step`, which a run that goes on from `step` found damaged: they are no more
    counted or taken for the best one. Deleted once their step is saved again."""
    for folder in _folders(root):
        if folder.name > f"step-{step:08}":
            aside = root / f"{_DAMAGED}{folder.name}"
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)


def latest_checkpoint(root: Path, until: int | None = None) -> Checkpoint | None:
    """The newest checkpoint (of at most `until` steps) whose files are what was written; damaged ones are passed over
    with a warning."""
    folders = [folder for folder in _folders(root) if until is None or folder.name <= f"step-{until:08}"]
    return next(_intact(reversed(folders), "the checkpoint before it"), None)


def best_checkpoint(root: Path) -> Checkpoint | None:
    """The checkpoint with the lowest held-out MLM loss at its own step, of equal ones the earliest; damaged ones are
    passed over with a warning. None if none was evaluated."""
    measured = _by_loss(_folders(root))
    return next(_intact((found.folder for found in measured), "the next best one"), None)


@torch.no_grad()
def load_checkpoint(
    checkpoint: Checkpoint, model: nn.Module, optimizer: torch.optim.Optimizer, *, reads: bool = True
) -> None:
    """Put a checkpoint's weights and optimiser state into `model`, where it is, and `optimizer`.

    Every process of a run calls it; the main one `reads` and hands on, so that the others need no files.
    """
    weights = load_file(checkpoint.folder / MODEL) if reads else {}
    kept = load_file(checkpoint.folder / OPTIMIZER) if reads else {}
    parameters = dict(model.named_parameters())
    if reads and (wrong := weights.keys() ^ parameters.keys()):
        raise RuntimeError(f"{checkpoint.folder / MODEL} is of another model: {', '.join(sorted(wrong))}")
    there = heard(sorted(kept))
    for name, parameter in parameters.items():
        whole = scatter(weights.get(name), parameter)
        names = {kind: f"{kind}.{name}" for kind in _KEPT if f"{kind}.{name}" in there}
        state = {kind: scatter(kept.get(key), parameter) for kind, key in names.items()}
        if not state:
            raise RuntimeError(f"{checkpoint.folder / OPTIMIZER} holds nothing of {name}")
        if _ADAMW in state:
            device = parameter.device if _on_device(optimizer) else "cpu"
            state["step"] = torch.tensor(float(checkpoint.step), device=device)
        put(parameter, optimizer, whole, state)


def _on_device(optimizer: torch.optim.Optimizer) -> bool:
    """Fused and capturable AdamW keep their step count where the parameters are."""
    return any(group.get("fused") or group.get("capturable") for group in optimizer.param_groups)


def _folders(root: Path) -> list[Path]:
    return sorted(root.glob("step-*")) if root.is_dir() else []


def _read(folder: Path) -> tuple[Checkpoint, dict[str, str]]:
    """What `state.json` says, and the sha256 of the other files; their bytes are not looked at."""
    state: dict[str, Any] = json.loads((folder / STATE).read_text("utf-8"))
    hashes = {str(name): str(digest) for name, digest in state["sha256"].items()}
    loss = state.get("held_out_mlm_loss")
    found = Checkpoint(
        folder=folder,
        step=int(state["step"]),
        seconds=float(state["seconds"]),
        tokens=int(state["tokens"]),
        held_out_mlm_loss=None if loss is None else float(loss),
    )
    return found, hashes


def _by_loss(folders: list[Path]) -> list[Checkpoint]:
    """Those that were evaluated, the lowest loss first; what cannot be read is none of them."""
    found = []
    for folder in folders:
        try:
            found.append(_read(folder)[0])
        except _UNREADABLE:
            continue
    measured = [(one.held_out_mlm_loss, one.step, one) for one in found if one.held_out_mlm_loss is not None]
    return [one for _, _, one in sorted(measured, key=lambda entry: entry[:2])]


def _intact(folders: Iterator[Path], instead: str) -> Iterator[Checkpoint]:
    """Those whose files are what was written; a warning for each of the others."""
    for folder in folders:
        try:
            found, hashes = _read(folder)
            damaged = [name for name, digest in hashes.items() if hash_file(folder / name) != digest]
        except _UNREADABLE as error:
            damaged = [f"{STATE} ({error})"]
        if not damaged:
            yield found
        else:
            warn(f"{folder} is damaged ({', '.join(damaged)}); using {instead}")
