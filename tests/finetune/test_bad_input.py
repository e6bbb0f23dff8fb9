"""What a user can get wrong is told in one line, before anything is trained, with what to do."""

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers

from finetune.data.rows import Row, Rows
from finetune.predict import Predictor
from finetune.taskfile import read_task
from finetune.train import main
from pipeline.artifact import read_manifest
from pipeline.errors import InputError
from tests.finetune.conftest import THINGS, VOCABULARY, save_encoder, table, tiny_config
from tests.finetune.taught import Taught, records, write_jsonl

TRAIN, TEST = table(THINGS[:8]), table(THINGS[8:])


@pytest.fixture
def ask(encoder: Path, tmp_path: Path, write):
    """`ask("--task", ..., train=..., test=..., having=[...])`: the stage on files of this content."""

    def run(*flags: str, model: Path = encoder, having: tuple[str, ...] = (), **files) -> Path:
        command = ["--model", str(model), "--cpu", "--out", str(tmp_path / "out"), "--artifacts", str(tmp_path / "all")]
        for role, content in files.items():
            if isinstance(content, list):
                path = write_jsonl(tmp_path / f"{role}.jsonl", content)
            else:
                path = write(f"{role}.tsv", content)
            command += [f"--{role}", str(path)]
        main([*command, *flags, "--set", "finetune.max_length=0", "finetune.epochs=1", *having])
        return tmp_path / "out"

    return run


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training would be too late."""

    def late(*arguments, **named):
        raise AssertionError("trained first")

    monkeypatch.setattr("finetune.learn.fit", late)


NER, QA = records("ner", THINGS), records("qa", THINGS)
STARS = records("regression", THINGS)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    "flags, files, said",
    [
        (["--text", "글"], {"train": TRAIN}, r"train\.tsv: no column '글'; there are: 'text', 'label'"),
        (["--label", "점수"], {"train": TRAIN}, r"train\.tsv: no column '점수'"),
        ([], {"train": TRAIN.replace("부정", "긍정")}, r"train\.tsv: every row is labelled '긍정'.*two classes"),
        ([], {"train": TRAIN, "test": TEST + "옷이 참\t중립\n"}, r"test\.tsv, line 26: label '중립' does not occur"),
        ([], {"train": TRAIN, "dev": TEST + "옷이 참\t\n", "test": TEST}, r"dev\.tsv, line 26: no label in"),
        ([], {"train": "text\tlabel\n\t긍정\n  \t부정\n"}, r"train\.tsv has no row with text \(2 without text"),
        ([], {"train": TRAIN + "넷\t다섯\t여섯\n"}, r"train\.tsv, line 50: 3 fields, but the header has 2"),
        ([], {"train": TRAIN.encode("cp949")}, r"train\.tsv.*CP949"),
        ([], {"train": TRAIN.encode() + TEST.encode("cp949")}, r"train\.tsv"),
        (["--encoding", "latin-1"], {"train": TRAIN}, r"encoding 'latin-1' is not read; there are"),
        ([], {"dev": TEST}, "name --train, too"),
        (["--task", "ner", "--pair", "other"], {"train": NER}, "task ner is on one text a row: leave --pair out"),
        (["--task", "regression"], {"train": [{**row, "label": 1} for row in STARS]}, r"every row has the number 1\.0"),
        (["--task", "regression"], {"train": [*STARS, {"text": "옷이", "label": "많이"}]}, "line 73.*많이"),
        (["--task", "qa"], {"train": [{**QA[0], "answers": [{"text": "없다", "answer_start": 0}]}]}, "없다"),
    ],
)  # fmt: skip
def test_data_that_cannot_be_learned(ask, flags, files, said) -> None:
    with pytest.raises(InputError, match=said) as caught:
        ask(*flags, **files)
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    "flags, train, having, said",
    [
        ([], TRAIN, "choice=f1_macro", "no measure 'f1_macro' for this task; there are: accuracy, macro_f1"),
        (["--task", "ner"], NER, "choice=accuracy", "no measure 'accuracy' for this task; there are: entity_f1"),
        (["--task", "regression"], STARS, "choice=mse", r"finetune\.choice 'mse' is better when lower"),
        (["--task", "ner"], NER, "stride=14", r"finetune\.stride 14 must be less than the 14 tokens"),
        (["--task", "qa"], QA, "stride=12", r"leaves no room .*finetune\.stride lower or max_length higher"),
        ([], TRAIN, "max_length=99", r"finetune\.max_length 99 is more than the 16 tokens"),
        ([], TRAIN, "test_share=0.9", r"share 0\.\d+ and finetune\.test_share 0\.9 leave nothing to train on"),
        ([], TRAIN, "train_layers=2", r"finetune\.train_layers 2: the model has 1 layers"),
        ([], TRAIN, "reinit_layers=2", r"finetune\.reinit_layers 2: the model has 1 layers"),
        (["--task", "ner"], NER, "class_weights=balanced", "ner has no classes to weigh"),
        (["--task", "regression"], STARS, "class_weights=balanced", "regression has no classes to weigh"),
        (["--task", "ner"], NER, 'cleaning=["markup"]', "'markup' changes texts"),
        ([], TRAIN, 'cleaning=["sparkle"]', "no step 'sparkle'; there are: byte_strings"),
        ([], "text\tlabel\n영화\t긍정\n음식\t부정\n", "seeds=1", "no rows can be held back"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be(ask, flags, train, having, said) -> None:
    with pytest.raises(InputError, match=said) as caught:
        ask(*flags, train=train, having=(f"finetune.{having}",))
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("untrained")
def test_models_that_do_not_fit(ask, encoder: Path, tmp_path: Path) -> None:
    bare = Path(shutil.copytree(encoder, tmp_path / "bare"))
    for name in ("tokenizer.json", "vocab.txt"):
        (bare / name).unlink()
    with pytest.raises(InputError, match="bare holds no tokenizer"):
        ask(train=TRAIN, model=bare)
    small = save_encoder(tmp_path / "small", transformers.BertModel(tiny_config(vocab_size=20)))
    with pytest.raises(InputError, match=f"{len(VOCABULARY)} entries, the model's embedding only 20 rows"):
        ask(train=TRAIN, model=small)


CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nmore")
CPU = RuntimeError("[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: you")
MPS = RuntimeError("MPS backend out of memory (MPS allocated: 9.05 GB)")


@pytest.mark.parametrize("error", [CUDA, CPU, MPS, MemoryError()])
def test_out_of_memory_says_what_to_lower(ask, tmp_path: Path, monkeypatch, error) -> None:
    def full(*arguments, **named):
        raise error

    monkeypatch.setattr(transformers.BertModel, "forward", full)
    with pytest.raises(InputError, match=r"^out of memory with finetune\.batch_size \d+ .* 16 tokens: set") as caught:
        ask(train=TRAIN)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_out_of_memory_when_answering(taught: Taught, monkeypatch) -> None:
    predictor = Predictor.load(taught.folder("regression"), cpu=True)
    rows = Rows(Path("rows"), (Row("영화이 좋다", None, None, "1", "1"),))

    def fail(error):
        def forward(*arguments, **named):
            raise error

        monkeypatch.setattr(predictor.model, "forward", forward)

    for error in (CUDA, CPU):
        fail(error)
        with pytest.raises(InputError, match="out of memory with 5 tokens at once: use --cpu"):
            list(predictor.answers(rows))
    fail(RuntimeError("shapes cannot be multiplied"))
    with pytest.raises(RuntimeError, match="multiplied"):  # a fault of ours keeps its traceback
        list(predictor.answers(rows))


def test_what_is_odd_but_works(ask, capfd) -> None:
    long = "영화이 좋다 " + "참" * 100_000 + " 참" * 1000
    folder = ask(train=TRAIN + f"{long}\t긍정\n\t부정\n", having=("finetune.batch_size=999", "finetune.dev_share=0.25"))
    err = capfd.readouterr().err
    assert "1 rows without text skipped (line 51)" in err
    assert "finetune.batch_size 999 is more than all" in err
    assert "texts are longer than 16 tokens and lose their end" in err
    assert read_manifest(folder).figures["steps"] == 1


def test_dev_without_test_leaves_test_to_be_carved(ask) -> None:
    figures = read_manifest(ask(train=TRAIN, dev=TEST, having=("finetune.test_share=0.25",))).figures
    assert figures["rows"] == {"train": 36, "dev": 24, "test": 12}


def test_another_measure_may_choose(ask) -> None:
    manifest = read_manifest(ask(train=TRAIN, dev=TEST, test=TEST, having=("finetune.choice=accuracy",)))
    assert manifest.figures["choice"] == "accuracy" and next(iter(manifest.figures["test"])) == "accuracy"


def test_other_encodings_are_read_when_named(ask) -> None:
    folder = ask("--encoding", "cp949", train=TRAIN.encode("cp949"), dev=TEST.encode("cp949"))
    assert read_task(folder).names == ("긍정", "부정")


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda task: task[: len(task) // 2], r"task\.json: damaged \(.*fine-tune again"),
        (
            lambda task: task.replace('"version": 1', '"version": 9'),
            r"task\.json is of version 9, this Hanbeot reads 1",
        ),
        (lambda task: task.replace('"version": 1', '"v": 1'), "is of version None"),
        (lambda task: "[]", "is of version None"),
        (lambda task: task.replace('"max_length"', '"length"'), "key max_length: Field required"),
        (lambda task: task.replace('"stride": ', '"stride": "far", "s": '), "key stride: .*integer"),
        (lambda task: task.replace('"regression"', '"divination"'), r"task\.json: no task 'divination'"),
    ],
)
def test_damaged_task_files(taught: Taught, tmp_path: Path, change, said) -> None:
    text = (taught.folder("regression") / "task.json").read_text("utf-8")
    (tmp_path / "task.json").write_text(change(text), "utf-8")
    with pytest.raises(InputError, match=said) as caught:
        read_task(tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / "task.json").write_text(text, "utf-8")
    assert read_task(tmp_path).task == json.loads(text)["task"]
    (tmp_path / "task.json").write_bytes(text.encode("utf-16"))
    with pytest.raises(InputError, match="damaged"):
        read_task(tmp_path)
