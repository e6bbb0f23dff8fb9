"""An exported folder: what every loader makes of it, in transformers 5 and 4.57, and how the probe reads it."""

import json
import os
import shutil
import subprocess
import sys
import unicodedata
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertConfig,
    BertForMaskedLM,
    BertForPreTraining,
    pipeline,
)

from corpora.document import read_documents, shards
from pipeline.errors import InputError
from pretrain import probe
from pretrain.export import export_run
from pretrain.fillmask import FillMask
from pretrain.train import main as train
from tests.conftest import REPOSITORY, TOKENIZER
from tests.pretrain.test_train import arguments
from tokenizer.sentencepieces import learn_pieces
from tokenizer.wordpiece import load_tokenizer, save_tokenizer

#: Loader -> (prefixes of weights it has no use for, prefixes of weights it has to make up): its own task head, no more.
LOADERS = {
    BertForPreTraining: ((), ()),
    BertForMaskedLM: (("cls.seq_relationship.", "bert.pooler."), ()),
    AutoModel: (("cls.",), ()),
    AutoModelForSequenceClassification: (("cls.",), ("classifier.",)),
}


@pytest.fixture(scope="module")
def exported(sample_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("exported")
    train(arguments(sample_examples, root))
    export_run(root / "pretrain" / "t", root / "export")
    return root / "export"


@pytest.fixture(scope="module")
def lines(sample_corpus: Path) -> list[str]:
    return [line for document in read_documents(shards(sample_corpus, "heldout")) for line in document]


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.__name__)
def test_loads_without_a_missing_or_unexpected_key(exported: Path, loader) -> None:
    model, report = loader.from_pretrained(exported, output_loading_info=True)
    unexpected, missing = LOADERS[loader]
    assert all(key.startswith(unexpected) for key in report["unexpected_keys"])
    assert all(key.startswith(missing) for key in report["missing_keys"])
    assert not report["mismatched_keys"]
    assert model.config.vocab_size == load_tokenizer(exported).get_vocab_size()


def test_the_same_answers_as_the_checkpoint(exported: Path, lines: list[str]) -> None:
    run = exported.parent / "pretrain" / "t"
    state = load_file(run / "checkpoints" / "step-00000020" / "model.safetensors")
    model = BertForPreTraining.from_pretrained(exported)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, state[name]), name


def test_the_tokenizer_of_the_folder(exported: Path, sample_tokenizer: Path, lines: list[str]) -> None:
    auto, ours = AutoTokenizer.from_pretrained(exported), load_tokenizer(sample_tokenizer)
    assert auto.model_max_length == 32, "the positions that the model has"
    for line in lines:
        assert auto(line)["input_ids"] == ours.encode(line).ids
        assert auto(unicodedata.normalize("NFD", line))["input_ids"] == ours.encode(line).ids


OTHER_VERSION = """
import json, sys, unicodedata
import torch, transformers
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
from transformers import BertForMaskedLM, BertForPreTraining

folder, lines = sys.argv[1], json.loads(sys.stdin.read())
tokenizer = AutoTokenizer.from_pretrained(folder)
found = {
    "version": transformers.__version__,
    "ids": [tokenizer(line)["input_ids"] for line in lines],
    "nfd": [tokenizer(unicodedata.normalize("NFD", line))["input_ids"] for line in lines],
}
for loader in (BertForPreTraining, BertForMaskedLM, AutoModel, AutoModelForSequenceClassification):
    model, report = loader.from_pretrained(folder, output_loading_info=True)
    found[loader.__name__] = [sorted(report["missing_keys"]), sorted(report["unexpected_keys"])]
    if loader is BertForMaskedLM:
        encoded = tokenizer(lines[0], return_tensors="pt", truncation=True)
        with torch.no_grad():
            found["logits"] = model.eval()(**encoded).logits[0, 1, :5].tolist()
print(json.dumps(found))
"""
compile(OTHER_VERSION, "other version", "exec")


