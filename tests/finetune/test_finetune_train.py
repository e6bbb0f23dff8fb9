"""Whole runs on a toy task: it is learned, published whole, loadable by Hugging Face, never half there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, pipeline

from finetune.data.read import Source, read_rows
from finetune.job import Data, Job
from finetune.learn import learn
from finetune.train import finetune, main
from pipeline.artifact import read_manifest
from pipeline.errors import InputError
from tests.finetune.conftest import settings

PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")


@pytest.fixture
def job(encoder: Path, toy: tuple[Path, Path], tmp_path: Path) -> Job:
    return Job(encoder, data(*toy), tmp_path / "out" / "toy", settings(), tmp_path / "artifacts", cpu=True)


def data(train: Path, test: Path | None = None, dev: Path | None = None) -> Data:
    return Data(str(train), dev and str(dev), test and str(test), Source("classification"))


def changed(job: Job, **changes) -> Job:
    return Job(**{**{name: getattr(job, name) for name in job.__dataclass_fields__}, **changes})


def test_a_run_learns_and_reloads_with_the_same_answers(job: Job) -> None:
    manifest, built = finetune(job)
    assert built
    scores = json.loads((job.folder / "metrics.json").read_text("utf-8"))
    assert scores["choice"] == manifest.figures["choice"] == "macro_f1"
    assert scores["test"]["accuracy"]["mean"] > 0.9
    assert scores["test"]["macro_f1"]["mean"] == pytest.approx(manifest.figures["test"]["macro_f1"], abs=1e-6)

    rows = read_rows(job.data.test, job.data.source)
    ask = pipeline("text-classification", model=str(job.folder), device="cpu")
    answers = [answer["label"] for answer in ask(list(rows.texts))]
    right = sum(answer == row.label for answer, row in zip(answers, rows.rows, strict=True))
    assert right / len(rows) == pytest.approx(scores["test"]["accuracy"]["mean"])
    told = [json.loads(line) for line in (job.folder / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert [(line["text"], line["target"], line["answer"]) for line in told] == [
        (row.text, row.target, answer) for row, answer in zip(rows.rows, answers, strict=True)
    ]

    [run] = scores["runs"]
    history = run["epochs"]
    assert [epoch["number"] for epoch in history] == list(range(1, 9))
    best = max(history, key=lambda epoch: (epoch["dev"], -epoch["dev_loss"]))
    assert (run["best_epoch"], run["dev"]["measures"]["macro_f1"]) == (best["number"], best["dev"])
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert history[-1]["train"] > 0.9


def test_only_the_finished_folder_is_left(job: Job) -> None:
    finetune(job)
    files = {path.name for path in job.folder.rglob("*") if path.is_file()}
    assert files == {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt",
        "metrics.json", "manifest.json", "task.json", "predictions.jsonl", "mistakes.json", "report.md",
        "history.png", "history.svg", "confusion.png", "confusion.svg",
    }  # fmt: skip
    assert not [name for name in files if name.endswith(PICKLES)]
    assert {path.name for path in job.folder.parent.iterdir()} == {"toy", ".toy.lock"}


def test_asking_again_does_nothing_and_asking_otherwise_works(job: Job) -> None:
    first, _ = finetune(job)
    stamp = (job.folder / "model.safetensors").stat().st_mtime_ns
    again, built = finetune(job)
    assert (again, built) == (first, False)
    assert (job.folder / "model.safetensors").stat().st_mtime_ns == stamp
    other, built = finetune(changed(job, settings=settings(epochs=1)))
    assert built
    assert other.figures["steps"] * 8 == first.figures["steps"]


def test_the_same_job_gives_the_same_bytes(job: Job, tmp_path: Path) -> None:
    quick = changed(job, settings=settings(epochs=1))
    one, _ = finetune(quick)
    torch.manual_seed(99)  # what the caller did with the global generator does not matter
    two, _ = finetune(changed(quick, folder=tmp_path / "two"))
    three, _ = finetune(changed(quick, folder=tmp_path / "three", settings=settings(epochs=1, seed=5)))
    assert one.content == two.content != three.content


def test_an_earlier_output_survives_a_failure(job: Job, write) -> None:
    before, _ = finetune(job)
    bad = write("bad.tsv", "text\tlabel\n영화이 좋다\t중립\n")
    with pytest.raises(InputError, match="중립"):
        finetune(changed(job, data=data(Path(job.data.train), bad)))
    assert read_manifest(job.folder) == before
    assert {path.name for path in job.folder.parent.iterdir()} == {"toy", ".toy.lock"}


def test_a_failure_while_training_leaves_nothing(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments, **named):
        assert list((job.scratch / "checkpoints").iterdir()), "there are checkpoints to be cleaned up"
        raise KeyboardInterrupt

    monkeypatch.setattr("finetune.trainer.Fitted.outputs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        finetune(job)
    assert {path.name for path in job.folder.parent.iterdir()} == {".toy.lock", ".toy.runs"}
    assert {path.name for path in job.scratch.iterdir()} == {".0.lock"}


def test_runs_that_are_done_are_not_done_again(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    three = changed(job, settings=settings(epochs=1, seeds=3))
    learned = []

    def interrupted(job, sets, bench, seed, *rest, **named):
        if len(learned) == 2:
            raise KeyboardInterrupt
        learned.append(seed)
        return learn(job, sets, bench, seed, *rest, **named)

    with monkeypatch.context() as patch:
        patch.setattr("finetune.train.learn", interrupted)
        with pytest.raises(KeyboardInterrupt):
            finetune(three)
    weights = (three.scratch / "1" / "model.safetensors").read_bytes()
    monkeypatch.setattr(
        "finetune.train.learn", lambda *given, **named: learned.append(given[3]) or learn(*given, **named)
    )
    manifest, _ = finetune(three)
    assert learned == [0, 1, 2]
    metrics = json.loads((three.folder / "metrics.json").read_text("utf-8"))
    assert [run["seed"] for run in metrics["runs"]] == [0, 1, 2] and manifest.figures["seeds"] == 3
    best = max(metrics["runs"], key=lambda run: run["dev"]["measures"]["macro_f1"])
    assert manifest.figures["chosen"] == best["seed"]
    if best["seed"] == 1:
        assert (three.folder / "model.safetensors").read_bytes() == weights
    values = [run["test"]["measures"]["accuracy"] for run in metrics["runs"]]
    assert metrics["test"]["accuracy"]["mean"] == pytest.approx(sum(values) / 3)
    assert {path.name for path in three.folder.parent.iterdir()} == {"toy", ".toy.lock"}


def test_random_weights_are_another_job(job: Job, tmp_path: Path) -> None:
    quick = changed(job, settings=settings(epochs=1))
    random = changed(quick, random_weights=True, folder=tmp_path / "random")
    assert quick.key().made_from != random.key().made_from
    weights = []
    for each in (quick, random):
        finetune(each)
        weights.append(load_file(each.folder / "model.safetensors")["bert.embeddings.word_embeddings.weight"])
    pretrained = load_file(job.model / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    assert not torch.equal(*weights)
    near, far = ((weight - pretrained).norm() for weight in weights)
    assert near < far / 2


def test_a_dev_file_is_used_as_it_is(job: Job) -> None:
    test = Path(job.data.test)
    manifest, _ = finetune(changed(job, data=data(Path(job.data.train), test, test), settings=settings(epochs=1)))
    assert manifest.figures["rows"] == {"train": 48, "dev": 24, "test": 24}
    assert manifest.figures["dev"] == manifest.figures["test"]


@pytest.mark.parametrize("content", [{"notes.txt": "mine"}, {"manifest.json": "{}"}])
def test_a_folder_of_something_else_is_left_alone(job: Job, content) -> None:
    job.folder.mkdir(parents=True)
    for name, text in content.items():
        (job.folder / name).write_text(text)
    with pytest.raises(InputError):
        finetune(job)
    assert {path.name: path.read_text() for path in job.folder.iterdir()} == content


def test_the_command_says_little_and_what_matters(
    job: Job, toy: tuple[Path, Path], capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    command = ["--model", str(job.model), "--train", str(toy[0]), "--test", str(toy[1]), "--cpu"]
    command += [
        "--out",
        str(tmp_path / "said"),
        "--set",
        "finetune.epochs=1",
        "finetune.max_length=4",
        "finetune.dev_share=0.25",
    ]
    main(command)
    out, err = capfd.readouterr()
    assert out == ""
    assert "36 train, 12 dev, 24 test texts, 2 classes" in err
    assert "72 texts are longer than 4 tokens" in err
    assert "macro_f1" in err and "no interval" in err
    assert "epoch 1 of 1 was best" in err
    assert len(err.splitlines()) < 20
    main(command)
    assert capfd.readouterr().err.strip().endswith("is up to date")
    assert AutoModelForSequenceClassification.from_pretrained(tmp_path / "said").config.label2id == {
        "긍정": 0,
        "부정": 1,
    }


def test_a_vocabulary_that_does_not_know_the_language_is_said(
    job: Job, write, capfd: pytest.CaptureFixture[str]
) -> None:
    train = write("train.tsv", "text\tlabel\n" + "".join(f"뷁 {word} 궯\t{word}\n" for word in ("가", "나") * 2))
    finetune(changed(job, data=data(train, train, train), settings=settings(epochs=1)))
    assert "warning: 100% of train's tokens are unknown" in capfd.readouterr().err


def test_half_a_data_set_is_refused(job: Job) -> None:
    with pytest.raises(InputError, match="name --train, too"):
        main(["--model", str(job.model), "--test", job.data.test])


def test_a_test_is_carved_from_train_where_none_is_given(job: Job) -> None:
    manifest, _ = finetune(changed(job, data=data(Path(job.data.train)), settings=settings(epochs=1, test_share=0.25)))
    assert manifest.figures["rows"] == {"train": 24, "dev": 12, "test": 12}


@pytest.mark.slow
def test_two_processes_publish_one_folder(job: Job, toy: tuple[Path, Path], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += [
        "-m",
        "finetune.train",
        "--model",
        str(job.model),
        "--cpu",
        "--out",
        str(tmp_path / "out" / "two"),
    ]
    command += ["--train", str(toy[0]), "--test", str(toy[1]), "--set", "finetune.learning_rate=5e-3"]
    told = []
    for _ in range(2):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        told.append(done.stderr)
    manifest = read_manifest(tmp_path / "out" / "two")
    assert manifest.figures["processes"] == 2
    assert manifest.figures["test"]["accuracy"] > 0.9
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"two", ".two.lock"}
    assert told[0].count("was best on dev") == 1
    assert told[1].count("is up to date") == 1
