"""Runs that go wrong stop, say where and why, and leave nothing behind that is no number."""

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file

from pipeline.artifact import read_manifest
from pipeline.errors import InputError
from pipeline.stage import run_stage
from pretrain import loop
from pretrain.checkpoint import latest_checkpoint, load_checkpoint
from pretrain.masks import IGNORED
from pretrain.metrics import read_metrics
from pretrain.model import PretrainingObjective, bert_config, new_model
from pretrain.optim import learning_rate, make_optimizer
from pretrain.prepared import open_prepared
from pretrain.settings import ModelSettings
from pretrain.train import main
from pretrain.watch import Trend
from tests.pretrain.test_model import TRAIN
from tests.pretrain.test_train import arguments, command, launcher
from tokenizer.wordpiece import load_tokenizer, vocabulary_of

LONG = ("train.max_steps=60", "train.batch_size=32", "train.eval_every=20", "train.save_every=10")


def rate_after(step: int, later: float):
    """The recipe's learning rate up to a step, then another."""

    def rate(point, *rest) -> float:
        return learning_rate(point, *rest) if point.done < step else later

    return rate


def run_folder(root: Path) -> Path:
    return root / "pretrain" / "t"


def saved(root: Path) -> dict[str, bool]:
    """Checkpoints, and whether all in them are numbers."""
    return {
        folder.name: all(
            bool(tensor.isfinite().all())
            for file in folder.glob("*.safetensors")
            for tensor in load_file(file).values()
        )
        for folder in run_folder(root).glob("checkpoints/step-*")
    }


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, torch.Tensor]]:
    """The batches that training steps got, one each."""
    batches: list[dict[str, torch.Tensor]] = []
    forward = PretrainingObjective.forward

    def spy(self: PretrainingObjective, batch: dict[str, torch.Tensor]):
        if self.training:
            batches.append(batch)
        return forward(self, batch)

    monkeypatch.setattr(PretrainingObjective, "forward", spy)
    return batches


def as_read(batch: dict[str, torch.Tensor], names: list[str]) -> list[str]:
    """The examples of a batch as a reader is shown them."""
    examples = []
    every = torch.full_like(batch["input_ids"], IGNORED)
    every.view(-1)[batch["places"]] = batch["wanted"]
    for ids, labels in zip(batch["input_ids"].tolist(), every.tolist(), strict=True):
        pieces = []
        for now, was in zip(ids, labels, strict=True):
            told = "" if was == IGNORED else "{=}" if now == was else f"{{{names[was]}}}"
            pieces.append(names[now] + told)
        examples.append(" ".join(pieces).replace(" [PAD]", ""))
    return examples


def test_a_loss_that_runs_away(
    sample_examples: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    seen: list[dict[str, torch.Tensor]],
) -> None:
    """One line, exit code 2, the checkpoint before it and the texts of a step; the same after a resumption."""
    monkeypatch.setattr(loop, "learning_rate", rate_after(35, 30.0))
    monkeypatch.setattr(sys, "argv", ["train", *arguments(sample_examples, tmp_path, changes=LONG)])
    with pytest.raises(SystemExit) as ended:
        run_stage(main)
    assert ended.value.code == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert re.search(
        r"error: the MLM loss ran away: it is [\d.]+ in steps \d+ to 40, more than train.max_loss_rise \(2\)", told
    )
    assert "lower train.learning_rate (0.001)" in told and "NAME of its own" in told
    folder = run_folder(tmp_path)
    # The rate was mad when step 40 was saved, or would have been.
    good = folder / "checkpoints" / "step-00000030"
    assert f"The last good checkpoint is {good} (step 30)" in told and f"train.init_from={good}" in told
    assert all(saved(tmp_path).values())
    assert read_metrics(folder / "metrics.jsonl")[-1]["step"] == 40
    step = int(re.search(r"the texts of step (\d+) are in", told)[1])
    text = (folder / "stopped.txt").read_text("utf-8")
    assert step > 35 and text.startswith(told.removeprefix("error: ")) and "\x1b" not in text
    names = vocabulary_of(load_tokenizer(sample_examples))
    examples = as_read(seen[step - 1], names)
    assert len(examples) == 32 and all(example in text for example in examples)
    assert not any(example in text for example in as_read(seen[step - 2], names))
    seen.clear()
    with pytest.raises(InputError) as again:
        main(arguments(sample_examples, tmp_path, changes=LONG))
    assert len(seen) == 10 and f"error: {again.value}" == told


