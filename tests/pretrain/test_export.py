"""An exported folder: what every loader makes of it, in transformers 5 and 4.57."""

import json
import os
import shutil
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForNextSentencePrediction,
    AutoModelForPreTraining,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    AutoTokenizer,
    BertForMaskedLM,
    BertForPreTraining,
)

from pipeline.errors import InputError
from pretrain.export import export_run
from pretrain.verify import check_folder
from tests.conftest import REPOSITORY
from tokenizer.wordpiece import load_tokenizer

#: Loader -> (prefixes of weights it has no use for, prefixes of weights it has to make up): its own task head, no more.
LOADERS = {
    BertForPreTraining: ((), ()),
    BertForMaskedLM: (("cls.seq_relationship.", "bert.pooler."), ()),
    AutoModel: (("cls.",), ()),
    AutoModelForPreTraining: ((), ()),
    AutoModelForMaskedLM: (("cls.seq_relationship.", "bert.pooler."), ()),
    AutoModelForNextSentencePrediction: (("cls.predictions.",), ()),
    AutoModelForSequenceClassification: (("cls.",), ("classifier.",)),
    AutoModelForMultipleChoice: (("cls.",), ("classifier.",)),
    AutoModelForTokenClassification: (("cls.", "bert.pooler."), ("classifier.",)),
    AutoModelForQuestionAnswering: (("cls.", "bert.pooler."), ("qa_outputs.",)),
}


@pytest.mark.parametrize("loader", LOADERS, ids=lambda loader: loader.__name__)
def test_loads_without_a_missing_or_unexpected_key(exported: Path, loader) -> None:
    model, report = loader.from_pretrained(exported, output_loading_info=True)
    unexpected, missing = LOADERS[loader]
    assert all(key.startswith(unexpected) for key in report["unexpected_keys"])
    assert all(key.startswith(missing) for key in report["missing_keys"])
    assert not report["mismatched_keys"]
    assert model.config.vocab_size == load_tokenizer(exported).get_vocab_size()


def test_the_same_answers_as_the_checkpoint(exported: Path, held_out_lines: list[str]) -> None:
    run = exported.parent / "pretrain" / "t"
    state = load_file(run / "checkpoints" / "step-00000020" / "model.safetensors")
    model = BertForPreTraining.from_pretrained(exported)
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, state[name]), name


def test_the_tokenizer_of_the_folder(exported: Path, sample_tokenizer: Path, held_out_lines: list[str]) -> None:
    auto, ours = AutoTokenizer.from_pretrained(exported), load_tokenizer(sample_tokenizer)
    assert auto.model_max_length == 32, "the positions that the model has"
    for line in held_out_lines:
        assert auto(line)["input_ids"] == ours.encode(line).ids
        assert auto(unicodedata.normalize("NFD", line))["input_ids"] == ours.encode(line).ids


OTHER_VERSION = """
import json, sys, unicodedata
import torch, transformers
from transformers import AutoTokenizer

folder, (held_out_lines, loaders) = sys.argv[1], json.loads(sys.stdin.read())
tokenizer = AutoTokenizer.from_pretrained(folder)
found = {
    "version": transformers.__version__,
    "ids": [tokenizer(line)["input_ids"] for line in held_out_lines],
    "nfd": [tokenizer(unicodedata.normalize("NFD", line))["input_ids"] for line in held_out_lines],
}
for name in loaders:
    model, report = getattr(transformers, name).from_pretrained(folder, output_loading_info=True)
    found[name] = [sorted(report["missing_keys"]), sorted(report["unexpected_keys"])]
    if name == "BertForMaskedLM":
        encoded = tokenizer(held_out_lines[0], return_tensors="pt", truncation=True)
        with torch.no_grad():
            found["logits"] = model.eval()(**encoded).logits[0, 1, :5].tolist()
print(json.dumps(found))
"""
compile(OTHER_VERSION, "other version", "exec")