@pytest.mark.slow
def test_transformers_4_57_reads_it_alike(exported: Path, lines: list[str]) -> None:
    other = REPOSITORY / ".compat"
    if not (other / "transformers").is_dir():
        pytest.skip("transformers 4.57 is not installed beside: run `make .compat/.installed`")
    run = subprocess.run(
        [sys.executable, "-c", OTHER_VERSION, str(exported)],
        input=json.dumps(lines),
        text=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(other)},
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["version"].startswith("4.57.")
    tokenizer = AutoTokenizer.from_pretrained(exported)
    expected = [tokenizer(line)["input_ids"] for line in lines]
    assert found["ids"] == expected == found["nfd"]
    for loader, (unexpected, missing) in LOADERS.items():
        made_up, unused = found[loader.__name__]
        assert all(key.startswith(missing) for key in made_up), (loader, made_up)
        assert all(key.startswith(unexpected) for key in unused), (loader, unused)
    model = BertForMaskedLM.from_pretrained(exported).eval()
    with torch.no_grad():
        logits = model(**tokenizer(lines[0], return_tensors="pt", truncation=True)).logits[0, 1, :5]
    assert found["logits"] == pytest.approx(logits.tolist(), abs=1e-5)


def test_asked_again_it_does_nothing(exported: Path) -> None:
    assert not export_run(exported.parent / "pretrain" / "t", exported)[1]


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="make pretrain"):
        export_run(tmp_path / "none", tmp_path / "out")


@pytest.mark.parametrize(
    "text",
    [
        "이순신은 [MASK] 중기의 무신이다.",
        "[MASK] 나라에 봄이 왔다.",
        "오늘은 [MASK].",
        "서울은 [MASK] 수도 [MASK] 이다.",
    ],
)
def test_the_probe_agrees_with_the_stock_pipeline(exported: Path, text: str) -> None:
    stock = pipeline("fill-mask", model=str(exported), top_k=5)(text)
    gaps = stock if isinstance(stock[0], list) else [stock]
    found = FillMask(exported).answer(text, top=5)
    assert len(found.gaps) == len(gaps)
    for ours, theirs in zip(found.gaps, gaps, strict=True):
        tokenizer = AutoTokenizer.from_pretrained(exported)
        assert [guess.piece for guess in ours] == tokenizer.convert_ids_to_tokens([item["token"] for item in theirs])
        assert [guess.probability for guess in ours] == pytest.approx([item["score"] for item in theirs], rel=1e-4)


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_pieces_that_mark_beginnings_are_asked_as_the_stock_pipeline_asks(
    tmp_path: Path, lines: list[str], algorithm: str
) -> None:
    eojeols = Counter(eojeol for line in lines for eojeol in line.split())
    settings = replace(TOKENIZER, algorithm=algorithm, vocab_size=1024)
    pieces = learn_pieces(eojeols, frozenset("".join(eojeols)), settings)
    save_tokenizer(pieces.tokenizer, tmp_path)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=pieces.tokenizer.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
    )
    BertForMaskedLM(config).save_pretrained(tmp_path)
    asked, model = pipeline("fill-mask", model=str(tmp_path)), FillMask(tmp_path)
    for text in (
        "세종은 [MASK]을 만들었다.",
        "나는 [MASK].",
        "바다[MASK]를 [MASK] 보았다.",
        "[MASK] 나라에 봄이 왔다.",
    ):
        assert model.encode(text) == asked.tokenizer(text)["input_ids"], text
        stock = asked(text, top_k=3)
        gaps = stock if isinstance(stock[0], list) else [stock]
        answers = [[guess.probability for guess in gap] for gap in model.answer(text, top=3).gaps]
        assert answers == [pytest.approx([item["score"] for item in gap], rel=1e-4) for gap in gaps]
    glued = model.tokenizer.convert_ids_to_tokens(model.encode("세종은 [MASK]을"))
    assert "".join(glued[glued.index("[MASK]") :]) == "[MASK]을[SEP]", "a continuation, as it stood in training"


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("[MASK]를 보았다.", ["[MASK]", "##를"]),
        ("[MASK]에서 왔다.", ["[MASK]", "##에서"]),
        ("[MASK], 그리고", ["[MASK]", ","]),
        ("[MASK] 를 보았다.", ["[MASK]", "를"]),
        ("바다[MASK]를 보았다.", ["바다", "[MASK]", "##를"]),
    ],
)
def test_what_is_glued_to_a_mask_continues_a_word(exported: Path, text: str, pieces: list[str]) -> None:
    model = FillMask(exported)
    found = model.tokenizer.convert_ids_to_tokens(model.encode(text))
    assert found[1 : 1 + len(pieces)] == pieces
    assert found.count("[MASK]") == 1 and found[0] == "[CLS]" and found[-1] == "[SEP]"


