"""FSDP over two processes: the run that one process makes, from checkpoints of either and in the same files."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_model

from pretrain.checkpoint import Position, save_checkpoint, snapshot
from pretrain.train import main
from tests.conftest import REPOSITORY
from tests.pretrain.test_checkpoint import trained
from tests.pretrain.test_launch import STILL, assert_same_run
from tests.pretrain.test_train import arguments, command, launcher, losses, weights

CONFIG = REPOSITORY / "pretrain" / "launch" / "fsdp.yaml"
#: The rows of an evaluation do not divide by processes and micro-batches.
SHORT = (*STILL, "train.eval_examples=33", "train.max_grad_norm=0.5")


def sharded(*flags: str, processes: int = 2) -> subprocess.CompletedProcess[str]:
    """A run with FSDP as make launches it, but that the program makes accelerate do so on CPUs."""
    launch = ["-m", "accelerate.commands.launch", f"--config_file={CONFIG}", "--num_machines=1"]
    words = [sys.executable, *launch, f"--num_processes={processes}", "--mixed_precision=no", "--dynamo_backend=no"]
    return subprocess.run(
        [*words, "-m", "tests.pretrain.sharded_on_cpu", *flags], capture_output=True, text=True, timeout=240
    )


def moments(root: Path, step: int = 20) -> dict[str, torch.Tensor]:
    return load_file(root / "pretrain" / "t" / "checkpoints" / f"step-{step:08}" / "optimizer.safetensors")


def back_to(root: Path, step: int, place: Path) -> Path:
    """A copy of a finished run as it was after `step`."""
    shutil.copytree(root, place)
    folder = place / "pretrain" / "t"
    (folder / "manifest.json").unlink()
    for later in folder.glob("checkpoints/step-*"):
        if int(later.name.removeprefix("step-")) > step:
            shutil.rmtree(later)
    return place


@pytest.fixture(scope="module")
def alone(sample_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("alone")
    main(arguments(sample_examples, root, changes=SHORT))
    return root


@pytest.fixture(scope="module")
def in_parts(sample_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With micro-batches; the program itself looks that parameters are parts and that a step adds gradients up once."""
    root = tmp_path_factory.mktemp("parts")
    done = sharded(*arguments(sample_examples, root, "--micro-batch", "3", changes=SHORT))
    assert done.returncode == 0, done.stderr
    assert "2 x cpu" in done.stderr and "looked at 20 steps in parts" in done.stderr, done.stderr
    return root


@pytest.mark.slow
def test_the_same_run(alone: Path, in_parts: Path) -> None:
    assert len(losses(alone)) == 4
    assert_same_run(alone, in_parts)


@pytest.mark.slow
@pytest.mark.parametrize("step", [5, 20])
def test_the_same_files(alone: Path, in_parts: Path, step: int) -> None:
    """Whole tensors under Hugging Face's names, weights and moments; tied ones once."""
    for read in (weights, moments):
        one, other = read(alone, step), read(in_parts, step)
        assert one.keys() == other.keys()
        for name in one:
            assert one[name].shape == other[name].shape and one[name].dtype == other[name].dtype
            torch.testing.assert_close(one[name], other[name], rtol=0, atol=2e-4 if read is weights else 1e-5)
    assert "cls.predictions.decoder.weight" not in weights(in_parts)


@pytest.mark.slow
def test_it_goes_on_bit_for_bit(in_parts: Path, sample_examples: Path, tmp_path: Path) -> None:
    """In parts from a checkpoint in the middle: what an undisturbed run in parts gives."""
    place = back_to(in_parts, 10, tmp_path / "again")
    done = sharded(*arguments(sample_examples, place, "--micro-batch", "3", changes=SHORT))
    assert done.returncode == 0 and "going on after step 10" in done.stderr, done.stderr
    for read in (weights, moments):
        one, other = read(in_parts), read(place)
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert losses(place) == losses(in_parts)


@pytest.mark.slow
def test_from_one_way_of_running_to_the_other(
    alone: Path, in_parts: Path, sample_examples: Path, tmp_path: Path
) -> None:
    """FSDP goes on with what one process began, one process with what FSDP began, and two with DDP."""
    began_alone = back_to(alone, 10, tmp_path / "alone")
    done = sharded(*arguments(sample_examples, began_alone, changes=SHORT))
    assert done.returncode == 0 and "going on after step 10" in done.stderr, done.stderr
    began_in_parts = back_to(in_parts, 10, tmp_path / "parts")
    main(arguments(sample_examples, began_in_parts, changes=SHORT))
    began_again = back_to(in_parts, 10, tmp_path / "ddp")
    flags = arguments(sample_examples, began_again, changes=SHORT)
    subprocess.run(command(*flags, launcher=launcher(2)), check=True, capture_output=True)
    for place in (began_alone, began_in_parts, began_again):
        assert_same_run(alone, place)


@pytest.mark.slow
def test_mixed_precision_is_that_of_one_process(sample_examples: Path, tmp_path: Path) -> None:
    """Losses and sums over processes stay float32: in bfloat16 they would be off by a hundredth."""
    flags = ("--precision", "bf16")
    main_flags = arguments(sample_examples, tmp_path / "one", *flags, changes=SHORT)
    subprocess.run(command(*main_flags), check=True, capture_output=True)
    done = sharded(*arguments(sample_examples, tmp_path / "two", *flags, changes=SHORT))
    assert done.returncode == 0 and "precision bf16" in done.stderr, done.stderr
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert one == pytest.approx(two, rel=0, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.batch_size=15", "is no multiple of the 2 processes"),
        ("train.optimizer=muon", "Muon needs whole matrices"),
    ],
)
def test_what_cannot_be_cut(sample_examples: Path, tmp_path: Path, change: str, message: str) -> None:
    done = sharded(*arguments(sample_examples, tmp_path, changes=(change,)))
    assert done.returncode != 0 and message in done.stderr and "InputError" not in done.stderr
    assert not (tmp_path / "pretrain" / "t").exists()


def test_a_checkpoint_holds_what_safetensors_would_save(tmp_path: Path) -> None:
    """The same names as `save_model`'s, for which tied tensors are found by their memory."""
    model, optimizer = trained()
    saved = save_checkpoint(tmp_path, Position(3), snapshot(model, optimizer), keep=2)
    save_model(model, str(tmp_path / "whole.safetensors"))
    ours, theirs = load_file(saved.folder / "model.safetensors"), load_file(tmp_path / "whole.safetensors")
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    with safe_open(saved.folder / "model.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
