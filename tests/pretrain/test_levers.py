"""How a run is made faster leaves what it learns: whole runs with the flags for it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from pretrain.export import export_run
from pretrain.metrics import read_metrics
from pretrain.train import main
from tests.conftest import REPOSITORY
from tests.pretrain.test_train import arguments, launcher, losses, weights

STILL = ("model.hidden_dropout_prob=0.0", "model.attention_probs_dropout_prob=0.0")
compiled = pytest.mark.skipif(
    not any(map(shutil.which, ("c++", "g++", "clang++"))), reason="torch compiles nothing without a compiler for C++"
)


@pytest.fixture(scope="module")
def plain(sample_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without any flag and without dropout, which draws otherwise where tensors have another shape."""
    root = tmp_path_factory.mktemp("plain")
    main(arguments(sample_examples, root, changes=STILL))
    return root


def assert_the_same_run(root: Path, plain: Path) -> None:
    one, other = losses(plain), losses(root)
    assert one.keys() == other.keys() == {5, 10, 15, 20}
    assert all(one[step] == pytest.approx(other[step], abs=2e-5) for step in one)
    of_one, of_other = (read_metrics(side / "pretrain" / "t" / "metrics.jsonl") for side in (plain, root))
    assert [record["step"] for record in of_one] == [record["step"] for record in of_other]
    for mine, theirs in zip(of_one, of_other, strict=True):
        if "held_out_mlm_loss" in mine:
            assert mine["held_out_mlm_loss"] == pytest.approx(theirs["held_out_mlm_loss"], abs=2e-5)
    assert weights(plain).keys() == weights(root).keys(), "Hugging Face's names"


def take_back(root: Path) -> None:
    """Make a finished run one that was interrupted after step 10."""
    folder = root / "pretrain" / "t"
    (folder / "manifest.json").unlink()
    for step in (15, 20):
        shutil.rmtree(folder / "checkpoints" / f"step-{step:08}")


def test_without_padding(plain: Path, sample_examples: Path, tmp_path: Path) -> None:
    main(arguments(sample_examples, tmp_path, "--unpadded", "--micro-batch", "5", changes=STILL))
    assert_the_same_run(tmp_path, plain)
    export_run(tmp_path / "pretrain" / "t", tmp_path / "export")
    assert "unpadded" not in (tmp_path / "export" / "config.json").read_text("utf-8")


def test_without_padding_it_goes_on_bit_for_bit(sample_examples: Path, tmp_path: Path) -> None:
    main(arguments(sample_examples, tmp_path, "--unpadded"))
    expected = weights(tmp_path)
    take_back(tmp_path)
    main(arguments(sample_examples, tmp_path, "--unpadded"))
    assert all(torch.equal(expected[name], tensor) for name, tensor in weights(tmp_path).items())


@compiled
@pytest.mark.slow
def test_compiled(plain: Path, sample_examples: Path, tmp_path: Path) -> None:
    main(arguments(sample_examples, tmp_path, "--compile", changes=STILL))
    assert_the_same_run(tmp_path, plain)


@compiled
@pytest.mark.slow
def test_compiled_and_without_padding(plain: Path, sample_examples: Path, tmp_path: Path) -> None:
    """A run that was neither goes on so after a checkpoint."""
    again = tmp_path / "again"
    shutil.copytree(plain, again)
    take_back(again)
    main(arguments(sample_examples, again, "--compile", "--unpadded", changes=STILL))
    assert_the_same_run(again, plain)


def traced(tmp_path: Path, *args: str, processes: int = 1) -> str:
    """A run in processes of its own, compiled but for the C++, which takes minutes; what it said. A break in the graph
    is an error."""
    script = tmp_path / "traced.py"
    script.write_text(
        "import sys\n"
        "from pretrain.model import PretrainingObjective as Objective\n"
        "from pretrain.train import main\n"
        "compile_it = Objective.compile\n"
        "Objective.compile = lambda self: compile_it(self, backend='aot_eager', fullgraph=True)\n"
        "main(sys.argv[1:])\n"
    )
    start = launcher(processes) if processes > 1 else ()
    run = subprocess.run([sys.executable, *start, str(script), *args], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stderr


@compiled
@pytest.mark.slow
def test_compiled_in_16_bits(plain: Path, sample_examples: Path, tmp_path: Path) -> None:
    """The launcher's mixed precision wraps what is compiled."""
    flags = ("--compile", "--unpadded", "--precision", "bf16")
    assert "precision bf16" in traced(tmp_path, *arguments(sample_examples, tmp_path, *flags, changes=STILL))
    one, other = losses(plain), losses(tmp_path)
    assert all(one[step] == pytest.approx(other[step], abs=0.02) for step in one) and one != other


@compiled
@pytest.mark.slow
def test_several_processes(plain: Path, sample_examples: Path, tmp_path: Path) -> None:
    flags = arguments(sample_examples, tmp_path, "--compile", "--unpadded", changes=STILL)
    told = traced(tmp_path, *flags, processes=2)
    assert "2 x cpu" in told and "without padding" in told
    assert_the_same_run(tmp_path, plain)


@pytest.mark.slow
@pytest.mark.parametrize("lacks", [[], ["head", "ahead", "fused"]])
def test_both_sides_of_the_benchmark_count_the_same(sample_examples: Path, lacks: list[str]) -> None:
    """As many examples on both sides, and about as many tokens and masks: the orders differ, padding is no token."""
    common = {
        "recipe": "sample",
        "batch": 64,
        "warm": 1,
        "steps": 4,
        "cpu": True,
        "sets": ["model.num_hidden_layers=1"],
    }
    found = {}
    for side, options, flags in (("stock", {"best": False}, ()), ("ours", {"lacks": lacks}, ("--unpadded",))):
        script = [sys.executable, str(REPOSITORY / "benchmarks" / "side.py"), side, str(sample_examples)]
        run = subprocess.run([*script, json.dumps({**common, **options}), *flags], capture_output=True, text=True)
        assert run.returncode == 0, run.stderr
        found[side] = json.loads(run.stdout.splitlines()[-1])
    assert found["stock"]["work"]["examples"] == found["ours"]["work"]["examples"] == 256
    for counted in ("tokens", "squares", "masked"):
        assert found["stock"]["work"][counted] == pytest.approx(found["ours"]["work"][counted], rel=0.1), counted
    assert found["ours"]["tokens_per_second"] > 0