def test_the_named_checkpoint_loads(sample_examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that was saved when the loss had begun to rise is not the one."""
    monkeypatch.setattr(
        loop, "learning_rate", lambda point, *rest: 1e-3 if point.done < 30 else 0.1 * 1.1 ** (point.done - 30)
    )
    changes = (*LONG, "train.save_every=2", "train.max_loss_rise=6", "train.keep_checkpoints=50")
    with pytest.raises(InputError, match="ran away") as stopped:
        main(arguments(sample_examples, tmp_path, changes=changes))
    named = Path(re.search(r"checkpoint is (\S+) \(step", str(stopped.value))[1])
    newest = latest_checkpoint(run_folder(tmp_path) / "checkpoints")
    found = latest_checkpoint(named.parent, until=int(named.name.removeprefix("step-")))
    assert found is not None and newest is not None and found.folder == named
    assert 30 <= found.step < newest.step
    losses = {
        int(r["step"]): r["mlm_loss"] for r in read_metrics(run_folder(tmp_path) / "metrics.jsonl") if "mlm_loss" in r
    }
    lowest = min(losses.values())
    assert losses[found.step] < lowest + 4 and losses[max(losses)] > lowest + 4
    prepared = open_prepared(sample_examples)
    config = bert_config(ModelSettings(32, 2, 2, 64, 64, 0.1, 0.1, 0.02, 0.0), prepared.vocab_size, 32)
    config.max_position_embeddings = load_file(named / "model.safetensors")[
        "bert.embeddings.position_embeddings.weight"
    ].shape[0]
    model = new_model(config, 0)
    load_checkpoint(found, model, make_optimizer(model, TRAIN, fused=False))
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())


def test_a_mad_learning_rate(sample_examples: Path, tmp_path: Path) -> None:
    """From the first step on: whatever is noticed first stops it."""
    with pytest.raises(
        InputError, match=r"(ran away|no number|inf|nan).*No checkpoint is good.*lower train.learning_rate \(1000\)"
    ):
        main(arguments(sample_examples, tmp_path, changes=(*LONG, "train.learning_rate=1e3", "train.warmup_ratio=0.0")))
    assert all(saved(tmp_path).values())


def test_weights_that_are_no_numbers_are_not_saved(
    sample_examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loss of the last step was fine, the step itself was not: resumed without it, the run ends well."""
    with monkeypatch.context() as spoilt:
        spoilt.setattr(loop, "learning_rate", rate_after(14, float("nan")))
        with pytest.raises(InputError, match=r"weights that are no numbers after step 15.*step-00000010 \(step 10\)"):
            main(arguments(sample_examples, tmp_path))
    assert saved(tmp_path) == {"step-00000005": True, "step-00000010": True}
    assert (run_folder(tmp_path) / "stopped.txt").exists()
    main(arguments(sample_examples, tmp_path))
    assert len(saved(tmp_path)) == 4 and all(saved(tmp_path).values())
    manifest = read_manifest(run_folder(tmp_path))
    assert manifest is not None and "stopped.txt" not in manifest.files
    assert {"loss.svg", "loss.png"} <= set(manifest.files)
    assert 0 < manifest.figures["held_out_mlm_bits_per_character"] < manifest.figures["start_mlm_bits_per_character"]


def test_a_gradient_that_is_no_number(sample_examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step is named though it is looked at later; there is no checkpoint yet."""
    clip, calls = Accelerator.clip_grad_norm_, []

    def broken(self: Accelerator, parameters, *rest):
        calls.append(clip(self, parameters, *rest))
        return calls[-1] * (torch.inf if len(calls) == 3 else 1)

    monkeypatch.setattr(Accelerator, "clip_grad_norm_", broken)
    with pytest.raises(
        InputError,
        match=r"norm of the gradients is inf in step 3, where the MLM loss is [78].*No checkpoint is good; the texts",
    ):
        main(arguments(sample_examples, tmp_path))
    assert saved(tmp_path) == {} and len(calls) == 5


def test_an_ordinary_run_is_left_alone(sample_examples: Path, tmp_path: Path) -> None:
    """Even where little may be lost."""
    main(arguments(sample_examples, tmp_path, changes=(*LONG, "train.max_loss_rise=0.3")))
    folder = tmp_path / "pretrain" / "t"
    assert (folder / "manifest.json").exists() and not (folder / "stopped.txt").exists()


def records(losses: list[float], masked: float = 200.0, every: int = 10) -> list[dict[str, float]]:
    return [
        {"step": every * (place + 1), "mlm_loss": loss, "masked_tokens": masked * every}
        for place, loss in enumerate(losses)
    ]


def trend(rise: float = 2.0, before: list[dict[str, float]] | None = None, entries: int = 8000) -> Trend:
    settings = type(TRAIN)(**{**vars(TRAIN), "max_loss_rise": rise})
    return Trend.of(settings, entries, before or [])


def test_when_a_loss_ran_away() -> None:
    """Above the lowest by more than the setting, up to a guess among all entries (8.987) at first."""
    found = trend()
    assert [found.add(record) for record in records([10.9, 9.0, 7.0, 5.0, 6.9, 6.1, 6.9])] == [None] * 7
    assert (found.lowest, found.lowest_at, found.calm) == (5.0, 40, 40)
    found = trend()
    assert [found.add(record) for record in records([8.0, 5.0, 5.9, 7.01])] == [None, None, None, pytest.approx(7.01)]
    assert found.calm == 30
    assert trend().add(records([11.0])[0]) == 11.0
    assert trend(rise=0.0).add(records([1e9])[0]) is None


def test_a_model_that_begins_worse_than_guessing() -> None:
    """Wide initial weights: its own first held-out loss counts."""
    start = {"step": 0, "held_out_mlm_loss": 12.0}
    assert trend(before=[start]).add(records([13.0])[0]) is None
    assert trend(before=[start]).add(records([14.1])[0]) == 14.1


def test_chance_stops_nothing() -> None:
    """Two masked tokens a step, a record each step, losses all over the place."""
    draws = random.Random(0)
    noisy = records([draws.gauss(5.0, 3.0 / 2**0.5) for _ in range(5000)], masked=2, every=1)
    assert max(record["mlm_loss"] for record in noisy) > min(record["mlm_loss"] for record in noisy) + 10
    found = trend()
    assert not any(found.add(record) for record in noisy)
    worse = records([8.5] * 2000, masked=2, every=1)
    assert any(found.add({**record, "step": record["step"] + 5000}) for record in worse)


def test_what_is_lowest_survives_a_resumption() -> None:
    lines = records([8.0, 6.0, 5.0, 5.5, 6.2, 6.9])
    for place in range(len(lines)):
        resumed, whole = trend(before=lines[:place]), trend()
        for record in lines[:place]:
            whole.add(record)
        assert resumed == whole


@pytest.mark.slow
def test_several_processes_stop_together(sample_examples: Path, tmp_path: Path) -> None:
    """The same word from all, told once; bits per character are those of one process."""
    changes = (*LONG, "train.learning_rate=30", "train.warmup_ratio=1.0", "train.max_grad_norm=0")
    flags = arguments(sample_examples, tmp_path / "two", changes=changes)
    run = subprocess.run(command(*flags, launcher=launcher(2)), capture_output=True, text=True, timeout=300)
    with pytest.raises(InputError) as one:
        main(arguments(sample_examples, tmp_path / "one", changes=changes))
    assert run.returncode != 0
    assert run.stderr.count("the MLM loss ran away") == 1
    starts = [read_metrics(run_folder(tmp_path / name) / "metrics.jsonl")[0] for name in ("one", "two")]
    assert starts[0]["held_out_mlm_bits_per_character"] == pytest.approx(
        starts[1]["held_out_mlm_bits_per_character"], abs=2e-5
    )
    texts = [(run_folder(tmp_path / name) / "stopped.txt").read_text("utf-8") for name in ("one", "two")]
    assert str(one.value) in texts[0] and texts[0].splitlines()[2:] == texts[1].splitlines()[2:]
