"""An exported folder: what every loader makes of it, in transformers 5 and 4.57."""

import json
import os
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForMaskedLM,
    BertForPreTraining,
)

from pipeline.errors import InputError
from pretrain.export import export_run
from tests.conftest import REPOSITORY
from tokenizer.wordpiece import load_tokenizer

#: Loader -> (prefixes of weights it has no use for, prefixes of weights it has to make up): its own task head, no more.
LOADERS = {
    BertForPreTraining: ((), ()),
    BertForMaskedLM: (("cls.seq_relationship.", "bert.pooler."), ()),
    AutoModel: (("cls.",), ()),
    AutoModelForSequenceClassification: (("cls.",), ("classifier.",)),
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
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer
from transformers import BertForMaskedLM, BertForPreTraining

folder, held_out_lines = sys.argv[1], json.loads(sys.stdin.read())
tokenizer = AutoTokenizer.from_pretrained(folder)
found = {
    "version": transformers.__version__,
    "ids": [tokenizer(line)["input_ids"] for line in held_out_lines],
    "nfd": [tokenizer(unicodedata.normalize("NFD", line))["input_ids"] for line in held_out_lines],
}
for loader in (BertForPreTraining, BertForMaskedLM, AutoModel, AutoModelForSequenceClassification):
    model, report = loader.from_pretrained(folder, output_loading_info=True)
    found[loader.__name__] = [sorted(report["missing_keys"]), sorted(report["unexpected_keys"])]
    if loader is BertForMaskedLM:
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
        input=json.dumps(held_out_lines),
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


def test_asked_again_it_does_nothing(exported: Path) -> None:
    assert not export_run(exported.parent / "pretrain" / "t", exported)[1]


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="make pretrain"):
        export_run(tmp_path / "none", tmp_path / "out")
