"""Muon beside AdamW: each parameter has the one it should, steps are what is written, and a run goes on bit for bit."""

import dataclasses
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from pipeline.errors import InputError
from pretrain.model import bert_config, new_model
from pretrain.optim import JointOptimizer, make_optimizer, optimizer_numbers, set_learning_rate
from pretrain.train import main
from tests.pretrain.test_checkpoint import save, take_step
from tests.pretrain.test_model import SHAPE, TRAIN
from tests.pretrain.test_train import arguments, losses, weights

MUON = dataclasses.replace(TRAIN, optimizer="muon", weight_decay=5.0, learning_rate=0.01)
#: Of a layer: query, key, value and output of attention, and the two of the feed-forward network.
MATRICES = ("self.query", "self.key", "self.value", "attention.output.dense", "intermediate.dense", "output.dense")
#: Jordan et al. 2024: the coefficients of the quintic, and how often it is applied.
QUINTIC, TIMES = (3.4445, -4.7750, 2.0315), 5


def model():
    return new_model(bert_config(SHAPE, 50, 16), 0)


def has_muon(name: str) -> bool:
    return "encoder.layer." in name and name.endswith(tuple(f"{matrix}.weight" for matrix in MATRICES))


def orthogonalised(update: np.ndarray) -> np.ndarray:
    """Newton and Schulz's iteration as Jordan et al. write it, in 64 bits."""
    a, b, c = QUINTIC
    wide = update if update.shape[0] <= update.shape[1] else update.T
    wide = wide / np.linalg.norm(wide)
    for _ in range(TIMES):
        gram = wide @ wide.T
        wide = a * wide + (b * gram + c * gram @ gram) @ wide
    return wide if update.shape[0] <= update.shape[1] else wide.T


def test_the_matrices_of_the_layers_and_no_others() -> None:
    trained = model()
    optimizer = make_optimizer(trained, MUON, fused=False)
    assert isinstance(optimizer, JointOptimizer)
    take_step(trained, optimizer, 0)
    found = {name for name, parameter in trained.named_parameters() if "momentum_buffer" in optimizer.state[parameter]}
    assert found == {name for name, _ in trained.named_parameters() if has_muon(name)}
    assert len(found) == SHAPE.num_hidden_layers * len(MATRICES)
    adam = {name for name, parameter in trained.named_parameters() if "exp_avg" in optimizer.state[parameter]}
    assert adam == {name for name, _ in trained.named_parameters()} - found
    kept = sum(t.numel() for state in optimizer.state.values() for key, t in state.items() if key != "step")
    assert kept == optimizer_numbers(trained, MUON)
    assert optimizer_numbers(trained, TRAIN) == 2 * trained.num_parameters()


def test_two_muon_steps_written_out() -> None:
    """Momentum, Nesterov, orthogonalisation, scale and decay: torch works in 16 bits there, and we in 64."""
    trained = model()
    optimizer = make_optimizer(trained, MUON, fused=False)
    kept = {name: p for name, p in trained.named_parameters() if has_muon(name)}
    momentum = {name: np.zeros(p.shape) for name, p in kept.items()}
    rate, decay, mu = MUON.learning_rate, MUON.weight_decay, MUON.muon_momentum
    generator = torch.Generator().manual_seed(0)
    for step in range(2):
        for parameter in trained.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        before = {name: p.detach().double().numpy().copy() for name, p in kept.items()}
        optimizer.step()
        for name, parameter in kept.items():
            gradient = parameter.grad.double().numpy()
            momentum[name] = mu * momentum[name] + (1 - mu) * gradient
            update = orthogonalised((1 - mu) * gradient + mu * momentum[name])
            scale = rate * 0.2 * math.sqrt(max(update.shape))
            found = ((1 - rate * decay) * before[name] - parameter.detach().double().numpy()) / scale
            apart = np.linalg.norm(found - update) / np.linalg.norm(update)
            assert apart < 0.03, (step, name, apart)
            sizes = np.linalg.svd(found, compute_uv=False)
            # Near 1, but for the smallest: five times do not lift one that is nearly 0.
            assert sizes[-2] > 0.6 and sizes[0] < 1.3, (step, name, sizes)


