"""Training runs: resumed bit for bit, the same however divided, refused when they are another's."""

import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from filelock import FileLock
from safetensors.torch import load_file
from transformers import AutoTokenizer

from pipeline.artifact import read_manifest
from pipeline.errors import InputError, LeftEarly
from pipeline.recipe import load_recipe
from pretrain import loop
from pretrain.dataset import PairDataset, Share
from pretrain.examples import build_examples
from pretrain.export import export_run
from pretrain.feed import steps_of
from pretrain.masking import PairMaskingCollator
from pretrain.metrics import read_metrics
from pretrain.model import PretrainingObjective, bert_config, new_model
from pretrain.prepared import open_prepared
from pretrain.run import Run
from pretrain.schedule import mask_key
from pretrain.settings import ModelSettings, TrainSettings
from pretrain.train import main
from tests.conftest import EXAMPLES

TINY = [
    "model.hidden_size=32",
    "model.num_hidden_layers=2",
    "model.num_attention_heads=2",
    "model.intermediate_size=64",
    "train.batch_size=16",
    "train.max_steps=20",
    "train.eval_every=5",
    "train.save_every=5",
    "train.eval_examples=32",
    "train.keep_checkpoints=10",
    "model.hidden_dropout_prob=0.1",
    "train.learning_rate=1e-3",
]


def arguments(examples: Path, root: Path, *flags: str, changes: tuple[str, ...] = ()) -> list[str]:
    place = ["--from-examples", str(examples), "--artifacts", str(root), "--name", "t", "--cpu"]
    return [*place, *flags, "--set", *TINY, *changes]


def launcher(processes: int) -> tuple[str, ...]:
    """Several processes as the Makefile starts them; `-m accelerate.commands.launch` so that it is this Python's."""
    return ("-m", "accelerate.commands.launch", "--multi_gpu", f"--num_processes={processes}", "--num_machines=1")


def command(*args: str, launcher: tuple[str, ...] = ()) -> list[str]:
    return [sys.executable, *launcher, "-m", "pretrain.train", *args]


def weights(root: Path, step: int = 20) -> dict[str, torch.Tensor]:
    return load_file(root / "pretrain" / "t" / "checkpoints" / f"step-{step:08}" / "model.safetensors")


def losses(root: Path) -> dict[int, float]:
    records = read_metrics(root / "pretrain" / "t" / "metrics.jsonl")
    return {int(record["step"]): record["mlm_loss"] for record in records if "mlm_loss" in record}


