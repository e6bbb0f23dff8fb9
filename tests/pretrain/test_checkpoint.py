"""Checkpoints: whole or absent, verified when read, without pickle."""

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from pretrain import checkpoint as module
from pretrain.checkpoint import latest_checkpoint, load_checkpoint, save_checkpoint
from pretrain.model import bert_config, new_model
from pretrain.optim import make_optimizer
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


def test_what_is_loaded_is_what_was_saved(tmp_path: Path) -> None:
    model, optimizer = trained()
    save_checkpoint(tmp_path, 3, model, optimizer, keep=2)
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
    saved = save_checkpoint(tmp_path, 3, *trained(), keep=2)
    assert sorted(path.name for path in saved.folder.iterdir()) == [
        "model.safetensors",
        "optimizer.safetensors",
        "state.json",
    ]


def test_the_last_ones_are_kept(tmp_path: Path) -> None:
    model, optimizer = trained()
    for step in (5, 10, 100, 20):
        save_checkpoint(tmp_path, step, model, optimizer, keep=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000020", "step-00000100"]


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "changed", "missing"])
def test_a_damaged_one_is_passed_over_loudly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, damage: str
) -> None:
    model, optimizer = trained()
    for step in (1, 2):
        save_checkpoint(tmp_path, step, model, optimizer, keep=2)
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
    save_checkpoint(tmp_path, 1, model, optimizer, keep=1)

    def full_disk(*_, **__):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    monkeypatch.setattr(module, "save_file", full_disk)
    with pytest.raises(SafetensorError, match="No space left"):
        save_checkpoint(tmp_path, 2, model, optimizer, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]
    assert latest_checkpoint(tmp_path).step == 1


def test_none(tmp_path: Path) -> None:
    assert latest_checkpoint(tmp_path / "none") is None


def test_settings_are_plain_numbers() -> None:
    assert all(isinstance(value, int | float | str) for value in dataclasses.asdict(TRAIN).values())
