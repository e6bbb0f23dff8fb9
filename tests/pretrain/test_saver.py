"""Checkpoints written while training goes on: killed, failing, waited for; and the best of a finished run."""

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline.artifact import read_manifest
from pipeline.errors import InputError, LeftEarly
from pretrain import checkpoint as module
from pretrain import loop
from pretrain.checkpoint import Position, best_checkpoint, latest_checkpoint
from pretrain.export import export_run
from pretrain.metrics import read_metrics
from pretrain.saver import Saver
from pretrain.train import main
from tests.pretrain.test_checkpoint import trained
from tests.pretrain.test_train import arguments, command, launcher, losses, weights

#: A run whose second write of weights stops half way, waits until training has gone on, and is killed there.
KILLED_IN_A_WRITE = """
import json, os, signal, sys, time
from pathlib import Path
from pretrain import checkpoint
from pretrain.train import main
root, save, times = Path(sys.argv[1]), checkpoint.save_file, []
def half(tensors, path, **named):
    save(tensors, path, **named)
    times.append(path)
    if len(times) < 3:
        return
    with open(path, "r+b") as stream:
        stream.truncate(path.stat().st_size // 2)
    while not any('"step": 15, "mlm' in line for line in (root / "metrics.jsonl").open()):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGKILL)
checkpoint.save_file = half
main(json.loads(sys.argv[2]))
"""
#: A run that has no more space from its eighth step on: no file may grow past so many bytes.
FULL_DISK = """
import json, resource, signal, sys
from pipeline.stage import run_stage
from pretrain import loop
from pretrain.train import main
limit, steps, rate = int(sys.argv[1]), [], loop.set_learning_rate
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
def counted(*given):
    steps.append(given)
    if len(steps) == 8:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    rate(*given)
loop.set_learning_rate = counted
run_stage(lambda _: main(json.loads(sys.argv[2])))
"""


def program(text: str, *given: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", text, *map(str, given)], capture_output=True, text=True, timeout=300)


def checkpoints(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "pretrain" / "t" / "checkpoints").iterdir())


def everything(root: Path) -> dict[str, torch.Tensor]:
    """Weights and optimiser state at the end."""
    folder = root / "pretrain" / "t" / "checkpoints" / "step-00000020"
    return {**weights(root), **load_file(folder / "optimizer.safetensors")}


def same(one: Path, other: Path) -> bool:
    first, second = everything(one), everything(other)
    equal = first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    return equal and losses(one) == losses(other)