@pytest.mark.slow
def test_transformers_4_57_reads_it_alike(exported: Path, held_out_lines: list[str]) -> None:
    other = REPOSITORY / ".compat"
    if not (other / "transformers").is_dir():
        pytest.skip("transformers 4.57 is not installed beside: run `make .compat/.installed`")
    run = subprocess.run(
        [sys.executable, "-c", OTHER_VERSION, str(exported)],
        input=json.dumps([held_out_lines, [loader.__name__ for loader in LOADERS]]),
        text=True,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(other)},
    )
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout.splitlines()[-1])
    assert found["version"].startswith("4.57.")
    tokenizer = AutoTokenizer.from_pretrained(exported)
    expected = [tokenizer(line)["input_ids"] for line in held_out_lines]
    assert found["ids"] == expected == found["nfd"]
    for loader, (unexpected, missing) in LOADERS.items():
        made_up, unused = found[loader.__name__]
        assert all(key.startswith(missing) for key in made_up), (loader, made_up)
        assert all(key.startswith(unexpected) for key in unused), (loader, unused)
    model = BertForMaskedLM.from_pretrained(exported).eval()
    with torch.no_grad():
        logits = model(**tokenizer(held_out_lines[0], return_tensors="pt", truncation=True)).logits[0, 1, :5]
    assert found["logits"] == pytest.approx(logits.tolist(), abs=1e-5)


def broken(folder: Path, tmp_path: Path) -> Path:
    """A copy, to be spoiled."""
    return shutil.copytree(folder, tmp_path / "broken")


def spoil_weights(folder: Path, change) -> None:
    state = load_file(folder / "model.safetensors")
    change(state)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def test_the_gates_see_what_is_wrong(exported: Path, tmp_path: Path) -> None:
    """One weight a little off, one that is gone, one too many, a tokenizer that drops NFC, a word on generating."""
    model, tokenizer = BertForPreTraining.from_pretrained(exported), load_tokenizer(exported)
    check_folder(exported, model, tokenizer, ["한글"])

    def off(state) -> None:
        state["bert.encoder.layer.1.output.dense.bias"][3] += 1e-4

    def pair(state) -> None:
        state["cls.seq_relationship.weight"][0, 0] += 1e-3

    def config(folder: Path) -> None:
        text = json.loads((folder / "tokenizer.json").read_text("utf-8"))
        (folder / "tokenizer.json").write_text(json.dumps({**text, "normalizer": None}), "utf-8")

    for told, spoil in (
        (r"\(prediction_logits\)", lambda folder: spoil_weights(folder, off)),
        (r"\(seq_relationship_logits\)", lambda folder: spoil_weights(folder, pair)),
        (
            "missing_keys.*pooler",
            lambda folder: spoil_weights(folder, lambda state: state.pop("bert.pooler.dense.bias")),
        ),
        (
            "unexpected_keys.*extra",
            lambda folder: spoil_weights(folder, lambda state: state.update(extra=torch.ones(1))),
        ),
        ("AutoTokenizer reads", config),
        ("how to generate", lambda folder: (folder / "generation_config.json").write_text("{}")),
    ):
        folder = broken(exported, tmp_path)
        spoil(folder)
        with pytest.raises(RuntimeError, match=told):
            check_folder(folder, model, tokenizer, ["한글"])
        shutil.rmtree(folder)


def test_what_fails_a_gate_is_not_published(exported: Path, tmp_path: Path, monkeypatch) -> None:
    def refuse(*_) -> None:
        raise RuntimeError("a gate")

    monkeypatch.setattr("pretrain.export.check_folder", refuse)
    with pytest.raises(RuntimeError, match="a gate"):
        export_run(exported.parent / "pretrain" / "t", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_asked_again_it_does_nothing(exported: Path) -> None:
    assert not export_run(exported.parent / "pretrain" / "t", exported)[1]


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="make pretrain"):
        export_run(tmp_path / "none", tmp_path / "out")