def test_the_rest_steps_as_with_adamw_alone() -> None:
    ours, alone = model(), model()
    optimizer = make_optimizer(ours, MUON, fused=False)
    others = [(name, p) for name, p in alone.named_parameters() if not has_muon(name)]
    decayed, plain = ([p for _, p in others if (p.ndim >= 2) == matrix] for matrix in (True, False))
    stock = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": MUON.weight_decay}, {"params": plain, "weight_decay": 0.0}],
        lr=MUON.learning_rate,
        betas=(MUON.adam_beta1, MUON.adam_beta2),
        eps=MUON.adam_epsilon,
    )
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        for a, b in zip(ours.parameters(), alone.parameters(), strict=True):
            a.grad = torch.randn(a.shape, generator=generator)
            b.grad = a.grad.clone()
        optimizer.step()
        stock.step()
    for (name, a), b in zip(ours.named_parameters(), alone.parameters(), strict=True):
        assert torch.equal(a, b) != has_muon(name), name


def test_every_group_gets_the_rate_also_when_accelerate_has_taken_it_over() -> None:
    """accelerate loads the optimiser's state anew, which puts other groups in the place of those that parts hold."""
    ours, wrapped_model = model(), model()
    optimizer, inner = (make_optimizer(one, MUON, fused=False) for one in (ours, wrapped_model))
    take_step(ours, optimizer, 0)
    take_step(wrapped_model, inner, 0)
    wrapped = Accelerator(cpu=True).prepare(inner)
    for step, rate in enumerate((0.02, 0.0), 1):
        before = [parameter.detach().clone() for parameter in wrapped_model.parameters()]
        set_learning_rate(optimizer, rate)
        set_learning_rate(wrapped, rate)
        take_step(ours, optimizer, step)
        take_step(wrapped_model, wrapped, step)
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), wrapped_model.parameters(), strict=True))
        still = [torch.equal(a, b) for a, b in zip(before, wrapped_model.parameters(), strict=True)]
        assert all(still) if rate == 0 else not any(still)


def test_the_checkpoint_names_what_is_kept(tmp_path: Path) -> None:
    trained = model()
    optimizer = make_optimizer(trained, MUON, fused=False)
    take_step(trained, optimizer, 0)
    saved = save(tmp_path, 1, trained, optimizer)
    expected = set()
    for name, _ in trained.named_parameters():
        kinds = ("momentum_buffer",) if has_muon(name) else ("exp_avg", "exp_avg_sq")
        expected |= {f"{kind}.{name}" for kind in kinds}
    assert load_file(saved.folder / "optimizer.safetensors").keys() == expected


def test_n_steps_resume_n_steps_is_2n_steps(sample_examples: Path, tmp_path: Path) -> None:
    changes = ('train.optimizer="muon"',)
    main(arguments(sample_examples, tmp_path / "one", changes=changes))
    again = tmp_path / "again"
    shutil.copytree(tmp_path / "one", again)
    folder = again / "pretrain" / "t"
    (folder / "manifest.json").unlink()
    for step in (15, 20):
        shutil.rmtree(folder / "checkpoints" / f"step-{step:08}")
    main(arguments(sample_examples, again, changes=changes))
    place = Path("pretrain", "t", "checkpoints", "step-00000020", "optimizer.safetensors")
    for expected, found in (
        (weights(tmp_path / "one"), weights(again)),
        (load_file(tmp_path / "one" / place), load_file(again / place)),
    ):
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert losses(again) == losses(tmp_path / "one")


def test_an_old_torch_is_told(sample_examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.optim, "Muon")
    with pytest.raises(InputError, match=r"needs torch 2\.9 or newer, this is "):
        main(arguments(sample_examples, tmp_path, changes=('train.optimizer="muon"',)))
    assert not (tmp_path / "pretrain").exists(), "no folder is claimed for a run that cannot be"
