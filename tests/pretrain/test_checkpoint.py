"""Checkpoints: whole or absent, verified when read, without pickle."""

import dataclasses
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from pretrain import checkpoint as module
from pretrain.checkpoint import (
    Position,
    best_checkpoint,
    latest_checkpoint,
    load_checkpoint,
    save_checkpoint,
    snapshot,
)
from pretrain.model import bert_config, new_model
from pretrain.optim import make_optimizer
from pretrain.saver import Saver
from pretrain.settings import PhaseSettings
from tests.pretrain.test_model import SHAPE, TRAIN


def trained(seed: int = 0, steps: int = 3):
    """A model and optimiser after a few steps on noise."""
    model = new_model(bert_config(SHAPE, 50, 16), seed)
    optimizer = make_optimizer(model, TRAIN, fused=False)
    for step in range(steps):
        take_step(model, optimizer, step)
    return model, optimizer


def take_step(model, optimizer, step: int) -> None:
    ids = torch.randint(5, 50, (4, 8), generator=torch.Generator().manual_seed(step))
    model.eval()(input_ids=ids, labels=ids, next_sentence_label=ids[:, 0] % 2).loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def save(root: Path, step: int, model, optimizer, keep: int = 2, loss: float | None = None):
    position = Position(step, held_out_mlm_loss=loss)
    return save_checkpoint(root, position, snapshot(model, optimizer), keep)


def names(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir())


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    model, optimizer = trained()
    save(tmp_path, 3, model, optimizer)
    other, fresh = trained(seed=1, steps=0)
    found = latest_checkpoint(tmp_path)
    assert found is not None and found.step == 3
    load_checkpoint(found, other, fresh)
    take_step(model, optimizer, 9)
    take_step(other, fresh, 9)
    for (name, a), b in zip(model.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), name
    assert other.cls.predictions.decoder.weight is other.bert.embeddings.word_embeddings.weight, "still tied"


def test_no_pickle(tmp_path: Path) -> None:
    saved = save(tmp_path, 3, *trained())
    assert sorted(path.name for path in saved.folder.iterdir()) == [
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    ]


def test_the_last_ones_are_kept(tmp_path: Path) -> None:
    model, optimizer = trained()
    for step in (5, 10, 100, 20):
        save(tmp_path, step, model, optimizer)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000020", "step-00000100"]


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "missing"])
def test_a_damaged_one_is_passed_over_loudly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, damage: str
) -> None:
    model, optimizer = trained()
    for step in (1, 2):
        save(tmp_path, step, model, optimizer)
    path = tmp_path / "step-00000002" / name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-10] if damage == "cut" else data[:20] + bytes([data[20] ^ 1]) + data[21:])
    found = latest_checkpoint(tmp_path)
    assert found is not None and found.step == 1
    assert "step-00000002 is damaged" in capsys.readouterr().err


def test_a_failing_save_leaves_those_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, optimizer = trained()
    save(tmp_path, 1, model, optimizer, keep=1)

    def full_disk(*_, **__):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(module, "save_file", full_disk)
    with pytest.raises(SafetensorError, match="No space left"):
        save(tmp_path, 2, model, optimizer, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert latest_checkpoint(tmp_path).step == 1


def test_a_snapshot_stays_what_it_was(tmp_path: Path) -> None:
    """On the CPU too, where a step changes weights and moments in place."""
    model, optimizer = trained()
    taken = snapshot(model, optimizer)
    save(tmp_path / "at once", 3, model, optimizer)
    take_step(model, optimizer, 9)
    save_checkpoint(tmp_path / "later", Position(3), taken, keep=2)
    for name in ("model.safetensors", "optimizer.safetensors"):
        at_once, later = (load_file(tmp_path / side / "step-00000003" / name) for side in ("at once", "later"))
        assert at_once.keys() == later.keys()
        assert all(torch.equal(at_once[key], later[key]) for key in at_once), name
    assert set(taken.model) == {name for name, _ in model.named_parameters()}, "tied weights once"


def test_the_best_one_is_kept_too(tmp_path: Path) -> None:
    model, optimizer = trained()
    for step, loss in ((1, 3.0), (2, 2.0), (3, None), (4, 2.0), (5, 2.5), (6, math.nan), (7, None)):
        save(tmp_path, step, model, optimizer, keep=2, loss=loss)
    assert names(tmp_path) == ["step-00000002", "step-00000006", "step-00000007"]
    assert best_checkpoint(tmp_path).step == 2
    assert json.loads((tmp_path / "step-00000006" / "state.json").read_text())["held_out_mlm_loss"] is None
    save(tmp_path, 8, model, optimizer, keep=2, loss=1.5)
    assert names(tmp_path) == ["step-00000007", "step-00000008"] and best_checkpoint(tmp_path).step == 8


def test_a_damaged_best_one_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, optimizer = trained()
    for step, loss in ((1, 3.0), (2, 2.0), (3, 2.5)):
        save(tmp_path, step, model, optimizer, keep=3, loss=loss)
    (tmp_path / "step-00000002" / "model.safetensors").write_bytes(b"")
    assert best_checkpoint(tmp_path).step == 3
    assert "step-00000002 is damaged" in capsys.readouterr().err
    assert best_checkpoint(tmp_path / "none") is None


def test_a_damaged_newest_one_counts_no_more(tmp_path: Path) -> None:
    """Else it would push an intact one out, or be taken for the best."""
    model, optimizer = trained()
    for step, loss in ((1, 3.0), (2, 2.5), (4, 1.0)):
        save(tmp_path, step, model, optimizer, keep=2, loss=loss)
    (tmp_path / "step-00000004" / "optimizer.safetensors").unlink()
    found = latest_checkpoint(tmp_path)
    assert found.step == 2
    Saver(tmp_path, keep=2, resumed_at=found.step)
    assert names(tmp_path) == ["damaged-step-00000004", "step-00000002"]
    assert best_checkpoint(tmp_path).step == 2
    save(tmp_path, 3, model, optimizer, keep=2)
    assert names(tmp_path) == ["damaged-step-00000004", "step-00000002", "step-00000003"]
    save(tmp_path, 4, model, optimizer, keep=1)
    assert names(tmp_path) == ["step-00000002", "step-00000004"]


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / ".step-00000009.building"
    left.mkdir()
    (left / "model.safetensors").write_bytes(b"half")
    assert latest_checkpoint(tmp_path) is None
    Saver(tmp_path, keep=1, resumed_at=0)
    assert names(tmp_path) == []
    left.mkdir()
    save(tmp_path, 1, *trained())
    assert names(tmp_path) == ["step-00000001"]


def test_state_of_another_model_is_refused(tmp_path: Path) -> None:
    model, optimizer = trained()
    taken = snapshot(model, optimizer)
    name = "exp_avg.bert.pooler.dense.bias"
    lacking = {key: tensor for key, tensor in taken.optimizer.items() if not key.endswith("pooler.dense.bias")}
    assert name in taken.optimizer
    saved = save_checkpoint(tmp_path, Position(1), replace(taken, optimizer=lacking), keep=1)
    with pytest.raises(RuntimeError, match=r"holds nothing of bert\.pooler\.dense\.bias"):
        load_checkpoint(saved, model, optimizer)


def test_none(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path / "none") is None


def test_settings_are_what_a_manifest_can_hold() -> None:
    phased = dataclasses.replace(TRAIN, phases=[PhaseSettings(steps=3)])
    assert json.loads(json.dumps(dataclasses.asdict(phased))) == dataclasses.asdict(phased)