@pytest.fixture(scope="module")
def undisturbed(sample_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("undisturbed")
    main(arguments(sample_examples, root))
    return root


def test_a_finished_run(undisturbed: Path, capsys: pytest.CaptureFixture[str], sample_examples: Path) -> None:
    folder = undisturbed / "pretrain" / "t"
    manifest = read_manifest(folder)
    assert manifest is not None and manifest.figures["steps"] == 20
    assert manifest.figures["held_out_mlm_loss"] < manifest.figures["start_mlm_loss"]
    assert {"config.json", "loss.png", "metrics.jsonl", "tokenizer.json", "vocab.txt"} <= set(manifest.files)
    assert any(name.startswith("tensorboard/events") for name in manifest.files)
    records = read_metrics(folder / "metrics.jsonl")
    assert [record["step"] for record in records if "held_out_nsp_accuracy" in record] == [0, 5, 10, 15, 20]
    measured = [record for record in records if "mlm_loss" in record]
    assert all(record["tokens_per_second"] > 0 and record["tflops_per_second"] > 0 for record in measured)
    main(arguments(sample_examples, undisturbed))
    assert "is finished" in capsys.readouterr().err


@pytest.mark.parametrize("micro_batch", [16, 5])
def test_gradients_are_those_of_the_stock_mean_losses(sample_examples: Path, micro_batch: int) -> None:
    """Of the first global batch: the mean over its masked tokens plus the mean over its pairs."""
    prepared = open_prepared(sample_examples)
    recipe = load_recipe("sample", [*TINY, "model.hidden_dropout_prob=0.0"])
    shape, settings = recipe.section("model", ModelSettings), recipe.section("train", TrainSettings)
    collator = PairMaskingCollator(AutoTokenizer.from_pretrained(sample_examples))
    objective = PretrainingObjective(new_model(bert_config(shape, prepared.vocab_size, 32), 0))
    share, schedule = Share(0, 1, micro_batch, 0), prepared.schedule(settings)
    run = Run(Path(), prepared, objective, settings, schedule, collator, Accelerator(cpu=True), share, shape)
    micro_batches = next(steps_of(run, 0))[1]
    assert len(micro_batches) == -(-16 // micro_batch)
    loop._gradients(objective, micro_batches, run)
    found = {name: parameter.grad.clone() for name, parameter in objective.model.named_parameters()}
    objective.zero_grad()
    whole = collator.torch_call(
        PairDataset(prepared.train, prepared.plan(0), prepared.frame, mask_key(settings, 0)).__getitems__(
            schedule.order(prepared.plan(0), schedule.place(0), settings).rows(0)
        )
    )
    objective.model(**whole).loss.backward()
    for name, parameter in objective.model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-4, atol=1e-6, msg=name)


@pytest.mark.parametrize("stop", [5, 10])
def test_n_steps_resume_n_steps_is_2n_steps(
    undisturbed: Path, sample_examples: Path, tmp_path: Path, stop: int
) -> None:
    """A run that ended after a checkpoint goes on to the same weights and the same records, bit for bit."""
    root = tmp_path / "again"
    shutil.copytree(undisturbed, root)
    folder = root / "pretrain" / "t"
    (folder / "manifest.json").unlink()
    for later in folder.glob("checkpoints/step-*"):
        if int(later.name.removeprefix("step-")) > stop:
            shutil.rmtree(later)
    main(arguments(sample_examples, root))
    expected, found = weights(undisturbed), weights(root)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    optimizers = [
        load_file(side / "pretrain" / "t" / "checkpoints" / "step-00000020" / "optimizer.safetensors")
        for side in (undisturbed, root)
    ]
    assert all(torch.equal(optimizers[0][name], optimizers[1][name]) for name in optimizers[0])
    assert losses(root) == losses(undisturbed)


@pytest.mark.slow
def test_killed_at_any_moment(undisturbed: Path, sample_examples: Path, tmp_path: Path) -> None:
    """kill -9 three times on the way: when the run has its folder, and after its first and its third checkpoint."""
    folder = tmp_path / "pretrain" / "t"
    for reached in ("run.json", "checkpoints/step-00000005", "checkpoints/step-00000015"):
        process = subprocess.Popen(command(*arguments(sample_examples, tmp_path)), stderr=subprocess.DEVNULL)
        while not (folder / reached).exists():
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, "it ended before it was killed: this shows nothing"
        assert not (folder / "manifest.json").exists()
    subprocess.run(command(*arguments(sample_examples, tmp_path)), check=True, capture_output=True)
    expected, found = weights(undisturbed), weights(tmp_path)
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert losses(tmp_path) == losses(undisturbed)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_asked_to_leave(
    undisturbed: Path, sample_examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    """It saves after the step in hand and goes on to the same weights; other handlers are put back."""
    before, set_rate, steps = signal.getsignal(number), loop.set_learning_rate, []

    def signalled(optimizer: torch.optim.Optimizer, rate: float) -> None:
        steps.append(rate)
        if len(steps) == 8:
            signal.raise_signal(number)
        set_rate(optimizer, rate)

    monkeypatch.setattr(loop, "set_learning_rate", signalled)
    with pytest.raises(LeftEarly, match="saved after step 8; the same command goes on"):
        main(arguments(sample_examples, tmp_path))
    assert signal.getsignal(number) is before and len(steps) == 8
    assert weights(tmp_path, 8).keys() == weights(undisturbed).keys()
    main(arguments(sample_examples, tmp_path))
    assert len(steps) == 20
    expected, found = weights(undisturbed), weights(tmp_path)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_a_signal_from_outside(sample_examples: Path, tmp_path: Path, processes: int) -> None:
    """The whole program: exit code 75 (a launcher has its own), a checkpoint, no traceback of ours."""
    flags = arguments(sample_examples, tmp_path, changes=("train.max_steps=100000", "train.save_every=100000"))
    process = subprocess.Popen(command(*flags, launcher=launcher(2) if processes > 1 else ()), stderr=subprocess.PIPE)
    metrics = tmp_path / "pretrain" / "t" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not losses(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    told = process.communicate(timeout=120)[1].decode()
    assert process.returncode == (75 if processes == 1 else process.returncode) != 0, told
    assert metrics.exists() and list((tmp_path / "pretrain" / "t" / "checkpoints").glob("step-*"))
    assert "asked to leave: saved after step" in told


def test_micro_batches_give_the_same_run(sample_examples: Path, tmp_path: Path) -> None:
    """Without dropout, gradients accumulated over micro-batches are those of the whole batch, up to rounding."""
    still = ("model.hidden_dropout_prob=0.0", "model.attention_probs_dropout_prob=0.0")
    main(arguments(sample_examples, tmp_path / "whole", changes=still))
    main(arguments(sample_examples, tmp_path / "parts", "--micro-batch", "5", changes=still))
    whole, parts = losses(tmp_path / "whole"), losses(tmp_path / "parts")
    assert whole.keys() == parts.keys() == {5, 10, 15, 20}
    assert all(whole[step] == pytest.approx(parts[step], abs=2e-5) for step in whole)


ALL_OPTIONS = (
    "train.group_by_length=true",
    "train.whole_word_mask=true",
    "train.fixed_mask_count=true",
    "train.mlm_probability_end=0.4",
)


@pytest.mark.parametrize("objective", ["sop", "none"])
def test_other_objectives_and_ways_of_making_batches(
    sample_corpus: Path, sample_tokenizer: Path, tmp_path: Path, objective: str
) -> None:
    """Grouped by length, whole words, a fixed count, a rate that rises: interrupted, with other threads and padding,
    the same run; no pairs where there are none."""
    examples = tmp_path / "examples"
    build_examples(sample_corpus, sample_tokenizer, dataclasses.replace(EXAMPLES, objective=objective), examples)
    still = ("model.hidden_dropout_prob=0.0", "model.attention_probs_dropout_prob=0.0", *ALL_OPTIONS)
    main(arguments(examples, tmp_path / "one", changes=still))
    again = tmp_path / "again"
    shutil.copytree(tmp_path / "one", again)
    folder = again / "pretrain" / "t"
    (folder / "manifest.json").unlink()
    for step in (15, 20):
        shutil.rmtree(folder / "checkpoints" / f"step-{step:08}")
    main(arguments(examples, again, "--workers", "3", "--pad-to-multiple-of", "32", changes=still))
    one, other = losses(tmp_path / "one"), losses(again)
    assert one.keys() == other.keys() == {5, 10, 15, 20}
    assert all(one[step] == pytest.approx(other[step], abs=2e-5) for step in one)
    figures = read_manifest(folder).figures
    assert figures["held_out_mlm_loss"] < figures["start_mlm_loss"]
    records = read_metrics(folder / "metrics.jsonl")
    assert all(("nsp_loss" in record or "held_out_nsp_loss" in record) == (objective == "sop") for record in records)
    assert (folder / "loss.png").stat().st_size > 1000
    export_run(folder, tmp_path / "export")
    card = (tmp_path / "export" / "README.md").read_text("utf-8")
    assert ("sentence-order" in card) == (objective == "sop") and "next-sentence" not in card


def test_a_multiple_that_does_not_fit_the_block(sample_examples: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--pad-to-multiple-of 24 does not divide the block of 32 tokens"):
        main(arguments(sample_examples, tmp_path, "--pad-to-multiple-of", "24"))


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2, 4])
def test_several_processes_give_the_same_run(sample_examples: Path, tmp_path: Path, processes: int) -> None:
    """`accelerate launch`: the same losses as in one process, and one set of files."""
    still = ("model.hidden_dropout_prob=0.0", "model.attention_probs_dropout_prob=0.0", *ALL_OPTIONS)
    main(arguments(sample_examples, tmp_path / "one", changes=still))
    flags = arguments(sample_examples, tmp_path / "two", changes=still)
    run = subprocess.run(command(*flags, launcher=launcher(processes)), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert f"{processes} x cpu" in run.stderr
    one, two = losses(tmp_path / "one"), losses(tmp_path / "two")
    assert one.keys() == two.keys() == {5, 10, 15, 20}
    assert all(one[step] == pytest.approx(two[step], abs=2e-5) for step in one)


@pytest.mark.parametrize("finished", [True, False])
def test_another_recipe_is_refused_with_the_difference(
    undisturbed: Path, sample_examples: Path, tmp_path: Path, finished: bool
) -> None:
    root = tmp_path / "again"
    shutil.copytree(undisturbed, root)
    if not finished:
        (root / "pretrain" / "t" / "manifest.json").unlink()
    before = weights(root)
    with pytest.raises(InputError) as refusal:
        main(arguments(sample_examples, root, changes=("train.learning_rate=2e-3",)))
    assert "train.learning_rate 0.001 -> 0.002" in str(refusal.value) and "NAME=" in str(refusal.value)
    assert all(torch.equal(before[name], tensor) for name, tensor in weights(root).items())


def test_how_it_runs_may_change(undisturbed: Path, sample_examples: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(arguments(sample_examples, undisturbed, "--micro-batch", "3", "--workers", "1"))
    assert "is finished" in capsys.readouterr().err


@pytest.mark.parametrize("flag", [["--micro-batch", "0"], ["--micro-batch", "-5"], ["--workers", "-1"]])
def test_flags_that_make_no_sense(sample_examples: Path, tmp_path: Path, flag: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(arguments(sample_examples, tmp_path, *flag))
    assert not (tmp_path / "pretrain").exists()


def test_a_second_run_into_one_name_is_refused(sample_examples: Path, tmp_path: Path) -> None:
    (tmp_path / "pretrain").mkdir()
    with (
        FileLock(tmp_path / "pretrain" / ".t.lock"),
        pytest.raises(InputError, match="another process is training"),
    ):
        main(arguments(sample_examples, tmp_path))


def test_a_folder_that_is_no_run_is_left_alone(sample_examples: Path, tmp_path: Path) -> None:
    mine = tmp_path / "pretrain" / "t" / "mine.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(InputError, match="is not empty and holds no run"):
        main(arguments(sample_examples, tmp_path))
    assert mine.read_text() == "mine"


def test_a_batch_larger_than_the_corpus_is_told(sample_examples: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gives \d+ examples of 32 tokens an epoch, fewer than a batch of 100000"):
        main(arguments(sample_examples, tmp_path, changes=("train.batch_size=100000",)))


def test_a_loss_that_is_no_number_stops_the_run(sample_examples: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the loss is (nan|inf) in .*lower train\.learning_rate"):
        main(arguments(sample_examples, tmp_path, changes=("train.learning_rate=1e30", "train.max_grad_norm=0.0")))


def test_a_changed_file_is_refused(sample_examples: Path, tmp_path: Path) -> None:
    examples = tmp_path / "examples"
    shutil.copytree(sample_examples, examples)
    ids = examples / "train.ids.bin"
    data = bytearray(ids.read_bytes())
    data[100] ^= 1
    ids.write_bytes(data)
    with pytest.raises(InputError, match=r"train\.ids\.bin was changed"):
        main(arguments(examples, tmp_path))


def test_metrics_cut_off_by_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps({"step": 1}) + "\n" + '{"step": 2, "mlm')
    assert read_metrics(path) == [{"step": 1}]