def test_glued_text_is_read_as_in_training(exported: Path, lines: list[str]) -> None:
    """Hide a word's first piece: the rest must be the very pieces that stood there."""
    model = FillMask(exported)
    tokenizer = model.tokenizer
    checked = 0
    for line in lines:
        encoding = tokenizer(line, return_offsets_mapping=True)
        ids, offsets = encoding["input_ids"], encoding["offset_mapping"]
        for place in range(1, len(ids) - 2):
            follows = tokenizer.convert_ids_to_tokens(ids[place + 1]).startswith("##")
            begins = not tokenizer.convert_ids_to_tokens(ids[place]).startswith("##")
            if follows and begins and len(ids) <= 32:
                start, end = offsets[place]
                expected = [*ids[:place], tokenizer.mask_token_id, *ids[place + 1 :]]
                assert model.encode(line[:start] + "[MASK]" + line[end:]) == expected
                checked += 1
    assert checked > 200


def test_input_that_cannot_be_answered(exported: Path, tmp_path: Path) -> None:
    model = FillMask(exported)
    with pytest.raises(InputError, match=r"put \[MASK\] into the text"):
        model.answer("빈칸이 없다.")
    with pytest.raises(InputError, match=r"tokens long, the model reads at most 32"):
        model.answer("[MASK] " + "아주 긴 글이다. " * 50)
    assert model.answer("鿿 [MASK]").unknown == 1
    with pytest.raises(InputError, match=r"holds no config\.json"):
        FillMask(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(InputError, match="holds no tokenizer"):
        FillMask(tmp_path)


def test_the_stage_prints_and_writes(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "이순신은 [MASK] 중기의 무신이다."
    probe.main(["--model", str(exported), "--text", text, "--out", str(tmp_path / "out"), "--top", "3"])
    table = capsys.readouterr().out
    assert table.splitlines()[0].strip() == text and "probability" in table
    written = json.loads((tmp_path / "out" / "report.json").read_text("utf-8"))
    assert [guess["piece"] for guess in written[0]["gaps"][0]] == [row.split()[1] for row in table.splitlines()[2:5]]
    probe.main(["--model", str(exported), "--text", text, "--json", "--top", "3"])
    assert json.loads(capsys.readouterr().out) == written


def test_folders_that_would_answer_noise_are_refused(exported: Path, tmp_path: Path) -> None:
    other_task = tmp_path / "task"
    AutoModelForSequenceClassification.from_pretrained(exported).save_pretrained(other_task)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(exported / name, other_task / name)
    with pytest.raises(InputError, match=r"holds no masked language model: cls\.predictions"):
        FillMask(other_task)
    damaged = tmp_path / "damaged"
    for name, size in (("model.safetensors", 1000), ("tokenizer.json", 100)):
        shutil.copytree(exported, damaged)
        (damaged / name).write_bytes((damaged / name).read_bytes()[:size])
        with pytest.raises(InputError, match="cannot"):
            FillMask(damaged)
        shutil.rmtree(damaged)
