"""FSDP and DeepSpeed over two processes: the run that one process makes, from checkpoints of either and in the same
files."""

import dataclasses
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_model

from pipeline.errors import InputError
from pretrain import zero
from pretrain.checkpoint import Position, save_checkpoint, snapshot
from pretrain.prepared import open_prepared
from pretrain.processes import share_of
from pretrain.settings import PhaseSettings
from pretrain.train import main
from tests.conftest import REPOSITORY
from tests.pretrain.test_checkpoint import trained
from tests.pretrain.test_launch import HELD_OUT, STILL, WITH_DEEPSPEED, assert_same_run, numbers
from tests.pretrain.test_model import TRAIN
from tests.pretrain.test_train import arguments, command, launcher, losses, weights

LAUNCH = REPOSITORY / "pretrain" / "launch"
#: The programs that make accelerate run in these ways on CPUs, by the config file that ships.
PROGRAMS = {"fsdp": "sharded_on_cpu", "deepspeed": "zero_on_cpu"}
#: The rows of an evaluation do not divide by processes and micro-batches.
SHORT = (*STILL, "train.eval_examples=33", "train.max_grad_norm=0.5")


@pytest.fixture(scope="module", params=["fsdp", pytest.param("deepspeed", marks=WITH_DEEPSPEED)])
def way(request: pytest.FixtureRequest) -> str:
    return request.param


def sharded(way: str, *flags: str, config: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A run in two processes as make launches it, but that the program makes accelerate do so on CPUs."""
    launch = ["-m", "accelerate.commands.launch", f"--config_file={config or LAUNCH / f'{way}.yaml'}"]
    words = [*launch, "--num_machines=1", "--num_processes=2", "--mixed_precision=no", "--dynamo_backend=no"]
    program = ["-m", f"tests.pretrain.{PROGRAMS[way]}"]
    return subprocess.run([sys.executable, *words, *program, *flags], capture_output=True, text=True, timeout=240)


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
def in_parts(way: str, sample_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With micro-batches; the program itself looks what is in parts and how often a step adds gradients up."""
    root = tmp_path_factory.mktemp("parts")
    done = sharded(way, *arguments(sample_examples, root, "--micro-batch", "3", changes=SHORT))
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
def test_it_goes_on_bit_for_bit(way: str, in_parts: Path, sample_examples: Path, tmp_path: Path) -> None:
    """In parts from a checkpoint in the middle: what an undisturbed run in parts gives."""
    place = back_to(in_parts, 10, tmp_path / "again")
    done = sharded(way, *arguments(sample_examples, place, "--micro-batch", "3", changes=SHORT))
    assert done.returncode == 0 and "going on after step 10" in done.stderr, done.stderr
    for read in (weights, moments):
        one, other = read(in_parts), read(place)
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert losses(place) == losses(in_parts)


@pytest.mark.slow
def test_from_one_way_of_running_to_the_other(
    way: str, alone: Path, in_parts: Path, sample_examples: Path, tmp_path: Path
) -> None:
    """Parts go on with what one process began, one process with what began in parts, and two with DDP."""
    config = LAUNCH / f"{way}.yaml"
    if way == "deepspeed":
        # The other stage, which is a number in the file.
        config = tmp_path / "stage1.yaml"
        config.write_text((LAUNCH / "deepspeed.yaml").read_text().replace("zero_stage: 2", "zero_stage: 1"))
    began_alone = back_to(alone, 10, tmp_path / "alone")
    done = sharded(way, *arguments(sample_examples, began_alone, "--micro-batch", "3", changes=SHORT), config=config)
    assert done.returncode == 0 and "going on after step 10" in done.stderr, done.stderr
    assert f"looked at 10 steps in parts, {30 if way == 'fsdp' else 10} sums" in done.stderr, done.stderr
    began_in_parts = back_to(in_parts, 10, tmp_path / "parts")
    main(arguments(sample_examples, began_in_parts, changes=SHORT))
    began_again = back_to(in_parts, 10, tmp_path / "ddp")
    flags = arguments(sample_examples, began_again, changes=SHORT)
    subprocess.run(command(*flags, launcher=launcher(2)), check=True, capture_output=True)
    for place in (began_alone, began_in_parts, began_again):
        assert_same_run(alone, place)


@pytest.fixture(scope="module")
def alone_at_16_bits(sample_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("bf16")
    flags = arguments(sample_examples, root, "--precision", "bf16", changes=SHORT)
    subprocess.run(command(*flags), check=True, capture_output=True)
    return root


@pytest.mark.slow
def test_mixed_precision_is_that_of_one_process(
    way: str, alone_at_16_bits: Path, sample_examples: Path, tmp_path: Path
) -> None:
    """Losses and sums over processes stay float32: in bfloat16 they would be off by a hundredth."""
    done = sharded(way, *arguments(sample_examples, tmp_path, "--precision", "bf16", changes=SHORT))
    assert done.returncode == 0 and "precision bf16" in done.stderr, done.stderr
    assert losses(alone_at_16_bits) == pytest.approx(losses(tmp_path), rel=0, abs=1e-3)
    # Evaluations as well are in 16 bits: in 32 the loss before the first step is another one by 1e-4.
    one, two = (numbers(root, HELD_OUT)[0] for root in (alone_at_16_bits, tmp_path))
    assert one == pytest.approx(two, rel=0, abs=2e-5)


class InTwo(zero.ZeroAccelerator):
    """DeepSpeed's, as one of two processes has it when it looks at settings."""

    num_processes, process_index, is_fsdp2 = 2, 0, False

    def __init__(self) -> None:
        pass


class CutInTwo:
    """FSDP's."""

    num_processes, process_index, is_fsdp2 = 2, 0, True


TWO_BLOCKS = [PhaseSettings(steps=2, block_size=16), PhaseSettings(steps=2, block_size=32)]


@pytest.mark.parametrize("accelerator", [CutInTwo(), InTwo()], ids=["fsdp", "deepspeed"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 15}, "is no multiple of the 2 processes, as {} needs it"),
        ({"optimizer": "muon"}, "Muon needs whole matrices, {} cuts them"),
        ({"grow_positions": True, "max_steps": 0, "phases": TWO_BLOCKS}, "positions are not grown under {}"),
    ],
)
def test_what_cannot_be_cut(sample_examples: Path, accelerator: object, changes: dict, message: str) -> None:
    settings = dataclasses.replace(TRAIN, **changes)
    schedule = open_prepared(sample_examples).schedule(settings)
    way = "FSDP" if isinstance(accelerator, CutInTwo) else "DeepSpeed"
    with pytest.raises(InputError, match=message.format(way)):
        share_of(schedule, settings, accelerator, Namespace(micro_batch=None, workers=0))


def test_a_checkpoint_holds_what_safetensors_would_save(tmp_path: Path) -> None:
    """The same names as `save_model`'s, for which tied tensors are found by their memory."""
    model, optimizer = trained()
    saved = save_checkpoint(tmp_path, Position(3), snapshot(model, optimizer), keep=2)
    save_model(model, str(tmp_path / "whole.safetensors"))
    ours, theirs = load_file(saved.folder / "model.safetensors"), load_file(tmp_path / "whole.safetensors")
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    with safe_open(saved.folder / "model.safetensors", framework="pt") as file:
        assert file.metadata() == {"format": "pt"}