@pytest.fixture(scope="module")
def undisturbed(sample_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("undisturbed")
    main(arguments(sample_examples, root))
    return root


def test_killed_in_the_middle_of_a_write(undisturbed: Path, sample_examples: Path, tmp_path: Path) -> None:
    flags = arguments(sample_examples, tmp_path)
    done = program(KILLED_IN_A_WRITE, tmp_path / "pretrain" / "t", json.dumps(flags))
    assert done.returncode == -9, done.stderr
    assert checkpoints(tmp_path) == [".step-00000010.building", "step-00000005"]
    assert max(losses(tmp_path)) == 15, "training went on beside the write"
    main(flags)
    assert checkpoints(tmp_path) == [f"step-{step:08}" for step in (5, 10, 15, 20)]
    assert same(undisturbed, tmp_path)


def test_a_disk_that_gets_full_while_training_goes_on(undisturbed: Path, sample_examples: Path, tmp_path: Path) -> None:
    flags = arguments(sample_examples, tmp_path)
    full = program(FULL_DISK, 100_000, json.dumps(flags))
    assert full.returncode == 2, full.stderr
    assert [line for line in full.stderr.splitlines() if "error" in line] == [full.stderr.splitlines()[-1]]
    assert "error: no space left to write; free some and run it again" in full.stderr
    assert "Traceback" not in full.stderr
    assert checkpoints(tmp_path) == ["step-00000005"], "that before is intact, no draft is left"
    assert latest_checkpoint(tmp_path / "pretrain" / "t" / "checkpoints").step == 5
    main(flags)
    assert same(undisturbed, tmp_path)


def test_what_goes_wrong_in_the_last_write_is_raised_too(
    sample_examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = module.flush

    def failing(path: Path) -> None:
        if "00000020" in path.parent.name:
            raise OSError(28, "No space left on device", str(path))
        flush(path)

    monkeypatch.setattr(module, "flush", failing)
    with pytest.raises(OSError, match="No space left"):
        main(arguments(sample_examples, tmp_path))
    assert read_manifest(tmp_path / "pretrain" / "t") is None
    assert checkpoints(tmp_path)[-1] == "step-00000015"


def test_one_write_at_a_time_and_steps_do_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, optimizer = trained()
    go_on, writing, at_most = threading.Event(), [], []
    write = module.save_file

    def slow(*given, **named) -> None:
        writing.append(1)
        at_most.append(len(writing))
        assert go_on.wait(60)
        write(*given, **named)
        writing.pop()

    monkeypatch.setattr(module, "save_file", slow)
    with Saver(tmp_path, keep=5, resumed_at=0) as saver:
        saver.save(Position(1), model, optimizer)
        for _ in range(1000):
            saver.check()
        assert latest_checkpoint(tmp_path) is None, "nothing waited"
        threading.Timer(0.2, go_on.set).start()
        saver.save(Position(2), model, optimizer)
        assert latest_checkpoint(tmp_path).step >= 1, "the second waited for the first"
    assert latest_checkpoint(tmp_path).step == 2 and max(at_most) == 1


def test_an_error_is_raised_at_the_next_look_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, optimizer = trained()
    monkeypatch.setattr(module, "save_file", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    with Saver(tmp_path, keep=1, resumed_at=0) as saver:
        saver.save(Position(1), model, optimizer)
        with pytest.raises(OSError, match="No space left"):
            for _ in range(1000):
                saver.check()
                time.sleep(0.01)
        saver.wait()
    assert list(tmp_path.iterdir()) == []


def test_an_error_of_the_run_is_not_hidden_by_one_of_the_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "save_file", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
    with (
        pytest.raises(InputError, match="the loss is nan"),
        Saver(tmp_path, keep=1, resumed_at=0) as saver,
    ):
        saver.save(Position(1), *trained())
        raise InputError("the loss is nan")
    assert "the last checkpoint was not written" in capsys.readouterr().err


def test_other_ranks_write_nothing() -> None:
    with Saver(None, keep=1, resumed_at=0) as saver:
        saver.save(Position(1), *trained())
        saver.check()


def test_leaving_waits_for_its_checkpoint(
    sample_examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the run says that it left, what it left is on disk."""
    monkeypatch.setattr(loop, "_leaves", lambda run, done, asked: done == 7)
    with pytest.raises(LeftEarly, match="saved after step 7"):
        main(arguments(sample_examples, tmp_path))
    assert latest_checkpoint(tmp_path / "pretrain" / "t" / "checkpoints").step == 7


def test_a_damaged_newest_one_is_redone(undisturbed: Path, sample_examples: Path, tmp_path: Path) -> None:
    flags = arguments(sample_examples, tmp_path)
    main(flags)
    folder = tmp_path / "pretrain" / "t"
    (folder / "manifest.json").unlink()
    newest = folder / "checkpoints" / "step-00000020"
    (newest / "model.safetensors").write_bytes(b"torn")
    before = (newest / "state.json").read_text()
    assert '"held_out_mlm_loss"' in before
    main(flags)
    assert checkpoints(tmp_path) == [f"step-{step:08}" for step in (5, 10, 15, 20)]
    assert same(undisturbed, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_several_processes_go_on_bit_for_bit(sample_examples: Path, tmp_path: Path, optimizer: str) -> None:
    changes = (f'train.optimizer="{optimizer}"',)
    one, again = tmp_path / "one", tmp_path / "again"
    flags = arguments(sample_examples, one, changes=changes)
    subprocess.run(command(*flags, launcher=launcher(2)), check=True, capture_output=True)
    shutil.copytree(one, again)
    folder = again / "pretrain" / "t"
    (folder / "manifest.json").unlink()
    for step in (10, 15, 20):
        shutil.rmtree(folder / "checkpoints" / f"step-{step:08}")
    flags = arguments(sample_examples, again, changes=changes)
    done = subprocess.run(command(*flags, launcher=launcher(2)), capture_output=True, text=True)
    assert done.returncode == 0 and "going on after step 5" in done.stderr, done.stderr
    assert same(one, again)


@pytest.fixture(scope="module")
def risen(sample_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose held-out loss is lowest before its end, with one checkpoint kept beside the best."""
    root = tmp_path_factory.mktemp("risen")
    changes = ("train.keep_checkpoints=1", "train.save_every=4", "train.eval_every=2", "train.learning_rate=0.3")
    main(arguments(sample_examples, root, changes=(*changes, 'train.schedule="constant"', "train.warmup_ratio=0.4")))
    return root


def test_the_best_of_a_finished_run(risen: Path) -> None:
    folder = risen / "pretrain" / "t"
    manifest = read_manifest(folder)
    evaluated = {
        int(record["step"]): record["held_out_mlm_loss"]
        for record in read_metrics(folder / "metrics.jsonl")
        if "held_out_mlm_loss" in record and record["step"] and record["step"] % 4 == 0
    }
    best = min(evaluated, key=evaluated.__getitem__)
    assert best != 20, "else this shows nothing"
    assert checkpoints(risen) == [f"step-{best:08}", "step-00000020"]
    figures = manifest.figures
    assert figures["best_step"] == best and figures["best_checkpoint"] == f"checkpoints/step-{best:08}"
    assert figures["best_mlm_loss"] == evaluated[best] < figures["held_out_mlm_loss"]
    assert "best_nsp_accuracy" in figures and figures["checkpoint"] == "checkpoints/step-00000020"
    assert best_checkpoint(folder / "checkpoints").held_out_mlm_loss == pytest.approx(evaluated[best], abs=1e-5)


def test_the_export_of_either(risen: Path, tmp_path: Path) -> None:
    run = risen / "pretrain" / "t"
    figures = read_manifest(run).figures
    cards = {}
    for which, step in (("last", 20), ("best", figures["best_step"]), ("best", figures["best_step"])):
        manifest, built = export_run(run, tmp_path, which)
        assert built == (which not in cards), "another checkpoint is another artifact, the same one is none"
        assert manifest.settings == {"checkpoint": which}
        expected, found = weights(risen, step), load_file(tmp_path / "model.safetensors")
        assert all(torch.equal(expected[name], found[name]) for name in expected)
        cards[which] = (tmp_path / "README.md").read_text("utf-8")
    assert "The weights are those of the last step." in cards["last"]
    assert f"those of step {figures['best_step']}, of the checkpoints the one with the lowest" in cards["best"]
    for which, prefix in (("last", "held_out"), ("best", "best")):
        assert f"value: {figures[f'{prefix}_mlm_loss']}\n" in cards[which], "the exported weights' own, for the Hub"


def test_a_run_that_knows_no_best_one(risen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = read_manifest(risen / "pretrain" / "t")
    for name in [name for name in manifest.figures if name.startswith("best_")]:
        del manifest.figures[name]
    monkeypatch.setattr("pretrain.export.open_artifact", lambda *_: manifest)
    with pytest.raises(InputError, match="does not know its best checkpoint"):
        export_run(risen / "pretrain" / "t", tmp_path / "out", "best")


def test_a_loss_is_of_its_own_step(sample_examples: Path, tmp_path: Path) -> None:
    """A checkpoint whose step was not evaluated has none, and not the one before it."""
    main(arguments(sample_examples, tmp_path, changes=("train.eval_every=10",)))
    root = tmp_path / "pretrain" / "t" / "checkpoints"
    states = [json.loads(path.read_text()) for path in sorted(root.glob("*/state.json"))]
    assert [state["held_out_mlm_loss"] is None for state in states] == [True, False, True, False]
