"""Runs of several phases, and runs by the clock: resumed to the same weights, with the positions that they need."""

import dataclasses
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline.artifact import read_manifest
from pipeline.errors import InputError
from pretrain import loop, train
from pretrain.finish import finish
from pretrain.metrics import read_metrics
from pretrain.nsp import draw_plan, lengths_of
from pretrain.positions import grown
from pretrain.prepared import open_prepared
from pretrain.train import main
from tests.pretrain.test_model import TRAIN
from tests.pretrain.test_train import TINY, losses, weights

PHASES = "train.phases=[{steps=6,block_size=16,batch_size=20},{tokens=3000,learning_rate=5e-4}]"
POSITIONS = "bert.embeddings.position_embeddings.weight"


def flags(examples: Path, root: Path, *changes: str) -> list[str]:
    place = ["--from-examples", str(examples), "--artifacts", str(root), "--name", "t", "--cpu", "--set"]
    return [*place, *TINY, "train.max_steps=0", "train.save_every=3", *changes]


@pytest.fixture(scope="module")
def phased(sample_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("phased")
    main(flags(sample_examples, root, PHASES, "train.grow_positions=true"))
    return root


def test_what_a_phase_is_trained_on(sample_examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocks, batches and rates are each phase's own; what a step takes is in the plan of its block."""
    seen, rates = [], []
    gradients, set_rate = loop._gradients, loop.set_learning_rate

    def watched(model, batches, run):
        seen.append([tuple(batch["input_ids"].shape) for batch in batches])
        return gradients(model, batches, run)

    monkeypatch.setattr(loop, "_gradients", watched)
    monkeypatch.setattr(
        loop, "set_learning_rate", lambda optimizer, rate: (rates.append(rate), set_rate(optimizer, rate))
    )
    main([*flags(sample_examples, tmp_path, PHASES, "train.warmup_ratio=0.0"), "--micro-batch", "6"])
    prepared = open_prepared(sample_examples)
    steps = 6 + round(3000 / lengths_of(prepared.first_plan).mean() / 16)
    assert len(seen) == steps
    # A micro-batch is of 6 examples at block 32, so of 12 at block 16.
    assert all([rows for rows, _ in shapes] == [12, 8] and max(w for _, w in shapes) <= 16 for shapes in seen[:6])
    assert all([rows for rows, _ in shapes] == [6, 6, 4] and max(w for _, w in shapes) > 16 for shapes in seen[6:])
    share = [1 - step / steps for step in range(steps)]
    assert rates[:6] == pytest.approx([1e-3 * left for left in share[:6]])
    assert rates[6:] == pytest.approx([5e-4 * left for left in share[6:]])


@pytest.mark.parametrize("stop", [3, 6, 9])
def test_resumed_within_and_between_phases(phased: Path, sample_examples: Path, tmp_path: Path, stop: int) -> None:
    root = tmp_path / "again"
    shutil.copytree(phased, root)
    folder = root / "pretrain" / "t"
    (folder / "manifest.json").unlink()
    last = max(int(path.name.removeprefix("step-")) for path in folder.glob("checkpoints/step-*"))
    for later in folder.glob("checkpoints/step-*"):
        if int(later.name.removeprefix("step-")) > stop:
            shutil.rmtree(later)
    main(flags(sample_examples, root, PHASES, "train.grow_positions=true"))
    expected, found = weights(phased, last), weights(root, last)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert losses(root) == losses(phased)


def test_both_phases_are_looked_at(phased: Path) -> None:
    records = read_metrics(phased / "pretrain" / "t" / "metrics.jsonl")
    assert {0, 6} < {record["step"] for record in records if "held_out_mlm_loss" in record}


def test_positions_are_grown_or_reserved(phased: Path, sample_examples: Path, tmp_path: Path) -> None:
    """Grown, the new ones are near those they were copied from; reserved, they are as they were drawn."""
    main(flags(sample_examples, tmp_path, PHASES))
    reserved, copied = weights(tmp_path, 9)[POSITIONS], weights(phased, 9)[POSITIONS]
    first = weights(phased, 6)[POSITIONS]
    assert torch.equal(first, weights(tmp_path, 6)[POSITIONS])
    near = [(rows[16:32] - first[:16]).abs().max().item() for rows in (copied, reserved)]
    assert near[0] < 0.01 < near[1]


def test_rows_again_from_the_first() -> None:
    trained = torch.arange(6.0).reshape(3, 2)
    assert grown(trained, 7).tolist() == [[0, 1], [2, 3], [4, 5], [0, 1], [2, 3], [4, 5], [0, 1]]
    assert torch.equal(grown(trained, 2), trained[:2])


def test_plans_of_another_block(sample_examples: Path, tmp_path: Path) -> None:
    """Drawn from the same tokens as `draw_plan` would; beside those of the examples' own block, not in their place."""
    folder = tmp_path / "examples"
    shutil.copytree(sample_examples, folder)
    prepared = open_prepared(folder)
    plan = prepared.plan(0, 16)
    assert lengths_of(plan).max() == 16 and np.array_equal(plan, draw_plan(prepared.train, prepared._at(16), 0))
    assert lengths_of(prepared.plan(1)).max() == 32 and np.array_equal(prepared.plan(0, 16), plan)
    held_out = prepared.heldout_plan_at(16)
    assert held_out is not None and lengths_of(held_out).max() == 16
    assert prepared.heldout_plan_at(32) is prepared.heldout_plan is not None


def test_a_block_that_does_not_fit(sample_examples: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"block_size 64 is more than model\.max_position_embeddings 32"):
        main(flags(sample_examples, tmp_path, "train.phases=[{steps=2},{steps=2,block_size=64}]"))
    assert not (tmp_path / "pretrain").exists()


def test_a_budget_of_time(sample_examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It ends by itself, near its time, with the rate at nothing, and is finished; asked again it does nothing."""
    budget = flags(sample_examples, tmp_path, "train.budget_minutes=0.05", "train.eval_every=100000")
    main(budget)
    folder = tmp_path / "pretrain" / "t"
    manifest = read_manifest(folder)
    assert manifest is not None and manifest.figures["steps"] > 10
    assert 2.5 < manifest.figures["seconds"] < 30
    rates = [record["learning_rate"] for record in read_metrics(folder / "metrics.jsonl") if "learning_rate" in record]
    assert rates[-1] < 0.2 * max(rates) and manifest.figures["held_out_mlm_loss"] < manifest.figures["start_mlm_loss"]
    capsys.readouterr()
    main(budget)
    assert "is finished" in capsys.readouterr().err


def test_a_budget_of_time_goes_on(sample_examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an interrupted run spent is not given again."""
    budget = flags(sample_examples, tmp_path, "train.budget_minutes=0.1", "train.eval_every=100000")
    gradients, steps = loop._gradients, []

    def interrupted(model, batches, run):
        steps.append(len(batches))
        if len(steps) == 40:
            raise KeyboardInterrupt
        return gradients(model, batches, run)

    monkeypatch.setattr(loop, "_gradients", interrupted)
    with pytest.raises(KeyboardInterrupt):
        main(budget)
    main(budget)
    manifest = read_manifest(tmp_path / "pretrain" / "t")
    assert manifest is not None and 5.0 < manifest.figures["seconds"] < 40
    assert manifest.figures["steps"] == len(steps) - 1, "39 steps before, of which the last checkpoint holds 39"


def test_the_best_checkpoint_is_of_the_last_phase(phased: Path) -> None:
    """The loss of another block's examples is another."""
    states = {
        int(path.parent.name.removeprefix("step-")): json.loads(path.read_text("utf-8"))
        for path in (phased / "pretrain" / "t" / "checkpoints").glob("step-*/state.json")
    }
    last = max(states)
    assert states[6]["held_out_mlm_loss"] is None and states[last]["held_out_mlm_loss"] is not None
    manifest = read_manifest(phased / "pretrain" / "t")
    assert manifest is not None and manifest.figures["best_step"] > 6


def test_grown_positions_would_write_over_those_of_a_folder() -> None:
    with pytest.raises(ValueError, match="write over positions that init_from brings"):
        dataclasses.replace(TRAIN, grow_positions=True, init_from="folder")


@pytest.mark.parametrize("change", [{"budget_minutes": math.inf}, {"adam_beta2": 1.0}, {"learning_rate": math.inf}])
def test_numbers_that_no_run_has(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        dataclasses.replace(TRAIN, **change)


def test_a_last_checkpoint_that_cannot_be_read_back(
    sample_examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is not sealed with another one; the same command does the lost steps again."""

    def damaged(run, key, outcome):
        weights_path = tmp_path / "pretrain" / "t" / "checkpoints" / "step-00000008" / "model.safetensors"
        data = bytearray(weights_path.read_bytes())
        data[-1] ^= 1
        weights_path.write_bytes(data)
        return finish(run, key, outcome)

    eight = flags(sample_examples, tmp_path, "train.max_steps=8")
    with monkeypatch.context() as patch:
        patch.setattr(train, "finish", damaged)
        with pytest.raises(InputError, match="of step 8, cannot be read back"):
            main(eight)
    assert read_manifest(tmp_path / "pretrain" / "t") is None
    main(eight)
    manifest = read_manifest(tmp_path / "pretrain" / "t")
    assert manifest is not None and manifest.figures["checkpoint"] == "checkpoints/step-00000008"
